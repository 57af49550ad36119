//! How long the kernel keeps a VIP without us.
//!
//! A VIP is added with a lifetime, so that the kernel removes it from a process that is killed,
//! hangs or is stopped. The kernel counts whole seconds and removes up to 1.25 s late: it looks at
//! most once a second, and rounds by up to a quarter. A BACKUP takes over no sooner than three
//! intervals after the last advert, so the lease must end 1.25 s before that.

use std::time::Duration;

use super::AdverInterval;

/// How late the kernel may remove an address whose lifetime has passed.
pub const KERNEL_LATENESS_MAX: Duration = Duration::from_millis(1_250);

/// Below a second, renewals are so far apart at least, and where the interval is short enough, at
/// most: each is an event for every netlink listener on the host.
const RENEWAL_INTERVALS: (Duration, Duration) =
    (Duration::from_millis(250), Duration::from_millis(500));
/// A MASTER that has been silent for so many intervals has a successor: three, and the longest skew.
const MASTER_DOWN_INTERVALS_MAX: u32 = 4;

/// The lease that goes with an advertisement interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The lifetime that the kernel is given.
    pub secs: u32,
    /// The least time between two renewals by a MASTER; each goes with an advert.
    pub renewal_interval: Duration,
}

impl Lease {
    /// The lease for a MASTER that advertises every `interval`.
    ///
    /// From 1.5 s on it is the longest that has ended before any BACKUP takes over. At 1 s it is
    /// 2 s, gone within 3.25 s: before any BACKUP whose skew is at least a quarter of a second.
    /// Below 1 s no whole number of seconds is short enough, and the shortest is taken.
    #[must_use]
    pub fn of(interval: AdverInterval) -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        let interval = interval.duration();
        let secs = if interval < SECOND {
            1
        } else {
            (interval * 3).saturating_sub(KERNEL_LATENESS_MAX).as_secs().max(2)
        };
        let secs = if mutated!(LeaseTooLong) { secs * 2 } else { secs };
        let renewal_interval = if interval < SECOND {
            let (shortest, longest) = RENEWAL_INTERVALS;
            // The advert that renews may come an interval later. What is left then is enough, if the
            // other nodes have lost this one before.
            let in_time = SECOND.saturating_sub(interval * (MASTER_DOWN_INTERVALS_MAX + 1));
            // An advert that comes just too soon to renew it mustn't be the last but one before its end.
            in_time.clamp(shortest, longest).min(SECOND.saturating_sub(interval * 2))
        } else {
            Duration::ZERO
        };
        Self { secs: u32::try_from(secs).unwrap_or(u32::MAX), renewal_interval }
    }

    /// The lifetime as a span of time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.secs as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease_secs(centis: u16) -> u32 {
        Lease::of(AdverInterval::from_centis(centis).expect("in range")).secs
    }

    #[test]
    fn the_worked_values_hold() {
        assert_eq!(lease_secs(1), 1);
        assert_eq!(lease_secs(99), 1);
        assert_eq!(lease_secs(100), 2);
        assert_eq!(lease_secs(150), 3);
        assert_eq!(lease_secs(200), 4);
        assert_eq!(lease_secs(300), 7);
        assert_eq!(lease_secs(4095), 121);
    }

    #[test]
    fn below_a_second_renewals_are_held_apart() {
        let short = [(1, 500), (10, 500), (11, 450), (15, 250), (37, 250)];
        for (centis, millis) in short.into_iter().chain([(38, 240), (50, 0), (100, 0), (4095, 0)]) {
            let interval = AdverInterval::from_centis(centis).expect("in range");
            let renewal_interval = Duration::from_millis(millis);
            assert_eq!(Lease::of(interval).renewal_interval, renewal_interval, "{interval}");
        }
    }

    #[test]
    fn from_one_and_a_half_seconds_on_a_lease_ends_before_any_takeover() {
        for centis in 150..=AdverInterval::CENTIS_MAX_V3 {
            let interval = AdverInterval::from_centis(centis).expect("in range");
            let off = Lease::of(interval).duration() + KERNEL_LATENESS_MAX;
            assert!(off <= interval.duration() * 3, "{interval}");
        }
    }

    #[test]
    fn a_lease_outlives_the_time_to_its_renewal() {
        // An advert that comes before the renewal interval is over renews nothing; the next one does.
        for centis in 1..=AdverInterval::CENTIS_MAX_V3 {
            let interval = AdverInterval::from_centis(centis).expect("in range");
            let lease = Lease::of(interval);
            assert!(lease.duration() > lease.renewal_interval + interval.duration(), "{interval}");
        }
    }
}
