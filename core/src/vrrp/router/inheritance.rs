//! Going on where another process of this node has ended.

use super::{Context, VirtualRouter, kernel};
use crate::event::Reason;
use crate::time::{Duration, Instant};
use crate::vrrp::state::State;
use crate::vrrp::{Bequest, Inheritance, RouterConfig};

impl VirtualRouter {
    /// It served when the process before this one ended. What it inherits it may only hand over, perhaps:
    /// then it adds no address.
    pub(crate) fn inherit(&mut self, inheritance: &Inheritance, hands_over: bool) {
        self.inherits_until = Some(inheritance.until);
        self.discovered_weight = inheritance.bequest.weight;
        self.priority = self.config.priority.weighted(self.discovered_weight);
        self.tracking.inherit();
        if hands_over {
            self.vips.forgo_adding();
        }
    }

    /// What whoever goes on in its place is to know, while it serves.
    pub(crate) fn bequest(&self) -> Bequest {
        let config = RouterConfig { track: Vec::new(), ..self.config.clone() };
        Bequest { config, weight: self.discovered_weight }
    }

    /// Whether it serves and says so; and what besides its file decides how.
    pub(crate) fn standing(&self) -> Option<i32> {
        let serves = match &self.state {
            State::Master(master) => !master.is_mute,
            State::Leaving(_) => true,
            State::Initialize(_) | State::Backup(_) => false,
        };
        serves.then_some(self.discovered_weight)
    }

    /// Until when a process that goes on in its place may serve, if nobody else does, as far as it
    /// knows: a fresh `term` where it serves now.
    pub(crate) fn heirs_until(&self, now: Instant, term: Duration) -> Option<Instant> {
        match &self.state {
            State::Leaving(leaving) => {
                let is_followed = leaving.successor.is_some() || leaving.announced.is_some();
                (!is_followed).then(|| now + term)
            }
            State::Initialize(_) | State::Backup(_) | State::Master(_) => {
                self.inherits_until.filter(|until| now < *until)
            }
        }
    }

    /// Whether VIPs that are found on the interface are its inheritance.
    pub(crate) fn may_inherit(&self, now: Instant) -> bool {
        self.inherits_until.is_some_and(|until| now < until || mutated!(OldBequestBelieved))
    }

    /// What it inherits is void by then, at the latest.
    pub(crate) fn hurry_inheritance(&mut self, by: Instant) {
        self.inherits_until = self.inherits_until.map(|until| until.min(by));
    }

    /// Enters MASTER where the process before this one was; whether it did.
    pub(super) fn enter_upon_inheritance(&mut self, ctx: &mut Context<'_>) -> bool {
        self.forgo_void_inheritance(ctx);
        let only_hands_over = !self.vips.adds();
        if self.inherits_until.take().is_none()
            || !(only_hands_over || self.vips.has_any(ctx.interfaces))
        {
            return false;
        }
        let lifetime = self.lifetime();
        self.vips.inherit(&mut kernel(ctx), lifetime);
        self.enter_master(ctx, Reason::Inherited);
        if !only_hands_over {
            // At once: when the last one went out, nobody knows.
            self.advertise(ctx);
            // What others have announced since the death, nobody here has heard.
            self.announce_anew(ctx);
        }
        true
    }

    /// What couldn't be entered upon in time is left: its VIPs come off.
    pub(super) fn forgo_void_inheritance(&mut self, ctx: &mut Context<'_>) {
        if self.inherits_until.is_some() && !self.may_inherit(ctx.now) {
            self.forgo_inheritance(ctx);
        }
    }

    /// What it hasn't entered upon, it won't.
    pub(super) fn forgo_inheritance(&mut self, ctx: &mut Context<'_>) {
        if self.inherits_until.take().is_some() {
            // Others may have them by now.
            self.keeps_leftovers = false;
            self.vips.release(&mut kernel(ctx), None);
            self.handle_leftover(ctx);
        }
    }
}
