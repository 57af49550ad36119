//! Going on where another process of this node has ended.

use super::{Context, VirtualRouter, kernel};
use crate::event::Reason;
use crate::time::{Duration, Instant};
use crate::vrrp::hooks::Change;
use crate::vrrp::state::State;
use crate::vrrp::{Bequest, Inheritance, RouterConfig, StateName};

/// What a router has inherited and not entered upon yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Legacy {
    until: Instant,
    /// It is only to be handed over: a guard adds no address.
    hands_over: bool,
}

impl VirtualRouter {
    /// It served when the process before this one ended.
    pub(crate) fn inherit(&mut self, inheritance: &Inheritance, hands_over: bool) {
        self.legacy = Some(Legacy { until: inheritance.until, hands_over });
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
                self.legacy.filter(|legacy| now < legacy.until).map(|legacy| legacy.until)
            }
        }
    }

    /// Whether VIPs that are found on the interface are its inheritance.
    pub(crate) fn may_inherit(&self, now: Instant) -> bool {
        self.legacy.is_some_and(|legacy| now < legacy.until || mutated!(OldBequestBelieved))
    }

    /// When what it hasn't entered upon is void.
    pub(super) fn legacy_until(&self) -> Instant {
        let until = |legacy: Legacy| {
            if mutated!(OldBequestBelieved) { Instant::MAX } else { legacy.until }
        };
        self.legacy.map_or(Instant::MAX, until)
    }

    /// Enters MASTER where the process before this one was; whether it did.
    pub(super) fn enter_upon_inheritance(&mut self, ctx: &mut Context<'_>) -> bool {
        self.let_void_legacy_go(ctx);
        let Some(legacy) = self.legacy.take() else { return false };
        if !self.vips.has_any(ctx.interfaces) && !legacy.hands_over {
            return false;
        }
        let lifetime = self.lifetime();
        self.vips.inherit(&mut kernel(ctx), lifetime);
        let advertise_at = if mutated!(HeirOffGrid) { ctx.now } else { self.next_on_grid(ctx.now) };
        self.enter_master(ctx, advertise_at, Reason::Inherited);
        if !legacy.hands_over {
            // At once: when the last one went out, nobody knows.
            self.advertise(ctx);
            // What others have announced since the death, nobody here has heard.
            self.announce_anew(ctx);
        }
        true
    }

    /// What couldn't be entered upon in time is left: its VIPs come off.
    pub(super) fn let_void_legacy_go(&mut self, ctx: &mut Context<'_>) {
        let is_void = |legacy: Legacy| legacy.until <= ctx.now && !mutated!(OldBequestBelieved);
        if self.legacy.is_some_and(is_void) {
            self.forgo_legacy(ctx);
        }
    }

    /// What it hasn't entered upon, it won't.
    pub(super) fn forgo_legacy(&mut self, ctx: &mut Context<'_>) {
        if self.legacy.take().is_none() {
            return;
        }
        self.vips.release(&mut kernel(ctx));
        let (from, to) = (StateName::Master.as_str(), self.state().as_str());
        self.with_hooks(ctx, |hooks, host| hooks.demote(host, Change { from, to }));
    }
}
