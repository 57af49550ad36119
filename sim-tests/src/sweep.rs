//! Many seeds, on several cores.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use openproxy_io_sim::clock::SimTime;

use crate::des::{Des, Tally};
use crate::judge::{Judge, Violation};
use crate::scenario::Scenario;
use crate::sometimes::Marks;
use crate::swarm;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first invariant that didn't hold.
    pub violation: Option<Violation>,
    /// How far it ran.
    pub end: SimTime,
    /// How much happened.
    pub tally: Tally,
    /// How often routers changed their states.
    pub transitions: u64,
    /// What was seen.
    pub marks: Marks,
}

/// Runs a scenario with all invariants.
#[must_use]
pub fn run(scenario: &Scenario) -> Outcome {
    let mut des = Des::new(scenario, Judge::new(scenario));
    des.run();
    let (end, tally, judge) = des.into_parts();
    let (violation, transitions, marks) = judge.verdict(end);
    Outcome { violation, end, tally, transitions, marks }
}

/// What came of many.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many seeds.
    pub seeds: u64,
    /// How much simulated time, in nanoseconds.
    pub simulated_nanos: u128,
    /// Events of all kinds.
    pub events: u64,
    /// Changes of state.
    pub transitions: u64,
    /// Faults.
    pub faults: u64,
    /// What was seen.
    pub marks: Marks,
    /// The lowest seed whose run broke an invariant, and which.
    pub failure: Option<(u64, Violation)>,
}

impl Report {
    fn add(&mut self, seed: u64, scenario: &Scenario, outcome: Outcome) {
        self.seeds += 1;
        self.simulated_nanos += u128::from(outcome.end.0);
        self.events += outcome.tally.events();
        self.transitions += outcome.transitions;
        self.faults += u64::try_from(scenario.faults.len()).unwrap_or(0);
        self.marks = self.marks.union(outcome.marks);
        if let Some(violation) = outcome.violation
            && self.failure.as_ref().is_none_or(|(known, _)| seed < *known)
        {
            self.failure = Some((seed, violation));
        }
    }

    fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.simulated_nanos += other.simulated_nanos;
        self.events += other.events;
        self.transitions += other.transitions;
        self.faults += other.faults;
        self.marks = self.marks.union(other.marks);
        if let Some((seed, violation)) = other.failure
            && self.failure.as_ref().is_none_or(|(known, _)| seed < *known)
        {
            self.failure = Some((seed, violation));
        }
    }

    /// How much time was simulated.
    #[must_use]
    pub fn simulated(&self) -> Duration {
        let secs = self.simulated_nanos / 1_000_000_000;
        Duration::from_secs(u64::try_from(secs).unwrap_or(u64::MAX))
    }
}

impl std::fmt::Display for Report {
    #[expect(clippy::cast_precision_loss, reason = "averages for people")]
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let each = |count: u64| count as f64 / self.seeds.max(1) as f64;
        write!(
            f,
            "{} seeds, {} simulated hours; per seed {:.0} events, {:.1} transitions, {:.1} faults",
            self.seeds,
            self.simulated().as_secs() / 3600,
            each(self.events),
            each(self.transitions),
            each(self.faults),
        )
    }
}

/// How a sweep goes, for a progress bar.
#[derive(Debug, Default)]
pub struct Progress {
    /// Seeds done.
    pub seeds: AtomicU64,
    /// Milliseconds simulated.
    pub simulated_millis: AtomicU64,
    /// Set when it has ended.
    pub done: AtomicBool,
}

/// How many seeds a worker takes at a time.
const CHUNK: u64 = 64;

/// Runs all seeds of a range on `jobs` threads, and stops soon after the first failure.
///
/// # Panics
/// If a run does, which is a failure of its own: the message has the seed.
#[must_use]
pub fn sweep(seeds: Range<u64>, jobs: usize, progress: &Progress) -> Report {
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicBool::new(false);
    let total = Mutex::new(Report::default());
    let work = || {
        let mut report = Report::default();
        loop {
            let from = next.fetch_add(CHUNK, Ordering::Relaxed);
            if from >= seeds.end || failed.load(Ordering::Relaxed) {
                break;
            }
            for seed in from..(from + CHUNK).min(seeds.end) {
                let scenario = swarm::scenario(seed);
                let outcome = run(&scenario);
                failed.fetch_or(outcome.violation.is_some(), Ordering::Relaxed);
                let millis = outcome.end.0 / 1_000_000;
                progress.seeds.fetch_add(1, Ordering::Relaxed);
                progress.simulated_millis.fetch_add(millis, Ordering::Relaxed);
                report.add(seed, &scenario, outcome);
            }
        }
        total.lock().unwrap_or_else(std::sync::PoisonError::into_inner).merge(report);
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(work);
        }
    });
    progress.done.store(true, Ordering::Relaxed);
    total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}
