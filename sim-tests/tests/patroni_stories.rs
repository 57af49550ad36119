//! What is told while something goes wrong in a Patroni cluster, and how soon.

use openproxy_core::time::{Duration, Instant};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::patroni::{Fault, Setup, Version};
use openproxy_sim_tests::patroni::{Mishap, Outcome, Scenario, Step, Told, run};

const N0: NodeId = NodeId(0);
const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
/// Each story happens in so many ways.
const SEEDS: u64 = 100;
/// By when a new primary is published after its first write.
const SOON: Duration = Duration::from_millis(300);
const SECOND: Duration = Duration::from_secs(1);

/// Runs a story from 30 s on, in which the daemon starts at `starts_at` seconds.
fn tell(seed: u64, failsafe: bool, starts_at: u64, steps: &[(u64, Mishap)]) -> Outcome {
    let steps = steps.iter().map(|(at, mishap)| Step { at: secs(*at), mishap: *mishap });
    let outcome = run(&Scenario {
        seed,
        setup: Setup { members: 3, failsafe, version: Version::V41 },
        starts_at: secs(starts_at),
        delay_max: Duration::from_millis(5),
        spoilt_per_mille: 0,
        steps: steps.collect(),
        end: secs(240),
    });
    assert_eq!(outcome.finding, None, "seed {seed}: {:#?}", outcome.told);
    outcome
}

const fn secs(secs: u64) -> Instant {
    Instant::from_millis(secs * 1_000)
}

const fn cluster(fault: Fault) -> Mishap {
    Mishap::Cluster(fault)
}

/// What was told at this time and after it.
fn told_from(outcome: &Outcome, at: Instant) -> &[Told] {
    let next = outcome.told.partition_point(|told| told.at <= at);
    &outcome.told[next.saturating_sub(1)..]
}

/// The first other than `N0` that accepted writes, and when.
fn successor(outcome: &Outcome) -> (NodeId, Instant) {
    let others = outcome.writing.iter().filter(|(node, _)| **node != N0);
    let first = others.map(|(node, spans)| (*node, spans[0].0)).min_by_key(|(_, from)| *from);
    first.expect("another accepted writes")
}

/// How long after its first write the successor was confirmed; from then on nobody else is.
fn published(outcome: &Outcome) -> Duration {
    let (node, from) = successor(outcome);
    let told = told_from(outcome, from);
    let is_it = |told: &&Told| told.is_confirmed && told.node == Some(node);
    let at = told.iter().find(is_it).unwrap_or_else(|| panic!("{node}: {told:#?}")).at;
    let later = told_from(outcome, at);
    assert!(later.iter().all(|told| told.node == Some(node)), "{later:#?}");
    at.since(from)
}

#[test]
fn a_node_that_lies_for_up_to_eighteen_seconds_brings_nobody_back() {
    let mut lies = 0;
    for seed in 0..SEEDS {
        let outcome = tell(
            seed,
            false,
            2,
            &[(30, cluster(Fault::CutDcs(N2))), (31, cluster(Fault::SwitchOver))],
        );
        assert_eq!(successor(&outcome).0, N1);
        assert!(published(&outcome) <= SOON, "seed {seed}: {:#?}", outcome.told);
        lies += u64::from(outcome.tally.seen.contains("stale view"));
    }
    assert!(lies > SEEDS / 4, "{lies}");
}

#[test]
fn of_two_that_accept_writes_the_promoted_one_is_confirmed() {
    for seed in 0..SEEDS {
        let outcome = tell(seed, false, 2, &[(30, cluster(Fault::KillPatroni(N0)))]);
        let (node, _) = successor(&outcome);
        assert_eq!(outcome.writing[&N0], [(outcome.writing[&N0][0].0, None)], "it goes on");
        assert!(published(&outcome) <= SOON, "seed {seed}: {:#?}", outcome.told);
        // Until its key is gone, it is the primary, whether its Patroni lives or not: it lasts for
        // 20 s from its last renewal, which was at most 5 s ago.
        let needless = |told: &&Told| told.at < secs(45) && told.node.is_none();
        let told = told_from(&outcome, secs(30));
        assert_eq!(told.iter().find(needless), None, "{node}, seed {seed}");
    }
}

