//! From what is observed to facts and questions.

#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::collapsible_match,
    reason = "few of the many events and reasons matter here"
)]

mod packets;

use std::time::Duration;

use openproxy_core::event::{Event, EventKind, Reason};
use openproxy_core::vrrp::{AdvertPriority, HookKind, RouterConfig, StateName};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;

use super::Judge;
use super::facts::{Crash, is_lapse, is_takeover};
use crate::fault::FaultKind;
use crate::invariants::{self, Bounded, CUT_AFTER, FAREWELL_DELAY_MAX};
use crate::observe::{End, Observation};
use crate::scenario::{CHECK_INTERVAL, HOOK_TIMEOUT};
use crate::sometimes::Mark;

/// What the daemon adds to its longest hook before it gives up waiting at its end: until a killed
/// promote hook is reaped, until a killed demote hook is, and a margin.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(15);

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

    fn started(&mut self, at: SimTime, id: NodeId, config: &RouterConfig) {
        let nobody = !self.facts.scenario.ids().any(|other| self.facts.is_master(other));
        if nobody && at > SimTime::ZERO && self.facts.nodes.iter().any(|node| node.up) {
            self.marks.put(Mark::RestartMidFailover);
        }
        let node = &mut self.facts.nodes[id.index()];
        (node.up, node.is_guard) = (true, false);
        node.started_at = at;
        (node.asked_at, node.paused_at, node.resumed_at) = (None, None, None);
        (node.zeros_sent, node.owes_zero) = (0, Some(false));
        node.config = Some(config.clone());
        node.priority = config.priority;
        node.changed_at = at;
        (node.state, node.state_since) = (StateName::Initialize, at);
        node.leftover = node.ours;
        node.unread_config = None;
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
        let stops_calmly = self.is_calm_but_for(id);
        let node = &mut self.facts.nodes[id.index()];
        node.asked_at = Some(at);
        node.stops_calmly = stops_calmly;
        node.zeros_sent = 0;
        node.owes_zero = (node.ailments == 0 || !is_master).then_some(takes_part && is_master);
        self.ask_ended(at, id);
        self.ask_masters(at);
    }

    /// From its process's death on, the guard is the node: it begins anew, and is about to end.
    fn guarded(&mut self, at: SimTime, id: NodeId) {
        let stops_calmly = self.is_calm_but_for(id);
        let Some(config) = self.facts.node(id).config.clone() else { return };
        let before = self.facts.node(id);
        let priority = before.priority;
        let died_after = before.paused_at.map_or(Duration::ZERO, |since| at.since(since));
        self.started(at, id, &config);
        let node = &mut self.facts.nodes[id.index()];
        (node.is_guard, node.died_after) = (true, died_after);
        if node.ours != 0 && died_after > config.interval.duration() * 2 {
            self.marks.put(Mark::GuardTooLate);
        }
        let node = &mut self.facts.nodes[id.index()];
        (node.priority, node.asked_at, node.stops_calmly) = (priority, Some(at), stops_calmly);
        // How much of it the guard knows, nobody can tell.
        node.owes_zero = None;
        let over = CUT_AFTER + self.facts.kernel_bound();
        self.ask_at(Bounded::Guarded, id, at + over + self.facts.drift(over));
        self.ask_ended(at, id);
        self.ask_masters(at);
    }

    fn ask_ended(&mut self, at: SimTime, id: NodeId) {
        let cut = if self.facts.node(id).is_guard { CUT_AFTER } else { Duration::ZERO };
        let bound = cut + HOOK_TIMEOUT + SHUTDOWN_MARGIN + self.facts.kernel_bound();
        let bound = bound + self.facts.handover_max(id);
        self.ask_at(Bounded::Ended, id, at + bound + self.facts.drift(bound));
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
            StateName::Master | StateName::Leaving => Mark::PausedMasterResumed,
            StateName::Initialize | StateName::Backup => Mark::PausedBackupResumed,
        });
        let node = &mut self.facts.nodes[id.index()];
        node.paused_for = node.paused_at.take().map_or(Duration::ZERO, |since| at.since(since));
        node.resumed_at = Some(at);
        let is_blind = node.sighted_at + node.paused_for > at;
        let unread = node.unread_config.take();
        if is_blind {
            self.facts.sight(at, id);
        }
        if let Some(config) = unread {
            self.read(at, id, &config);
        }
        self.ask_vips(at, id);
        self.ask_masters(at);
    }

    fn reloaded(&mut self, at: SimTime, id: NodeId, config: &RouterConfig) {
        let node = &mut self.facts.nodes[id.index()];
        // One that is asked to end reads no file any more.
        if node.asked_at.is_some() {
            return;
        }
        if node.paused_at.is_some() {
            node.unread_config = Some(config.clone());
            return;
        }
        self.read(at, id, config);
    }

    /// Its process takes what the file says.
    fn read(&mut self, at: SimTime, id: NodeId, config: &RouterConfig) {
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
            Reason::Inherited if !node.is_guard => self.marks.put(Mark::Inherited),
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
