//! The life of processes: begins and ends, guards, stops and reloads.

use std::time::Duration;

use openproxy_core::vrrp::{RouterConfig, StateName};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;

use crate::invariants::{self, Bounded, CUT_AFTER};
use crate::judge::Judge;
use crate::judge::facts::{Crash, Exchange};
use crate::observe::End;
use crate::scenario::HOOK_TIMEOUT;
use crate::sometimes::Mark;

/// What the daemon adds to its longest hook before it gives up waiting at its end: until a killed
/// promote hook is reaped, until a killed demote hook is, and a margin.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(15);

impl Judge<'_> {
    pub(super) fn started(&mut self, at: SimTime, id: NodeId, config: &RouterConfig) {
        let is_exchanged = self.facts.node(id).exchange.is_some();
        let nobody =
            !is_exchanged && !self.facts.scenario.ids().any(|other| self.facts.is_master(other));
        if nobody && at > SimTime::ZERO && self.facts.nodes.iter().any(|node| node.up) {
            self.marks.put(Mark::RestartMidFailover);
        }
        self.begun(at, id, config);
        self.ask_exchanged(at, id);
        self.ask_vips(at, id);
        self.ask_masters(at);
    }

    /// All that is known of the process before is void.
    fn begun(&mut self, at: SimTime, id: NodeId, config: &RouterConfig) {
        let node = &mut self.facts.nodes[id.index()];
        (node.up, node.is_guard, node.replaced_at) = (true, false, None);
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
    }

    /// Asks what an exchange of programs has changed, once the new one has had the time to go on.
    fn ask_exchanged(&mut self, at: SimTime, id: NodeId) {
        let goes_on = self.facts.kernel_bound();
        let by = at + goes_on + self.facts.drift(goes_on);
        let node = &mut self.facts.nodes[id.index()];
        let is_same = |exchange: &Exchange| node.config.as_ref() == Some(&exchange.config);
        node.exchange = node.exchange.take().filter(is_same);
        if let Some(exchange) = &mut node.exchange {
            exchange.until = at;
            self.ask_at(Bounded::Exchanged, id, by);
        }
    }

    pub(super) fn ended(&mut self, at: SimTime, id: NodeId, end: End) {
        let was_master = self.facts.is_master(id);
        let was_calm = self.is_calm_but_for(id);
        let exchange = (end == End::Replaced).then(|| self.exchange(at, id)).flatten();
        if end == End::Finished {
            let result = invariants::k8_released(&self.facts, id)
                .and_then(|()| invariants::v4_one_zero(&self.facts, id));
            self.note(at, result);
        }
        let node = &mut self.facts.nodes[id.index()];
        node.exchange = exchange;
        node.replaced_at = (end == End::Replaced).then_some(at);
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

    /// How it stands where a program is about to be exchanged, if all is well.
    fn exchange(&self, at: SimTime, id: NodeId) -> Option<Exchange> {
        let node = self.facts.node(id);
        let master = self.facts.scenario.ids().find(|other| self.facts.is_master(*other))?;
        let serves = node.ours == self.facts.wanted(id) && !node.gate_closed;
        let mut others = self.facts.scenario.ids().filter(|other| *other != master);
        let is_settled = others.all(|other| self.lets_be(at, other, master));
        let is_well = self.is_calm_but_for(master) && is_settled && !node.is_ailing(at);
        let is_served = id != master || serves;
        let config = node.config.clone().filter(|_| is_well && is_served)?;
        let (state, sent_at, edges) = (node.state, node.sent_at, self.facts.edges);
        Some(Exchange { at, until: SimTime::MAX, state, sent_at, config, edges })
    }

    /// Whether the last advert of a MASTER has come to another node, or is on its way; and whether that
    /// one isn't about to replace it.
    fn lets_be(&self, at: SimTime, id: NodeId, master: NodeId) -> bool {
        let (node, of) = (self.facts.node(id), self.facts.node(master));
        let Some(config) = &of.config else { return false };
        let within = config.interval.duration() + self.facts.delay_max;
        let hears = node.last_positive.is_some_and(|heard| {
            heard.from == master && at.since(heard.at) <= within + self.facts.drift(within)
        });
        hears && (node.priority <= of.priority || !self.facts.preempts(id))
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

    pub(super) fn asked(&mut self, at: SimTime, id: NodeId) {
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
    pub(super) fn guarded(&mut self, at: SimTime, id: NodeId) {
        let Some(config) = self.facts.node(id).config.clone() else { return };
        let result = invariants::k11_awaited(&self.facts, id, at);
        self.note(at, result);
        let before = self.facts.node(id);
        let priority = before.priority;
        let silent_since = before.replaced_at.or(before.paused_at);
        let died_after = silent_since.map_or(Duration::ZERO, |since| at.since(since));
        if before.replaced_at.is_some() {
            self.marks.put(Mark::GuardBeforeHeir);
        }
        let stops_calmly = match &before.exchange {
            Some(exchange) => {
                let by = at + self.facts.kernel_bound();
                let known_for = exchange.known_for();
                let knows = by + self.facts.drift(known_for) < exchange.at + known_for;
                exchange.edges == self.facts.edges && exchange.sent_at.is_some() && knows
            }
            None => self.is_calm_but_for(id),
        };
        self.facts.nodes[id.index()].exchange = None;
        self.begun(at, id, &config);
        self.ask_vips(at, id);
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

    pub(super) fn paused(&mut self, at: SimTime, id: NodeId) {
        self.facts.nodes[id.index()].paused_at = Some(at);
        if let Some(bound) = self.facts.lease_bound(id) {
            self.ask_at(Bounded::Lease, id, at + bound + self.facts.drift(bound));
        }
        self.ask_masters(at);
    }

    pub(super) fn resumed(&mut self, at: SimTime, id: NodeId) {
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

    pub(super) fn reloaded(&mut self, at: SimTime, id: NodeId, config: &RouterConfig) {
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
}
