//! When checks run, and what their results come to.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test picks the outputs that it is about")]

use super::*;
use crate::io::{InterfaceIndex, Link};
use crate::time::Duration;

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn tcp(port: u16) -> Check {
    Check::Tcp(([127, 0, 0, 1], port).into())
}

/// Every second, for half a second; three failures or two successes in a row decide.
fn config(check: Check, weight: Weight) -> TrackConfig {
    let (interval, timeout) = (Duration::from_secs(1), Duration::from_millis(500));
    TrackConfig { check, interval, timeout, fall: 3, rise: 2, weight }
}

fn lowering(port: u16) -> TrackConfig {
    config(tcp(port), Weight::Change(-10))
}

fn tracking(configs: &[TrackConfig]) -> Tracking {
    Tracking::new(RouterId(7), Instant::ZERO, configs)
}

/// What a wake-up starts and cancels, and the changes that it tells.
fn wake(tracking: &mut Tracking, now: Instant) -> (Vec<Output>, Vec<CheckChanged>) {
    let (mut out, mut changes) = (Vec::new(), Vec::new());
    tracking.handle_timeout(now, &mut out, &mut changes);
    (out, changes)
}

fn started(out: &[Output]) -> Vec<CheckId> {
    let started = out.iter().filter_map(|output| match output {
        Output::RunCheck(id, _) => Some(*id),
        _ => None,
    });
    started.collect()
}

fn cancelled(out: &[Output]) -> Vec<CheckId> {
    let cancelled = out.iter().filter_map(|output| match output {
        Output::CancelCheck(id) => Some(*id),
        _ => None,
    });
    cancelled.collect()
}

fn end(tracking: &mut Tracking, id: CheckId, well: bool) -> Vec<CheckChanged> {
    let mut changes = Vec::new();
    let result = if well { Ok(()) } else { Err("refused".to_owned()) };
    tracking.handle_result(id, result, &mut changes);
    changes
}

/// Wakes it up, and answers the one check that this starts.
fn run(tracking: &mut Tracking, now: Instant, well: bool) -> Vec<CheckChanged> {
    let (out, mut changes) = wake(tracking, now);
    let [id] = started(&out)[..] else { panic!("one check is started: {out:?}") };
    changes.extend(end(tracking, id, well));
    changes
}

#[test]
fn without_checks_nothing_is_ever_due() {
    let mut none = tracking(&[]);
    assert_eq!(none.due_at(), Instant::MAX);
    assert_eq!(wake(&mut none, ms(1_000)), (Vec::new(), Vec::new()));
    assert_eq!((none.weight(), none.is_fault()), (0, false));
}

#[test]
fn checks_run_on_a_grid_and_missed_turns_are_left_out() {
    let mut one = tracking(&[lowering(1)]);
    // When it wakes up, and when the next check is due.
    let table = [
        (0, 1_000),
        (1_000, 2_000),
        (2_300, 3_000),
        (3_999, 4_000),
        (4_000, 5_000),
        (6_000, 7_000),
        (9_500, 10_500),
        (10_500, 11_500),
    ];
    for (now, due) in table {
        run(&mut one, ms(now), true);
        assert_eq!(one.due_at(), ms(due), "woken up at {now}");
        assert_eq!(wake(&mut one, ms(due - 1)).0, [], "not before {due}");
    }
}

#[test]
fn the_check_that_is_due_first_says_when() {
    let slow = TrackConfig { interval: Duration::from_secs(3), ..lowering(2) };
    let mut two = tracking(&[slow, lowering(1)]);
    let (out, _) = wake(&mut two, Instant::ZERO);
    assert_eq!(two.due_at(), ms(500), "the timeout of both");
    for id in started(&out) {
        end(&mut two, id, true);
    }
    assert_eq!(two.due_at(), ms(1_000));
    assert_eq!(started(&wake(&mut two, ms(1_000)).0).len(), 1);
}

