use super::super::theory::Version;
use super::*;

const STEP: Duration = Duration::from_millis(2);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Probes every 2 ms from 1000 ms on, each answered at once unless sent inside a silent range.
fn probes(silent: &[(u64, u64)]) -> Vec<Probe> {
    let answered = |at: u64| !silent.iter().any(|&(from, to)| (from..to).contains(&at));
    (1000..2000)
        .step_by(2)
        .map(|at| Probe { sent: ms(at), answer: answered(at).then_some((ms(at), 0)) })
        .collect()
}

fn held(at: u64, node: usize, yes: bool) -> (Duration, Fact) {
    (ms(at), Fact::Held(node, yes))
}

#[test]
fn a_client_that_is_always_answered_has_no_gap() {
    assert_eq!(service(&probes(&[]), ms(1000), ms(2000), STEP), Service::default());
}

#[test]
fn a_prober_that_stalls_makes_no_gap() {
    let mut probes = probes(&[]);
    probes.retain(|probe| probe.sent < ms(1200) || probe.sent > ms(1300));
    assert_eq!(service(&probes, ms(1000), ms(2000), STEP).gap, Duration::ZERO);
}

#[test]
fn a_gap_lasts_from_the_last_answer_to_the_next() {
    // Answered at 1098, silent from 1100 to 1198, answered at 1200.
    let found = service(&probes(&[(1100, 1200), (1500, 1510)]), ms(1000), ms(2000), STEP);
    assert_eq!(found, Service { gap: ms(100), served_since: Some(ms(1510)) });
}

#[test]
fn one_lost_probe_is_a_gap_of_one_interval() {
    let found = service(&probes(&[(1100, 1102)]), ms(1000), ms(2000), STEP);
    assert_eq!(found.gap, STEP);
}

#[test]
fn an_answer_that_sat_in_a_queue_served_nobody() {
    let mut probes = probes(&[(1100, 1200)]);
    probes[50].answer = Some((ms(1200), 1));
    assert_eq!(service(&probes, ms(1000), ms(2000), STEP).gap, ms(100));
}

#[test]
fn a_gap_without_end_lasts_to_the_end_of_the_window() {
    let found = service(&probes(&[(1500, 2000)]), ms(1000), ms(2000), STEP);
    assert_eq!(found, Service { gap: ms(500), served_since: Some(ms(2000)) });
}

#[test]
fn a_gap_that_ended_just_now_ends_with_its_first_answer() {
    let mut probes = probes(&[(1900, 1990)]);
    let end = Some(ms(1990));
    assert_eq!(service(&probes, ms(1000), ms(2000), STEP).served_since, end);
    // The very last probes aren't answered yet.
    probes[498].answer = None;
    probes[499].answer = None;
    assert_eq!(service(&probes, ms(1000), ms(2000), STEP).served_since, end);
}

#[test]
fn gaps_outside_the_window_do_not_count() {
    let probes = probes(&[(1100, 1200)]);
    assert_eq!(service(&probes, ms(1300), ms(2000), STEP).gap, Duration::ZERO);
    assert_eq!(service(&[], ms(1300), ms(2000), STEP).gap, Duration::ZERO);
}

#[test]
fn overlap_is_the_time_both_hold() {
    let facts = [held(100, 0, true), held(200, 1, true), held(250, 0, false)];
    assert_eq!(two_holders(&facts, ms(0), ms(1000)), ms(50));
    assert_eq!(two_holders(&facts, ms(220), ms(1000)), ms(30));
    assert_eq!(two_holders(&facts, ms(0), ms(210)), ms(10));
    assert_eq!(two_holders(&facts, ms(300), ms(1000)), Duration::ZERO);
}

#[test]
fn overlap_without_end_lasts_to_the_end_of_the_window() {
    let facts = [held(100, 0, true), held(200, 1, true)];
    assert_eq!(two_holders(&facts, ms(0), ms(1000)), ms(800));
}

#[test]
fn a_holder_behind_a_pulled_cable_does_not_count_until_it_is_back() {
    let facts = [
        held(100, 0, true),
        (ms(150), Fact::Plugged(0, false)),
        held(200, 1, true),
        (ms(300), Fact::Plugged(0, true)),
        held(310, 1, false),
    ];
    assert_eq!(two_holders(&facts, ms(0), ms(1000)), ms(10));
}

