//! What a reload changes.

use std::sync::Arc;

use super::{Context, VirtualRouter, kernel};
use crate::time::Instant;
use crate::vrrp::state::State;
use crate::vrrp::{Lease, RouterConfig, Version, master_down_interval};

impl VirtualRouter {
    /// Takes a new configuration with the same key; only what differs changes.
    pub(crate) fn reconfigure(&mut self, ctx: &mut Context<'_>, config: RouterConfig) {
        let old = std::mem::replace(&mut self.config, config);
        if old.vips != self.config.vips {
            let vips = Arc::clone(&self.config.vips);
            let reset_until = self.reset_until();
            self.vips.set_list(&mut kernel(ctx), &vips, reset_until);
        }
        if old.track != self.config.track {
            self.tracking.set_list(ctx.now, &self.config.track, ctx.out);
        }
        self.retime(ctx, &old);
        if old.group != self.config.group {
            self.forget_group();
        }
        if old.garp_refresh != self.config.garp_refresh {
            self.announcing.set_refresh(ctx.now, self.config.garp_refresh);
        }
        if old.vips != self.config.vips || old.hooks != self.config.hooks {
            self.refusal.forgive();
        }
        self.settle(ctx);
        if self.config.lease && !old.lease {
            self.lease_while_leaving(ctx.now);
        }
        if old.lease != self.config.lease || old.interval != self.config.interval {
            self.renew_now(ctx, &old);
        }
    }

    /// What the timers are made of.
    ///
    /// A BACKUP's MASTER may keep its interval for a while. In version 3 it has said which, and is
    /// believed; in version 2 none of its adverts counts meanwhile, but those of a better one hold us
    /// off. So the timer that runs isn't cut short, or whoever is changed first would take over.
    fn retime(&mut self, ctx: &mut Context<'_>, old: &RouterConfig) {
        let before = master_down_interval(old.version, self.priority, self.master_interval.get());
        let is_new = old.interval != self.config.interval || old.version != self.config.version;
        let runs_until = match &self.state {
            State::Backup(backup) if is_new => backup.master_down_at,
            State::Initialize(_) | State::Backup(_) | State::Master(_) | State::Leaving(_) => {
                Instant::ZERO
            }
        };
        match (&self.state, self.master, old.version, self.config.version) {
            _ if !is_new => {}
            (State::Backup(_), Some(master), Version::V3, Version::V3) => {
                self.master_interval.keep(master);
            }
            _ => self.master_interval.reset(self.config.interval),
        }
        self.update_priority(ctx, before);
        if let State::Backup(backup) = &mut self.state {
            backup.master_down_at = backup.master_down_at.max(runs_until);
        }
    }

    /// Advertises at once, beside its grid: the lease that the kernel has may be shorter than the new
    /// interval.
    fn renew_now(&mut self, ctx: &mut Context<'_>, old: &RouterConfig) {
        let advertise_at = self.next_on_grid(ctx.now);
        let State::Master(master) = &mut self.state else { return };
        master.advertise_at = advertise_at;
        master.renew_at = ctx.now;
        if !old.lease {
            // Nobody has kept it up to date, and it is checked before that advert's result.
            master.lease_until = ctx.now + Lease::of(self.config.interval).duration();
        }
        self.advertise(ctx);
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
