//! Who is asked what and how often, and what is told of the answers.

use super::super::*;
use super::lab::{at, shard};
use super::script::{
    FAILSAFE, NODES, Rules, Script, UNLOCKED, by_key, gaps, healthy, lab, own, pair, primary,
    replica, started, view, with,
};
use crate::time::{Duration, Instant};

#[test]
fn a_request_that_nobody_answers_is_given_up_at_its_deadline() {
    let mut discovery = Discovery::new(&[shard(&NODES[..1])], at(0));
    let sent = discovery.poll_timeout();
    discovery.handle_timeout(sent);
    let Some(Output::Ask { ticket, deadline, .. }) = discovery.poll_output() else {
        panic!("it asks");
    };
    let failure = |discovery: &Discovery| discovery.endpoints().next().expect("the one").2.cloned();
    discovery.handle_timeout(sent + Duration::from_millis(999));
    assert_eq!(failure(&discovery), None);
    discovery.handle_timeout(deadline);
    assert_eq!(failure(&discovery), Some(AskFailure::TimedOut));
    discovery.handle_answer(ticket, deadline, Ok(primary(1, 5).as_bytes()));
    assert_eq!(discovery.endpoints().next().expect("the one").1.late, 1);
    assert_eq!(failure(&discovery), Some(AskFailure::TimedOut));
}

#[test]
fn every_request_is_counted() {
    let lab = started();
    for (index, (key, counters, _)) in (1..).zip(lab.discovery.endpoints()) {
        assert_eq!(counters.asked, lab.asked_of(index, 0).len() as u64, "{key}");
    }
}

#[test]
fn at_the_start_one_node_is_asked_for_its_members_at_once_and_nobody_is_hurried_later() {
    let mut lab = lab(healthy());
    lab.pass(240);
    assert_eq!((lab.asked.len(), lab.views_asked(0).len()), (4, 1), "{:?}", lab.asked);
    lab.pass(2_000);
    let from = lab.asked.len();
    lab.pass(30_000);
    for index in 1..=3 {
        let times: Vec<Instant> = lab.asked_of(index, from).iter().map(|(at, _)| *at).collect();
        assert!(gaps(&times).iter().all(|gap| *gap >= 250), "{:?}", gaps(&times));
    }
}

#[test]
fn a_cluster_that_hangs_is_told_of_once_for_each_node_until_it_has_answered() {
    let mut lab = started();
    let hangs = |lab: &Rules, from: usize| -> Vec<Subject> {
        let told = lab.events[from..].iter();
        let told = told.filter(|(_, event)| event.kind == EventKind::ClusterHangs);
        let mut told: Vec<Subject> = told.map(|(_, event)| event.subject.clone()).collect();
        told.sort_by_key(|subject| format!("{subject:?}"));
        told
    };
    let mut first = Vec::new();
    for _ in 0..2 {
        let from = lab.events.len();
        (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::TimedOut));
        lab.pass(16_500);
        assert_eq!(hangs(&lab, from).len(), 1, "told at the first");
        lab.pass(60_000);
        let told = hangs(&lab, from);
        assert_eq!(told.len(), 2, "each of the replicas: {told:?}");
        assert_ne!(told[0], told[1]);
        assert!(first.is_empty() || first == told);
        first = told;
        lab.views(&view(1, 5));
        lab.pass(130_000);
    }
}

