//! What a process that serves leaves to whoever goes on in its place: its guard, should it die, or
//! the process that comes after it.

use serde::{Deserialize, Serialize};

use super::RouterConfig;
use crate::time::{Duration, Instant};

/// So long, at most, a guard waits for a program that takes the place of its process.
pub const HEIR_WITHIN: Duration = Duration::from_secs(1);
/// What a guard needs to begin, and to say priority 0, while its inheritance isn't void yet.
const GUARD_BEGINS_WITHIN: Duration = Duration::from_millis(50);

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

/// Until when the guard of a process that leaves this waits for a program that takes its place: not
/// after `latest`, and not so long that it couldn't hand over any more, or that others become MASTER
/// beside VIPs that nobody speaks for.
#[must_use]
pub fn heir_until(estate: &[Inheritance], latest: Instant) -> Instant {
    if mutated!(HeirNotAwaited) {
        return latest.before(HEIR_WITHIN);
    }
    let ends = estate.iter().map(|left| {
        let interval = left.bequest.config.interval.duration();
        left.until.before(interval.min(GUARD_BEGINS_WITHIN))
    });
    ends.fold(latest, Instant::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrp::{AdverInterval, Family, Priority, RouterKey, Version, Vrid};

    fn left(centis: u16, alive_at: Instant) -> Inheritance {
        let vrid = Vrid::new(50).expect("in range");
        let key = RouterKey { interface: "eth0".into(), vrid, family: Family::V4 };
        let interval = AdverInterval::from_centis(centis).expect("in range");
        let priority = Priority::new(100).expect("in range");
        let config = RouterConfig::plain(key, Version::V3, priority, interval, [].into());
        Bequest { config, weight: 0 }.inherited(alive_at)
    }

    #[test]
    fn a_guard_waits_until_it_must_hand_over_itself() {
        let alive_at = Instant::from_millis(5_000);
        let cases: [(&[u16], u64); 7] = [
            (&[], 1_000),
            (&[100], 1_000),
            (&[400], 1_000),
            (&[300, 25], 450),
            (&[10], 150),
            (&[5], 50),
            (&[50, 1], 10),
        ];
        for (centis, millis) in cases {
            let estate: Vec<_> = centis.iter().map(|centis| left(*centis, alive_at)).collect();
            let until = heir_until(&estate, alive_at + HEIR_WITHIN);
            assert_eq!(until, alive_at + Duration::from_millis(millis), "{centis:?}");
            // It still has time, and no more than it was asked for.
            assert!(estate.iter().all(|left| until < left.until));
            assert_eq!(heir_until(&estate, alive_at), alive_at);
        }
    }
}
