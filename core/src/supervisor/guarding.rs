//! The guard: a process of its own that is told what this one serves, and hands it over should this
//! one die without a word.
//!
//! [`Supervisor::guarded`] tells it; [`Supervisor::guard`] is what it becomes then; and
//! [`Supervisor::inheriting`] is how a process goes on where another of this node has ended.

use super::Supervisor;
use crate::io::{GuardNote, Output};
use crate::time::{Duration, Instant};
use crate::vrrp::{Inheritance, StateName, VirtualRouter};

/// A guard that couldn't be told something is told everything again after this time.
const RETELL_AFTER: Duration = Duration::from_secs(1);
/// A service manager waits for a guard before it starts the daemon again: what nobody has followed in
/// by then is let go. Demote hooks take their time.
const HANDED_OVER_WITHIN: Duration = Duration::from_millis(2_500);
/// A guard that has been asked to let go of its inheritance gives it away for so long, at least: the
/// process that asked takes a few milliseconds to begin.
const BEQUEATHED_FOR_MIN: Duration = Duration::from_millis(100);

/// What the guard of this process knows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Guarding {
    /// There is none.
    Alone,
    /// This process is one.
    Guard {
        /// When it lets go of what nobody has followed in, once it has begun.
        cut_at: Option<Instant>,
    },
    /// One is told of everything that changes.
    Guarded {
        /// When it was last told that this process is alive.
        alive_told_at: Instant,
        /// The shortest interval of a router that serves; `None` without one.
        interval_min: Option<Duration>,
        /// It missed something, and is told everything again then.
        retell_at: Option<Instant>,
    },
}

