//! Discovery with the daemon's own driver and HTTP client, against hyper servers on turmoil; and
//! whether the other runner tells the same.

use std::collections::BTreeSet;
use std::thread;

use openproxy_core::time::{Duration, Instant};
use openproxy_io_sim::NodeId;
use openproxy_sim_tests::patroni::{Outcome, Scenario, run, run_on_turmoil, scenario};

/// How many seeds run with the tests: each takes about a second.
const SEEDS: u64 = 40;
/// A change may be seen by one question, and be missed by one that is a few milliseconds earlier:
/// then it is told with the next one. In calm, that is half a second later.
const APART_MAX: Duration = Duration::from_millis(520);

/// Without what only the other runner has.
fn plain(seed: u64) -> Scenario {
    Scenario { delay_max: Duration::from_millis(5), spoilt_per_mille: 0, ..scenario(seed) }
}

/// What was told, and when, but for the beginnings.
fn told(outcome: &Outcome) -> Vec<(&'static str, Option<NodeId>, Instant)> {
    let news = outcome.told.iter().filter(|told| told.word != "starting");
    let mut news: Vec<_> = news.map(|told| (told.word, told.node, told.at)).collect();
    news.dedup_by_key(|(word, node, _)| (*word, *node));
    news
}

/// How both runs differ, if they do.
fn difference(fast: &Outcome, slow: &Outcome) -> Option<String> {
    let (fast, slow) = (told(fast), told(slow));
    let same = |(one, other): (&(_, _, Instant), &(_, _, Instant))| {
        let apart = if one.2 > other.2 { one.2.since(other.2) } else { other.2.since(one.2) };
        (one.0, one.1) == (other.0, other.1) && apart <= APART_MAX
    };
    if fast.len() == slow.len() && fast.iter().zip(&slow).all(same) {
        return None;
    }
    let first = fast.iter().zip(&slow).position(|pair| !same(pair));
    let first = first.unwrap_or(fast.len().min(slow.len()));
    Some(format!("{:?} and {:?}", fast.get(first), slow.get(first)))
}

#[derive(Debug, Default)]
struct Sum {
    /// How the others differ.
    differ: Vec<String>,
    takeovers: u64,
    asked: u64,
    seen: BTreeSet<&'static str>,
}

fn compare(seeds: impl Iterator<Item = u64>) -> Sum {
    let mut sum = Sum::default();
    for seed in seeds {
        let scenario = plain(seed);
        let (fast, slow) = (run(&scenario), run_on_turmoil(&scenario));
        for (runner, outcome) in [("fast", &fast), ("turmoil", &slow)] {
            assert_eq!(outcome.finding, None, "{runner}, seed {seed}: {scenario:?}");
        }
        assert_eq!(fast.writing, slow.writing, "seed {seed}: the cluster's fate is the same");
        let differs = difference(&fast, &slow);
        sum.differ.extend(differs.map(|text| format!("seed {seed}: {text}")));
        sum.takeovers += slow.tally.takeovers;
        sum.asked += slow.tally.asked;
        sum.seen.extend(slow.tally.seen);
    }
    sum
}

#[test]
fn both_runners_keep_every_promise_and_tell_the_same() {
    let (even, odd) = thread::scope(|scope| {
        let odd = scope.spawn(|| compare((0..SEEDS).filter(|seed| seed % 2 == 1)));
        (compare((0..SEEDS).filter(|seed| seed % 2 == 0)), odd.join())
    });
    let sums = [even, odd.expect("every promise holds")];
    let differ: Vec<_> = sums.iter().flat_map(|sum| &sum.differ).collect();
    let alike = SEEDS - u64::try_from(differ.len()).expect("few");
    let takeovers: u64 = sums.iter().map(|sum| sum.takeovers).sum();
    let asked: u64 = sums.iter().map(|sum| sum.asked).sum();
    let seen: BTreeSet<_> = sums.iter().flat_map(|sum| &sum.seen).collect();
    println!("{alike} of {SEEDS} alike; {asked} questions over HTTP, {takeovers} takeovers");
    println!("came across: {seen:?}; not alike: {differ:#?}");
    assert!(alike * 10 >= SEEDS * 9, "{differ:#?}");
    assert!(takeovers > 0 && seen.contains(&"leader key"), "{takeovers}, {seen:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..3 {
        assert_eq!(run_on_turmoil(&plain(seed)).hash, run_on_turmoil(&plain(seed)).hash);
    }
}
