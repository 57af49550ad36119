//! Out of service because an operator wants it so: in maintenance, or stepped down for a while.
//!
//! Either way, a MASTER hands over as in a planned stop, and waits in INITIALIZE. Maintenance lasts
//! until it is called off, whatever becomes of the VIPs. A router that has stepped down leaves its
//! place to others, but not to nobody: it serves on if nobody follows, and is back once nobody has
//! advertised for as long as the last BACKUP would wait.

use serde::{Deserialize, Serialize};

use super::{Context, Heard, VirtualRouter};
use crate::event::{Blocker, Reason};
use crate::time::{Duration, Instant};
use crate::vrrp::state::State;
use crate::vrrp::{Lease, Priority, master_down_interval};

/// What an operator wants of a router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Duty {
    /// It takes part.
    #[default]
    Full,
    /// It takes no part until that is called off.
    Maintenance,
    /// It takes no part before this time, as long as another serves.
    SteppedDown {
        /// When it takes part again, at the latest.
        until: Instant,
    },
}

impl Duty {
    /// What keeps a router in INITIALIZE for it.
    pub(crate) const fn blocker(self) -> Option<Blocker> {
        match self {
            Self::Full => None,
            Self::Maintenance => Some(Blocker::Maintenance),
            Self::SteppedDown { .. } => Some(Blocker::SteppedDown),
        }
    }
}

impl VirtualRouter {
    /// An operator wants this of it. `within` is how long whoever follows may take, the whole group
    /// of it.
    pub(crate) fn set_duty(&mut self, ctx: &mut Context<'_>, duty: Duty, within: Duration) {
        self.assume_duty(duty);
        match duty.blocker() {
            Some(blocker) => self.begin_handover(ctx, within, blocker),
            None => self.resume_unless_followed(ctx),
        }
        self.settle(ctx);
    }

    /// It begins like this, in place of a process that was told so.
    pub(crate) fn assume_duty(&mut self, duty: Duty) {
        self.duty = duty;
        self.silent_since = None;
    }

    /// Since when it could hear somebody, had there been anybody: not while something is wrong with
    /// it.
    pub(super) fn note_hearing(&mut self, now: Instant) {
        let is_able = self.fault().is_none();
        self.silent_since = is_able.then(|| self.silent_since.unwrap_or(now));
    }

    /// Another serves while this one doesn't.
    pub(super) fn hear_stand_in(&mut self, ctx: &mut Context<'_>, heard: Heard) {
        if let (State::Initialize(_), Duty::SteppedDown { .. }) = (&self.state, self.duty) {
            self.learn(ctx, heard);
            self.silent_since = self.silent_since.max(Some(heard.at));
        }
    }

    /// When a stepdown ends, if nothing happens before.
    pub(super) fn duty_due_at(&self) -> Instant {
        match (self.duty, &self.state) {
            (Duty::Full | Duty::Maintenance, _) => Instant::MAX,
            (Duty::SteppedDown { until }, State::Initialize(_)) => until.min(self.alone_at()),
            (
                Duty::SteppedDown { until },
                State::Backup(_) | State::Master(_) | State::Leaving(_),
            ) => until,
        }
    }

    /// When a BACKUP of the lowest priority would have taken over, and been heard.
    fn alone_at(&self) -> Instant {
        let interval = self.master_interval.get();
        let down = master_down_interval(self.config.version, Priority::MIN, interval);
        self.silent_since.map_or(Instant::MAX, |since| since + down + self.margin())
    }

    /// The end of a stepdown, if it has come.
    pub(super) fn handle_duty_timeout(&mut self, ctx: &mut Context<'_>) {
        let Duty::SteppedDown { until } = self.duty else { return };
        if ctx.now < self.duty_due_at() {
            return;
        }
        self.set_duty(ctx, Duty::Full, Duration::ZERO);
        // It has waited for an advert for longer than any BACKUP does.
        if let State::Backup(backup) = &mut self.state
            && ctx.now < until
        {
            backup.master_down_at = ctx.now;
        }
    }

    /// Nobody follows it: what it has stepped down from it serves on, at once. What is in
    /// maintenance, or stops, doesn't.
    pub(super) fn resumes(&mut self, ctx: &mut Context<'_>) -> bool {
        match self.duty {
            Duty::SteppedDown { .. } if !self.stopping => {
                self.set_duty(ctx, Duty::Full, Duration::ZERO);
                true
            }
            Duty::Full | Duty::Maintenance | Duty::SteppedDown { .. } => false,
        }
    }

    /// Another router of its group serves on: so does this one, if it still can.
    pub(crate) fn resume_with_group(&mut self, ctx: &mut Context<'_>) {
        if let State::Leaving(_) = self.state {
            self.resumes(ctx);
        }
    }

    /// The VIPs are still here, and nobody else has them: it is MASTER again. No hook has run
    /// since, so none runs now.
    fn resume_unless_followed(&mut self, ctx: &mut Context<'_>) {
        let State::Leaving(leaving) = &self.state else { return };
        let is_followed = leaving.successor.is_some() || leaving.announced.is_some();
        if is_followed || self.stopping || self.fault().is_some() {
            return;
        }
        // Its group was blocked by the wish that is over; whatever else is, shows within the turn.
        self.group_blocked = false;
        self.enter_master(ctx, Reason::Resumed);
        self.advertise(ctx);
        self.announce_anew(ctx);
    }

    /// A reload has given its VIPs a lease while it hands over: nobody has kept that up to date.
    pub(super) fn lease_while_leaving(&mut self, now: Instant) {
        let lease = Lease::of(self.config.interval).duration();
        if let State::Leaving(leaving) = &mut self.state {
            (leaving.renew_at, leaving.lease_until) = (now, now + lease);
        }
    }
}
