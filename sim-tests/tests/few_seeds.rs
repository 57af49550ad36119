//! A quick look, for `cargo mutants` and for whoever changes the core: two thousand seeds of virtual
//! routers, and three hundred of Patroni clusters.

use openproxy_sim_tests::patroni::{run, scenario};
use openproxy_sim_tests::sweep::{self, Progress};

#[test]
fn every_invariant_holds_in_two_thousand_seeds() {
    let report = sweep::sweep(0..2_000, 2, &Progress::default());
    let failure = report.failure.map(|(seed, violation)| format!("seed {seed}: {violation}"));
    assert_eq!(failure, None);
}

#[test]
fn every_promise_of_discovery_holds_in_three_hundred_seeds() {
    let seeds = 0..300;
    let mut takeovers = 0;
    for seed in seeds.clone() {
        let outcome = run(&scenario(seed));
        assert_eq!(outcome.finding, None, "seed {seed}");
        takeovers += outcome.tally.takeovers;
    }
    assert!(takeovers > seeds.end / 2, "{takeovers}");
}
