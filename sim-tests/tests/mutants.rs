//! Deliberate bugs, to show that the invariants see them.

use std::sync::Mutex;

use openproxy_core::mutants::{self, Mutant};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::kernel::RefusedOperation;
use openproxy_sim_tests::fault::{Fault, FaultKind};
use openproxy_sim_tests::invariants::Id;
use openproxy_sim_tests::scenario::Scenario;
use openproxy_sim_tests::shrink::shrink;
use openproxy_sim_tests::{swarm, sweep};

/// So many seeds must be enough for each.
const SEEDS: u64 = 12_000;
/// So few faults must be left of a failing run.
const FAULTS_MAX: usize = 5;

/// Bugs in what no scenario has; unit tests of the core catch them.
const ELSEWHERE: &[(Mutant, &str)] = &[
    (Mutant::GroupPromotesAlone, "a scenario has one router, so no groups"),
    (Mutant::GroupNotFollowed, "a scenario has one router, so no groups"),
    (Mutant::HookFailureIgnored, "hooks don't fail: with `abort`, nobody would be MASTER"),
    (
        Mutant::NotFoundRetried,
        "the kernel's own event puts it right, unless that is lost just then",
    ),
    (Mutant::AnswersUnbounded, "needs a flood of lesser adverts"),
    (Mutant::IntervalUncapped, "needs one forged advert with a long interval"),
    (Mutant::MismatchDiscarded, "scenarios of version 2 have one interval"),
];

#[derive(Debug)]
struct Caught {
    id: Id,
    seeds: u64,
    faults: usize,
    runs: u32,
}

/// Runs seeds with the bug until an invariant that holds without it is broken.
fn hunt(mutant: Mutant) -> Option<Caught> {
    let by_hand = hand_made(mutant).into_iter();
    let scenarios = by_hand.chain((0..SEEDS).map(swarm::scenario));
    for (tried, scenario) in scenarios.enumerate() {
        let found = mutants::with(Some(mutant), || {
            let violation = sweep::run(&scenario).violation?;
            Some((violation.id, shrink(&scenario, violation.id)))
        });
        if let Some((id, shrunk)) = found {
            let sound = sweep::run(&scenario).violation;
            assert_eq!(sound, None, "{}: it is broken without the bug", mutant.name());
            let faults = shrunk.scenario.faults.len();
            let seeds = u64::try_from(tried).expect("few") + 1;
            return Some(Caught { id, seeds, faults, runs: shrunk.runs });
        }
    }
    None
}

/// What the swarm comes across too seldom.
fn hand_made(mutant: Mutant) -> Option<Scenario> {
    let node = NodeId(0);
    let fault = |at, until, kind| Fault {
        at: SimTime::from_secs(at),
        until: SimTime::from_secs(until),
        kind,
    };
    let mut scenario = Scenario::calm(&[150, 100]);
    #[expect(clippy::wildcard_enum_match_arm, reason = "the swarm comes across the others")]
    match mutant {
        // A service manager that waits for longer than the daemon, and a kernel that removes nothing.
        Mutant::ShutdownUnbounded => {
            scenario.lease = false;
            let refuse = FaultKind::Refuse { node, operation: RefusedOperation::Remove };
            scenario.faults = vec![fault(10, 44, refuse), fault(12, 45, FaultKind::Stop { node })];
            (scenario.calm_at, scenario.end) = (SimTime::from_secs(50), SimTime::from_secs(180));
        }
        // A MASTER that is killed while its VIPs wait for its hook.
        Mutant::GuardAdds => {
            scenario.guarded = true;
            scenario.nodes[0].hooks_take = Some(SimTime::from_millis(1_500));
            scenario.faults = vec![fault(4, 30, FaultKind::Death { node })];
            scenario.calm_at = SimTime::from_secs(35);
        }
        _ => return None,
    }
    Some(scenario)
}

#[test]
fn each_deliberate_bug_is_caught_and_shrinks_to_a_few_faults() {
    let elsewhere = |mutant: &Mutant| ELSEWHERE.iter().any(|(known, _)| known == mutant);
    let open: Vec<Mutant> = Mutant::ALL.iter().copied().filter(|m| !elsewhere(m)).collect();
    let (open, table) = (Mutex::new(open), Mutex::new(Vec::new()));
    let next = || open.lock().expect("no panic").pop();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(mutant) = next() {
                    let caught = hunt(mutant);
                    table.lock().expect("no panic").push((mutant.name(), caught));
                }
            });
        }
    });
    let mut table = table.into_inner().expect("no panic");
    table.sort_by_key(|(name, _)| *name);
    println!("| bug | caught by | seeds | faults left | runs to shrink |");
    for (name, caught) in &table {
        match caught {
            Some(Caught { id, seeds, faults, runs }) => {
                println!("| {name} | {id} | {seeds} | {faults} | {runs} |");
            }
            None => println!("| {name} | nothing | | | |"),
        }
    }
    for (mutant, why) in ELSEWHERE {
        println!("| {} | unit tests: {why} | | | |", mutant.name());
    }
    let missed: Vec<_> = table.iter().filter(|(_, caught)| caught.is_none()).collect();
    assert!(missed.is_empty(), "never caught: {missed:?}");
    let large = table
        .iter()
        .find(|(_, caught)| caught.as_ref().is_some_and(|caught| caught.faults > FAULTS_MAX));
    assert!(large.is_none(), "not small enough: {large:?}");
}
