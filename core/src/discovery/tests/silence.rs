//! Who is named while the primary's own Patroni says nothing, and for how long.

use super::super::*;
use super::lab::{Lab, at, shard};
use super::script::{NODES, UNLOCKED, by_key, healthy, lab, primary, replica, started, view, with};
use crate::time::Duration;

const A_MOMENT: Duration = Duration::from_nanos(1);

#[test]
fn the_key_confirms_for_a_fifth_of_a_second_after_it_was_last_seen() {
    let mut lab = by_key();
    (2..=3).for_each(|index| lab.fails(index, &AskFailure::TimedOut));
    let end = lab.now + Duration::from_millis(900);
    lab.run(end, |lab| {
        if let Some(named) = lab.primary().confirmed() {
            let age = lab.now.since(named.evidence.at);
            assert!(age < Duration::from_millis(200), "confirmed after {age:?}");
        }
    });
    assert!(matches!(lab.primary(), Primary::Kept(_, KeptWhy::OwnSilent)));
}

#[test]
fn a_replica_that_falls_silent_agrees_with_the_key_for_two_seconds() {
    let mut lab = by_key();
    let views = lab.asked_for(AskPath::Cluster, 3, 0);
    let last = *views.last().expect("it was asked") + Duration::from_secs(2);
    lab.fails(3, &AskFailure::Refused);
    assert!(lab.judged_at(last.before(A_MOMENT)).confirmed().is_some());
    assert!(matches!(lab.judged_at(last), Primary::Kept(_, KeptWhy::OwnSilent)));
    let end = last + Duration::from_secs(10);
    lab.run(end, |lab| assert!(lab.primary().confirmed().is_none()));
}

#[test]
fn a_replica_that_sees_no_leader_takes_from_the_key_what_it_proved() {
    let mut lab = by_key();
    let mut kept = 0;
    for index in 2..=3 {
        lab.node(index).own = Ok(with(&replica(index, 5), UNLOCKED));
    }
    let end = lab.now + Duration::from_secs(4);
    lab.run(end, |lab| {
        kept += u32::from(matches!(lab.primary(), Primary::Kept(_, KeptWhy::OwnSilent)));
    });
    assert!(kept > 0);
}

