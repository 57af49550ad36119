//! Adverts and the two timers: who is MASTER.

use std::net::IpAddr;

use super::report::LastAdvert;
use super::{Context, VirtualRouter};
use crate::event::{EventKind, Reason};
use crate::time::{Duration, Instant};
use crate::vrrp::learning::Learned;
use crate::vrrp::peers::PeerTraits;
use crate::vrrp::state::{Backup, Farewell, State};
use crate::vrrp::{
    AdverInterval, AdvertPriority, IntervalMismatch, Preempt, Priority, Version,
    master_down_interval, skew_time,
};

/// How long a MASTER that yields waits for its VIPs to be off before its last advert.
const FAREWELL_DELAY_MAX: Duration = Duration::from_millis(50);

/// What an election needs of a valid advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) source: IpAddr,
    pub(crate) at: Instant,
    pub(crate) priority: AdvertPriority,
    pub(crate) interval: AdverInterval,
}

impl VirtualRouter {
    /// A valid advert of another router. It counts from its arrival, not from when it was read.
    pub(crate) fn handle_advert(&mut self, ctx: &mut Context<'_>, heard: Heard) {
        self.counters.adverts_received += 1;
        let Heard { source, priority, at, .. } = heard;
        self.record.last_advert = Some(LastAdvert { source, priority, at });
        match (&mut self.state, heard.priority) {
            (State::Initialize(_), AdvertPriority::Zero) => {}
            (State::Initialize(_), AdvertPriority::Of(_)) => {
                self.refusal.heard_other();
                self.hear_stand_in(ctx, heard);
            }
            // One that follows and goes again has made nobody else ready.
            (State::Leaving(_), AdvertPriority::Zero) => {}
            (State::Leaving(_), AdvertPriority::Of(_)) => {
                self.hear_successor(heard.source, heard.at);
            }
            (State::Backup(_), AdvertPriority::Zero) => self.handle_release(ctx.now, heard),
            (State::Backup(_), AdvertPriority::Of(priority)) => {
                self.refusal.heard_other();
                self.handle_master(ctx, heard, priority);
            }
            // RFC 9568 §6.4.3: answered at once. The grid of our adverts stays where it is.
            (State::Master(_), AdvertPriority::Zero) => self.assert_mastership(ctx, heard),
            (State::Master(_), AdvertPriority::Of(priority)) => {
                if self.is_better(heard.source, priority) && !mutated!(BetterMasterIgnored) {
                    self.yield_to(ctx, heard, priority);
                } else {
                    self.assert_mastership(ctx, heard);
                }
            }
        }
    }

    /// What else a valid advert shows of its sender. Of each kind, a change is told of.
    pub(crate) fn note_peer(&mut self, ctx: &mut Context<'_>, source: IpAddr, traits: PeerTraits) {
        if traits.message_only_checksum {
            self.counters.message_only_checksums += 1;
        }
        let was = self.peers.put(source, traits);
        if traits.list_differs && !was.list_differs {
            self.event(ctx, EventKind::VipListMismatch(source));
        }
        if traits.global_first && !was.global_first {
            self.event(ctx, EventKind::GlobalFirst(source));
        }
    }

    /// A version 2 advert that is wrong only in its interval. RFC 3768 §7.1 discards it, and then
    /// both sides stay MASTER; so from a better router it holds us off, as long as it comes.
    pub(crate) fn handle_interval_mismatch(&mut self, ctx: &mut Context<'_>, heard: Heard) {
        let discards = self.config.interval_mismatch == IntervalMismatch::Discard;
        if discards || mutated!(MismatchDiscarded) {
            return;
        }
        let AdvertPriority::Of(priority) = heard.priority else {
            if let State::Backup(backup) = &mut self.state {
                backup.hold.take_if(|(holder, _)| *holder == heard.source);
            }
            return;
        };
        self.hear_successor(heard.source, heard.at);
        self.hear_stand_in(ctx, heard);
        if !self.is_better(heard.source, priority) {
            return;
        }
        if let State::Master(_) = self.state {
            self.yield_to(ctx, heard, priority);
        }
        if let State::Backup(backup) = &mut self.state {
            let skew = skew_time(self.config.version, self.priority, heard.interval);
            backup.hold = Some((heard.source, heard.at + heard.interval.duration() * 3 + skew));
            self.refusal.heard_other();
        }
    }

