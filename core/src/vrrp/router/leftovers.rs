//! VIPs that a process before this one has left, and that nobody has bequeathed.
//!
//! They come off, but where the router is about to be MASTER: then they stay until it has them, or
//! until it shows that it won't. A promote hook may run meanwhile, and whatever the kernel tells of
//! them until then makes them neither wanted nor unwanted.

use super::{Context, VirtualRouter, kernel};
use crate::event::Blocker;
use crate::time::Instant;
use crate::vrrp::StateName;
use crate::vrrp::hooks::Change;
use crate::vrrp::state::State;

impl VirtualRouter {
    /// It is about to be MASTER: what is there may stay.
    pub(crate) fn keep_leftovers(&mut self) {
        self.keeps_leftovers = true;
    }

    /// Whether what is on the interface is nobody's concern for now.
    pub(super) fn is_yet_to_take_over(&self, now: Instant) -> bool {
        self.keeps_leftovers || self.may_inherit(now)
    }

    /// Lets go of what was kept once it shows that the router isn't to be MASTER.
    pub(crate) fn review_leftovers(&mut self, ctx: &mut Context<'_>) {
        let is_to_be_master = match &self.state {
            // Before its first uplink is found, nothing is known.
            State::Initialize(Blocker::NoSocket) => true,
            State::Initialize(_) => self.vips.index().is_none(),
            State::Backup(_) => false,
            State::Master(_) | State::Leaving(_) => true,
        };
        if !is_to_be_master {
            self.forgo_leftovers(ctx);
        }
    }

    /// What was kept comes off: others may have it by now.
    pub(crate) fn forgo_leftovers(&mut self, ctx: &mut Context<'_>) {
        let were_kept = std::mem::take(&mut self.keeps_leftovers);
        if were_kept && self.vips.has_any(ctx.interfaces) {
            self.vips.release(&mut kernel(ctx), None);
            self.handle_leftover(ctx);
        }
    }

    /// An earlier process left a VIP here, which is being removed: its demote hook never ran.
    pub(crate) fn handle_leftover(&mut self, ctx: &mut Context<'_>) {
        let change =
            Change { from: StateName::Master.as_str(), to: StateName::Initialize.as_str() };
        self.with_hooks(ctx, |hooks, host| hooks.demote(host, change));
    }
}
