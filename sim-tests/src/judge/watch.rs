//! From what is observed to facts and questions.

#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::collapsible_match,
    reason = "few of the many events and reasons matter here"
)]

mod life;
mod packets;

use std::time::Duration;

use openproxy_core::event::{Event, EventKind, Reason};
use openproxy_core::vrrp::{AdvertPriority, HookKind, StateName};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;

use super::Judge;
use super::facts::{Exchange, is_lapse, is_takeover};
use crate::fault::FaultKind;
use crate::invariants::{self, Bounded, FAREWELL_DELAY_MAX};
use crate::observe::Observation;
use crate::scenario::CHECK_INTERVAL;
use crate::sometimes::Mark;

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
            Observation::Reset(_) => self.note(at, invariants::p2_reset(&self.facts, node, at)),
            Observation::Client(ip) => {
                self.facts.clients.retain(|(known, _)| *known != ip);
                self.facts.clients.push((ip, node));
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
            Observation::Guarded => self.guarded(at, node),
            Observation::Asked => self.asked(at, node),
            Observation::Paused => self.paused(at, node),
            Observation::Resumed => self.resumed(at, node),
            Observation::Reloaded(config) => self.reloaded(at, node, config),
            Observation::Lost { .. } => {}
        }
    }

    /// Asks when a router must have noticed, and when what excused it is over.
    fn ask_after_fault(&mut self, at: SimTime, id: NodeId) {
        self.ask_vips(at, id);
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

    fn event(&mut self, at: SimTime, id: NodeId, event: &Event) {
        match &event.kind {
            EventKind::StateChanged { from, to, reason, .. } => {
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
        let mut result = invariants::l3(&self.facts, id, at)
            .and_then(|()| invariants::k9_served(&self.facts, id, (from, to), reason, at));
        if is_takeover(reason) && from == StateName::Backup {
            result = result.and_then(|()| invariants::v5(&self.facts, id, at));
        }
        if is_lapse(reason) {
            result = result.and_then(|()| invariants::k1_lapsed(&self.facts, id, at));
        }
        if let Reason::BetterMaster(_, priority) = reason {
            result = result
                .and_then(|()| invariants::v8_owner(&self.facts, id, *priority))
                .and_then(|()| invariants::v9(&self.facts, id, reason));
        }
        self.note(at, result);
        let bound = self.facts.kernel_bound();
        let node = &mut self.facts.nodes[id.index()];
        if *reason == Reason::Inherited {
            // What the process before this one has left is its own now.
            node.leftover = 0;
            if node.asked_at.is_some() && !node.is_guard {
                // It was asked to end before, and hands over what it has just entered upon.
                node.owes_zero = (node.ailments == 0).then_some(true);
            }
        }
        (node.state, node.state_since) = (to, at);
        (node.sent, node.provoked, node.farewells, node.in_part) = (0, 0, 0, false);
        (node.sent_at, node.lesser_since, node.unsure_since_when) = (None, None, false);
        if to == StateName::Initialize || is_lapse(reason) {
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
            Reason::Announced(_) if node.is_guard => self.marks.put(Mark::GuardHandedOver),
            Reason::Announced(_) => self.marks.put(Mark::HandedOver),
            Reason::Inherited if !node.is_guard => {
                let is_master = |exchange: &Exchange| exchange.state == StateName::Master;
                let is_exchanged = node.exchange.as_ref().is_some_and(is_master);
                self.marks.put(Mark::Inherited);
                if is_exchanged {
                    self.marks.put(Mark::UpgradedAsMaster);
                }
            }
            Reason::NobodyFollowed => self.marks.put(Mark::HandoverUnanswered),
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
            reason if is_lapse(reason) && node.ours == 0 => self.marks.put(Mark::VipMissingOnDel),
            _ => {}
        }
    }

    fn ask_vips(&mut self, at: SimTime, id: NodeId) {
        // They come after the promote hook; they go at once.
        let hook =
            if self.facts.is_master(id) { self.facts.hook_bound(id) } else { Duration::ZERO };
        let bound = self.facts.kernel_bound() + hook;
        let excused_until = self.facts.node(id).ailed_until.max(at);
        self.ask_at(Bounded::Vips, id, excused_until + bound);
    }

    fn ask_masters(&mut self, at: SimTime) {
        let bound = self.facts.interval_max + self.facts.delay_max;
        self.ask_at(Bounded::Masters, NodeId(0), at + bound + self.facts.drift(bound));
    }
}