    /// Whether a router with this priority and address wins against us (RFC 9568 §6.4.3): ties go
    /// to the greater address, as unsigned numbers in network order.
    fn is_better(&self, source: IpAddr, priority: Priority) -> bool {
        let own = self.uplink.as_ref().ok().map(|uplink| uplink.source);
        if mutated!(EqualYields) {
            return priority >= self.priority;
        }
        if mutated!(TieBreakReversed) {
            return (priority, own) > (self.priority, Some(source));
        }
        if mutated!(OwnerYields) && self.priority.is_owner() {
            return true;
        }
        (priority, Some(source)) > (self.priority, own)
    }

    /// Priority 0 while BACKUP: the skew time decides who follows. Only the MASTER last heard can
    /// release; and repeated zeros can't put an election off.
    fn handle_release(&mut self, now: Instant, heard: Heard) {
        if mutated!(ZeroIgnored) {
            return;
        }
        let skewed = self.unless_past(now, heard.at + self.skew());
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        let is_other = self.master.is_some_and(|master| master != heard.source);
        if is_other && !mutated!(AnyZeroElects) {
            self.counters.zeros_ignored += 1;
            return;
        }
        backup.hold.take_if(|(holder, _)| *holder == heard.source);
        if skewed < backup.master_down_at {
            backup.master_down_at = skewed;
            backup.released = true;
        }
    }

    /// An advert of somebody who is MASTER, while we are BACKUP (RFC 9568 §6.4.2).
    fn handle_master(&mut self, ctx: &mut Context<'_>, heard: Heard, priority: Priority) {
        self.master = Some(heard.source);
        if priority < self.priority && self.preempts(heard.at) {
            return;
        }
        // With it, whoever of its group is MASTER: since a reload, one may have joined them.
        self.yielded = true;
        self.learn(ctx, heard);
        let master_down_at = self.unless_past(ctx.now, heard.at + self.master_down());
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        backup.master_down_at = master_down_at;
        backup.released = false;
        backup.waits_for_group = false;
        if priority >= self.priority {
            backup.lesser_since = None;
        }
        if mutated!(BackupAdvertises) && priority > self.priority {
            self.send(ctx, AdvertPriority::Of(self.priority), self.config.interval);
        }
    }

    /// When the timer is to fire that what was heard sets to `at`.
    ///
    /// Read so late that this is past, it may not be the last that came: a full receive buffer keeps
    /// the oldest. One interval more tells whether a MASTER is there.
    fn unless_past(&self, now: Instant, at: Instant) -> Instant {
        if at > now || mutated!(TakenForAllThatCame) {
            return at;
        }
        now + self.master_interval.get().duration() + self.skew()
    }

    /// Whether a lesser MASTER heard now is to be replaced. `preempt_delay` runs from the first
    /// advert heard.
    fn preempts(&mut self, heard_at: Instant) -> bool {
        let State::Backup(backup) = &mut self.state else {
            return false;
        };
        let since = *backup.lesser_since.get_or_insert(heard_at);
        match self.config.preempt {
            // RFC 9568 §6.1: an address owner preempts whatever Preempt_Mode says.
            _ if self.priority.is_owner() => true,
            Preempt::Never if mutated!(PreemptOffIgnored) => true,
            Preempt::Never => false,
            Preempt::After(_) if mutated!(PreemptIgnored) => false,
            Preempt::After(_) if mutated!(PreemptDelayIgnored) => true,
            Preempt::After(delay) => heard_at.since(since) >= delay,
        }
    }

    /// Learns the MASTER's interval. In version 2 it is ours, or the advert had been discarded.
    pub(super) fn learn(&mut self, ctx: &mut Context<'_>, heard: Heard) {
        if mutated!(IntervalNotLearned) {
            return;
        }
        let own = self.config.interval;
        let was = self.master_interval.get();
        let learned = self.master_interval.learn(own, heard.source, heard.interval, heard.at);
        let (source, interval) = (heard.source, heard.interval);
        match learned {
            Learned::Taken => {}
            Learned::Capped if was == self.master_interval.get() => {}
            Learned::Capped => {
                self.event(ctx, EventKind::LongInterval { source, interval, believed: false });
            }
            Learned::Believed => {
                self.event(ctx, EventKind::LongInterval { source, interval, believed: true });
            }
        }
    }

