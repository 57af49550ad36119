//! A router that can't do its work steps down for a while, so that another gets its turn.

use crate::event::Blocker;
use crate::time::{Duration, Instant};

const BACK_OFF_MIN: Duration = Duration::from_secs(1);
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// Whether, why and until when a router has stepped down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Refusal {
    stepped_down: Option<(Blocker, Instant)>,
    /// How long the next time.
    back_off: Option<Duration>,
    /// It has stepped down, and no other MASTER has been heard since.
    alone: bool,
    /// It has told that it serves in part.
    told: bool,
}

impl Refusal {
    pub(super) fn blocker(&self) -> Option<Blocker> {
        self.stepped_down.as_ref().map(|(blocker, _)| blocker.clone())
    }

    pub(super) fn due_at(&self) -> Instant {
        self.stepped_down.as_ref().map_or(Instant::MAX, |(_, until)| *until)
    }

    /// Whether the time is over now.
    pub(super) fn take_expired(&mut self, now: Instant) -> bool {
        self.stepped_down.take_if(|(_, until)| *until <= now).is_some()
    }

    /// What it has stepped down for may be another now: it is tried at once.
    pub(super) fn forgive(&mut self) {
        self.stepped_down = None;
    }

    /// Steps down, each time for longer.
    pub(super) fn step_down(&mut self, now: Instant, blocker: Blocker) {
        self.stepped_down = Some((blocker, now + self.next_back_off()));
        self.alone = true;
    }

    /// How long to wait now; the next wait is twice as long.
    pub(super) fn next_back_off(&mut self) -> Duration {
        let back_off = self.back_off.unwrap_or(BACK_OFF_MIN);
        self.back_off = Some((back_off * 2).min(BACK_OFF_MAX));
        back_off
    }

    /// Another MASTER advertises: next time, it gets its turn again.
    pub(super) fn heard_other(&mut self) {
        self.alone = false;
        self.told = false;
    }

    /// Whether stepping down was in vain.
    pub(super) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Whether it is the first time that this is told.
    pub(super) fn tell_once(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }

    /// It is MASTER anew: what it serves without is told again.
    pub(super) fn promoted(&mut self) {
        self.told = false;
    }

    /// All is well.
    pub(super) fn recovered(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_it_steps_down_for_twice_as_long_up_to_a_minute() {
        let mut refusal = Refusal::default();
        let mut now = Instant::from_millis(500);
        for secs in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!((refusal.blocker(), refusal.due_at()), (None, Instant::MAX));
            refusal.step_down(now, Blocker::Refused);
            assert_eq!(refusal.blocker(), Some(Blocker::Refused));
            let until = now + Duration::from_secs(secs);
            assert_eq!(refusal.due_at(), until);
            assert!(!refusal.take_expired(until.before(Duration::from_nanos(1))));
            assert!(refusal.take_expired(until));
            assert!(!refusal.take_expired(until), "it is over");
            now = until;
        }
        refusal.recovered();
        assert_eq!(refusal.next_back_off(), Duration::from_secs(1));
    }

    #[test]
    fn it_is_alone_once_it_has_stepped_down_until_another_is_heard() {
        let mut refusal = Refusal::default();
        assert!(!refusal.is_alone());
        refusal.step_down(Instant::ZERO, Blocker::HookFailed);
        assert!(refusal.is_alone());
        refusal.heard_other();
        assert!(!refusal.is_alone());
        refusal.step_down(Instant::ZERO, Blocker::HookFailed);
        refusal.recovered();
        assert!(!refusal.is_alone());
    }

    #[test]
    fn it_tells_once_and_again_after_a_promotion_another_heard_or_all_well() {
        let mut refusal = Refusal::default();
        assert!(refusal.tell_once());
        assert!(!refusal.tell_once());
        refusal.heard_other();
        assert!(refusal.tell_once());
        refusal.recovered();
        assert!(refusal.tell_once());
        refusal.promoted();
        assert!(refusal.tell_once());
    }
}
