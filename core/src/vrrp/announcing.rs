//! When a MASTER announces its VIPs to neighbours.

use std::time::Duration;

use crate::time::Instant;

/// After the VIPs came on, announcements are repeated so far from the first: frames get lost, and a
/// switch port that has just come up drops them.
const REPEATS: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(5)];

/// The schedule of repeated announcements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announcing {
    /// No VIP is on.
    Silent,
    /// The burst after the VIPs came on: which repeat comes next, and what it counts from.
    Burst { started_at: Instant, next: usize },
    /// The slow refresh.
    Refresh { at: Instant },
}

impl Announcing {
    /// The VIPs have come on, and were announced.
    pub(super) fn begin(&mut self, now: Instant) {
        *self = Self::Burst { started_at: now, next: 0 };
        if mutated!(AnnouncedOnce) {
            *self = Self::Silent;
        }
    }

    fn refresh(now: Instant, refresh: Option<Duration>) -> Self {
        Self::Refresh { at: refresh.map_or(Instant::MAX, |span| now + span) }
    }

    /// The file has another span between refreshes: it begins now.
    pub(super) fn set_refresh(&mut self, now: Instant, refresh: Option<Duration>) {
        if let Self::Refresh { .. } = self {
            *self = Self::refresh(now, refresh);
        }
    }

    /// When the next announcement is due.
    pub(super) fn due_at(&self) -> Instant {
        match *self {
            Self::Silent => Instant::MAX,
            Self::Burst { started_at, next } => {
                REPEATS.get(next).map_or(Instant::MAX, |offset| started_at + *offset)
            }
            Self::Refresh { at } => at,
        }
    }

    /// Whether an announcement is due; if so, the schedule moves on. A late wake-up never makes
    /// two of one.
    pub(super) fn take_due(&mut self, now: Instant, refresh: Option<Duration>) -> bool {
        if now < self.due_at() {
            return false;
        }
        *self = match *self {
            Self::Silent => Self::Silent,
            Self::Burst { started_at, next } => {
                let passed = REPEATS.iter().skip(next).take_while(|o| started_at + **o <= now);
                let next = next + passed.count();
                if next < REPEATS.len() {
                    Self::Burst { started_at, next }
                } else {
                    Self::refresh(now, refresh)
                }
            }
            Self::Refresh { .. } => Self::refresh(now, refresh),
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_followed_by_the_slow_refresh() {
        let mut announcing = Announcing::Silent;
        announcing.begin(Instant::ZERO);
        let mut times = Vec::new();
        while times.len() < 5 {
            let now = announcing.due_at();
            assert!(announcing.take_due(now, Some(Duration::from_secs(60))));
            times.push(now.as_nanos() / 1_000_000);
        }
        assert_eq!(times, [250, 1_000, 5_000, 65_000, 125_000]);
    }

    #[test]
    fn a_late_wake_up_makes_one_announcement() {
        let mut announcing = Announcing::Silent;
        announcing.begin(Instant::ZERO);
        assert!(announcing.take_due(Instant::from_millis(4_000), None));
        assert_eq!(announcing.due_at(), Instant::from_millis(5_000));
        assert!(announcing.take_due(Instant::from_millis(90_000), None));
        assert_eq!(announcing.due_at(), Instant::MAX);
    }

    #[test]
    fn a_repeat_is_due_at_its_time_and_is_taken_once() {
        for offset in [250, 1_000, 5_000] {
            let mut announcing = Announcing::Silent;
            announcing.begin(Instant::ZERO);
            let just_before = Instant::from_millis(offset).before(Duration::from_nanos(1));
            announcing.take_due(just_before, None);
            assert_eq!(announcing.due_at(), Instant::from_millis(offset));
            assert!(!announcing.take_due(just_before, None));
            assert!(announcing.take_due(Instant::from_millis(offset), None));
            assert!(!announcing.take_due(Instant::from_millis(offset), None));
        }
    }

    #[test]
    fn nothing_is_due_while_no_vip_is_on() {
        let mut silent = Announcing::Silent;
        assert_eq!(silent.due_at(), Instant::MAX);
        assert!(!silent.take_due(Instant::from_millis(1), Some(Duration::ZERO)));
        assert_eq!(silent, Announcing::Silent);
    }
}
