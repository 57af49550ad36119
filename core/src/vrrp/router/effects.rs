//! What came of the effects: adverts sent, addresses changed, hooks and checks ended.

use std::net::IpAddr;

use super::{Context, Uplink, VirtualRouter, kernel};
use crate::event::{Blocker, EventKind};
use crate::io::{
    AddressChange, AddressError, Announcement, CheckId, Generation, HookId, MacAddress, Output,
    Resets, SendError,
};
use crate::time::{Duration, Instant};
use crate::vrrp::hooks::HookNews;
use crate::vrrp::state::State;
use crate::vrrp::tracking::CheckChanged;
use crate::vrrp::vips::VipNews;
use crate::vrrp::{HookFailure, Lease};

/// A failure that repeats is told of so often.
const FAILURE_TOLD_EVERY: Duration = Duration::from_secs(60);
/// Claims of our VIPs by others are answered so often.
const RECLAIM_INTERVAL: Duration = Duration::from_secs(1);

impl VirtualRouter {
    /// An advert was sent, or wasn't. Only an advert that was really sent renews a MASTER's leases, so
    /// a node that can't send loses its VIPs.
    pub(crate) fn handle_advert_sent(
        &mut self,
        ctx: &mut Context<'_>,
        generation: Generation,
        result: Result<(), SendError>,
    ) {
        match &result {
            Ok(()) => self.counters.adverts_sent += 1,
            Err(_) => self.counters.sends_failed += 1,
        }
        let lease = Lease::of(self.config.interval);
        let lifetime = self.lifetime();
        let State::Master(master) = &mut self.state else {
            return self.handle_zero_sent(ctx, generation, result);
        };
        let Some((_, sent_at)) = master.sent.take_if(|(sent, _)| *sent == generation) else {
            return;
        };
        let result = if mutated!(SendFailureIgnored) { Ok(()) } else { result };
        master.is_mute = result.is_err();
        match result {
            Ok(()) if sent_at >= master.renew_at => {
                let leased = self.config.lease;
                master.renew_at =
                    if leased { sent_at + lease.renewal_interval } else { Instant::MAX };
                master.lease_until = sent_at + lease.duration();
                if !mutated!(LeaseNotRenewed) {
                    self.vips.renew(&mut kernel(ctx), lifetime);
                }
            }
            Ok(()) => {}
            Err(error) => {
                if mutated!(LeaseRenewedUnsent) {
                    master.lease_until = sent_at + lease.duration();
                    self.vips.renew(&mut kernel(ctx), lifetime);
                }
                if !mutated!(SendNotRetried) {
                    master.retry_at = Some(ctx.now + self.config.interval.duration() / 4);
                }
                self.tell_send_failure(ctx, error);
            }
        }
    }

    pub(super) fn tell_send_failure(&mut self, ctx: &mut Context<'_>, error: SendError) {
        let told = self.send_failure_told_at;
        if told.is_none_or(|at| ctx.now.since(at) >= FAILURE_TOLD_EVERY) {
            self.send_failure_told_at = Some(ctx.now);
            self.event(ctx, EventKind::SendFailed(error));
        }
    }

    /// An operation on an address has ended.
    pub(crate) fn handle_address_result(
        &mut self,
        ctx: &mut Context<'_>,
        generation: Generation,
        result: Result<(), AddressError>,
    ) {
        let mut news = Vec::new();
        self.vips.handle_result(&mut kernel(ctx), generation, result, &mut news);
        self.apply_vip_news(ctx, news);
    }

    /// Connections of VIPs that come off were reset.
    pub(crate) fn handle_connections_reset(&self, ctx: &mut Context<'_>, resets: Resets) {
        self.event(ctx, EventKind::ConnectionsReset(resets));
    }

    /// An address of our interface has changed.
    pub(crate) fn handle_address_change(&mut self, ctx: &mut Context<'_>, change: AddressChange) {
        if self.is_yet_to_take_over(ctx.now) {
            // What is there shows when it enters upon it.
            return;
        }
        let mut news = Vec::new();
        self.vips.handle_change(&mut kernel(ctx), change, &mut news);
        self.apply_vip_news(ctx, news);
    }

