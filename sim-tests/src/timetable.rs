//! What befalls a cluster, and when: starts, begins and ends of faults, and strangers' packets.

use std::cmp::Reverse;
use std::time::Duration;

use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::draw::{Draws, Stream};
use openproxy_io_sim::frame::Frame;

use crate::fault::{Fault, FaultKind, Wrong};
use crate::scenario::Scenario;
use crate::stranger;

/// A stranger is silent for this long at least between two packets.
const STRANGER_PAUSE_MIN: Duration = Duration::from_millis(1);

/// Something that befalls the cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry<'s> {
    /// A process is started for the first time.
    Start(NodeId),
    /// A fault begins, or is over.
    Edge(&'s Fault, bool),
    /// A stranger sends to everybody.
    Stranger(StrangersPacket),
}

/// A packet of a stranger; each node gets one of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StrangersPacket {
    /// When it arrives.
    pub(crate) at: SimTime,
    wrong: Wrong,
    chosen: u64,
}

#[derive(Clone, Copy, Debug)]
struct Stranger {
    /// The position of its fault.
    fault: usize,
    wrong: Wrong,
    every: Duration,
    next_at: SimTime,
    sent: u64,
}

/// All that is going to befall a cluster.
#[derive(Debug)]
pub(crate) struct Timetable<'s> {
    scenario: &'s Scenario,
    /// Begins and ends of faults, in order.
    edges: Vec<(SimTime, usize, bool)>,
    next_edge: usize,
    strangers: Vec<Stranger>,
    /// The last first.
    starts: Vec<(SimTime, NodeId)>,
}

impl<'s> Timetable<'s> {
    pub(crate) fn new(scenario: &'s Scenario) -> Self {
        let mut edges = Vec::with_capacity(scenario.faults.len() * 2);
        for (position, fault) in scenario.faults.iter().enumerate() {
            edges.push((fault.at, position, true));
            edges.push((fault.until, position, false));
        }
        // A fault that ends goes before one that begins in the same moment.
        edges.sort_by_key(|(at, position, begins)| (*at, *begins, *position));
        let mut starts: Vec<_> =
            scenario.ids().map(|node| (scenario.nodes[node.index()].starts_at, node)).collect();
        starts.sort_by_key(|start| Reverse(*start));
        Self { scenario, edges, next_edge: 0, strangers: Vec::new(), starts }
    }

    /// When the next entry is due.
    pub(crate) fn due_at(&self) -> SimTime {
        let edge = self.edges.get(self.next_edge).map_or(SimTime::MAX, |(at, _, _)| *at);
        let start = self.starts.last().map_or(SimTime::MAX, |(at, _)| *at);
        let strangers = self.strangers.iter().map(|stranger| stranger.next_at);
        edge.min(start).min(strangers.min().unwrap_or(SimTime::MAX))
    }

    /// The next entry that is due by now: starts go before faults, and those before strangers.
    pub(crate) fn next(&mut self, now: SimTime) -> Option<Entry<'s>> {
        if let Some((_, node)) = self.starts.pop_if(|(at, _)| *at <= now) {
            return Some(Entry::Start(node));
        }
        if let Some((at, position, begins)) = self.edges.get(self.next_edge).copied()
            && at <= now
        {
            self.next_edge += 1;
            let fault = &self.scenario.faults[position];
            if let FaultKind::Stranger { wrong, every } = fault.kind {
                let every = every.since(SimTime::ZERO).max(STRANGER_PAUSE_MIN);
                let stranger = Stranger { fault: position, wrong, every, next_at: now, sent: 0 };
                self.strangers.retain(|known| known.fault != position);
                self.strangers.extend(begins.then_some(stranger));
            }
            return Some(Entry::Edge(fault, begins));
        }
        let stranger = self.strangers.iter_mut().find(|stranger| stranger.next_at <= now)?;
        let key = u64::try_from(stranger.fault).unwrap_or(u64::MAX);
        let chosen = Draws::new(self.scenario.seed).draw(Stream::Stranger, key, stranger.sent);
        let packet = StrangersPacket { at: stranger.next_at, wrong: stranger.wrong, chosen };
        stranger.next_at = stranger.next_at + stranger.every;
        stranger.sent += 1;
        Some(Entry::Stranger(packet))
    }
}

impl StrangersPacket {
    /// What each node of a scenario gets.
    pub(crate) fn frames(self, scenario: &Scenario) -> impl Iterator<Item = (NodeId, Frame)> {
        let frame = move |to| (to, stranger::frame(scenario, to, self.wrong, self.chosen));
        scenario.ids().map(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(at: u64, until: u64, kind: FaultKind) -> Fault {
        Fault { at: SimTime(at), until: SimTime(until), kind }
    }

    #[test]
    fn what_ends_goes_before_what_begins_and_starts_before_both() {
        let mut scenario = Scenario::calm(&[100]);
        let node = NodeId(0);
        scenario.nodes[0].starts_at = SimTime(5);
        scenario.faults =
            vec![fault(5, 9, FaultKind::Kill { node }), fault(2, 5, FaultKind::Pause { node })];
        let mut timetable = Timetable::new(&scenario);
        let mut told = Vec::new();
        while timetable.due_at() != SimTime::MAX {
            let now = timetable.due_at();
            told.push(match timetable.next(now).expect("it is due") {
                Entry::Start(node) => format!("{now} start {node}"),
                Entry::Edge(fault, begins) => format!("{now} {begins} {}", fault.kind),
                Entry::Stranger(_) => unreachable!("there is none"),
            });
        }
        let at = |nanos: u64| SimTime(nanos);
        assert_eq!(
            told,
            [
                format!("{} true n0 is frozen", at(2)),
                format!("{} start n0", at(5)),
                format!("{} false n0 is frozen", at(5)),
                format!("{} true n0 is killed", at(5)),
                format!("{} false n0 is killed", at(9)),
            ]
        );
    }

    #[test]
    fn a_stranger_sends_to_all_from_its_begin_to_its_end() {
        let mut scenario = Scenario::calm(&[100, 50]);
        let every = SimTime::from_millis(2);
        let kind = FaultKind::Stranger { wrong: Wrong::Type, every };
        scenario.faults = vec![fault(0, 5_000_000, kind)];
        let mut timetable = Timetable::new(&scenario);
        let mut arrivals = Vec::new();
        for _ in 0..100 {
            if let Some(Entry::Stranger(packet)) = timetable.next(timetable.due_at()) {
                arrivals.push((packet.at, packet.frames(&scenario).count()));
            }
        }
        assert_eq!(timetable.due_at(), SimTime::MAX, "it is over");
        let expected = [0, 2, 4].map(|millis| (SimTime::from_millis(millis), 2));
        assert_eq!(arrivals, expected);
    }
}
