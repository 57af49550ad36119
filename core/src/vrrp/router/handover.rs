//! A planned stop: the VIPs stay until whoever follows has them.

use std::net::IpAddr;

use super::{Context, VirtualRouter, kernel};
use crate::event::{Blocker, Reason};
use crate::io::{Generation, MacAddress, SendError};
use crate::time::{Duration, Instant};
use crate::vrrp::announcing::Announcing;
use crate::vrrp::state::{Leaving, State};
use crate::vrrp::{AdvertPriority, Handover, Lease, Priority, skew_time};

/// From the first advert of whoever follows to the end, should its announcement be lost. It
/// announces its VIPs a millisecond after that advert, if no hook comes before them.
const ANNOUNCED_WITHIN: Duration = Duration::from_millis(20);
/// What a BACKUP may be late by, at least, beyond the longest skew.
const MARGIN_MIN: Duration = Duration::from_millis(50);
/// The least time between two renewals: each is an event for every netlink listener on the host.
const RENEWAL_INTERVAL_MIN: Duration = Duration::from_millis(250);

impl VirtualRouter {
    /// Whether a stop now is a planned one: it serves well, and may go on until another does.
    fn hands_over(&self) -> bool {
        let serves = matches!(self.state, State::Master(_))
            && self.vips.held().next().is_some()
            && !self.hooks.holds_vips();
        serves && self.fault().is_none() && self.config.handover == Handover::Planned
    }

    /// Says that it goes, and serves on until somebody else does.
    pub(super) fn begin_handover(&mut self, ctx: &mut Context<'_>) {
        let State::Master(master) = &self.state else { return };
        if !self.hands_over() || mutated!(HandoverOmitted) {
            return;
        }
        let leaving = Leaving {
            until: ctx.now,
            zero_left: true,
            sent: None,
            successor: None,
            announced: None,
            lease_until: master.lease_until,
            renew_at: ctx.now,
        };
        self.announcing = Announcing::Silent;
        self.change_state(ctx, State::Leaving(leaving), Reason::Blocked(Blocker::Stopping));
        self.say_zero(ctx);
    }

    fn say_zero(&mut self, ctx: &mut Context<'_>) {
        if mutated!(ZeroSentTwice) {
            self.send(ctx, AdvertPriority::Zero, self.config.interval);
        }
        let sent = if mutated!(ZeroOmitted) {
            None
        } else {
            self.send(ctx, AdvertPriority::Zero, self.config.interval)
        };
        let until = ctx.now + self.successor_within();
        if let State::Leaving(leaving) = &mut self.state {
            (leaving.sent, leaving.until) = (sent, until);
        }
    }

    /// How long after a priority 0 the last BACKUP has become MASTER, whatever its priority.
    fn successor_within(&self) -> Duration {
        let interval = self.config.interval;
        let skew_max = skew_time(self.config.version, Priority::MIN, interval);
        skew_max + MARGIN_MIN.max(interval.duration() / 10)
    }

    /// How long after it was asked to stop everything has come to an end, at the latest.
    pub(crate) fn end_max(&self) -> Duration {
        self.handover_max() + self.config.hooks.end_max()
    }

    /// How long a handover may take from its beginning.
    fn handover_max(&self) -> Duration {
        match self.config.handover {
            Handover::Planned => self.successor_within() * 2 + self.announced_within(),
            Handover::Strict => Duration::ZERO,
        }
    }

    /// How long after its first advert whoever follows has announced its VIPs. Nodes are set up
    /// alike: where we have a promote hook, it runs one first.
    fn announced_within(&self) -> Duration {
        match &self.config.hooks.pre_promote {
            Some(_) => self.config.hooks.timeout,
            None => ANNOUNCED_WITHIN,
        }
    }

    /// Another advertises: it has the VIPs, or will have them soon.
    pub(super) fn hear_successor(&mut self, source: IpAddr, at: Instant) {
        let until = at + self.announced_within();
        if mutated!(SuccessorUnheard) {
            return;
        }
        if let State::Leaving(leaving) = &mut self.state
            && leaving.successor.is_none()
        {
            leaving.successor = Some(source);
            leaving.until = until;
        }
    }

    /// Another announces a VIP that is held here: it has them all, or will have them soon.
    pub(super) fn hear_announcement(&mut self, ctx: &mut Context<'_>, ip: IpAddr, mac: MacAddress) {
        let State::Leaving(leaving) = &mut self.state else { return };
        if mutated!(SuccessorUnheard) {
            return;
        }
        let (_, announced) = leaving.announced.get_or_insert((mac, Vec::new()));
        announced.push(ip);
        let all_are = self.vips.held().all(|held| announced.contains(&held));
        leaving.until = leaving.until.min(ctx.now + ANNOUNCED_WITHIN);
        if all_are {
            self.end_handover(ctx, Reason::Announced(mac));
        }
    }

    /// A priority 0 was sent, or nobody can have heard it.
    pub(super) fn handle_zero_sent(
        &mut self,
        ctx: &mut Context<'_>,
        generation: Generation,
        result: &Result<(), SendError>,
    ) {
        let soon = ctx.now + self.config.interval.duration() / 4;
        if let State::Leaving(leaving) = &mut self.state
            && leaving.sent.take_if(|sent| *sent == generation).is_some()
            && result.is_err()
        {
            leaving.until = leaving.until.min(soon);
        }
    }

    /// Renewals, the second priority 0, and the end.
    pub(super) fn handle_handover_timeout(&mut self, ctx: &mut Context<'_>) {
        let lifetime = self.lifetime();
        let interval = self.config.interval;
        let State::Leaving(leaving) = &mut self.state else { return };
        if leaving.renew_at <= ctx.now {
            leaving.renew_at = if self.config.lease {
                ctx.now + interval.duration().max(RENEWAL_INTERVAL_MIN)
            } else {
                Instant::MAX
            };
            if !mutated!(LeavingNotRenewed) {
                leaving.lease_until = ctx.now + Lease::of(interval).duration();
                self.vips.renew(&mut kernel(ctx), lifetime);
            }
        }
        if ctx.now < leaving.until {
            return;
        }
        match (&leaving.announced, leaving.successor) {
            (Some((mac, _)), _) => {
                let reason = Reason::Announced(*mac);
                self.end_handover(ctx, reason);
            }
            (None, Some(successor)) => self.end_handover(ctx, Reason::Followed(successor)),
            (None, None) if leaving.zero_left && !mutated!(SecondZeroOmitted) => {
                leaving.zero_left = false;
                self.say_zero(ctx);
            }
            (None, None) => self.end_handover(ctx, Reason::NobodyFollowed),
        }
    }

    /// The VIPs come off: this is when the demote hook runs.
    pub(super) fn end_handover(&mut self, ctx: &mut Context<'_>, reason: Reason) {
        if let State::Leaving(_) = self.state {
            self.leave_master(ctx, State::Initialize(Blocker::Stopping), reason);
        }
    }
}
