//! A quick look, for `cargo mutants` and for whoever changes the core: two thousand seeds.

use openproxy_sim_tests::sweep::{self, Progress};

#[test]
fn every_invariant_holds_in_two_thousand_seeds() {
    let report = sweep::sweep(0..2_000, 2, &Progress::default());
    let failure = report.failure.map(|(seed, violation)| format!("seed {seed}: {violation}"));
    assert_eq!(failure, None);
}
