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

    /// All is well.
    pub(super) fn recovered(&mut self) {
        *self = Self::default();
    }
}