#[test]
fn a_check_without_a_result_fails_at_its_timeout_and_its_result_is_dropped() {
    let mut one = tracking(&[lowering(1)]);
    let (out, _) = wake(&mut one, Instant::ZERO);
    let [first] = started(&out)[..] else { panic!("one check is started") };
    assert_eq!(one.due_at(), ms(500));
    assert_eq!(wake(&mut one, ms(499)), (Vec::new(), Vec::new()));
    let (out, changes) = wake(&mut one, ms(500));
    assert_eq!(out, [Output::CancelCheck(first)]);
    let failure = Some("no result after 500 ms".to_owned());
    assert_eq!(changes, [CheckChanged { check: tcp(1), failure }]);
    assert_eq!((one.due_at(), one.weight()), (ms(1_000), -10));
    let (out, _) = wake(&mut one, ms(1_000));
    let [second] = started(&out)[..] else { panic!("one check is started") };
    assert_ne!(first, second);
    for _ in 0..5 {
        assert_eq!(end(&mut one, first, true), []);
    }
    assert_eq!(one.weight(), -10);
    assert_eq!(one.due_at(), ms(1_500), "the second is still awaited");
}

#[test]
fn a_check_that_outlasts_its_interval_is_not_started_twice() {
    let mut one = tracking(&[TrackConfig { timeout: Duration::from_millis(1_500), ..lowering(1) }]);
    let first = started(&wake(&mut one, Instant::ZERO).0);
    assert_eq!(wake(&mut one, ms(1_000)).0, []);
    let (out, _) = wake(&mut one, ms(1_500));
    assert_eq!(cancelled(&out), first);
    assert_eq!(started(&out).len(), 1);
    assert_eq!(one.due_at(), ms(3_000));
}

#[test]
fn failures_and_successes_in_a_row_decide_and_the_first_result_alone() {
    // Results, and the weight after each: three failures fall, two successes rise.
    let table = [
        ("+ + - - - - + +", "0 0 0 0 -10 -10 -10 0"),
        ("+ - - + - - - +", "0 0 0 0 0 0 -10 -10"),
        ("- + - + + - - -", "-10 -10 -10 -10 0 0 0 -10"),
        ("- - + + - - + -", "-10 -10 -10 0 0 0 0 0"),
    ];
    for (results, weights) in table {
        let mut one = tracking(&[lowering(1)]);
        let mut seen = Vec::new();
        for (turn, result) in (0..).zip(results.split(' ')) {
            let was = one.weight();
            let changes = run(&mut one, ms(turn * 1_000), result == "+");
            assert_eq!(changes.len(), usize::from(one.weight() != was), "{results}: {seen:?}");
            for change in changes {
                assert_eq!(change.failure.is_some(), result == "-", "{results}: {seen:?}");
            }
            seen.push(one.weight().to_string());
        }
        assert_eq!(seen.join(" "), weights, "{results}");
    }
}

#[test]
fn one_failure_or_success_decides_where_the_file_says_one() {
    let mut one = tracking(&[TrackConfig { fall: 1, rise: 1, ..lowering(1) }]);
    let mut weights = Vec::new();
    for (turn, well) in (0..).zip([true, false, true, false]) {
        run(&mut one, ms(turn * 1_000), well);
        weights.push(one.weight());
    }
    assert_eq!(weights, [0, -10, 0, -10]);
}

#[test]
fn the_weights_of_all_that_failed_add_up() {
    let weights = [Weight::Change(-30), Weight::Fault, Weight::Change(5), Weight::Change(-100)];
    let configs: Vec<_> = (1..).zip(weights).map(|(port, w)| config(tcp(port), w)).collect();
    let mut four = tracking(&configs);
    let ids = started(&wake(&mut four, Instant::ZERO).0);
    let mut sums = Vec::new();
    for id in ids {
        end(&mut four, id, false);
        sums.push(four.weight());
    }
    assert_eq!(sums, [-30, -30, -25, -125]);
}

