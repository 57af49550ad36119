//! What a reload changes.

use std::sync::Arc;

use super::{Context, VirtualRouter, kernel};
use crate::vrrp::state::State;
use crate::vrrp::{Lease, RouterConfig, master_down_interval};

impl VirtualRouter {
    /// Takes a new configuration with the same key; only what differs changes.
    pub(crate) fn reconfigure(&mut self, ctx: &mut Context<'_>, config: RouterConfig) {
        let old = std::mem::replace(&mut self.config, config);
        if old.vips != self.config.vips {
            let vips = Arc::clone(&self.config.vips);
            self.vips.set_list(&mut kernel(ctx), &vips);
        }
        if old.track != self.config.track {
            self.tracking.set_list(ctx.now, &self.config.track, ctx.out);
        }
        let before = master_down_interval(old.version, self.priority, self.master_interval.get());
        if old.interval != self.config.interval || old.version != self.config.version {
            self.master_interval.reset(self.config.interval);
        }
        self.update_priority(ctx, before);
        if old.group != self.config.group {
            self.forget_group();
        }
        let renews = old.lease != self.config.lease || old.interval != self.config.interval;
        if let State::Master(master) = &mut self.state
            && renews
        {
            // At once: the lease that the kernel has may be shorter than the new interval.
            master.advertise_at = ctx.now;
            master.renew_at = ctx.now;
            if !old.lease {
                // Nobody has kept it up to date, and it is checked before that advert's result.
                master.lease_until = ctx.now + Lease::of(self.config.interval).duration();
            }
        }
        self.settle(ctx);
    }

    /// It isn't in the group any more that it was in. What a new group makes of it shows within the
    /// turn; without one, nobody would ever ask it to go on.
    fn forget_group(&mut self) {
        self.yielded = false;
        if self.config.group.is_some() {
            return;
        }
        self.group_blocked = false;
        if let State::Backup(backup) = &mut self.state {
            backup.waits_for_group = false;
        }
    }
}