impl Supervisor {
    /// Tells a guard, from now on, what there is to hand over.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        self.guarding = Guarding::Guarded {
            alive_told_at: Instant::ZERO,
            interval_min: None,
            retell_at: Some(Instant::ZERO),
        };
        self
    }

    /// Goes on where a process of this node has ended: routers that served, with VIPs that are
    /// still there, serve on. To be called before the first turn.
    #[must_use]
    pub fn inheriting(mut self, estate: &[Inheritance]) -> Self {
        if !mutated!(HeirAsksNobody) {
            self.inherit(estate, false);
        }
        self
    }

    /// The guard of a process that has died: hands over what it has left, takes off what can't be
    /// handed over, adds nothing, and ends.
    #[must_use]
    pub fn guard(estate: &[Inheritance]) -> Self {
        let configs = estate.iter().map(|inherited| inherited.bequest.config.clone());
        let mut guard = Self::new(configs.collect());
        guard.guarding = Guarding::Guard { cut_at: None };
        guard.inherit(estate, true);
        guard
    }

    fn inherit(&mut self, estate: &[Inheritance], hands_over: bool) {
        for inheritance in estate {
            let key = &inheritance.bequest.config.key;
            if let Some(router) = self.routers.iter_mut().find(|router| router.key() == key) {
                router.inherit(inheritance, hands_over);
            }
        }
        self.index_routers(Instant::ZERO);
    }

    /// What a process that goes on from `now` may inherit of this guard: what nobody follows.
    #[must_use]
    pub fn estate(&self, now: Instant) -> Vec<Inheritance> {
        let bequeathed = self.routers.iter().filter_map(|router| {
            let term = router.config().interval.duration().max(BEQUEATHED_FOR_MIN);
            let until = router.heirs_until(now, term)?;
            Some(Inheritance { bequest: router.bequest(), until })
        });
        bequeathed.collect()
    }

    /// A guard, and whoever is asked to stop as it begins, hands over each router that has entered upon
    /// its inheritance, and stops the others.
    pub(super) fn hand_over_inheritance(&mut self, now: Instant) {
        if !self.is_guard() && self.shutdown_by.is_none() {
            return;
        }
        self.cut_handover(now);
        if self.is_guard() && !self.has_cleaned() {
            return;
        }
        for position in 0..self.routers.len() {
            let is_ready = |router: &VirtualRouter| {
                !router.is_stopping()
                    && (router.state() == StateName::Master || !router.may_inherit(now))
            };
            if self.routers.get(position).is_some_and(is_ready) {
                self.stop(now, position);
            }
        }
        let are_all_stopping = self.routers.iter().all(VirtualRouter::is_stopping);
        if are_all_stopping && self.shutdown_by.is_none() {
            let ends = self.routers.iter().map(|r| r.end_max(self.successor_within(r))).max();
            self.begin_shutdown(now, ends);
        }
    }

    /// Lets go of what nobody has followed in, once its time has come.
    fn cut_handover(&mut self, now: Instant) {
        let Guarding::Guard { cut_at } = &mut self.guarding else { return };
        let cut_at = cut_at.get_or_insert(now + HANDED_OVER_WITHIN);
        if now < *cut_at || mutated!(GuardUncut) {
            return;
        }
        *cut_at = Instant::MAX;
        // A kernel that tells nothing doesn't keep it here.
        let hooks = self.routers.iter().map(|router| router.config().hooks.end_max()).max();
        self.begin_shutdown(now, hooks);
        for position in 0..self.routers.len() {
            self.with_router(now, position, VirtualRouter::stop_at_once);
        }
    }

    pub(super) fn is_guard(&self) -> bool {
        matches!(self.guarding, Guarding::Guard { .. })
    }

    /// When there is something to tell the guard, or for a guard to do, if nothing else happens.
    pub(super) fn guarding_due_at(&self) -> Instant {
        let due_at = match self.guarding {
            Guarding::Guarded { retell_at, .. } => retell_at,
            Guarding::Guard { cut_at } => cut_at,
            Guarding::Alone => None,
        };
        due_at.unwrap_or(Instant::MAX)
    }

    /// A note hasn't reached the guard.
    pub(super) fn handle_guard_missed(&mut self, now: Instant) {
        if let Guarding::Guarded { retell_at, .. } = &mut self.guarding {
            retell_at.get_or_insert(now + RETELL_AFTER);
        }
    }

    /// Tells how a router stands, before whatever else the turn puts out from `from` on.
    pub(super) fn tell_standing(&mut self, position: usize, from: usize) {
        let Guarding::Guarded { retell_at: None, .. } = self.guarding else { return };
        let Some(router) = self.routers.get(position) else { return };
        if mutated!(GuardUntold) {
            return;
        }
        let note = match router.standing() {
            Some(_) => serves(router),
            None => GuardNote::Ceases(router.id()),
        };
        // What is done next may be the last thing that this process does.
        self.out.insert(from.min(self.out.len()), Output::Guard(note));
        self.note_interval();
    }

    /// Tells what a reload has made of a router that serves.
    pub(super) fn tell_reconfigured(&mut self, position: usize) {
        if self.routers.get(position).is_some_and(|router| router.standing().is_some()) {
            self.tell_standing(position, self.out.len());
        }
    }

    fn note_interval(&mut self) {
        let serving = self.routers.iter().filter(|router| router.standing().is_some());
        let shortest = serving.map(|router| router.config().interval.duration()).min();
        if let Guarding::Guarded { interval_min, alive_told_at, .. } = &mut self.guarding {
            *interval_min = shortest;
            *alive_told_at = Instant::ZERO;
        }
    }

    /// Has the guard told with the next turn, whatever it knows, that this process is alive, and
    /// what it has missed: that turn is the last one before another program takes its place, and who
    /// goes on reckons from there. The last advert was an interval ago, perhaps, and so was the last note.
    pub fn stand_still(&mut self) {
        if let Guarding::Guarded { alive_told_at, retell_at, .. } = &mut self.guarding {
            *alive_told_at = Instant::ZERO;
            *retell_at = retell_at.map(|_| Instant::ZERO);
        }
    }

    /// Tells the guard at the end of a turn, in which every advert that was due has been sent, that
    /// this process is alive.
    pub(super) fn tell_alive(&mut self, now: Instant) {
        let Guarding::Guarded { alive_told_at, interval_min, retell_at } = &mut self.guarding
        else {
            return;
        };
        if retell_at.take_if(|at| *at <= now).is_some() {
            self.out.push(Output::Guard(GuardNote::Anew));
            let serving = self.routers.iter().filter(|router| router.standing().is_some());
            self.out.extend(serving.map(serves).map(Output::Guard));
            self.note_interval();
            return self.tell_alive(now);
        }
        let Some(interval) = *interval_min else { return };
        if now.since(*alive_told_at) >= interval / 4 {
            *alive_told_at = now;
            self.out.push(Output::Guard(GuardNote::Alive(now)));
        }
    }
}

fn serves(router: &VirtualRouter) -> GuardNote {
    GuardNote::Serves(router.id(), Box::new(router.bequest()))
}
