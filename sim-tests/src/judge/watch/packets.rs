//! Adverts, announcements, addresses and turns: what happens all the time.

use std::time::Duration;

use openproxy_core::io::{AddressChange, Announcement, SendAdvert};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::vrrp::{AdvertPriority, DiscardReason, Preempt, StateName};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::frame::{Frame, Truth};
use openproxy_io_sim::host::Agenda;
use openproxy_io_sim::kernel::Cause;
use openproxy_io_sim::lan::Lan;

use crate::invariants::{self, Bounded, Print};
use crate::judge::Judge;
use crate::judge::facts::Heard;
use crate::sometimes::Mark;

/// How soon a new VIP is to be announced.
const ANNOUNCED_WITHIN: Duration = Duration::from_millis(10);
/// Claims of a VIP by others are answered so often.
const RECLAIM_INTERVAL: Duration = Duration::from_secs(1);

impl Judge<'_> {
    pub(super) fn sent(&mut self, at: SimTime, id: NodeId, send: &SendAdvert) {
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
            .and_then(|()| invariants::v4_silent(facts, id, at, priority))
            .and_then(|()| invariants::v6(facts, id, at))
            .and_then(|()| invariants::v8_sent(facts, id, priority))
            .and_then(|()| invariants::k10_silent(facts, id, priority))
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
            StateName::Initialize | StateName::Master | StateName::Leaving => {}
        }
    }

    pub(super) fn heard(&mut self, at: SimTime, id: NodeId, from: Option<NodeId>, frame: &Frame) {
        self.mark_truth(frame.truth);
        let node = &mut self.facts.nodes[id.index()];
        if frame.truth == Truth::Reflected && node.cut_off > 0 {
            // Without an address, it can't tell its own packets.
            node.good_unread += 1;
            return;
        }
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
            StateName::Initialize | StateName::Backup | StateName::Leaving => {}
        }
        let Some(config) = &node.config else { return };
        let drift = self.facts.scenario.nodes[id.index()].drift_ppm.unsigned_abs();
        let is_lesser = heard.priority < node.priority.get();
        let lesser_since = is_lesser.then(|| node.lesser_since.unwrap_or(at));
        node.lesser_since = lesser_since;
        // What it reads after a pause counts from its arrival, which may be long ago.
        node.unsure_since_when = lesser_since.is_some_and(|since| {
            node.resumed_at.is_some_and(|woken| since <= woken || node.state_since == woken)
        });
        let holds = !config.priority.is_owner()
            && match config.preempt {
                Preempt::Never => true,
                Preempt::After(delay) => lesser_since
                    .is_some_and(|since| at.since(since) + delay / 1_000_000 * (drift + 1) < delay),
            };
        if !is_lesser || holds {
            if node.state == StateName::Backup {
                if is_lesser {
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

    pub(super) fn announced(&mut self, at: SimTime, id: NodeId, announcement: &Announcement) {
        let mut announced = 0;
        for (position, ip) in self.facts.vips.iter().enumerate() {
            if announcement.addresses.contains(ip) {
                announced |= 1 << position;
            }
        }
        let result = invariants::k5_only_held(&self.facts, id, announced, at)
            .and_then(|()| invariants::p2(&self.facts, id, at));
        self.note(at, result);
        let is_heard = self.facts.lan.is_open(id, Lan::CLIENTS);
        let node = &mut self.facts.nodes[id.index()];
        node.announced_at = Some(at);
        if !is_heard {
            node.unheard_at = Some(at);
        }
        self.ask_claimed(at, id, announced);
    }

    /// Whoever holds what another announces will say so, too, if it hears of it.
    fn ask_claimed(&mut self, at: SimTime, claimant: NodeId, announced: u8) {
        for id in self.facts.scenario.ids().filter(|id| *id != claimant) {
            if !self.facts.is_clean(claimant, id) {
                self.facts.nodes[id.index()].unheard_at = Some(at);
            }
        }
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

    pub(super) fn address(
        &mut self,
        at: SimTime,
        id: NodeId,
        change: &AddressChange,
        cause: Cause,
    ) {
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
            AddressChange::Present(address) if address.ours => {
                node.ours |= bit;
                if cause == Cause::Process && node.state == StateName::Master {
                    // What couldn't be removed is a VIP of its own by now.
                    node.leftover &= !bit;
                }
            }
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
                let mut result = invariants::k2_foreign(&self.facts, id, gone, cause, at);
                if gone.ours && bit != 0 && cause == Cause::Process {
                    result = result.and_then(|()| invariants::k10_served(&self.facts, id, at));
                }
                if lapsed {
                    result = result.and_then(|()| invariants::k1_renewed(&self.facts, id, at));
                }
                self.note(at, result);
            }
        }
        let node = &mut self.facts.nodes[id.index()];
        if node.ours != before {
            let came = node.ours > before;
            let since = std::mem::replace(&mut node.ours_since, (at, cause)).0;
            if came {
                node.came_at = at;
                let result = invariants::k5_after_hook(&self.facts, id, at)
                    .and_then(|()| invariants::k10_adds(&self.facts, id, since, at));
                self.note(at, result);
            }
            self.ask_vips(at, id);
            if came {
                // A renewal under way may put back what somebody removed; the add after it finds it there.
                let bound = ANNOUNCED_WITHIN + self.facts.kernel_bound();
                self.ask_at(Bounded::Announced, id, at + bound);
                self.ask_handed_over(at, id);
            }
        }
    }

    /// Whoever hands over is to hear that somebody follows.
    fn ask_handed_over(&mut self, at: SimTime, follower: NodeId) {
        let by = at + invariants::overlap_max(&self.facts);
        for id in self.facts.scenario.ids().filter(|id| *id != follower) {
            if self.facts.node(id).state == StateName::Leaving {
                self.ask_at(Bounded::HandedOver, id, by);
            }
        }
    }

    pub(super) fn turning(&mut self, id: NodeId, supervisor: &Supervisor, agenda: Agenda) {
        let node = self.facts.node(id);
        let only_bad = node.bad_unread > 0 && node.good_unread == 0 && agenda == Agenda::Packets;
        let only_same = self.reloads[id.index()] && agenda == Agenda::Commands;
        if only_bad || only_same {
            self.prints[id.index()] = print_of(supervisor);
        }
    }

    pub(super) fn turned(
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