#[test]
fn the_sides_of_a_partition_may_hold_one_each_but_not_two() {
    let mut facts = vec![
        held(100, 0, true),
        (ms(150), Fact::Trunk(false)),
        held(200, 1, true),
        (ms(400), Fact::Trunk(true)),
        held(405, 1, false),
    ];
    assert_eq!(two_holders(&facts, ms(0), ms(1000)), ms(5));
    // Node 2 is on node 0's side.
    facts.splice(3..3, [held(300, 2, true), held(320, 2, false)]);
    assert_eq!(two_holders(&facts, ms(0), ms(1000)), ms(25));
}

#[test]
fn the_sole_holder_is_known_with_its_time() {
    let mut facts = vec![held(100, 0, true), held(200, 1, true), held(250, 0, false)];
    assert_eq!(sole_holder_since(&facts), Some((1, ms(250))));
    facts.push((ms(300), Fact::Plugged(2, false)));
    assert_eq!(sole_holder_since(&facts), Some((1, ms(250))));
    facts.push((ms(400), Fact::Trunk(false)));
    assert_eq!(sole_holder_since(&facts), None);
}

#[test]
fn medians_ignore_order_and_outliers() {
    assert_eq!(median([5.0, 1.0, 900.0]), Some(5.0));
    assert_eq!(median::<f64>([]), None);
}

const TERMS: Terms =
    Terms { timing: Timing { advert_int: ms(1000), version: Version::V2 }, resets: true };

fn broken(kind: Kind, runs: &[Measure]) -> Vec<&'static str> {
    let checks = checks(kind, TERMS, runs);
    checks.iter().filter(|check| !check.holds()).map(|check| check.what).collect()
}

#[test]
fn one_moment_of_two_holders_after_a_crash_breaks_the_bound_in_any_number_of_runs() {
    let good = Measure {
        takeover: Some((ms(3000), ms(3000))),
        gap_theory: ms(3000),
        ..Measure::default()
    };
    let bad = Measure { two_holders: Duration::from_micros(1), ..good.clone() };
    assert_eq!(broken(Kind::Crash, &[good.clone(), good.clone(), bad.clone()]), ["two holders"]);
    assert_eq!(broken(Kind::Freeze, &[bad]), ["two holders"]);
    assert!(broken(Kind::Crash, &[good]).is_empty());
}

#[test]
fn a_late_takeover_is_judged_by_the_median_when_there_are_enough_runs() {
    let run = |late: u64| Measure {
        takeover: Some((ms(3000 + late), ms(3000))),
        gap_theory: ms(3000),
        ..Measure::default()
    };
    assert!(broken(Kind::Pull, &[run(9)]).is_empty());
    assert_eq!(broken(Kind::Pull, &[run(11)]).len(), 1);
    assert!(broken(Kind::Pull, &[run(0), run(11), run(1)]).is_empty());
    assert_eq!(broken(Kind::Pull, &[run(2), run(0), run(2)]).len(), 1);
}

#[test]
fn a_takeover_that_never_came_is_broken() {
    assert_eq!(broken(Kind::Pull, &[Measure::default()]), ["first advert late"]);
}

#[test]
fn every_healing_must_be_in_time() {
    let run = |at: u64| Measure { healed: Some(ms(at)), ..Measure::default() };
    assert!(broken(Kind::Healing, &[run(1020), run(3)]).is_empty());
    assert_eq!(broken(Kind::Healing, &[run(1021), run(3), run(3), run(3)]).len(), 1);
    assert_eq!(broken(Kind::Healing, &[Measure::default()]).len(), 1);
}

#[test]
fn a_daemon_that_resets_nothing_is_not_judged_by_the_connection() {
    let waiting = Fate::Waiting(ms(4000));
    let run =
        Measure { takeover: Some((ms(600), ms(600))), fate: Some(waiting), ..Measure::default() };
    assert_eq!(broken(Kind::Stop, std::slice::from_ref(&run)), ["reconnect"]);
    let none = Terms { resets: false, ..TERMS };
    assert!(checks(Kind::Stop, none, &[run]).iter().all(|check| check.what != "reconnect"));
}