    /// Events were lost, and the interface table has been read anew.
    pub(crate) fn resync(&mut self, ctx: &mut Context<'_>) {
        if self.is_yet_to_take_over(ctx.now) {
            return;
        }
        let mut news = Vec::new();
        self.vips.resync(&mut kernel(ctx), &mut news);
        self.apply_vip_news(ctx, news);
    }

    fn apply_vip_news(&mut self, ctx: &mut Context<'_>, news: Vec<VipNews>) {
        for item in news {
            match item {
                VipNews::Acquired(vip) => {
                    // One that goes leaves the last word to whoever follows.
                    if let State::Master(_) = self.state {
                        self.announce(ctx, vec![vip.ip]);
                        self.announcing.begin(ctx.now);
                    }
                    self.event(ctx, EventKind::VipAcquired(vip));
                    if self.vips.held().count() == self.config.vips.len() {
                        self.refusal.recovered();
                    }
                }
                VipNews::Converted(vip, was) => {
                    self.event(ctx, EventKind::VipConverted(vip, was));
                }
                VipNews::Released(vip) => self.event(ctx, EventKind::VipReleased(vip)),
                VipNews::RemovalFailed(vip, error) => {
                    self.event(ctx, EventKind::VipRemovalFailed(vip, error));
                }
                VipNews::TakenAway(vip) => {
                    self.counters.vips_taken_away += 1;
                    self.event(ctx, EventKind::VipTakenAway(vip));
                }
                VipNews::Foreign(vip, address) => {
                    self.event(ctx, EventKind::VipForeign(vip, address));
                }
                VipNews::Refused(vip, error) => {
                    self.event(ctx, EventKind::VipRefused(vip, error));
                    self.handle_refusal(ctx);
                }
            }
        }
        self.send_farewell_if_due(ctx);
    }

    /// The kernel refuses a VIP. While another node could take the role, it gets its turn; if none
    /// does, what can be held is held.
    fn handle_refusal(&mut self, ctx: &mut Context<'_>) {
        let State::Master(_) = self.state else {
            return self.retry_while_leaving(ctx.now);
        };
        if mutated!(RefusalIgnored) {
            return;
        }
        if self.refusal.is_alone() {
            let retry_at = ctx.now + self.refusal.next_back_off();
            self.vips.retry_refused_at(retry_at);
            if self.refusal.tell_once() {
                let missing = self.vips.refused().collect();
                self.event(ctx, EventKind::ServingInPart(missing));
            }
            return;
        }
        self.refusal.step_down(ctx.now, Blocker::Refused);
        self.settle(ctx);
    }

    /// A hook has ended.
    pub(crate) fn handle_hook_result(
        &mut self,
        ctx: &mut Context<'_>,
        id: HookId,
        result: Result<(), String>,
    ) {
        self.with_hooks(ctx, |hooks, host| hooks.handle_result(host, id, result));
    }

    pub(super) fn apply_hook_news(&mut self, ctx: &mut Context<'_>, news: Vec<HookNews>) {
        if mutated!(VipsAwaitDemoteHook)
            && self.hooks.is_idle()
            && !matches!(self.state, State::Master(_))
        {
            self.vips.release(&mut kernel(ctx), None);
        }
        for item in news {
            match item {
                HookNews::Started(kind) => {
                    self.counters.hooks_started += 1;
                    self.event(ctx, EventKind::HookStarted(kind));
                }
                HookNews::Ended(kind, result) => {
                    self.counters.hooks_failed += u64::from(result.is_err());
                    self.event(ctx, EventKind::HookEnded(kind, result));
                }
                HookNews::TimedOut(kind) => {
                    self.counters.hooks_failed += 1;
                    self.event(ctx, EventKind::HookTimedOut(kind));
                }
                HookNews::GateOpened(succeeded) => self.pass_gate(ctx, succeeded),
            }
        }
    }

    /// The promote hook has ended, or has had its time.
    fn pass_gate(&mut self, ctx: &mut Context<'_>, succeeded: bool) {
        let State::Master(_) = self.state else { return };
        match self.config.hooks.on_failure {
            HookFailure::Abort if !succeeded && !mutated!(HookFailureIgnored) => {
                self.refusal.step_down(ctx.now, Blocker::HookFailed);
                self.settle(ctx);
            }
            HookFailure::Abort | HookFailure::Continue => self.acquire(ctx),
        }
    }

