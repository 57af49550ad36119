//! The two runners on the same scenarios: driver, file and waiting must not make a cluster behave
//! differently from its core alone.
//!
//! All times of these scenarios are whole milliseconds. With good clocks, both runners do each thing
//! in the same one, and everything that they tell is compared, until a kernel removes an address
//! whose lease is over: it is late by a fraction. From there on, and with clocks that drift, the
//! runners may be a tick and a packet's way apart, and only changes of state are compared: until two
//! timers were so close to each other that either could be first, and they are two different runs.

mod mixture;

use openproxy_core::event::EventKind;
use openproxy_core::vrrp::StateName;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::{Clock, SimTime};
use openproxy_sim_tests::des::Des;
use openproxy_sim_tests::fault::FaultKind;
use openproxy_sim_tests::observe::{End, Observation, Observer};
use openproxy_sim_tests::scenario::Scenario;
use openproxy_sim_tests::turmoil_world;

const SEEDS: u64 = 80;
const MILLI: u64 = 1_000_000;
/// A tick of turmoil, and a packet's way.
const TOLERANCE: u64 = MILLI + mixture::DELAY.0;

/// A node entered a state.
type Change = (SimTime, NodeId, StateName);

/// What both runners tell, and how close it was.
#[derive(Default)]
struct Record {
    changes: Vec<Change>,
    /// Everything: in which millisecond, where, and what.
    lines: Vec<(u64, NodeId, String)>,
    drifts: Vec<i32>,
    clocks: Vec<Clock>,
    /// When something first was at no whole millisecond.
    fraction: Option<SimTime>,
    /// When each node next takes a turn by itself, as the discrete-event runner knows it.
    due: Vec<SimTime>,
    /// When timers of two nodes were first so close that either may come first.
    close_call: Option<SimTime>,
}

impl Record {
    fn of(scenario: &Scenario) -> Self {
        let drifts: Vec<i32> = scenario.nodes.iter().map(|node| node.drift_ppm).collect();
        Self {
            clocks: drifts.iter().map(|drift| Clock::new(SimTime::ZERO, *drift)).collect(),
            drifts,
            due: scenario.ids().map(|_| SimTime::MAX).collect(),
            ..Self::default()
        }
    }

    fn look_at_timers(&mut self, at: SimTime, node: NodeId) {
        let mut others = self.due.iter().enumerate().filter(|(other, _)| *other != node.index());
        let fires = self.due[node.index()] <= at;
        if fires && others.any(|(_, due)| due.0.abs_diff(at.0) <= TOLERANCE) {
            self.close_call.get_or_insert(at);
        }
    }
}

impl Observer for Record {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest says nothing about timers")]
    fn observe(&mut self, at: SimTime, node: NodeId, observation: Observation<'_>) {
        match observation {
            Observation::Turning(..) => return self.look_at_timers(at, node),
            Observation::Turned { supervisor, .. } => {
                self.due[node.index()] =
                    self.clocks[node.index()].global(supervisor.poll_timeout());
                return;
            }
            Observation::Event(event) => {
                if let EventKind::StateChanged { to, .. } = event.kind {
                    self.changes.push((at, node, to));
                }
            }
            Observation::Ended(_) | Observation::Paused => self.due[node.index()] = SimTime::MAX,
            Observation::Fault(fault, false) => {
                if let FaultKind::PowerLoss { node } = fault.kind {
                    self.clocks[node.index()] = Clock::new(at, self.drifts[node.index()]);
                }
            }
            _ => {}
        }
        if !at.0.is_multiple_of(MILLI) {
            self.fraction.get_or_insert(at);
        }
        self.lines.push((at.0.div_ceil(MILLI), node, format!("{observation:?}")));
    }
}

/// A scenario, by both runners.
struct Pair {
    seed: u64,
    scenario: Scenario,
    core: Record,
    driver: Record,
}

