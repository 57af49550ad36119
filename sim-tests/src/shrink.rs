//! From a run that broke an invariant to the smallest that still does.
//!
//! Chance is keyed, so that leaving out a fault leaves the others as they were. A smaller scenario is
//! kept if the same invariant breaks in it, whenever and wherever.

#![expect(clippy::wildcard_enum_match_arm, reason = "faults without a node stay as they are")]

use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;

use crate::fault::{Fault, FaultKind};
use crate::invariants::Id;
use crate::scenario::Scenario;
use crate::sweep;

/// How many runs it may take; a bound of its own, so that it never depends on the machine.
const RUNS_MAX: u32 = 2_000;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest scenario found.
    pub scenario: Scenario,
    /// How many runs it took.
    pub runs: u32,
}

struct Shrinker {
    best: Scenario,
    id: Id,
    runs: u32,
}

/// Makes a scenario in which `id` is broken as small as it gets.
#[must_use]
pub fn shrink(scenario: &Scenario, id: Id) -> Shrunk {
    let mut shrinker = Shrinker { best: scenario.clone(), id, runs: 0 };
    shrinker.cut_short();
    loop {
        let before = shrinker.best.clone();
        shrinker.drop_faults();
        shrinker.drop_nodes();
        shrinker.simplify();
        shrinker.cut_short();
        shrinker.round_times();
        if shrinker.best == before || shrinker.runs >= RUNS_MAX {
            break;
        }
    }
    Shrunk { scenario: shrinker.best, runs: shrinker.runs }
}

impl Shrinker {
    /// Keeps a smaller scenario if the invariant breaks in it, too.
    fn try_this(&mut self, smaller: Scenario) -> bool {
        if smaller == self.best || self.runs >= RUNS_MAX || smaller.check().is_err() {
            return false;
        }
        self.runs += 1;
        let breaks = sweep::run(&smaller).violation.is_some_and(|found| found.id == self.id);
        if breaks {
            self.best = smaller;
        }
        breaks
    }

    fn change(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut smaller = self.best.clone();
        change(&mut smaller);
        self.try_this(smaller)
    }

    /// Leaves out faults: halves first, then quarters, down to single ones.
    fn drop_faults(&mut self) {
        let mut size = self.best.faults.len();
        while size > 0 {
            let mut from = 0;
            while from < self.best.faults.len() {
                let to = (from + size).min(self.best.faults.len());
                if !self.change(|scenario| drop(scenario.faults.drain(from..to))) {
                    from = to;
                }
            }
            size /= 2;
        }
    }

    /// Leaves out nodes, from the last.
    fn drop_nodes(&mut self) {
        for position in (0..self.best.count()).rev() {
            if self.best.nodes.len() > 1 {
                self.change(|scenario| drop_node(scenario, NodeId(position)));
            }
        }
    }

    /// Makes nodes and network plainer, one thing at a time.
    fn simplify(&mut self) {
        self.change(|scenario| scenario.vips = 1);
        self.change(|scenario| scenario.unicast = false);
        self.change(|scenario| scenario.ipv6 = false);
        for position in 0..self.best.nodes.len() {
            self.change(|scenario| scenario.nodes[position].drift_ppm = 0);
            self.change(|scenario| scenario.nodes[position].hooks_take = None);
            self.change(|scenario| scenario.nodes[position].check_weight = None);
            self.change(|scenario| scenario.nodes[position].interval_centis = None);
            self.change(|scenario| scenario.nodes[position].starts_at = SimTime::ZERO);
            self.change(|scenario| scenario.nodes[position].preempt_delay = Some(SimTime::ZERO));
        }
        for position in 0..self.best.faults.len() {
            self.change(|scenario| soften(&mut scenario.faults[position]));
        }
    }

    /// Moves everything to an earlier time, and ends soon after the invariant breaks.
    fn cut_short(&mut self) {
        if let Some(found) = sweep::run(&self.best).violation {
            let interval = u64::from(self.best.interval_centis) * 10_000_000;
            self.change(|scenario| {
                scenario.end = scenario.end.min(SimTime(found.at.0 + interval));
            });
        }
        let first = self.best.faults.iter().map(|fault| fault.at.0).min().unwrap_or(0);
        let interval = u64::from(self.best.interval_centis) * 10_000_000;
        for earliest in [interval * 6, interval * 12] {
            if first > earliest && self.change(|scenario| shift(scenario, first - earliest)) {
                break;
            }
        }
    }

    /// Rounds times, coarsely first.
    fn round_times(&mut self) {
        let interval = u64::from(self.best.interval_centis) * 10_000_000;
        for grain in [interval, interval / 10, interval / 100] {
            for position in 0..self.best.faults.len() {
                let round = |time: SimTime| SimTime(time.0 / grain.max(1) * grain.max(1));
                self.change(|scenario| {
                    let fault = &mut scenario.faults[position];
                    (fault.at, fault.until) = (round(fault.at), round(fault.until));
                });
            }
        }
    }
}

fn shift(scenario: &mut Scenario, by: u64) {
    let earlier = |time: SimTime| SimTime(time.0.saturating_sub(by));
    for fault in &mut scenario.faults {
        (fault.at, fault.until) = (earlier(fault.at), earlier(fault.until));
    }
    scenario.calm_at = earlier(scenario.calm_at);
    scenario.end = earlier(scenario.end);
}

/// Halves the span and the rate of a fault.
fn soften(fault: &mut Fault) {
    let span = fault.until.since(fault.at) / 2;
    fault.until = fault.at + span;
    if let FaultKind::Noise { per_mille, .. } = &mut fault.kind {
        *per_mille = 1_000;
    }
}

fn drop_node(scenario: &mut Scenario, gone: NodeId) {
    let count = scenario.count();
    scenario.nodes.remove(gone.index());
    scenario.faults.retain(|fault| match &fault.kind {
        FaultKind::Noise { from: None, .. } | FaultKind::Stranger { .. } => true,
        kind => !kind.nodes(count).contains(&gone),
    });
    // Nodes are numbers: those behind the one that went are one less now.
    for fault in &mut scenario.faults {
        for node in fault.kind.nodes_mut() {
            if node.0 > gone.0 {
                node.0 -= 1;
            }
        }
    }
}
