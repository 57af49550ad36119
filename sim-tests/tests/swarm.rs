//! Many seeds, and what they must come across.

use std::time::Duration;

use openproxy_sim_tests::sometimes::Mark;
use openproxy_sim_tests::sweep::{self, Progress, Report};

/// So many seeds must show everything of the sometimes list.
const SOMETIMES_WITHIN: u64 = 10_000;
/// How many seeds run with the tests.
const SEEDS: u64 = 100_000;

fn sweep(seeds: std::ops::Range<u64>) -> Report {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let report = sweep::sweep(seeds, cores, &Progress::default());
    if let Some((seed, violation)) = &report.failure {
        panic!(
            "{violation}\nshrink and replay it with\n  \
             cargo run --release -p openproxy-sim-tests -- run --seed {seed}"
        );
    }
    report
}

#[test]
fn every_invariant_holds_and_everything_is_seen() {
    let first = sweep(0..SOMETIMES_WITHIN);
    println!("{first}");
    let missing: Vec<Mark> = first.marks.missing().collect();
    assert!(missing.is_empty(), "never seen in {SOMETIMES_WITHIN} seeds: {missing:?}");
    let rest = sweep(SOMETIMES_WITHIN..SEEDS);
    println!("{rest}");
    assert_eq!(first.seeds + rest.seeds, SEEDS);
    assert!(rest.simulated() > Duration::from_secs(3600 * 1_000), "seeds have become short");
    assert!(rest.transitions > 5 * rest.seeds && rest.faults > 5 * rest.seeds, "or uneventful");
}