#[test]
fn without_its_dcs_a_primary_in_failsafe_mode_stays_named() {
    for seed in 0..SEEDS {
        let steps = [(30, cluster(Fault::StopDcs)), (100, cluster(Fault::StartDcs))];
        let outcome = tell(seed, true, 2, &steps);
        let told = told_from(&outcome, secs(30));
        let is_it = |told: &Told| told.is_confirmed && told.node == Some(N0);
        assert!(told.iter().all(is_it), "seed {seed}: {told:#?}");
    }
}

#[test]
fn without_its_dcs_and_failsafe_mode_nobody_is_named_within_a_second_of_the_demotion() {
    for seed in 0..SEEDS {
        let steps = [(30, cluster(Fault::StopDcs)), (100, cluster(Fault::StartDcs))];
        let outcome = tell(seed, false, 2, &steps);
        let demoted = outcome.writing[&N0][0].1.expect("it gave up");
        let told = told_from(&outcome, demoted + SECOND);
        assert!(!told[0].is_confirmed, "seed {seed}: {told:#?}");
        let again = told.iter().find(|told| told.is_confirmed).expect("a primary again");
        let writes = outcome.writing.values().flatten().map(|(from, _)| *from);
        let writes = writes.filter(|from| *from > demoted).min().expect("it accepts writes again");
        assert!(again.at.since(writes) <= SOON, "seed {seed}: {told:#?}");
    }
}

#[test]
fn a_daemon_that_starts_without_a_dcs_finds_the_primary() {
    for seed in 0..SEEDS {
        let outcome = tell(seed, true, 60, &[(30, cluster(Fault::StopDcs))]);
        let told = outcome.told.iter().find(|told| told.is_confirmed).expect("a primary");
        assert_eq!(told.node, Some(N0));
        assert!(told.at <= secs(66), "seed {seed}: {:#?}", outcome.told);
    }
}

#[test]
fn a_patroni_that_hangs_takes_no_healthy_primary_along() {
    for seed in 0..SEEDS {
        let steps =
            [(30, cluster(Fault::HangPatroni(N0))), (45, cluster(Fault::ResumePatroni(N0)))];
        let outcome = tell(seed, false, 2, &steps);
        let told = told_from(&outcome, secs(30));
        assert!(told.iter().all(|told| told.node == Some(N0)), "seed {seed}: {told:#?}");
        let during = told.iter().any(|told| told.word == "leader key");
        assert!(during && outcome.writing.len() == 1, "seed {seed}: {told:#?}");
    }
}

#[test]
fn with_all_silent_the_primary_is_kept_and_said_to_be() {
    let nodes = [N0, N1, N2];
    let steps: Vec<_> = nodes
        .iter()
        .map(|node| (30, Mishap::CutDaemon(*node)))
        .chain(nodes.iter().map(|node| (60, Mishap::MendDaemon(*node))))
        .collect();
    for seed in 0..SEEDS {
        let outcome = tell(seed, false, 2, &steps);
        let told = told_from(&outcome, secs(30));
        assert!(told.iter().all(|told| told.node == Some(N0)), "seed {seed}: {told:#?}");
        let kept = told.iter().find(|told| told.word == "kept").expect("kept");
        assert!(kept.at <= secs(35), "seed {seed}: {told:#?}");
        let last = told.last().expect("it is told");
        assert!(last.word == "own word" && last.at > secs(60), "seed {seed}: {told:#?}");
    }
}

#[test]
fn a_daemon_that_reaches_nobody_from_its_start_names_nobody_and_says_why() {
    let nodes = [N0, N1, N2];
    let steps: Vec<_> = nodes
        .iter()
        .map(|node| (1, Mishap::CutDaemon(*node)))
        .chain(nodes.iter().map(|node| (60, Mishap::MendDaemon(*node))))
        .collect();
    for seed in 0..SEEDS {
        let outcome = tell(seed, false, 2, &steps);
        let words: Vec<_> = outcome.told.iter().map(|told| told.word).collect();
        assert_eq!(words[..2], ["starting", "none answered"], "seed {seed}");
        let told = told_from(&outcome, secs(59));
        assert_eq!(told[0].node, None, "seed {seed}: {told:#?}");
        assert_eq!(told.last().and_then(|told| told.node), Some(N0));
    }
}
