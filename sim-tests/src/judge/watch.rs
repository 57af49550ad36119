//! From what is observed to facts and questions.

use std::time::Duration;

use openproxy_core::event::{Event, EventKind, Reason};
use openproxy_core::io::{AddressChange, Announcement, SendAdvert};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::vrrp::{
    AdvertPriority, DiscardReason, HookKind, Preempt, RouterConfig, StateName,
};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::frame::{Frame, Truth};
use openproxy_io_sim::kernel::Cause;

use super::Judge;
use super::facts::{Crash, Heard, is_takeover};
use crate::fault::FaultKind;
use crate::invariants::{self, Bounded, FAREWELL_DELAY_MAX, Print};
use crate::observe::{Agenda, End, Observation};
use crate::scenario::{CHECK_INTERVAL, HOOK_TIMEOUT};
use crate::sometimes::Mark;

/// How soon a new VIP is to be announced.
const ANNOUNCED_WITHIN: Duration = Duration::from_millis(10);
/// What the daemon adds to its longest hook before it gives up waiting at its end: until a killed
/// promote hook is reaped, until a killed demote hook is, and a margin.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(15);
/// Claims of a VIP by others are answered so often.
const RECLAIM_INTERVAL: Duration = Duration::from_secs(1);

impl Judge<'_> {
    pub(super) fn watch(&mut self, at: SimTime, node: NodeId, observation: Observation<'_>) {
        match observation {
            Observation::Heard { from, frame } => self.heard(at, node, from, frame),
            Observation::Turning(supervisor, agenda) => self.turning(node, supervisor, agenda),
            Observation::Turned { supervisor, again, wait } => {
                self.turned(at, node, supervisor, again, wait);
            }
            Observation::Sent(send) => self.sent(at, node, send),
            Observation::Address(change, cause) => self.address(at, node, change, cause),
            Observation::Event(event) => self.event(at, node, event),
            Observation::Announced(announcement) => self.announced(at, node, announcement),
            Observation::Client(ip) => {
                self.facts.clients.retain(|(known, _, _)| *known != ip);
                self.facts.clients.push((ip, node, at));
            }
            Observation::Fault(fault, begins) => {
                let is_link_down = matches!(fault.kind, FaultKind::LinkDown { .. });
                if begins && is_link_down && self.facts.is_master(node) {
                    self.marks.put(Mark::LinkFlapAsMaster);
                }
                let mute_since = self.facts.node(node).mute_since;
                self.facts.turn_fault(at, &fault.kind, begins);
                if let (FaultKind::SendFails { .. }, false, Some(since)) =
                    (&fault.kind, begins, mute_since)
                {
                    self.ask_unmuted(at, node, since);
                }
                if let Some(node) = fault.kind.node() {
                    self.ask_after_fault(at, node);
                }
                self.ask_masters(at);
            }
            Observation::Started(config) => self.started(at, node, config),
            Observation::Ended(end) => self.ended(at, node, end),
            Observation::Asked => self.asked(at, node),
            Observation::Paused => self.paused(at, node),
            Observation::Resumed => self.resumed(at, node),
            Observation::Reloaded(config) => self.reloaded(at, node, config),
            Observation::Lost { .. } => {}
        }
    }

    /// Asks when a router must have noticed, and when what excused it is over.
    fn ask_after_fault(&mut self, at: SimTime, id: NodeId) {
        let excused_until = self.facts.node(id).ailed_until.max(at);
        self.ask_vips(excused_until, id);
        if self.facts.node(id).mute_since == Some(at)
            && let Some(bound) = self.facts.lease_bound(id)
        {
            self.ask_at(Bounded::Fenced, id, at + bound + self.facts.drift(bound));
        }
        if self.facts.node(id).check_fails_since == Some(at) {
            // Two failures in a row, each begun and answered.
            self.ask_at(Bounded::Checked, id, at + CHECK_INTERVAL * 4);
        }
    }

    /// Whoever could not send for an interval has failed at least once, and tries again soon.
    fn ask_unmuted(&mut self, at: SimTime, id: NodeId, since: SimTime) {
        let node = &mut self.facts.nodes[id.index()];
        let Some(interval) = node.config.as_ref().map(|config| config.interval.duration()) else {
            return;
        };
        if at.since(since) > interval + interval / 100 && node.state_since < since {
            node.unmuted_at = at;
            let again = interval / 4;
            let bound = again + self.facts.drift(again) + Duration::from_millis(1);
            self.ask_at(Bounded::Unmuted, id, at + bound);
        }
    }

    fn started(&mut self, at: SimTime, id: NodeId, config: &RouterConfig) {
        let nobody = !self.facts.scenario.ids().any(|other| self.facts.is_master(other));
        if nobody && at > SimTime::ZERO && self.facts.nodes.iter().any(|node| node.up) {
            self.marks.put(Mark::RestartMidFailover);
        }
        let node = &mut self.facts.nodes[id.index()];
        node.up = true;
        node.started_at = at;
        (node.asked_at, node.paused_at, node.resumed_at) = (None, None, None);
        (node.zeros_sent, node.was_serving) = (0, false);
        node.config = Some(config.clone());
        node.priority = config.priority;
        node.changed_at = at;
        (node.state, node.state_since) = (StateName::Initialize, at);
        node.leftover = node.ours;
        (node.respected, node.last_positive, node.released_at) = (None, None, None);
        (node.farewells, node.sent, node.provoked) = (0, 0, 0);
        (node.bad_unread, node.good_unread, node.better_unread) = (0, 0, false);
        (node.won_at, node.won_before, node.in_part) = (None, None, false);
        (node.gate_closed, node.sent_at, node.lesser_since) = (false, None, None);
        self.ask_vips(at, id);
        self.ask_masters(at);
    }

    fn ended(&mut self, at: SimTime, id: NodeId, end: End) {
        let was_master = self.facts.is_master(id);
        let was_calm = self.is_calm_but_for(id);
        if end == End::Finished {
            let result = invariants::k8_released(&self.facts, id)
                .and_then(|()| invariants::v4_one_zero(&self.facts, id));
            self.note(at, result);
        }
        let node = &mut self.facts.nodes[id.index()];
        node.up = false;
        node.paused_at = None;
        node.state = StateName::Initialize;
        if let Some(bound) = self.facts.lease_bound(id) {
            self.ask_at(Bounded::Lease, id, at + bound + self.facts.drift(bound));
        }
        if was_master && was_calm && end != End::Finished {
            self.await_successor(at, id);
        }
        self.ask_masters(at);
    }

    /// Whether, but for one node, all others are in one clique in which that node was MASTER long
    /// enough to be known by all.
    fn is_calm_but_for(&self, id: NodeId) -> bool {
        let facts = &self.facts;
        let (members, is_clique) = facts.clique(id);
        let calm = facts.interval_max * 4 + facts.delay_max;
        is_clique
            && members.len() > 1
            && facts.active <= 1
            && members.iter().all(|member| {
                let node = facts.node(*member);
                let expected = if *member == id { StateName::Master } else { StateName::Backup };
                node.state == expected && facts.transition_at + calm < facts.edge_at
            })
            && facts.scenario.ids().all(|node| node == id || members.contains(&node))
    }

    fn await_successor(&mut self, at: SimTime, id: NodeId) {
        let facts = &self.facts;
        let next = facts.scenario.ids().filter(|node| *node != id && facts.takes_part(*node));
        let Some(interval) = facts.node(id).config.as_ref().map(|c| c.interval.duration()) else {
            return;
        };
        let skew = next.map(|node| facts.skew(node, interval)).min().unwrap_or_default();
        let bound = interval * 3 + skew + facts.delay_max;
        let by = at + bound + facts.drift(bound);
        self.facts.crash = Some(Crash { at, by });
        self.ask_at(Bounded::Succeeded, NodeId(0), by);
    }

    fn asked(&mut self, at: SimTime, id: NodeId) {
        let takes_part = self.facts.takes_part(id);
        let is_master = self.facts.is_master(id);
        let node = &mut self.facts.nodes[id.index()];
        node.asked_at = Some(at);
        node.zeros_sent = 0;
        node.was_serving = takes_part && is_master;
        let bound = HOOK_TIMEOUT + SHUTDOWN_MARGIN + self.facts.kernel_bound();
        self.ask_at(Bounded::Ended, id, at + bound + self.facts.drift(bound));
        self.ask_masters(at);
    }

    fn paused(&mut self, at: SimTime, id: NodeId) {
        self.facts.nodes[id.index()].paused_at = Some(at);
        if let Some(bound) = self.facts.lease_bound(id) {
            self.ask_at(Bounded::Lease, id, at + bound + self.facts.drift(bound));
        }
        self.ask_masters(at);
    }

    fn resumed(&mut self, at: SimTime, id: NodeId) {
        self.marks.put(match self.facts.node(id).state {
            StateName::Master => Mark::PausedMasterResumed,
            StateName::Initialize | StateName::Backup => Mark::PausedBackupResumed,
        });
        let node = &mut self.facts.nodes[id.index()];
        node.paused_for = node.paused_at.take().map_or(Duration::ZERO, |since| at.since(since));
        node.resumed_at = Some(at);
        self.ask_vips(at, id);
        self.ask_masters(at);
    }

    fn reloaded(&mut self, at: SimTime, id: NodeId, config: &RouterConfig) {
        if self.facts.is_master(id) {
            self.marks.put(Mark::ReloadAsMaster);
        }
        let node = &mut self.facts.nodes[id.index()];
        let is_same = node.config.as_ref() == Some(config);
        self.reloads[id.index()] = is_same && node.asked_at.is_none();
        if !is_same {
            node.config = Some(config.clone());
            node.changed_at = at;
            // A new interval is announced at once, and counts from now.
            (node.sent, node.provoked) = (0, node.provoked + 2);
        }
        self.ask_vips(at, id);
        self.ask_masters(at);
    }

    fn event(&mut self, at: SimTime, id: NodeId, event: &Event) {
        match &event.kind {
            EventKind::StateChanged { from, to, reason } => {
                self.transition(at, id, *from, *to, reason);
            }
            EventKind::PriorityChanged(_, priority) => {
                let node = &mut self.facts.nodes[id.index()];
                node.priority = *priority;
                node.changed_at = at;
                self.ask_masters(at);
            }
            EventKind::VipConverted(..) => self.marks.put(Mark::VipEexist),
            EventKind::VipRefused(..) | EventKind::VipRemovalFailed(..) => {
                self.marks.put(Mark::NetlinkEperm);
            }
            EventKind::LeftoverRemoved(_) => self.marks.put(Mark::Kill9LeftoverCleaned),
            EventKind::HookStarted(HookKind::Promote) => {
                self.facts.nodes[id.index()].gate_closed = true;
            }
            EventKind::HookEnded(HookKind::Promote, _)
            | EventKind::HookTimedOut(HookKind::Promote) => {
                self.facts.nodes[id.index()].gate_closed = false;
            }
            EventKind::ServingInPart(_) => self.facts.nodes[id.index()].in_part = true,
            _ => {}
        }
    }

    fn transition(
        &mut self,
        at: SimTime,
        id: NodeId,
        from: StateName,
        to: StateName,
        reason: &Reason,
    ) {
        self.transitions += 1;
        self.mark_transition(at, id, from, reason);
        let mut result = invariants::l3(&self.facts, id, at);
        if is_takeover(reason) && from == StateName::Backup {
            result = result.and_then(|()| invariants::v5(&self.facts, id, at));
        }
        if let Reason::BetterMaster(_, priority) = reason {
            result = result
                .and_then(|()| invariants::v8_owner(&self.facts, id, *priority))
                .and_then(|()| invariants::v9(&self.facts, id, reason));
        }
        self.note(at, result);
        let bound = self.facts.kernel_bound();
        let node = &mut self.facts.nodes[id.index()];
        (node.state, node.state_since) = (to, at);
        (node.sent, node.provoked, node.farewells, node.in_part) = (0, 0, 0, false);
        (node.sent_at, node.lesser_since) = (None, None);
        if to == StateName::Initialize || matches!(reason, Reason::LeaseLapsed(_)) {
            (node.respected, node.last_positive, node.released_at) = (None, None, None);
        }
        if let Reason::BetterMaster(winner, _) = reason {
            node.farewells = 1;
            let farewell = FAREWELL_DELAY_MAX + bound + self.facts.delay_max * 2;
            if let Some(winner) = self.facts.scenario.node_at(*winner) {
                let node = &mut self.facts.nodes[winner.index()];
                node.won_before = node.won_at.map(|(at, _)| at);
                node.won_at = Some((at, id));
                let interval = self.facts.interval_max;
                self.ask_at(Bounded::Reannounced, winner, at + interval.max(farewell));
            }
        }
        self.facts.transition_at = at;
        self.ask_vips(at, id);
        self.ask_masters(at);
        let masters = self.facts.scenario.ids().filter(|node| self.facts.is_master(*node)).count();
        if masters >= 2 {
            self.marks.put(Mark::DualMaster);
        }
        if masters >= 3 {
            self.marks.put(Mark::TripleMaster);
        }
    }

    fn mark_transition(&mut self, at: SimTime, id: NodeId, from: StateName, reason: &Reason) {
        let node = self.facts.node(id);
        match reason {
            Reason::MasterReleased => self.marks.put(Mark::Prio0Takeover),
            Reason::MasterDown if from == StateName::Backup => {
                let lesser = node.last_positive.is_some_and(|heard| {
                    heard.priority < node.priority.get() && at.since(heard.at) < heard.interval * 2
                });
                if lesser {
                    self.marks.put(Mark::PreemptTakeover);
                }
            }
            Reason::BetterMaster(_, AdvertPriority::Of(priority)) => {
                if *priority == node.priority {
                    self.marks.put(Mark::IpTieBreak);
                }
            }
            Reason::LeaseLapsed(_) if node.ours == 0 => self.marks.put(Mark::VipMissingOnDel),
            _ => {}
        }
    }

    fn sent(&mut self, at: SimTime, id: NodeId, send: &SendAdvert) {
        let node = &mut self.facts.nodes[id.index()];
        let priority = send.advert.priority;
        let is_zero = priority == AdvertPriority::Zero;
        if is_zero {
            node.zeros_sent += 1;
        } else if node.state == StateName::Master {
            node.sent += 1;
            node.sent_in_turn += 1;
            if node.provoked_in_turn > 0 {
                self.marks.put(Mark::AssertedOnLower);
            }
        }
        let facts = &self.facts;
        let result = invariants::v3_silent(facts, id)
            .and_then(|()| invariants::v4_silent(facts, id, at))
            .and_then(|()| invariants::v6(facts, id, at))
            .and_then(|()| invariants::v8_sent(facts, id, priority))
            .and_then(|()| invariants::k2_leftovers(facts, id, priority));
        let result = if is_zero {
            result
        } else {
            result
                .and_then(|()| invariants::p2(facts, id, at))
                .and_then(|()| invariants::p3_grid(facts, id, at))
        };
        if result.is_err() {
            self.note(at, result);
        }
        let node = &mut self.facts.nodes[id.index()];
        match node.state {
            StateName::Backup => node.farewells = node.farewells.saturating_sub(1),
            StateName::Master if !is_zero => node.sent_at = Some(at),
            StateName::Initialize | StateName::Master => {}
        }
    }

    fn heard(&mut self, at: SimTime, id: NodeId, from: Option<NodeId>, frame: &Frame) {
        self.mark_truth(frame.truth);
        let node = &mut self.facts.nodes[id.index()];
        let (Truth::Whole, Some(from), true) = (frame.truth, from, node.up) else {
            node.bad_unread += 1;
            return;
        };
        node.good_unread += 1;
        if !self.facts.are_compatible(id, from) {
            return;
        }
        let payload = frame.payload();
        let interval = match payload[0] >> 4 {
            2 => Duration::from_secs(u64::from(payload[5])),
            _ => {
                let centis = u16::from_be_bytes([payload[4], payload[5]]) & 0x0fff;
                Duration::from_millis(u64::from(centis) * 10)
            }
        };
        let heard = Heard { at, from, priority: payload[2], interval };
        let better = {
            let (priority, address) = self.facts.rank(id);
            let theirs = self.facts.scenario.own_address(from).0;
            (heard.priority, theirs) > (priority.get(), address)
        };
        let node = &mut self.facts.nodes[id.index()];
        if heard.priority == 0 {
            node.provoked += 1;
            node.provoked_in_turn += 1;
            if node.last_positive.is_none_or(|last| last.from == from) {
                node.released_at.get_or_insert(at);
            }
            return;
        }
        node.last_positive = Some(heard);
        match node.state {
            StateName::Master if better => node.better_unread = true,
            StateName::Master => {
                node.provoked += 1;
                node.provoked_in_turn += 1;
            }
            StateName::Initialize | StateName::Backup => {}
        }
        let Some(config) = &node.config else { return };
        if heard.priority >= node.priority.get() {
            node.lesser_since = None;
        }
        let drift = self.facts.scenario.nodes[id.index()].drift_ppm.unsigned_abs();
        let holds = !config.priority.is_owner()
            && match config.preempt {
                Preempt::Never => true,
                Preempt::After(delay) => {
                    let heard_for = at.since(*node.lesser_since.get_or_insert(at));
                    // What it reads after a pause counts from its arrival, which may be long ago.
                    node.resumed_at.is_none() && heard_for + delay / 1_000_000 * (drift + 1) < delay
                }
            };
        if heard.priority >= node.priority.get() || holds {
            if node.state == StateName::Backup {
                if heard.priority < node.priority.get() {
                    self.marks.put(Mark::NonpreemptHold);
                }
                if heard.interval != config.interval.duration() {
                    self.marks.put(Mark::IntervalLearned);
                }
            }
            if node.state != StateName::Initialize && (node.state == StateName::Backup || better) {
                node.respected = Some(heard);
                node.released_at = None;
            }
        }
    }

    fn mark_truth(&mut self, truth: Truth) {
        match truth {
            Truth::Reflected => self.marks.put(Mark::OwnAdvertReflected),
            Truth::Forwarded => self.marks.put(Mark::BadTtl),
            Truth::Corrupted => self.marks.put(Mark::BadChecksum),
            Truth::Whole | Truth::Truncated | Truth::Stranger => {}
        }
    }

    fn announced(&mut self, at: SimTime, id: NodeId, announcement: &Announcement) {
        let mut announced = 0;
        for (position, ip) in self.facts.vips.iter().enumerate() {
            if announcement.addresses.contains(ip) {
                announced |= 1 << position;
            }
        }
        let result = invariants::k5_only_held(&self.facts, id, announced)
            .and_then(|()| invariants::p2(&self.facts, id, at));
        self.note(at, result);
        self.facts.nodes[id.index()].announced_at = Some(at);
        self.ask_claimed(at, id, announced);
    }

    /// Whoever holds what another announces will say so, too.
    fn ask_claimed(&mut self, at: SimTime, claimant: NodeId, announced: u8) {
        for id in self.facts.scenario.ids().filter(|id| *id != claimant) {
            let node = self.facts.node(id);
            let holds = node.ours & announced != 0 && self.facts.is_master(id);
            if holds && self.facts.takes_part(id) && self.facts.lan.is_open(claimant, id) {
                self.facts.nodes[id.index()].claimed_at = Some(at);
                let bound = RECLAIM_INTERVAL + self.facts.delay_max + self.facts.kernel_bound();
                self.ask_at(Bounded::Reclaimed, id, at + bound + self.facts.drift(bound));
            }
        }
    }

    fn address(&mut self, at: SimTime, id: NodeId, change: &AddressChange, cause: Cause) {
        let (AddressChange::Present(address) | AddressChange::Gone(address)) = change;
        let bit = self.facts.vips.iter().position(|ip| *ip == address.ip);
        let bit = bit.map_or(0, |position| 1_u8 << position);
        let node = &mut self.facts.nodes[id.index()];
        let before = node.ours;
        match change {
            AddressChange::Present(_) => node.present |= bit,
            AddressChange::Gone(_) => node.present &= !bit,
        }
        match change {
            AddressChange::Present(address) if address.ours => node.ours |= bit,
            AddressChange::Present(_) => {}
            AddressChange::Gone(gone) => {
                if gone.ours {
                    node.ours &= !bit;
                    node.leftover &= !bit;
                }
                let lapsed = gone.ours && bit != 0 && cause == Cause::Kernel;
                if lapsed && (!node.up || node.paused_at.is_some()) {
                    self.marks.put(Mark::LeaseExpired);
                }
                let result = invariants::k2_foreign(id, gone, cause);
                self.note(at, result);
            }
        }
        let node = &mut self.facts.nodes[id.index()];
        if node.ours != before {
            let came = node.ours > before;
            node.ours_since = (at, cause);
            if came {
                node.came_at = at;
                let result = invariants::k5_after_hook(&self.facts, id);
                self.note(at, result);
            }
            self.ask_vips(at, id);
            if came {
                // A renewal under way may put back what somebody removed; the add after it finds it there.
                let bound = ANNOUNCED_WITHIN + self.facts.kernel_bound();
                self.ask_at(Bounded::Announced, id, at + bound);
            }
        }
    }

    fn turning(&mut self, id: NodeId, supervisor: &Supervisor, agenda: Agenda) {
        let node = self.facts.node(id);
        let only_bad = node.bad_unread > 0 && node.good_unread == 0 && agenda == Agenda::Packets;
        let only_same = self.reloads[id.index()] && agenda == Agenda::Commands;
        if only_bad || only_same {
            self.prints[id.index()] = print_of(supervisor);
        }
    }

    fn turned(
        &mut self,
        at: SimTime,
        id: NodeId,
        supervisor: &Supervisor,
        again: bool,
        wait: Duration,
    ) {
        let facts = &self.facts;
        let mut result = invariants::v2_heard(facts, id, at)
            .and_then(|()| invariants::v10(facts, id, again, wait))
            .and_then(|()| invariants::p3(facts, id));
        if let Some(before) = self.prints[id.index()].take()
            && let Some(after) = print_of(supervisor)
        {
            result = result.and_then(|()| {
                if self.reloads[id.index()] {
                    invariants::p4(id, &before, &after)
                } else {
                    invariants::v7(facts, id, &before, &after)
                }
            });
        }
        if result.is_err() {
            self.note(at, result);
        }
        self.reloads[id.index()] = false;
        let node = &mut self.facts.nodes[id.index()];
        (node.bad_unread, node.good_unread, node.better_unread) = (0, 0, false);
        (node.sent_in_turn, node.provoked_in_turn) = (0, 0);
    }

    fn ask_vips(&mut self, at: SimTime, id: NodeId) {
        let bound = self.facts.kernel_bound() + self.facts.hook_bound(id);
        self.ask_at(Bounded::Vips, id, at + bound);
    }

    fn ask_masters(&mut self, at: SimTime) {
        let bound = self.facts.interval_max + self.facts.delay_max;
        self.ask_at(Bounded::Masters, NodeId(0), at + bound + self.facts.drift(bound));
    }
}

fn print_of(supervisor: &Supervisor) -> Option<Print> {
    let router = supervisor.routers().first()?;
    Some(Print {
        state: router.state(),
        master: router.master(),
        priority: router.priority(),
        timeout: supervisor.poll_timeout(),
        counters: *router.counters(),
        discards: DiscardReason::ALL.iter().map(|r| supervisor.discards().count(*r)).sum(),
    })
}