#[test]
fn fields_of_a_wrong_type_are_told_of_once_for_each_node() {
    let odd_word = |lab: &mut Rules| {
        lab.node(2).own = Ok(with(&replica(2, 5), r#""pause": {}"#));
    };
    let odd_view = |lab: &mut Rules| lab.node(2).view = Ok(with(&view(1, 5), r#""pause": {}"#));
    let changes: [fn(&mut Rules); 2] = [odd_word, odd_view];
    for change in changes {
        let mut lab = started();
        change(&mut lab);
        lab.wait(11_000, |lab| lab.has_event(|kind| matches!(kind, EventKind::OddAnswer(_))));
        let odd = lab.discovery.endpoints().nth(1).expect("the second").1.odd_fields;
        assert_eq!(odd, 1, "told at the first");
        lab.pass(40_000);
        assert_eq!(lab.count_events(|kind| matches!(kind, EventKind::OddAnswer(_))), 1);
        assert!(lab.discovery.endpoints().nth(1).expect("the second").1.odd_fields > 2);
    }
}

#[test]
fn a_survivor_that_sees_no_leader_makes_the_key_prove_nothing_for_a_while() {
    let mut lab = by_key();
    let end = lab.now + Duration::from_secs(10);
    lab.run(end, |lab| assert_eq!(lab.rule(), Some(Rule::LeaderKey)));
    lab.node(2).own = Ok(with(&replica(2, 5), UNLOCKED));
    lab.wait(3_000, |lab| matches!(lab.primary(), Primary::Kept(_, KeptWhy::OwnSilent)));
}

#[test]
fn views_are_asked_of_the_replicas_in_turn_and_of_one_alone_while_the_other_is_down() {
    let mut lab = started();
    let views = |lab: &Rules, from: usize| {
        [1, 2, 3].map(|index| lab.asked_for(AskPath::Cluster, index, from).len())
    };
    let from = lab.asked.len();
    lab.pass(60_000);
    let [first, second, third] = views(&lab, from);
    assert!(first == 0 && second >= 5 && second.abs_diff(third) <= 1, "{second}, {third}");
    lab.fails(2, &AskFailure::Refused);
    lab.pass(1_000);
    let from = lab.asked.len();
    lab.pass(60_000);
    let [first, second, third] = views(&lab, from);
    assert!(first + second == 0 && third >= 10, "{first}, {second}, {third}");
}

#[test]
fn a_primary_that_is_alone_is_asked_about_the_key_itself_calmly_and_in_haste() {
    let mut script = Script::default();
    script.0.extend(healthy().0.into_iter().filter(|(host, _)| host == NODES[0]));
    let mut lab = lab(script);
    lab.pass(6_000);
    assert_eq!(lab.confirmed(), Some("n1"));
    let from = lab.asked.len();
    lab.pass(20_000);
    let calm = lab.views_asked(from).len();
    assert!((3..=5).contains(&calm), "{calm}");
    lab.node(1).own = Ok(with(&primary(1, 5), UNLOCKED));
    lab.pass(1_000);
    let from = lab.asked.len();
    lab.pass(5_000);
    let hasty = lab.views_asked(from).len();
    assert!((15..=25).contains(&hasty), "{hasty}");
    assert_eq!(lab.confirmed(), Some("n1"));
}

#[test]
fn in_haste_replicas_are_asked_about_themselves_and_the_key_by_turns_and_the_primary_is_not() {
    let mut lab = started();
    lab.node(2).own = Ok(with(&replica(2, 5), UNLOCKED));
    lab.pass(2_000);
    let from = lab.asked.len();
    lab.pass(5_000);
    for index in [2, 3] {
        let asked = lab.asked_of(index, from);
        assert!(asked.len() >= 35, "{}", asked.len());
        assert!(asked.windows(2).all(|two| two[0].1 != two[1].1), "{asked:?}");
    }
    assert!(lab.asked_of(1, from).iter().all(|(_, path)| *path == AskPath::Health));
}

#[test]
fn in_a_pair_the_key_confirms_a_silent_primary_without_a_break() {
    let mut lab = pair();
    lab.fails(1, &AskFailure::Refused);
    lab.pass(5_000);
    let end = lab.now + Duration::from_secs(20);
    lab.run(end, |lab| assert_eq!(lab.rule(), Some(Rule::LeaderKey)));
}

#[test]
fn after_one_view_has_hung_nobody_of_a_calm_cluster_is_asked_for_another_for_ten_seconds() {
    let mut lab = started();
    (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::TimedOut));
    let from = lab.asked.len();
    lab.pass(60_000);
    let gaps = gaps(&lab.views_asked(from));
    assert!(gaps.len() >= 4 && gaps.iter().all(|gap| *gap >= 11_000), "{gaps:?}");
}

#[test]
fn a_view_that_hangs_again_and_again_is_asked_for_ever_less_often() {
    let mut lab = pair();
    lab.node(2).view = Err(AskFailure::TimedOut);
    let from = lab.asked.len();
    lab.pass(100_000);
    let gaps = gaps(&lab.views_asked(from));
    assert!(gaps.starts_with(&[11_000, 21_000, 41_000]), "a second and the rest: {gaps:?}");
}

#[test]
fn a_replica_that_says_failsafe_is_asked_for_its_view_every_thirty_seconds() {
    let mut lab = pair();
    lab.node(2).own = Ok(with(&replica(2, 5), FAILSAFE));
    let from = lab.asked.len();
    lab.pass(125_000);
    let times: Vec<Instant> = lab.views_asked(from);
    assert!(gaps(&times).ends_with(&[30_000, 30_000]), "{:?}", gaps(&times));
    assert_eq!(lab.confirmed(), Some("n1"));
}

#[test]
fn in_haste_one_that_is_cut_off_does_not_keep_the_others_from_being_asked() {
    let mut lab = started();
    lab.fails(1, &AskFailure::Refused);
    lab.node(2).view = Err(AskFailure::TimedOut);
    lab.pass(3_000);
    let from = lab.asked.len();
    lab.pass(30_000);
    let gaps = gaps(&lab.asked_for(AskPath::Cluster, 3, from));
    assert!(gaps.len() > 50 && gaps.iter().all(|gap| *gap <= 1_500), "{gaps:?}");
    assert!(!lab.asked_for(AskPath::Cluster, 2, from).is_empty());
}

#[test]
fn in_haste_two_views_hang_at_a_time_and_then_all_rest() {
    let mut lab = started();
    lab.node(1).own = Ok(own(1, "demoted", "stopped", 5, ""));
    lab.pass(3_000);
    (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::TimedOut));
    let from = lab.asked.len();
    lab.pass(10_000);
    let hung = lab.views_asked(from);
    assert_eq!(hung.len(), 2);
    assert!(hung[1].since(hung[0]) < Duration::from_millis(250), "side by side: {hung:?}");
    lab.pass(5_000);
    assert!(lab.views_asked(from).len() > 2, "not for ever");
}