    /// A better MASTER is heard: the VIPs come off, then one last advert tells the winner to
    /// announce itself, since neighbours may still have our MAC address.
    fn yield_to(&mut self, ctx: &mut Context<'_>, heard: Heard, priority: Priority) {
        self.learn(ctx, heard);
        self.master = Some(heard.source);
        let mut backup = Backup::until(heard.at + self.master_down());
        let send_by = ctx.now + FAREWELL_DELAY_MAX;
        backup.farewell = Some(Farewell { send_by, interval: heard.interval });
        if mutated!(FarewellOmitted) {
            backup.farewell = None;
        }
        let reason = Reason::BetterMaster(heard.source, AdvertPriority::Of(priority));
        self.leave_master(ctx, State::Backup(backup), reason);
    }

    /// Sends the farewell once the VIPs are off, at the latest when its time has come.
    pub(super) fn send_farewell_if_due(&mut self, ctx: &mut Context<'_>) {
        let is_clear = self.vips.is_clear() || mutated!(FarewellEarly);
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        let due = backup.farewell.take_if(|farewell| is_clear || farewell.send_by <= ctx.now);
        if let Some(farewell) = due {
            let interval = match self.config.version {
                Version::V2 => self.config.interval,
                Version::V3 => farewell.interval,
            };
            self.send(ctx, AdvertPriority::Of(self.priority), interval);
        }
    }

    /// Answers a lesser MASTER, or one that goes, within the budget for answers.
    fn assert_mastership(&mut self, ctx: &mut Context<'_>, heard: Heard) {
        if mutated!(LesserUnanswered) {
            return;
        }
        let answer = self.assertions.heard(ctx.now, self.config.interval, heard.source);
        let State::Master(master) = &mut self.state else {
            return;
        };
        master.owed.assert |= answer.assert;
        master.owed.announce |= answer.announce;
        if mutated!(AnsweredBeforeAllIsRead) {
            self.send_answer(ctx);
            return;
        }
        if answer.deaf && !master.is_dual {
            master.is_dual = true;
            self.counters.dual_masters += 1;
            self.event(ctx, EventKind::DualMaster(heard.source));
        }
    }

    /// Answers lesser MASTERs, once all that lay unread has been read: a better one may have been
    /// among it, and then there is nothing to assert.
    fn send_answer(&mut self, ctx: &mut Context<'_>) {
        let State::Master(master) = &mut self.state else {
            return;
        };
        let owed = std::mem::take(&mut master.owed);
        if owed.assert {
            self.send(ctx, AdvertPriority::Of(self.priority), self.config.interval);
        }
        if owed.announce && !mutated!(AnswerUnannounced) {
            self.announce(ctx, self.vips.held().collect());
        }
    }

    /// Answers, the master-down timer, the advert timer, and the farewell.
    pub(super) fn handle_election_timeout(&mut self, ctx: &mut Context<'_>) {
        self.send_answer(ctx);
        self.reclaim_if_due(ctx);
        self.send_farewell_if_due(ctx);
        let grid = self.next_on_grid(ctx.now);
        match &mut self.state {
            State::Initialize(_) | State::Leaving(_) => {}
            State::Backup(backup) if backup.promote_at() <= ctx.now => {
                if self.config.group.is_some() && !mutated!(GroupPromotesAlone) {
                    backup.waits_for_group = true;
                } else {
                    self.promote(ctx);
                }
            }
            State::Backup(_) => {}
            State::Master(master) if master.advertise_at <= ctx.now => {
                // A late wake-up sends one advert, and finds the grid again.
                let interval = self.config.interval.duration();
                let next = master.advertise_at + interval;
                master.advertise_at = if next > ctx.now { next } else { grid };
                if mutated!(MissedAdvertsSent) {
                    master.advertise_at = next;
                }
                if mutated!(AdvertTimerDrifts) {
                    master.advertise_at = ctx.now + interval;
                }
                self.advertise(ctx);
                self.notice_end_of_dual(ctx);
            }
            State::Master(master) if master.retry_at.is_some_and(|at| at <= ctx.now) => {
                self.advertise(ctx);
            }
            State::Master(_) => {}
        }
    }

