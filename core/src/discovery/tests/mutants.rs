//! Each deliberate bug of discovery breaks a test.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::super::config::Host;
use super::super::coupling::{Coupling, Look, Track};
use super::super::probe::Probing;
use super::super::*;
use super::{recordings, rules};
use crate::mutants::{Mutant, with};
use crate::time::Instant;

fn one_failure_closes_no_port() {
    let mut probing = Probing::default();
    let target = Address { host: Host::new("db1"), port: 5432 };
    probing.aim(Instant::ZERO, Some(&target));
    assert!(probing.handle_timeout(Instant::ZERO, 1).is_some());
    assert!(probing.take(Instant::ZERO, 1, Err(ProbeFailure::Refused)));
    assert_eq!(probing.port(Instant::ZERO), Port::Unknown);
}

fn one_look_moves_nothing() {
    let mut coupling = Coupling::new(Track::LocalPrimary);
    assert!(!coupling.take(Instant::ZERO, Look::Yes));
}

fn what_is_kept_decides_nothing() {
    let evidence = Evidence { rule: Rule::File, source: None, at: Instant::ZERO, timeline: None };
    let address = Address { host: Host::new("db1"), port: 5432 };
    let named = Named { name: None, address, evidence };
    let primary = Primary::Kept(named, KeptWhy::AllSilent);
    let topology = Topology { primary, ..Topology::unknown(NoneWhy::Starting) };
    let look = Track::LocalPrimary.look([(&topology, Port::Open)], |_| true);
    assert_eq!(look, Look::Nothing);
}

const TESTS: [fn(); 21] = [
    rules::a_primary_that_does_not_run_is_none,
    rules::a_higher_timeline_replaces_at_once_and_the_lower_never_returns,
    rules::equal_timelines_are_a_conflict_until_one_gives_in,
    rules::the_leader_key_alone_is_no_proof,
    rules::a_silent_primary_stays_by_its_key_and_port_until_the_key_is_gone,
    rules::a_replica_that_is_cut_off_takes_nothing_from_the_new_primary,
    rules::in_pause_a_silent_primary_is_kept_until_another_says_that_it_is_one,
    rules::an_answer_is_as_old_as_its_question,
    rules::nothing_is_told_before_every_server_has_answered_or_failed_once,
    rules::a_process_that_wakes_up_is_not_believed_for_what_it_was,
    rules::an_endpoint_that_hangs_rests_as_long_as_it_hung_and_longer_each_time,
    rules::a_healthy_cluster_is_told_soon_and_then_left_alone,
    rules::a_node_that_says_failsafe_is_spared_its_view,
    rules::haste_ends_a_minute_after_the_last_news,
    rules::another_database_is_foreign_and_takes_over_only_when_it_is_alone,
    rules::with_all_silent_the_roles_stay_as_kept,
    recordings::the_old_primary_is_never_confirmed_once_a_new_one_accepts_writes,
    recordings::every_fault_is_told_in_its_own_words,
    one_failure_closes_no_port,
    one_look_moves_nothing,
    what_is_kept_decides_nothing,
];

#[test]
fn every_mutant_of_discovery_is_caught() {
    TESTS.iter().for_each(|test| with(None, test));
    let lives = |mutant: &&Mutant| {
        TESTS
            .iter()
            .all(|test| with(Some(**mutant), || catch_unwind(AssertUnwindSafe(test))).is_ok())
    };
    let living: Vec<_> = Mutant::DISCOVERY.iter().filter(lives).collect();
    assert!(living.is_empty(), "{living:?}");
}
