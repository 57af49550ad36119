//! How late the timers of the virtual routers are: an array that the loop owns, which is copied for
//! whoever looks.

use std::time::Duration;

use openproxy_core::time::Instant;

/// The upper bounds of all buckets but the last, in nanoseconds: from a wake-up that is as good as
/// the kernel's to one that costs a lease.
pub const BUCKETS: [u64; 13] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
];

/// How many wake-ups for a timer came how late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    counts: [u64; BUCKETS.len() + 1],
    sum_nanos: u64,
    /// The turn before: what was due by then was due at once, and its time says nothing.
    last_turn: Instant,
}

impl Lateness {
    /// A wait until `due` has ended at `now`: for the timer if that is over, or for something else.
    pub fn note(&mut self, due: Instant, now: Instant) {
        // Before the first turn there was nobody to wake.
        if due <= now && self.last_turn > Instant::ZERO {
            let since = due.max(self.last_turn);
            let late_nanos = now.as_nanos().saturating_sub(since.as_nanos());
            let bucket = BUCKETS.iter().position(|bound| late_nanos <= *bound);
            if let Some(count) = self.counts.get_mut(bucket.unwrap_or(BUCKETS.len())) {
                *count += 1;
            }
            self.sum_nanos = self.sum_nanos.saturating_add(late_nanos);
        }
        self.last_turn = now;
    }

    /// How many there were in each bucket, none counted twice; the last is of those above all bounds.
    #[must_use]
    pub const fn counts(&self) -> &[u64; BUCKETS.len() + 1] {
        &self.counts
    }

    /// How late all of them were together.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::ZERO + Duration::from_micros(micros)
    }

    /// Where a wake-up is counted that was due and came then, after a turn at that time.
    fn bucket(last_turn: u64, due: Instant, now: u64) -> Option<usize> {
        let mut lateness = Lateness { last_turn: at(last_turn), ..Lateness::default() };
        lateness.note(due, at(now));
        assert!(lateness.counts.iter().sum::<u64>() <= 1);
        lateness.counts.iter().position(|count| *count > 0)
    }

    #[test]
    fn a_wake_up_is_counted_by_how_late_it_came_if_a_timer_was_due() {
        let table = [
            (at(2_000), 2_000, Some(0)),
            (at(2_000), 2_050, Some(0)),
            (at(2_000), 2_051, Some(1)),
            (at(2_000), 3_000, Some(4)),
            (at(2_000), 1_002_000, Some(12)),
            (at(2_000), 1_002_001, Some(13)),
            (at(2_000), 1_999, None),
            (Instant::MAX, 5_000, None),
        ];
        for (due, now, expected) in table {
            assert_eq!(bucket(1_000, due, now), expected, "{due:?} at {now}");
        }
    }

    #[test]
    fn what_is_due_at_once_is_late_from_the_last_turn_on() {
        assert_eq!(bucket(1_000_000, at(0), 1_000_040), Some(0));
        assert_eq!(bucket(1_000_000, at(999), 1_000_400), Some(3));
        assert_eq!(bucket(0, at(0), 7_000_000), None, "the first turn");
    }

    #[test]
    fn bounds_rise_and_the_sum_is_of_all() {
        assert!(BUCKETS.is_sorted_by(|a, b| a < b));
        let mut lateness = Lateness::default();
        for (due, now) in [(0, 1), (2, 5), (10, 9), (10, 17)] {
            lateness.note(at(due), at(now));
        }
        assert_eq!((lateness.sum(), lateness.counts()[0]), (Duration::from_micros(3 + 7), 2));
    }
}