    /// A check has ended.
    pub(crate) fn handle_check_result(
        &mut self,
        ctx: &mut Context<'_>,
        id: CheckId,
        result: Result<(), String>,
    ) {
        let mut changes = Vec::new();
        let was_fault = self.tracking.is_fault();
        self.tracking.handle_result(id, result, &mut changes);
        self.apply_checks(ctx, changes);
        if was_fault != self.tracking.is_fault() {
            self.settle(ctx);
        }
    }

    /// Links have changed.
    pub(crate) fn handle_links(&mut self, ctx: &mut Context<'_>) {
        let mut changes = Vec::new();
        let was_fault = self.tracking.is_fault();
        self.tracking.handle_links(ctx.interfaces, &mut changes);
        self.apply_checks(ctx, changes);
        if was_fault != self.tracking.is_fault() {
            self.settle(ctx);
        }
    }

    /// Where the primary is has changed.
    pub(crate) fn set_discovered_weight(&mut self, ctx: &mut Context<'_>, weight: i32) {
        self.discovered_weight = weight;
        let before = self.master_down();
        self.update_priority(ctx, before);
        self.settle(ctx);
    }

    pub(super) fn apply_checks(&mut self, ctx: &mut Context<'_>, changes: Vec<CheckChanged>) {
        if changes.is_empty() {
            return;
        }
        for change in changes {
            self.event(ctx, EventKind::CheckChanged(change.check, change.failure));
        }
        let before = self.master_down();
        self.update_priority(ctx, before);
        self.settle(ctx);
    }

    pub(super) fn announce(&mut self, ctx: &mut Context<'_>, addresses: Vec<IpAddr>) {
        let Ok(Uplink { index, mac: Some(mac), .. }) = self.uplink else {
            return;
        };
        if !addresses.is_empty() {
            self.counters.announcements += 1;
            ctx.out.push(Output::Announce(Announcement { index, mac, addresses }));
        }
    }

    /// Neighbours may have another MAC address for the VIPs: they are told as if the VIPs had just
    /// come on.
    pub(super) fn announce_anew(&mut self, ctx: &mut Context<'_>) {
        let held: Vec<_> = self.vips.held().collect();
        if let State::Master(_) = self.state
            && !held.is_empty()
        {
            self.announce(ctx, held);
            self.announcing.begin(ctx.now);
        }
    }

    /// Another host announces a VIP as its own. While MASTER, the neighbours are told at once whose
    /// it is, but no more than once a second. While LEAVING, it is what is waited for.
    pub(crate) fn handle_claim(&mut self, ctx: &mut Context<'_>, ip: IpAddr, mac: MacAddress) {
        if !self.vips.held().any(|held| held == ip) {
            return;
        }
        let State::Master(master) = &mut self.state else {
            return self.hear_announcement(ctx, ip, mac);
        };
        self.counters.vips_claimed += 1;
        if ctx.now < master.reclaim_at {
            // The last word must be ours, or the neighbours go to the other one.
            master.reclaim_owed = !mutated!(ClaimsDropped);
            return;
        }
        master.reclaim_at = ctx.now + RECLAIM_INTERVAL;
        if !mutated!(ClaimUnanswered) {
            self.announce(ctx, vec![ip]);
        }
        self.event(ctx, EventKind::VipClaimed(ip, mac));
    }

    /// Answers a claim that came too soon after the one before.
    pub(super) fn reclaim_if_due(&mut self, ctx: &mut Context<'_>) {
        let State::Master(master) = &mut self.state else {
            return;
        };
        if master.reclaim_owed && master.reclaim_at <= ctx.now {
            master.reclaim_owed = false;
            master.reclaim_at = ctx.now + RECLAIM_INTERVAL;
            self.announce(ctx, self.vips.held().collect());
        }
    }

    /// The addresses whose claims by others matter now.
    pub(crate) fn watched(&self) -> impl Iterator<Item = IpAddr> {
        let holds = matches!(self.state, State::Master(_) | State::Leaving(_));
        self.config.vips.iter().filter(move |_| holds).map(|vip| vip.ip)
    }
}
