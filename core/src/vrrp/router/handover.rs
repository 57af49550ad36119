//! A planned stop, or a stepdown: the VIPs stay until whoever follows has them.

use std::net::IpAddr;

use super::{Context, VirtualRouter, kernel};
use crate::event::{Blocker, Reason};
use crate::io::{Generation, Lifetime, MacAddress, SendError};
use crate::time::{Duration, Instant};
use crate::vrrp::announcing::Announcing;
use crate::vrrp::state::{Leaving, State};
use crate::vrrp::{AdvertPriority, Handover, Lease, Priority, skew_time};

/// From the first advert of whoever follows to the end, should its announcement be lost. It
/// announces its VIPs a millisecond after that advert, if no hook comes before them.
const ANNOUNCED_WITHIN: Duration = Duration::from_millis(20);
/// What a BACKUP may be late by, at least, beyond the longest skew.
const MARGIN_MIN: Duration = Duration::from_millis(50);
/// No advert keeps others from taking over now: a lease is no longer than it must be, and renewed this
/// many times in its length.
const LEASE_SECS_MAX: u32 = 2;
const RENEWALS: u32 = 4;
/// A VIP that the kernel has refused is tried again so soon.
const RETRY_AFTER: Duration = Duration::from_millis(250);

impl VirtualRouter {
    /// Whether to go now is a planned handover: it serves well, and may go on until another does.
    fn hands_over(&self) -> bool {
        let serves = matches!(self.state, State::Master(_))
            && self.vips.held().next().is_some()
            && !self.hooks.holds_vips();
        serves && self.fault().is_none() && self.config.handover == Handover::Planned
    }

    /// Says that it goes, and serves on until somebody else does.
    ///
    /// `within` is how long whoever follows may take, the whole group of it.
    pub(super) fn begin_handover(
        &mut self,
        ctx: &mut Context<'_>,
        within: Duration,
        blocker: Blocker,
    ) {
        let State::Master(master) = &self.state else { return };
        if !self.hands_over() || mutated!(HandoverOmitted) {
            return;
        }
        let leaving = Leaving {
            within,
            until: ctx.now,
            zero_left: true,
            sent: None,
            successor: None,
            announced: None,
            lease_until: master.lease_until,
            renew_at: if self.config.lease { ctx.now } else { Instant::MAX },
        };
        self.announcing = Announcing::Silent;
        self.change_state(ctx, State::Leaving(leaving), Reason::Blocked(blocker));
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
        if let State::Leaving(leaving) = &mut self.state {
            (leaving.sent, leaving.until) = (sent, ctx.now + leaving.within);
        }
    }

    /// How long after a priority 0 the last BACKUP has become MASTER, whatever its priority.
    pub(crate) fn successor_within(&self) -> Duration {
        skew_time(self.config.version, Priority::MIN, self.config.interval) + self.margin()
    }

    /// What a BACKUP may be late by.
    pub(super) fn margin(&self) -> Duration {
        MARGIN_MIN.max(self.config.interval.duration() / 10)
    }

    /// How long after it was asked to stop everything has come to an end, at the latest.
    pub(crate) fn end_max(&self, within: Duration) -> Duration {
        let handover = match self.config.handover {
            Handover::Planned => within * 2 + self.announced_within(),
            Handover::Strict => Duration::ZERO,
        };
        handover + self.config.hooks.end_max()
    }

    /// How long after its first advert whoever follows has announced its VIPs. Nodes are set up
    /// alike: where we have a promote hook, it runs one first.
    fn announced_within(&self) -> Duration {
        match &self.config.hooks.pre_promote {
            Some(_) => self.config.hooks.timeout + ANNOUNCED_WITHIN,
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
            && leaving.announced.is_none()
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
        if !announced.contains(&ip) {
            announced.push(ip);
        }
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
        result: Result<(), SendError>,
    ) {
        let soon = ctx.now + self.config.interval.duration() / 4;
        if let State::Leaving(leaving) = &mut self.state
            && leaving.sent.take_if(|sent| *sent == generation).is_some()
            && let Err(error) = result
        {
            leaving.until = leaving.until.min(soon);
            self.tell_send_failure(ctx, error);
        }
    }

    /// Renewals, the second priority 0, and the end.
    pub(super) fn handle_handover_timeout(&mut self, ctx: &mut Context<'_>) {
        self.renew_while_leaving(ctx);
        let State::Leaving(leaving) = &mut self.state else { return };
        if ctx.now < leaving.until {
            return;
        }
        let announced = leaving.announced.as_ref().map(|(mac, _)| *mac);
        match (announced, leaving.successor) {
            (Some(mac), _) => self.end_handover(ctx, Reason::Announced(mac)),
            (None, Some(successor)) => self.end_handover(ctx, Reason::Followed(successor)),
            (None, None) if leaving.zero_left && !mutated!(SecondZeroOmitted) => {
                leaving.zero_left = false;
                self.say_zero(ctx);
            }
            (None, None) if self.resumes(ctx) => {}
            (None, None) => self.end_handover(ctx, Reason::NobodyFollowed),
        }
    }

    fn renew_while_leaving(&mut self, ctx: &mut Context<'_>) {
        let secs = Lease::of(self.config.interval).secs.min(LEASE_SECS_MAX);
        let lease = Duration::from_secs(secs.into());
        match &mut self.state {
            State::Leaving(leaving) if leaving.renew_at <= ctx.now => {
                leaving.renew_at = ctx.now + lease / RENEWALS;
                if !mutated!(LeavingNotRenewed) {
                    leaving.lease_until = ctx.now + lease;
                    self.vips.renew(&mut kernel(ctx), Lifetime::Secs(secs));
                }
            }
            State::Initialize(_) | State::Backup(_) | State::Master(_) | State::Leaving(_) => {}
        }
    }

    /// The kernel refuses a VIP: it is asked again, for as long as nobody else has it.
    pub(super) fn retry_while_leaving(&mut self, now: Instant) {
        if let State::Leaving(_) = self.state {
            self.vips.retry_refused_at(now + RETRY_AFTER);
        }
    }

    /// The VIPs come off: this is when the demote hook runs.
    pub(super) fn end_handover(&mut self, ctx: &mut Context<'_>, reason: Reason) {
        if let State::Leaving(_) = self.state {
            // Without one, it has been called back too late, and takes part again.
            let blocker = self.own_blocker().unwrap_or(Blocker::Stopping);
            self.leave_master(ctx, State::Initialize(blocker), reason);
            self.silent_since = Some(ctx.now);
            self.settle(ctx);
        }
    }
}