impl Pair {
    fn run(seed: u64) -> Self {
        let scenario = mixture::scenario(seed);
        scenario.check().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let mut des = Des::new(&scenario, Record::of(&scenario));
        des.run();
        let (_, _, mut core) = des.into_parts();
        let (outcome, mut driver) = turmoil_world::run(&scenario, Record::of(&scenario));
        assert_eq!(outcome.failure, None, "seed {seed}");
        // Within a millisecond, each runner has an order of its own.
        core.lines.sort();
        driver.lines.sort();
        Self { seed, scenario, core, driver }
    }

    /// Compares everything while all is at whole milliseconds; how many lines that were.
    fn compare_lines(&self) -> usize {
        let until = self.core.fraction.unwrap_or(self.scenario.end).0 / MILLI;
        let of = |record: &Record| -> Vec<_> {
            record.lines.iter().filter(|(milli, _, _)| *milli < until).cloned().collect()
        };
        let (core, driver) = (of(&self.core), of(&self.driver));
        if let Some((one, other)) = core.iter().zip(&driver).find(|(one, other)| one != other) {
            panic!("{}\nthe first difference:\n{one:?}\n{other:?}", self.describe());
        }
        assert_eq!(core.len(), driver.len(), "{}", self.describe());
        core.len()
    }

    /// Whether all changes of state are the same. Where they are not, it was a close call.
    fn is_whole(&self) -> bool {
        let differences = self.scenario.ids().filter_map(|node| self.first_difference(node)).min();
        let Some(at) = differences else { return true };
        let close_call = self.core.close_call;
        let is_excused = close_call.is_some_and(|close| close.0 <= at.0 + TOLERANCE);
        assert!(is_excused, "{}\nthey differ at {at}, before {close_call:?}", self.describe());
        false
    }

    /// Where a node's changes of state first differ by more than the tolerance.
    fn first_difference(&self, node: NodeId) -> Option<SimTime> {
        let of = |record: &Record| -> Vec<Change> {
            record.changes.iter().filter(|(_, who, _)| *who == node).copied().collect()
        };
        let (core, driver) = (of(&self.core), of(&self.driver));
        let longest = core.len().max(driver.len());
        (0..longest).find_map(|position| match (core.get(position), driver.get(position)) {
            (Some((at, _, to)), Some((other_at, _, other_to))) => {
                let is_same = to == other_to && at.0.abs_diff(other_at.0) <= TOLERANCE;
                (!is_same).then_some(*at.min(other_at))
            }
            (Some((at, _, _)), None) | (None, Some((at, _, _))) => Some(*at),
            (None, None) => None,
        })
    }

    fn describe(&self) -> String {
        format!(
            "seed {}: {:#?}\ncore:   {:?}\ndriver: {:?}",
            self.seed, self.scenario, self.core.changes, self.driver.changes
        )
    }
}

/// How often a guard began, and a program was exchanged, in runs that were compared line by line.
#[derive(Debug, Default)]
struct Seen {
    guards: usize,
    exchanges: usize,
}

impl Seen {
    fn look_at(&mut self, pair: &Pair) {
        let count = |observation: Observation<'_>| {
            let text = format!("{observation:?}");
            pair.driver.lines.iter().filter(|(_, _, line)| *line == text).count()
        };
        self.guards += count(Observation::Guarded);
        self.exchanges += count(Observation::Ended(End::Replaced));
    }
}

#[test]
fn both_runners_tell_the_same() {
    let (mut whole, mut changes, mut lines, mut seen) = (0, 0, 0, Seen::default());
    for seed in 0..SEEDS {
        let pair = Pair::run(seed);
        whole += u64::from(pair.is_whole());
        changes += pair.core.changes.len();
        if pair.scenario.nodes.iter().all(|node| node.drift_ppm == 0) {
            lines += pair.compare_lines();
            seen.look_at(&pair);
        }
    }
    println!(
        "{whole} of {SEEDS} runs compare whole: {changes} changes of state; \
         and {lines} lines with good clocks, {seen:?}"
    );
    assert!(seen.guards >= 3 && seen.exchanges >= 3, "{seen:?}");
    assert!(whole * 10 >= SEEDS * 9, "only {whole} of {SEEDS} compare whole");
}