#[test]
fn a_check_that_must_be_well_is_a_fault_until_it_is() {
    let mut two = tracking(&[lowering(1), config(tcp(2), Weight::Fault)]);
    assert!(two.is_fault(), "it hasn't been answered");
    let ids = started(&wake(&mut two, Instant::ZERO).0);
    end(&mut two, ids[1], true);
    assert!(!two.is_fault(), "the other one is nobody's fault");
    end(&mut two, ids[0], false);
    assert!(!two.is_fault());
    for turn in 1..=3 {
        assert!(!two.is_fault());
        let ids = started(&wake(&mut two, ms(turn * 1_000)).0);
        end(&mut two, ids[1], false);
        end(&mut two, ids[0], true);
    }
    assert!(two.is_fault());
}

#[test]
fn a_new_list_keeps_what_stays_cancels_what_goes_and_starts_what_is_new() {
    let mut two = tracking(&[lowering(1), lowering(2)]);
    let ids = started(&wake(&mut two, Instant::ZERO).0);
    end(&mut two, ids[0], false);
    end(&mut two, ids[1], false);
    assert_eq!(two.weight(), -20);
    let ids = started(&wake(&mut two, ms(1_000)).0);
    let (mut out, now) = (Vec::new(), ms(1_100));
    two.set_list(now, &[lowering(3), lowering(2)], &mut out);
    assert_eq!(out, [Output::CancelCheck(ids[0])]);
    assert_eq!((two.weight(), two.due_at()), (-10, now));
    let (out, _) = wake(&mut two, now);
    let [Output::RunCheck(third, check)] = &out[..] else { panic!("the new one: {out:?}") };
    assert_eq!(*check, tcp(3));
    assert!(!ids.contains(third));
    end(&mut two, *third, true);
    end(&mut two, ids[0], true);
    assert_eq!(two.due_at(), ms(1_500), "what stays runs on");
    end(&mut two, ids[1], true);
    assert_eq!(two.due_at(), ms(2_000));
    two.set_list(ms(1_200), &[lowering(2)], &mut Vec::new());
    assert_eq!(two.weight(), -10);
}

#[test]
fn the_same_check_with_another_weight_keeps_what_it_has_found_and_its_time() {
    let mut one = tracking(&[lowering(1)]);
    run(&mut one, Instant::ZERO, false);
    let mut out = Vec::new();
    one.set_list(ms(100), &[config(tcp(1), Weight::Change(-20))], &mut out);
    assert_eq!((out, one.weight(), one.due_at()), (Vec::new(), -20, ms(1_000)));
}

#[test]
fn a_stop_cancels_all_that_runs() {
    let mut two = tracking(&[lowering(1), lowering(2)]);
    let ids = started(&wake(&mut two, Instant::ZERO).0);
    end(&mut two, ids[0], false);
    let mut out = Vec::new();
    two.stop(&mut out);
    assert_eq!(out, [Output::CancelCheck(ids[1])]);
    assert_eq!((two.due_at(), two.weight()), (Instant::MAX, 0));
}

#[test]
fn an_interface_is_watched_and_never_run() {
    let name = Check::Interface("eth1".into());
    let mut one = tracking(&[config(name.clone(), Weight::Change(-10))]);
    assert_eq!(wake(&mut one, Instant::ZERO).0, []);
    assert_eq!(one.due_at(), Instant::MAX);
    let link = |name: &str, running| {
        let mut interfaces = Interfaces::default();
        let (index, name) = (InterfaceIndex(3), name.into());
        interfaces.put_link(Link { index, name, running, mac: None });
        interfaces
    };
    let failed = |why: &str| vec![Some(why.to_owned())];
    let table = [
        (link("eth1", true), Vec::new(), 0),
        (link("eth1", false), failed("it is down"), -10),
        (link("eth1", false), Vec::new(), -10),
        (link("eth2", true), Vec::new(), -10),
        (link("eth1", true), vec![None], 0),
        (link("eth2", true), failed("it doesn't exist"), -10),
    ];
    for (interfaces, told, weight) in table {
        let mut changes = Vec::new();
        one.handle_links(&interfaces, &mut changes);
        let failures: Vec<_> = changes.into_iter().map(|change| change.failure).collect();
        assert_eq!((failures, one.weight()), (told, weight));
    }
}
