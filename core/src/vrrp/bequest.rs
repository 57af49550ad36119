//! What a process that serves leaves to whoever goes on in its place: its guard, should it die, or
//! the process that comes after it.

use serde::{Deserialize, Serialize};

use super::RouterConfig;
use crate::time::{Duration, Instant};

/// Within these, a guard waits for a program that takes the place of its process.
const HEIR_WITHIN_MIN: Duration = Duration::from_millis(100);
const HEIR_WITHIN_MAX: Duration = Duration::from_secs(1);

/// A virtual router that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bequest {
    /// What it was told to be, checks left out.
    pub config: RouterConfig,
    /// What discovery added to its priority.
    pub weight: i32,
}

/// A bequest and its end: nobody else can have become MASTER before, for want of our adverts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inheritance {
    /// The router.
    pub bequest: Bequest,
    /// It is void from then on.
    pub until: Instant,
}

impl Bequest {
    /// What is left of it by a process that was last known to be alive at `alive_at`.
    ///
    /// By then it had sent every advert that was due, so that the last one is an interval old at
    /// most, and BACKUPs wait for three.
    #[must_use]
    pub fn inherited(self, alive_at: Instant) -> Inheritance {
        let until = alive_at + self.config.interval.duration() * 2;
        Inheritance { bequest: self, until }
    }
}

/// How long the guard waits for a program that takes the place of its process, which runs these: not
/// so long that others become MASTER meanwhile.
#[must_use]
pub fn heir_within(routers: &[RouterConfig]) -> Duration {
    if mutated!(HeirNotAwaited) {
        return Duration::ZERO;
    }
    let shortest = routers.iter().map(|router| router.interval.duration()).min();
    shortest.unwrap_or(HEIR_WITHIN_MAX).clamp(HEIR_WITHIN_MIN, HEIR_WITHIN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrp::{AdverInterval, Family, Priority, RouterKey, Version, Vrid};

    fn router(centis: u16) -> RouterConfig {
        let vrid = Vrid::new(50).expect("in range");
        let key = RouterKey { interface: "eth0".into(), vrid, family: Family::V4 };
        let interval = AdverInterval::from_centis(centis).expect("in range");
        let priority = Priority::new(100).expect("in range");
        RouterConfig::plain(key, Version::V3, priority, interval, [].into())
    }

    #[test]
    fn a_guard_waits_for_the_shortest_interval_within_bounds() {
        let cases: [(&[u16], u64); 5] =
            [(&[], 1_000), (&[100], 1_000), (&[400], 1_000), (&[300, 25], 250), (&[50, 1], 100)];
        for (centis, millis) in cases {
            let routers: Vec<_> = centis.iter().copied().map(router).collect();
            assert_eq!(heir_within(&routers), Duration::from_millis(millis), "{centis:?}");
        }
    }
}
