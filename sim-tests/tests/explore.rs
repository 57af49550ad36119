//! Not some of what can befall three routers, but all of it.

use openproxy_core::mutants::{Mutant, with};
use openproxy_io_sim::clock::SimTime;
use openproxy_sim_tests::explore::{Configuration, Settings, explore};

/// How many states the usual clusters can be in. Whoever changes it should know why: fewer may mean
/// that less is looked at.
const STATES: u64 = 3_206_350;

#[test]
fn three_routers_keep_their_bounds_whatever_three_faults_befall_them() {
    let report = explore(&Settings::default());
    println!("{report}");
    assert_eq!(report.violation(), None);
    assert_eq!(report.states(), STATES);
    for explored in &report.configurations {
        // Tight: but for the travels of two packets, it does take so long.
        let (took, bound) = (explored.worst.took, explored.worst.bound);
        assert!(bound.0 - took.0 <= 2_000_000, "{took} of {bound}");
    }
}

#[test]
fn what_takes_too_long_is_told_with_the_faults_that_it_takes() {
    let configuration = Configuration { faults: 2, moments: 4, ..Configuration::usual() };
    let settings =
        Settings { configurations: vec![configuration], threads: 1, ..Settings::default() };
    let worst = explore(&settings).worst_convergence();
    let bound = SimTime(worst.0 - 250_000_000);
    let report = explore(&Settings { bound: Some(bound), ..settings });
    println!("{report}");
    let (_, violation) = report.violation().expect("the worst takes longer");
    assert!(violation.what.starts_with("it settles after"), "{violation}");
    // The shortest way there, with one fault.
    assert_eq!(violation.trace.len(), 1, "{violation}");
}

#[test]
fn clusters_with_the_same_key_have_the_same_future() {
    let usual = || Configuration { faults: 2, moments: 2, ..Configuration::usual() };
    let settings = Settings {
        configurations: vec![
            usual(),
            Configuration { preempt: false, ..usual() },
            Configuration { priorities: vec![100; 3], ..usual() },
            Configuration { version: 2, ..usual() },
        ],
        compare_one_in: 16,
        ..Settings::default()
    };
    let report = explore(&settings);
    println!("{report}");
    assert_eq!(report.violation(), None);
    assert!(report.configurations.iter().all(|explored| explored.comparisons > 1_000));
}

#[test]
fn bugs_in_the_election_and_in_leases_are_found_with_two_faults() {
    let usual = || Configuration { faults: 2, ..Configuration::usual() };
    let configurations = [
        usual(),
        Configuration { preempt: false, ..usual() },
        Configuration { priorities: vec![100; 3], ..usual() },
    ];
    let is_found = |mutant: &Mutant| {
        configurations.iter().any(|configuration| {
            let settings = Settings {
                configurations: vec![configuration.clone()],
                threads: 1,
                ..Settings::default()
            };
            with(Some(*mutant), || explore(&settings)).violation().is_some()
        })
    };
    let missed: Vec<_> = FOUND.iter().filter(|mutant| !is_found(mutant)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

/// The bugs that an exploration must see. Others are in what it has no part of.
const FOUND: [Mutant; 19] = [
    Mutant::PreemptIgnored,
    Mutant::PreemptOffIgnored,
    Mutant::EqualYields,
    Mutant::TieBreakReversed,
    Mutant::BetterMasterIgnored,
    Mutant::BackupAdvertises,
    Mutant::TwoMissedAdverts,
    Mutant::SkewReversed,
    Mutant::SkewMissing,
    Mutant::TimersBeforeArrivals,
    Mutant::LeaseNotRenewed,
    Mutant::LeaseTooLong,
    Mutant::LapseUnnoticed,
    Mutant::LapseNoticedLast,
    Mutant::ZeroOmitted,
    Mutant::ZeroSentTwice,
    Mutant::VipsKeptOnExit,
    Mutant::LeftoversKept,
    Mutant::LinkDownIgnored,
];
