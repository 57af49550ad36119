//! Who is believed that says of itself that it is the primary.

use super::super::slots::HASTE_EVERY;
use super::super::*;
use super::lab::{Lab, at, shard};
use super::script::{NODES, Rules, healthy, lab, own, paused, primary, replica, started, view};
use crate::time::Duration;

/// Another than the first has claimed a higher timeline, 9; the first claims to be primary on 5.
fn fenced() -> Rules {
    let mut lab = started();
    lab.node(2).own = Ok(primary(2, 9));
    lab.pass(600);
    assert_eq!(lab.confirmed(), Some("n2"));
    lab
}

fn has_regressed(lab: &Rules) -> bool {
    lab.has_event(|kind| matches!(kind, EventKind::TimelineRegressed { .. }))
}

fn without_timeline(own: &str) -> String {
    own.replace(r#""timeline": 9,"#, "")
}

fn follower() -> String {
    without_timeline(&replica(2, 9))
}

#[test]
fn a_claim_on_a_lower_timeline_drops_nobody_who_was_named_on_a_higher_one() {
    let mut lab = fenced();
    lab.fails(2, &AskFailure::Refused);
    let end = lab.now + Duration::from_secs(30);
    lab.run(end, |lab| {
        let named = lab.primary().named().and_then(|named| named.name.as_deref());
        assert_eq!(named, Some("n2"), "{}", lab.primary());
    });
}

#[test]
fn a_lower_timeline_is_believed_once_the_holder_of_the_higher_follows_it() {
    let streaming = r#""replication_state": "streaming","#;
    for (word, follows) in [
        (follower(), true),
        (without_timeline(&own(2, "replica", "running", 9, "")), false),
        (without_timeline(&own(2, "demoted", "running", 9, streaming)), false),
        (replica(2, 9), false),
    ] {
        let mut lab = fenced();
        lab.node(2).own = Ok(word.clone());
        lab.pass(5_000);
        assert_eq!(has_regressed(&lab), follows, "{word}");
        assert_eq!(lab.confirmed(), follows.then_some("n1"), "{word}");
    }
}

#[test]
fn a_lower_timeline_needs_the_key_in_everybodys_view_though_its_holder_follows() {
    let mut lab = fenced();
    lab.views(&view(2, 9));
    lab.pass(17_000);
    lab.node(2).own = Ok(follower());
    lab.pass(5_000);
    assert!(!has_regressed(&lab) && lab.primary().named().is_none(), "{}", lab.primary());
    lab.views(&view(1, 5));
    lab.wait(3_000, has_regressed);
    assert_eq!(lab.confirmed(), Some("n1"));
}

#[test]
fn one_view_alone_agrees_with_nobody_while_others_answer() {
    let mut lab = fenced();
    lab.node(1).view = Err(AskFailure::Closed);
    lab.node(2).view = Err(AskFailure::Closed);
    lab.pass(17_000);
    lab.node(2).own = Ok(follower());
    lab.pass(5_000);
    assert!(!has_regressed(&lab));
    lab.node(1).view = Ok(view(1, 5));
    lab.pass(3_000);
    assert!(has_regressed(&lab));
    assert_eq!(lab.confirmed(), Some("n1"));
}

#[test]
fn silence_agrees_with_nobody() {
    let mut lab = fenced();
    (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::Closed));
    lab.pass(17_000);
    lab.node(2).own = Ok(follower());
    lab.pass(1_000);
    (1..=3).for_each(|index| lab.fails(index, &AskFailure::Refused));
    lab.pass(5_000);
    assert!(!has_regressed(&lab));
}

#[test]
fn a_silent_holder_is_overruled_only_after_a_minute_of_agreement() {
    let mut lab = fenced();
    lab.fails(2, &AskFailure::Refused);
    lab.node(2).open = false;
    lab.views(&view(0, 5));
    lab.pass(50_000);
    lab.views(&view(1, 5));
    lab.pass(55_000);
    assert!(!has_regressed(&lab), "agreed for less than a minute");
    lab.pass(20_000);
    assert!(lab.has_event(|kind| {
        matches!(kind, EventKind::TimelineRegressed { why: RegressWhy::HolderSilent, .. })
    }));
    assert_eq!(lab.confirmed(), Some("n1"));
}

#[test]
fn a_holder_that_answers_is_never_overruled_and_later_only_after_a_minute_of_silence() {
    let mut lab = fenced();
    lab.node(2).own = Ok(without_timeline(&own(2, "demoted", "stopped", 9, "")));
    lab.pass(100_000);
    lab.fails(2, &AskFailure::Refused);
    lab.pass(50_000);
    assert!(!has_regressed(&lab) && lab.primary().named().is_none(), "{}", lab.primary());
    lab.pass(15_000);
    assert!(has_regressed(&lab));
}

#[test]
fn on_the_same_timeline_another_takes_over_only_once_all_give_it_the_key() {
    let mut lab = started();
    lab.fails(1, &AskFailure::Refused);
    lab.node(2).own = Ok(primary(2, 5));
    lab.wait(5_000, |lab| matches!(lab.primary(), Primary::None(NoneWhy::Unagreed)));
    let end = lab.now + Duration::from_secs(20);
    lab.run(end, |lab| {
        assert!(matches!(lab.primary(), Primary::None(NoneWhy::Unagreed)), "{}", lab.primary());
    });
    lab.views(&view(2, 5));
    lab.fails(1, &AskFailure::Refused);
    lab.pass(2_000);
    assert_eq!(lab.confirmed(), Some("n2"));
}

