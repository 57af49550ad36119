//! Into MASTER, out of it, and what keeps a router from taking part at all.

use super::resets::resets;
use super::{Context, VirtualRouter, kernel};
use crate::event::{Blocker, EventKind, Reason};
use crate::io::Lifetime;
use crate::vrrp::announcing::Announcing;
use crate::vrrp::assertion::Assertions;
use crate::vrrp::hooks::Change;
use crate::vrrp::state::{Backup, Master, Owed, State};
use crate::vrrp::{AdvertPriority, Lease, StateName};

impl VirtualRouter {
    /// Moves into INITIALIZE if something blocks, and out of it if nothing does.
    pub(crate) fn settle(&mut self, ctx: &mut Context<'_>) {
        self.note_hearing(ctx.now);
        let blocker = self.own_blocker().or(self.group_blocked.then_some(Blocker::Group));
        match (&mut self.state, blocker) {
            (State::Initialize(known), Some(blocker)) => {
                if *known != blocker {
                    *known = blocker.clone();
                    self.event(ctx, EventKind::Waiting(blocker));
                }
            }
            (State::Initialize(_), None) => self.start(ctx),
            (State::Backup(_), Some(blocker)) => {
                self.change_state(
                    ctx,
                    State::Initialize(blocker.clone()),
                    Reason::Blocked(blocker),
                );
            }
            (State::Master(_), Some(blocker)) => {
                if !mutated!(ZeroOmitted) {
                    self.send(ctx, AdvertPriority::Zero, self.config.interval);
                }
                if mutated!(ZeroSentTwice) {
                    self.send(ctx, AdvertPriority::Zero, self.config.interval);
                }
                let reason = Reason::Blocked(blocker.clone());
                self.leave_master(ctx, State::Initialize(blocker), reason);
            }
            // Stopping is no reason to hurry; an interface or an address that goes is.
            (State::Leaving(_), _) => {
                if let Some(fault) = self.fault() {
                    self.end_handover(ctx, Reason::Blocked(fault));
                }
            }
            (State::Backup(_) | State::Master(_), None) => {}
        }
        // What its group makes of it shows at the end of the turn.
        if let State::Initialize(blocker) = &self.state
            && *blocker != Blocker::Group
        {
            self.review_leftovers(ctx);
        }
    }

    pub(super) fn own_blocker(&self) -> Option<Blocker> {
        let wished = self.stopping.then_some(Blocker::Stopping).or(self.duty.blocker());
        wished.or_else(|| self.fault())
    }

    /// What is wrong with it.
    pub(super) fn fault(&self) -> Option<Blocker> {
        if let Err(missing) = &self.uplink {
            return Some(missing.clone());
        }
        if self.tracking.is_fault() && !mutated!(CheckFaultIgnored) {
            return Some(Blocker::Check);
        }
        self.refusal.blocker()
    }

    /// The `Startup` event of RFC 9568 §6.4.1.
    fn start(&mut self, ctx: &mut Context<'_>) {
        self.master_interval.reset(self.config.interval);
        self.master = None;
        // A guard is there to hand over, and for nothing else.
        if self.enter_upon_inheritance(ctx) || !self.vips.adds() {
            return;
        }
        if self.priority.is_owner() && self.config.group.is_none() {
            return self.become_master(ctx, Reason::Owner);
        }
        let mut backup = Backup::until(ctx.now + self.master_down());
        backup.waits_for_group = self.priority.is_owner();
        self.change_state(ctx, State::Backup(backup), Reason::Ready);
    }

    /// Enters MASTER: the advert goes out at once, the VIPs after the promote hook.
    pub(crate) fn become_master(&mut self, ctx: &mut Context<'_>, reason: Reason) {
        let from = self.state();
        self.enter_master(ctx, reason);
        self.counters.promotions += 1;
        self.advertise(ctx);
        let change = Change { from: from.as_str(), to: StateName::Master.as_str() };
        self.with_hooks(ctx, |hooks, host| hooks.promote(host, change));
        if !self.hooks.holds_vips() || mutated!(PromoteHookNotAwaited) {
            self.acquire(ctx);
        }
    }

    pub(super) fn enter_master(&mut self, ctx: &mut Context<'_>, reason: Reason) {
        let is_off_grid = reason == Reason::Inherited && mutated!(HeirOffGrid);
        let master = Master {
            advertise_at: if is_off_grid { ctx.now } else { self.next_on_grid(ctx.now) },
            retry_at: None,
            sent: None,
            is_mute: false,
            lease_until: ctx.now + Lease::of(self.config.interval).duration(),
            renew_at: ctx.now,
            owed: Owed::default(),
            is_dual: false,
            reclaim_at: ctx.now,
            reclaim_owed: false,
        };
        self.assertions = Assertions::default();
        self.refusal.promoted();
        self.change_state(ctx, State::Master(master), reason);
    }

    /// Leaves MASTER: the VIPs come off without waiting for the demote hook.
    pub(super) fn leave_master(&mut self, ctx: &mut Context<'_>, next: State, reason: Reason) {
        self.keeps_leftovers = false;
        if !mutated!(VipsKeptOnExit | VipsAwaitDemoteHook) {
            let reset_until = self.reset_until().filter(|_| resets(&reason));
            self.vips.release(&mut kernel(ctx), reset_until);
        }
        self.announcing = Announcing::Silent;
        self.yielded = true;
        self.change_state(ctx, next, reason);
        let change = Change { from: StateName::Master.as_str(), to: self.state().as_str() };
        self.with_hooks(ctx, |hooks, host| hooks.demote(host, change));
        self.send_farewell_if_due(ctx);
    }

    /// Another router of its group left MASTER: so does this one, and says so.
    pub(crate) fn follow_group(&mut self, ctx: &mut Context<'_>) {
        if let State::Master(_) = self.state {
            self.send(ctx, AdvertPriority::Zero, self.config.interval);
            self.master_interval.reset(self.config.interval);
            let backup = Backup::until(ctx.now + self.master_down());
            self.leave_master(ctx, State::Backup(backup), Reason::Group);
        }
    }

    pub(super) fn change_state(&mut self, ctx: &mut Context<'_>, next: State, reason: Reason) {
        let (from, to) = (self.state(), next.name());
        self.record_change(ctx.now, to, &reason);
        self.state = next;
        let priority = self.priority;
        self.event(ctx, EventKind::StateChanged { from, to, reason, priority });
    }

    pub(super) fn acquire(&mut self, ctx: &mut Context<'_>) {
        if mutated!(AnnouncedBeforeAdded) {
            self.announce(ctx, self.config.vips.iter().map(|vip| vip.ip).collect());
        }
        let lifetime = self.lifetime();
        self.keeps_leftovers = false;
        self.vips.acquire(&mut kernel(ctx), lifetime);
    }

    pub(super) fn lifetime(&self) -> Lifetime {
        if self.config.lease {
            Lifetime::Secs(Lease::of(self.config.interval).secs)
        } else {
            Lifetime::Forever
        }
    }
}