#[test]
fn the_key_of_one_that_does_not_run_proves_nothing() {
    let running = view(1, 5);
    let leader = r#""role": "leader", "state": "running", "timeline": 5"#;
    let others = [
        running.replace(leader, r#""role": "leader", "state": "stopping", "timeline": 5"#),
        running.replace(leader, r#""role": "leader", "state": "running""#),
    ];
    for other in others {
        assert_ne!(other, running);
        let mut lab = started();
        lab.views(&other);
        lab.fails(1, &AskFailure::Refused);
        let end = lab.now + Duration::from_secs(10);
        lab.run(end, |lab| assert_ne!(lab.rule(), Some(Rule::LeaderKey), "{other}"));
        assert!(matches!(lab.primary(), Primary::Kept(_, KeptWhy::OwnSilent)), "{other}");
    }
}

#[test]
fn the_key_confirms_though_a_busy_driver_asks_all_at_once() {
    let mut lab = started();
    lab.fails(1, &AskFailure::Refused);
    lab.pass(1_000);
    let mut confirmed = 0;
    for _ in 0..30 {
        lab.stop(Duration::from_millis(145));
        lab.pass(5);
        confirmed += u32::from(lab.rule() == Some(Rule::LeaderKey));
    }
    assert!(confirmed > 10, "{confirmed}");
}

#[test]
fn a_key_that_returns_to_the_primary_of_before_counts_on_the_new_timeline() {
    let mut lab = started();
    lab.node(1).own = Ok(replica(1, 6));
    lab.node(2).own = Ok(primary(2, 6));
    lab.views(&view(2, 6));
    lab.pass(6_000);
    assert_eq!(lab.confirmed(), Some("n2"));
    lab.views(&view(1, 6));
    lab.fails(2, &AskFailure::Refused);
    lab.pass(2_000);
    let moved = Primary::None(NoneWhy::KeyMoved("n1".into()));
    assert_eq!(*lab.primary(), moved);
}

#[test]
fn who_is_cut_off_is_told_of_once() {
    let mut lab = started();
    lab.node(1).open = false;
    lab.fails(1, &AskFailure::Refused);
    lab.pass(5_000);
    lab.node(2).own = Ok(primary(2, 6));
    lab.node(2).view = Ok(view(2, 6));
    lab.pass(20_000);
    assert_eq!(lab.count_events(|kind| matches!(kind, EventKind::StaleView { .. })), 1);
}

#[test]
fn hearsay_is_believed_for_three_intervals_and_a_request() {
    let mut lab = lab(healthy());
    lab.node(1).own = Err(AskFailure::Refused);
    lab.pass(30_000);
    (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::Closed));
    lab.pass(1_000);
    let Primary::Hearsay(named) = lab.primary() else { panic!("{}", lab.primary()) };
    let last = named.evidence.at + Duration::from_secs(16);
    assert!(matches!(lab.judged_at(last.before(A_MOMENT)), Primary::Hearsay(_)));
    assert!(matches!(lab.judged_at(last), Primary::None(NoneWhy::NobodyClaims)));
}

#[test]
fn hearsay_is_of_a_leader_that_runs() {
    let leader = r#""role": "leader", "state": "running""#;
    for other in [
        r#""role": "leader", "state": "starting""#,
        r#""role": "standby_leader", "state": "running""#,
        r#""role": "standby_leader", "state": "starting""#,
    ] {
        let mut lab = lab(healthy());
        lab.node(1).own = Err(AskFailure::Refused);
        lab.views(&view(1, 5).replace(leader, other));
        let end = lab.now + Duration::from_secs(40);
        lab.run(end, |lab| assert!(lab.primary().named().is_none(), "{other}"));
    }
}

#[test]
fn hearsay_of_a_timeline_below_one_that_was_claimed_is_not_believed() {
    for (timeline, believed) in [(4, false), (5, true), (6, true)] {
        let servers = [NODES[0], NODES[2]];
        let mut lab = Lab::new(healthy(), &[shard(&servers)], at(0));
        lab.fails(2, &AskFailure::Refused);
        lab.pass(6_000);
        assert_eq!(lab.confirmed(), Some("n1"));
        // The first is gone and replaced in the file by the second, whose Patroni never answers.
        lab.views(&view(2, timeline));
        (1..=2).for_each(|index| lab.fails(index, &AskFailure::Refused));
        lab.pass(5_000);
        lab.discovery.reconfigure(&[shard(&NODES[1..])], lab.now);
        lab.pass(40_000);
        let hearsay = matches!(lab.primary(), Primary::Hearsay(_));
        assert_eq!(hearsay, believed, "on timeline {timeline}: {}", lab.primary());
    }
}

#[test]
fn a_process_that_was_stopped_takes_nobody_for_silent() {
    for phase in 0..20 {
        let mut lab = started();
        lab.pass(phase * 25);
        lab.stop(Duration::from_secs(20));
        let end = lab.now + Duration::from_secs(2);
        lab.run(end, |lab| {
            let silent = matches!(lab.primary(), Primary::Kept(_, KeptWhy::AllSilent));
            assert!(!silent, "phase {phase}");
        });
        assert_eq!(lab.confirmed(), Some("n1"));
    }
}

#[test]
fn a_first_view_that_hangs_is_waited_for_three_seconds() {
    let patroni = PatroniConfig { timeout: Duration::from_secs(9), ..PatroniConfig::plain(8008) };
    let config = ShardConfig { patroni: Some(patroni), ..shard(&NODES[..1]) };
    let mut lab = Lab::new(healthy(), &[config], at(0));
    lab.node(1).view = Err(AskFailure::TimedOut);
    assert_eq!(*lab.pass(2_999), Primary::None(NoneWhy::Starting));
    lab.pass(1);
    assert_eq!(lab.confirmed(), Some("n1"));
}