fn other(own: &str) -> String {
    own.replace("\"77\"", "\"78\"")
}

fn has_changed_system(lab: &Rules) -> bool {
    lab.has_event(|kind| matches!(kind, EventKind::SystemChanged { .. }))
}

/// How often a node was asked about itself.
fn words(lab: &Rules, index: usize, from: usize) -> usize {
    lab.asked_of(index, from).len() - lab.asked_for(AskPath::Cluster, index, from).len()
}

#[test]
fn another_database_is_not_believed_without_the_key_in_its_own_view() {
    let mut lab = started();
    lab.fails(1, &AskFailure::Refused);
    lab.pass(3_000);
    lab.node(3).own = Ok(other(&primary(3, 6)));
    let from = lab.asked.len();
    let end = lab.now + Duration::from_secs(30);
    lab.run(end, |lab| assert_ne!(lab.confirmed(), Some("n3")));
    let views = lab.asked_for(AskPath::Cluster, 3, from).len();
    assert!(words(&lab, 3, from) > 2 && views > 2, "it was heard");
    assert!(!has_changed_system(&lab));
}

#[test]
fn another_database_must_say_twice_that_it_is_primary() {
    for phase in 0..8 {
        let mut lab = started();
        lab.fails(1, &AskFailure::Refused);
        lab.views(&view(3, 6));
        lab.pass(6_000 + phase * 63);
        lab.node(3).own = Ok(other(&primary(3, 6)));
        let from = lab.asked.len();
        lab.wait(5_000, has_changed_system);
        assert!(words(&lab, 3, from) >= 2, "phase {phase}");
        assert_eq!(lab.confirmed(), Some("n3"));
    }
}

#[test]
fn the_word_of_one_stranger_does_not_count_for_another() {
    let mut lab = started();
    lab.fails(1, &AskFailure::Refused);
    lab.views(&view(2, 6));
    lab.node(3).own = Ok(other(&primary(3, 6)));
    lab.pass(6_000);
    lab.fails(3, &AskFailure::Refused);
    lab.pass(5_000);
    assert!(!has_changed_system(&lab));
    lab.node(2).own = Ok(other(&primary(2, 6)));
    let from = lab.asked.len();
    lab.wait(5_000, has_changed_system);
    assert!(words(&lab, 2, from) >= 2);
    assert_eq!(lab.confirmed(), Some("n2"));
}

#[test]
fn a_primary_that_is_reached_in_two_ways_stays_named_by_the_first() {
    let hosts = ["alias", NODES[0], NODES[1], NODES[2]];
    let mut lab = Lab::new(healthy(), &[shard(&hosts)], at(0));
    lab.pass(6_000);
    assert_eq!(lab.confirmed(), Some("n1"));
    let node = lab.node(1).clone();
    lab.world.0.insert("alias".to_owned(), node);
    let end = lab.now + Duration::from_secs(20);
    lab.run(end, |lab| {
        let source = lab.primary().confirmed().expect("one node").evidence.source.as_ref();
        assert_eq!(source.map(|key| key.address.host.as_str()), Some(NODES[0]));
    });
    let failing = lab.discovery.endpoints().filter(|(_, _, failure)| failure.is_some());
    assert_eq!(failing.count(), 0, "the other way is open too");
}

#[test]
fn a_view_speaks_against_a_first_claim_for_sixteen_seconds() {
    for (millis, believed) in [(5_000, false), (15_999, false), (16_000, true), (17_000, true)] {
        let mut script = healthy();
        script.0.values_mut().for_each(|node| node.view = Ok(view(2, 5)));
        let mut lab = lab(script);
        lab.fails(1, &AskFailure::Refused);
        lab.pass(5_000);
        let last_view = *lab.views_asked(0).last().expect("a view");
        (2..=3).for_each(|index| lab.node(index).view = Err(AskFailure::Closed));
        lab.pass(millis - 500);
        // It is asked every eighth of a second now; the answer comes in time.
        let asked = lab.asked_of(1, 0).last().expect("asked").0 + HASTE_EVERY;
        let heard = last_view + Duration::from_millis(millis);
        lab.node(1).own = Ok(primary(1, 5));
        lab.node(1).delay = heard.since(asked);
        lab.pass(heard.since(lab.now).as_millis().try_into().expect("short"));
        lab.pass(10);
        assert_eq!(lab.confirmed(), believed.then_some("n1"), "after {millis} ms");
    }
}

#[test]
fn at_the_start_in_pause_a_primary_needs_no_key() {
    let mut script = healthy();
    script.0.values_mut().for_each(|node| {
        node.view = Ok(paused(&view(0, 5)));
        node.own = node.own.clone().map(|own| paused(&own));
    });
    let mut lab = lab(script);
    let end = lab.now + Duration::from_secs(10);
    lab.run(end, |lab| {
        let starting = matches!(lab.primary(), Primary::None(NoneWhy::Starting));
        assert!(starting || lab.confirmed() == Some("n1"), "{}", lab.primary());
    });
    assert_eq!(lab.confirmed(), Some("n1"));
}