    /// All routers of its group are ready.
    pub(crate) fn promote_with_group(&mut self, ctx: &mut Context<'_>) {
        if self.waits_for_group() {
            self.promote(ctx);
        }
    }

    /// Becomes MASTER after the master-down timer.
    fn promote(&mut self, ctx: &mut Context<'_>) {
        let State::Backup(backup) = &self.state else {
            return;
        };
        let reason = match (backup.released, self.priority.is_owner()) {
            (true, _) => Reason::MasterReleased,
            (false, true) => Reason::Owner,
            (false, false) => Reason::MasterDown,
        };
        self.become_master(ctx, reason);
    }

    /// Once nobody lesser is heard any more, neighbours are told whose the VIPs are: while it
    /// lasted, most answers were not announced, and the loser had announced itself.
    fn notice_end_of_dual(&mut self, ctx: &mut Context<'_>) {
        let State::Master(master) = &mut self.state else {
            return;
        };
        if !self.assertions.is_quiet(ctx.now, self.config.interval) {
            return;
        }
        let was_dual = std::mem::take(&mut master.is_dual);
        let is_owed = self.assertions.take_unannounced();
        if was_dual {
            self.event(ctx, EventKind::DualMasterEnded);
        }
        if (was_dual || is_owed) && !mutated!(AnswerUnannounced) {
            self.announce_anew(ctx);
        }
    }

    /// Checks the lease before anything else in a turn is read.
    ///
    /// A MASTER that finds its lease passed has been stopped or starved, or couldn't send, and another
    /// may be MASTER now: it is BACKUP with a fresh timer, sends nothing and puts nothing back.
    pub(crate) fn check_lease(&mut self, ctx: &mut Context<'_>) {
        let lease_until = self.lease_until();
        if ctx.now < lease_until {
            return;
        }
        let lapsed = Reason::LeaseLapsed(ctx.now.since(lease_until));
        let State::Master(master) = &self.state else {
            return self.end_handover(ctx, lapsed);
        };
        let reason = match master.retry_at {
            Some(_) => Reason::CannotSend,
            None => lapsed,
        };
        self.counters.leases_lapsed += 1;
        self.master = None;
        self.master_interval.reset(self.config.interval);
        let mut backup = Backup::until(ctx.now + self.master_down());
        if mutated!(LapsedReturnsAtOnce) {
            backup.master_down_at = ctx.now;
        }
        self.leave_master(ctx, State::Backup(backup), reason);
    }

    /// When the lease passes by our clock; never for a router that holds none.
    pub(crate) fn lease_until(&self) -> Instant {
        match &self.state {
            State::Master(master) if self.config.lease => master.lease_until,
            State::Leaving(leaving) if self.config.lease => leaving.lease_until,
            State::Initialize(_) | State::Backup(_) | State::Master(_) | State::Leaving(_) => {
                Instant::MAX
            }
        }
    }

    /// Counts the checks into the priority. A BACKUP's timer keeps the time that has passed, and
    /// takes the new skew (`before` is the master-down interval that it was set with).
    pub(super) fn update_priority(&mut self, ctx: &mut Context<'_>, before: Duration) {
        let priority =
            self.config.priority.weighted(self.tracking.weight() + self.discovered_weight);
        let was = std::mem::replace(&mut self.priority, priority);
        let after = master_down_interval(self.config.version, priority, self.master_interval.get());
        if let State::Backup(backup) = &mut self.state
            && before != after
            && !backup.released
        {
            backup.master_down_at = backup.master_down_at.before(before) + after;
            if mutated!(PriorityRestartsTimer) {
                backup.master_down_at = ctx.now + after;
            }
        }
        if was != priority {
            self.event(ctx, EventKind::PriorityChanged(was, priority));
        }
    }
}
