//! Going on where another process of this node has ended.

use super::{Context, VirtualRouter, kernel};
use crate::event::Reason;
use crate::time::Instant;
use crate::vrrp::hooks::Change;
use crate::vrrp::state::State;
use crate::vrrp::{Bequest, Inheritance, RouterConfig, StateName};

/// What a router has inherited and not entered upon yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    until: Instant,
    /// It is only to be handed over: a guard adds no address.
    hands_over: bool,
}

impl VirtualRouter {
    /// It served when the process before this one ended.
    pub(crate) fn inherit(&mut self, inheritance: &Inheritance, hands_over: bool) {
        self.claim = Some(Claim { until: inheritance.until, hands_over });
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

    /// Whether nobody else serves in its place, as far as it knows.
    pub(crate) fn is_unfollowed(&self) -> bool {
        match &self.state {
            State::Leaving(leaving) => leaving.successor.is_none() && leaving.announced.is_none(),
            State::Initialize(_) | State::Backup(_) | State::Master(_) => self.claim.is_some(),
        }
    }

    /// Whether VIPs that are found on the interface are its inheritance.
    pub(crate) fn may_inherit(&self, now: Instant) -> bool {
        self.claim.is_some_and(|claim| now < claim.until || mutated!(OldBequestBelieved))
    }

    /// When what it hasn't entered upon is void.
    pub(super) fn claim_until(&self) -> Instant {
        let until = |claim: Claim| {
            if mutated!(OldBequestBelieved) { Instant::MAX } else { claim.until }
        };
        self.claim.map_or(Instant::MAX, until)
    }

    /// Enters MASTER where the process before this one was; whether it did.
    pub(super) fn enter_upon_inheritance(&mut self, ctx: &mut Context<'_>) -> bool {
        self.let_void_claim_go(ctx);
        let Some(claim) = self.claim.take() else { return false };
        if !self.vips.has_any(ctx.interfaces) && !claim.hands_over {
            return false;
        }
        let lifetime = self.lifetime();
        self.vips.inherit(&mut kernel(ctx), lifetime);
        let advertise_at = if mutated!(HeirOffGrid) { ctx.now } else { self.next_on_grid(ctx.now) };
        self.enter_master(ctx, advertise_at, Reason::Inherited);
        if !claim.hands_over {
            // At once: when the last one went out, nobody knows.
            self.advertise(ctx);
            // What others have announced since the death, nobody here has heard.
            self.announce_anew(ctx);
        }
        true
    }

    /// What couldn't be entered upon in time is left: its VIPs come off.
    pub(super) fn let_void_claim_go(&mut self, ctx: &mut Context<'_>) {
        let is_void = |claim: Claim| claim.until <= ctx.now && !mutated!(OldBequestBelieved);
        if self.claim.is_some_and(is_void) {
            self.forgo_claim(ctx);
        }
    }

    /// What it hasn't entered upon, it won't.
    pub(super) fn forgo_claim(&mut self, ctx: &mut Context<'_>) {
        if self.claim.take().is_none() {
            return;
        }
        self.vips.release(&mut kernel(ctx));
        let (from, to) = (StateName::Master.as_str(), self.state().as_str());
        self.with_hooks(ctx, |hooks, host| hooks.demote(host, Change { from, to }));
    }
}
