//! Watches a run, keeps the facts that the invariants need, and asks each of them when it matters.
//!
//! An invariant with a bound ("within R after a change") is asked once the bound has passed without
//! another such change; the first observation after that moment does it, since nothing has changed
//! in between.

mod facts;
mod watch;

use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;

pub use facts::{Exchange, Facts, Heard, Node};

use crate::invariants::{self, Id};
use crate::observe::{Observation, Observer};
use crate::scenario::Scenario;
use crate::sometimes::Marks;

/// An invariant that doesn't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub id: Id,
    /// When it was noticed.
    pub at: SimTime,
    /// Where; the first node concerned.
    pub node: NodeId,
    /// What is wrong.
    pub text: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {} on {}: {}", self.id, self.at, self.node, self.text)
    }
}

/// From the end of a scenario's last fault until there must be one MASTER.
#[must_use]
pub fn settling(scenario: &Scenario) -> std::time::Duration {
    Facts::new(scenario).settling()
}

/// The observer that knows the invariants.
#[derive(Debug)]
pub struct Judge<'s> {
    facts: Facts<'s>,
    /// By invariant with a bound and node: when it is to be asked.
    due: [[SimTime; openproxy_io_sim::NODES_MAX]; invariants::BOUNDED],
    next_due: SimTime,
    violation: Option<Violation>,
    /// Whose file was read again, unchanged, since its last turn.
    reloads: [bool; openproxy_io_sim::NODES_MAX],
    /// What a core was like before a turn that must change nothing.
    prints: [Option<invariants::Print>; openproxy_io_sim::NODES_MAX],
    /// How often routers changed their states.
    pub transitions: u64,
    /// What was seen at least once.
    pub marks: Marks,
}

impl<'s> Judge<'s> {
    /// A judge of this scenario.
    #[must_use]
    pub fn new(scenario: &'s Scenario) -> Self {
        let mut judge = Self {
            facts: Facts::new(scenario),
            due: [[SimTime::MAX; openproxy_io_sim::NODES_MAX]; invariants::BOUNDED],
            next_due: SimTime::MAX,
            violation: None,
            reloads: Default::default(),
            prints: Default::default(),
            transitions: 0,
            marks: Marks::default(),
        };
        let settled = scenario.calm_at + judge.facts.settling();
        judge.ask_at(invariants::Bounded::Settled, NodeId(0), settled);
        judge
    }

    /// The first invariant that didn't hold, after what is still due at the end has been asked.
    #[must_use]
    pub fn verdict(mut self, end: SimTime) -> (Option<Violation>, u64, Marks) {
        if self.violation.is_none() {
            self.ask_due(end);
        }
        if self.violation.is_none() && end >= self.facts.scenario.end {
            let result = invariants::at_the_end(&self.facts);
            self.note(end, result);
        }
        (self.violation, self.transitions, self.marks)
    }

    fn ask_at(&mut self, bounded: invariants::Bounded, node: NodeId, at: SimTime) {
        self.due[bounded as usize][node.index()] = at;
        self.next_due = self.next_due.min(at);
    }

    fn ask_due(&mut self, now: SimTime) {
        for bounded in invariants::Bounded::ALL {
            for position in 0..self.facts.nodes.len() {
                let node = NodeId(u8::try_from(position).unwrap_or(u8::MAX));
                let at = self.due[bounded as usize][position];
                if at < now {
                    self.due[bounded as usize][position] = SimTime::MAX;
                    let result = invariants::ask(bounded, &self.facts, node, at);
                    self.note(at, result);
                }
            }
        }
        self.next_due = self.due.iter().flatten().copied().min().unwrap_or(SimTime::MAX);
    }

    fn note(&mut self, at: SimTime, result: invariants::Verdict) {
        if let Err((id, node, text)) = result
            && self.violation.is_none()
        {
            self.violation = Some(Violation { id, at, node, text });
        }
    }
}

impl Observer for Judge<'_> {
    fn observe(&mut self, at: SimTime, node: NodeId, observation: Observation<'_>) {
        if self.next_due < at {
            self.ask_due(at);
        }
        self.watch(at, node, observation);
    }

    fn is_satisfied(&self) -> bool {
        self.violation.is_some()
    }
}
