//! Discovery in many simulated Patroni clusters, and the deliberate bugs that are seen there.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use openproxy_core::mutants::{self, Mutant};
use openproxy_sim_tests::patroni::{DiscoveryId, Scenario, Tally, run, scenario, shrink};

/// How many seeds run with the tests.
const SEEDS: u64 = 1_000;
/// So many seeds must be enough for each deliberate bug.
const MUTANT_SEEDS: u64 = 1_000;

/// What must be come across.
const SOMETIMES: [&str; 18] = [
    "own word",
    "leader key",
    "kept",
    "paused",
    "starting",
    "gave up",
    "key gone",
    "key moved",
    "unreachable",
    "nobody claims",
    "none answered",
    "cluster hangs",
    "stale view",
    "two writers",
    "timeline regressed",
    "system changed",
    "restarted in a failover",
    "hearsay",
];

/// What a number of seeds gave.
#[derive(Debug, Default)]
struct Sum {
    asked: u64,
    takeovers: u64,
    slowest: Duration,
    seen: BTreeSet<&'static str>,
}

fn sweep(seeds: impl Iterator<Item = u64>) -> Sum {
    let mut sum = Sum::default();
    for seed in seeds {
        let outcome = run(&scenario(seed));
        assert_eq!(outcome.finding, None, "seed {seed}: {:#?}", scenario(seed));
        let Tally { asked, takeovers, slowest, seen } = outcome.tally;
        sum.asked += asked;
        sum.takeovers += takeovers;
        sum.slowest = sum.slowest.max(slowest);
        sum.seen.extend(seen);
    }
    sum
}

#[test]
fn every_promise_holds_and_everything_is_seen() {
    let (even, odd) = thread::scope(|scope| {
        let odd = scope.spawn(|| sweep((0..SEEDS).filter(|seed| seed % 2 == 1)));
        (sweep((0..SEEDS).filter(|seed| seed % 2 == 0)), odd.join())
    });
    let sums = [even, odd.expect("every promise holds")];
    let takeovers: u64 = sums.iter().map(|sum| sum.takeovers).sum();
    let asked: u64 = sums.iter().map(|sum| sum.asked).sum();
    let slowest = sums.iter().map(|sum| sum.slowest).max();
    println!("{SEEDS} seeds, {asked} questions, {takeovers} takeovers, the slowest {slowest:?}");
    let is_seen = |word: &str| sums.iter().any(|sum| sum.seen.contains(word));
    let missing: Vec<_> = SOMETIMES.iter().filter(|word| !is_seen(word)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
    assert!(takeovers > SEEDS / 2, "{takeovers}");
}

#[test]
fn a_scenario_in_a_file_is_the_same_again() {
    for seed in 0..200 {
        let text = toml::to_string(&scenario(seed)).expect("TOML has what it takes");
        let again: Scenario = toml::from_str(&text).expect("its own text");
        assert_eq!(again, scenario(seed));
        again.check().expect("it makes sense");
    }
}

#[test]
fn a_scenario_that_makes_no_sense_is_refused_with_the_reason() {
    let mut short = scenario(0);
    short.setup.members = 0;
    assert_eq!(short.check(), Err("setup.members: 0; 1 to 7 are allowed".to_owned()));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..50 {
        assert_eq!(run(&scenario(seed)).hash, run(&scenario(seed)).hash, "seed {seed}");
    }
    assert_ne!(run(&scenario(1)).hash, run(&scenario(2)).hash);
}

/// The first seed that shows a bug, and which promise it breaks.
fn hunt(mutant: Mutant) -> Option<(u64, DiscoveryId)> {
    (0..MUTANT_SEEDS).find_map(|seed| {
        let outcome = mutants::with(Some(mutant), || run(&scenario(seed)));
        Some((seed, outcome.finding?.id))
    })
}

/// Bugs that no scenario here shows: the core's own tests catch them.
const ELSEWHERE: &[(Mutant, &str)] = &[
    (Mutant::UnknownRoleIsPrimary, "all roles here are known"),
    (Mutant::StateIgnored, "who stops says no timeline, and claims nothing without one"),
    (Mutant::EqualTimelinesIgnored, "a promotion always takes a timeline of its own"),
    (Mutant::StaleViewBelieved, "the new primary's own word is heard within the same moment"),
    (Mutant::PauseIgnored, "a pause and a silent primary must come together; nobody is named then"),
    (Mutant::OneFailureDecides, "a port that refuses once refuses again"),
    (Mutant::HasteForever, "eight a second are allowed for as long as news may come"),
    (
        Mutant::SystemsMerged,
        "no member keeps the old database, and its timeline is given up for the new one's",
    ),
    (Mutant::KeptDecides, "no virtual router follows"),
    (Mutant::OneLookMoves, "no virtual router follows"),
];

#[test]
fn deliberate_bugs_are_seen() {
    for mutant in Mutant::DISCOVERY {
        if let Some((_, why)) = ELSEWHERE.iter().find(|(other, _)| other == mutant) {
            println!("{:<28} {why}", mutant.name());
            continue;
        }
        let (seed, id) = hunt(*mutant).unwrap_or_else(|| panic!("{} is missed", mutant.name()));
        let shrunk = mutants::with(Some(*mutant), || shrink(&scenario(seed), id));
        let (steps, runs) = (shrunk.scenario.steps.len(), shrunk.runs);
        println!("{:<28} {id:?}, seed {seed}, {steps} steps after {runs} runs", mutant.name());
        assert!(steps <= 5, "{:#?}", shrunk.scenario);
    }
    assert!(Mutant::DISCOVERY.len() - ELSEWHERE.len() >= 10);
}
