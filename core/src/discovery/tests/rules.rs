//! Each rule by itself, in a world of three nodes.

use std::collections::BTreeSet;

use super::super::*;
use super::lab::{Lab, at, server, shard, shard_id};
use super::script::{
    NODES, Rules, Script, healthy, lab, own, paused, primary, replica, started, view,
};
use crate::time::{Duration, Instant};

#[test]
fn who_is_taken_out_and_put_back_is_not_asked_twice_at_once() {
    let mut lab = started();
    lab.node(3).own = Err(AskFailure::TimedOut);
    lab.node(3).view = Err(AskFailure::TimedOut);
    for _ in 0..20 {
        lab.pass(130);
        // The lab sees to it.
        lab.discovery.reconfigure(&[shard(&NODES[..2])], lab.now);
        lab.pass(10);
        let endpoints: Vec<_> = lab.discovery.endpoints().map(|(key, ..)| key.clone()).collect();
        assert_eq!(endpoints.len(), 2, "{endpoints:?}");
        lab.discovery.reconfigure(&[shard(&NODES)], lab.now);
    }
    lab.discovery.reconfigure(&[], lab.now);
    let asked = lab.asked.len();
    lab.run(lab.now + Duration::from_secs(60), |_| {});
    assert_eq!(lab.asked.len(), asked, "in no cluster any more");
    assert_eq!(lab.discovery.poll_timeout(), Instant::MAX, "and forgotten");
}

#[test]
pub(super) fn a_healthy_cluster_is_told_soon_and_then_left_alone() {
    let mut lab = lab(healthy());
    lab.pass(400);
    assert_eq!(lab.confirmed(), Some("n1"));
    let topology = lab.topology().clone();
    assert_eq!(topology.replicas.len(), 2);
    assert!(topology.replicas.iter().all(|replica| replica.eligible));
    assert_eq!(topology.replicas[0].lag_bytes, Some(100));
    let changes = lab.changes.len();
    lab.pass(60_000);
    assert_eq!(lab.changes.len(), changes);
    lab.assert_budget(Instant::ZERO, 2);
    let views = lab.asked.iter().filter(|(_, _, path)| *path == AskPath::Cluster).count();
    assert!((11..=15).contains(&views), "{views}");
    let of_primary = |asked: &&(Instant, EndpointKey, AskPath)| {
        asked.2 == AskPath::Cluster && asked.1.address.host.as_str() == NODES[0]
    };
    assert!(lab.asked.iter().filter(of_primary).count() <= 1);
}

#[test]
pub(super) fn nothing_is_told_before_every_server_has_answered_or_failed_once() {
    let mut script = healthy();
    script.0.get_mut(NODES[2]).expect("a node").own = Err(AskFailure::TimedOut);
    let mut lab = lab(script);
    lab.pass(900);
    assert!(matches!(lab.primary(), Primary::None(NoneWhy::Starting)) && lab.changes.is_empty());
    lab.pass(200);
    assert_eq!(lab.confirmed(), Some("n1"));
}

#[test]
pub(super) fn with_none_answering_at_the_start_it_is_unknown_and_said_so() {
    let mut lab = lab(Script::default());
    assert!(matches!(lab.pass(1_000), Primary::None(NoneWhy::NoneAnswered)));
}

#[test]
pub(super) fn a_higher_timeline_replaces_at_once_and_the_lower_never_returns() {
    let mut lab = started();
    lab.node(2).own = Ok(primary(2, 6));
    lab.pass(600);
    assert_eq!(lab.confirmed(), Some("n2"));
    lab.node(2).own = Err(AskFailure::Refused);
    lab.node(2).open = false;
    for _ in 0..100 {
        lab.pass(100);
        assert_ne!(lab.confirmed(), Some("n1"));
    }
}

#[test]
pub(super) fn a_new_primary_is_asked_for_its_second_word_in_haste() {
    let mut lab = started();
    lab.node(1).own = Ok(own(1, "demoted", "stopped", 5, ""));
    lab.pass(5_000);
    lab.node(2).own = Ok(primary(2, 6));
    let words = |lab: &Lab<Script>| lab.primary().confirmed().map(|named| named.evidence.at);
    let mut seen = Vec::new();
    let end = lab.now + Duration::from_millis(500);
    lab.run(end, |lab| seen.extend(words(lab)));
    seen.dedup();
    assert!(seen[1].since(seen[0]) < Duration::from_millis(200), "{seen:?}");
}

#[test]
pub(super) fn equal_timelines_are_a_conflict_until_one_gives_in() {
    let mut lab = started();
    lab.node(2).own = Ok(primary(2, 5));
    assert!(matches!(lab.pass(600), Primary::None(NoneWhy::Conflict(both)) if both.len() == 2));
    assert!(lab.has_event(|kind| matches!(kind, EventKind::Conflict(_))));
    lab.node(2).own = Ok(replica(2, 5));
    lab.pass(2_000);
    assert_eq!(lab.confirmed(), Some("n1"));
    assert!(lab.has_event(|kind| matches!(kind, EventKind::ConflictEnded)));
}

#[test]
pub(super) fn the_leader_key_alone_is_no_proof() {
    let mut script = healthy();
    script.0.get_mut(NODES[0]).expect("a node").own = Ok(replica(1, 5));
    let mut lab = lab(script);
    assert!(matches!(lab.pass(30_000), Primary::None(NoneWhy::NobodyClaims)));
}

#[test]
pub(super) fn a_primary_that_does_not_run_is_none() {
    let mut lab = started();
    for state in ["stopping", "starting", "crashed", "dancing"] {
        lab.node(1).own = Ok(own(1, "primary", state, 5, ""));
        assert!(matches!(lab.pass(700), Primary::None(NoneWhy::GaveUp(..))), "{state}");
    }
    lab.node(1).own = Ok(own(1, "emperor", "running", 5, ""));
    assert!(matches!(lab.pass(700), Primary::None(NoneWhy::GaveUp(..))));
}

#[test]
pub(super) fn a_silent_primary_stays_by_its_key_and_port_until_the_key_is_gone() {
    let mut lab = started();
    lab.node(1).own = Err(AskFailure::Refused);
    lab.node(1).view = Err(AskFailure::Refused);
    let mut rules = Vec::new();
    let end = lab.now + Duration::from_secs(20);
    lab.run(end, |lab| {
        rules.push(lab.primary().confirmed().expect("never dropped").evidence.rule);
    });
    rules.dedup();
    assert_eq!(rules, [Rule::OwnWord, Rule::LeaderKey]);
    lab.node(2).view = Ok(view(0, 5));
    lab.node(3).view = Ok(view(0, 5));
    assert!(matches!(lab.pass(65), Primary::None(NoneWhy::KeyGone)));
    // One that is cut off still gives it the key: that resurrects nobody.
    lab.node(3).view = Ok(view(1, 5));
    let end = lab.now + Duration::from_secs(20);
    lab.run(end, |lab| assert!(lab.primary().named().is_none()));
}

#[test]
pub(super) fn a_silent_primary_with_a_closed_port_is_none_and_comes_back_as_kept() {
    let mut lab = started();
    lab.node(1).own = Err(AskFailure::TimedOut);
    lab.node(1).open = false;
    assert!(matches!(lab.pass(4_500), Primary::None(NoneWhy::Unreachable)));
    lab.node(1).open = true;
    assert!(lab.pass(1_100).named().is_some());
}

#[test]
pub(super) fn what_the_key_confirms_is_kept_only_once_a_replica_is_silent_too() {
    let mut lab = started();
    lab.node(1).own = Err(AskFailure::Refused);
    lab.node(3).own = Err(AskFailure::Refused);
    assert!(matches!(lab.pass(5_000), Primary::Kept(_, KeptWhy::OwnSilent)));
}

#[test]
pub(super) fn in_pause_a_silent_primary_is_kept_until_another_says_that_it_is_one() {
    let mut lab = started();
    lab.views(&paused(&view(1, 5)));
    lab.pass(16_000);
    lab.node(1).own = Err(AskFailure::Refused);
    lab.node(2).own = Ok(replica(2, 5).replace("{\"state", "{\"pause\": true, \"state"));
    lab.node(3).own = Ok(replica(3, 5).replace("{\"state", "{\"pause\": true, \"state"));
    lab.views(&paused(&view(0, 5)));
    assert!(matches!(lab.pass(30_000), Primary::Kept(_, KeptWhy::Paused)));
    lab.node(2).own = Ok(primary(2, 6));
    lab.pass(600);
    assert_eq!(lab.confirmed(), Some("n2"));
}

#[test]
pub(super) fn with_all_silent_the_roles_stay_as_kept() {
    let mut lab = started();
    (1..=3).for_each(|index| lab.node(index).own = Err(AskFailure::TimedOut));
    (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::TimedOut));
    (1..=3).for_each(|index| lab.node(index).open = false);
    let end = lab.now + Duration::from_secs(120);
    let mut kept = 0;
    lab.run(end, |lab| {
        kept += u32::from(matches!(lab.primary(), Primary::Kept(_, KeptWhy::AllSilent)));
    });
    assert!(kept > 0 && matches!(lab.primary(), Primary::Kept(_, KeptWhy::AllSilent)));
}

#[test]
fn with_all_unreachable_at_once_the_roles_stay_as_kept_whenever_that_begins() {
    let failures = [AskFailure::Unreachable, AskFailure::Reset, AskFailure::Status(502)];
    for (failure, phase) in failures.iter().flat_map(|f| (0..100).map(move |phase| (f, phase))) {
        let mut lab = started();
        lab.pass(phase * 25);
        for index in 1..=3 {
            let node = lab.node(index);
            node.own = Err(failure.clone());
            (node.view, node.open) = (Err(failure.clone()), false);
        }
        let end = lab.now + Duration::from_secs(30);
        lab.run(end, |lab| assert!(lab.primary().named().is_some(), "phase {phase}"));
        assert!(matches!(lab.primary(), Primary::Kept(_, KeptWhy::AllSilent)));
    }
}

#[test]
pub(super) fn one_failed_request_changes_no_role_and_alternating_ones_neither() {
    for failure in [AskFailure::Refused, AskFailure::TimedOut, AskFailure::Status(502)] {
        let mut lab = started();
        let named = lab.primary().named().map(|named| named.address.clone());
        for round in 0..20 {
            let fails = round % 2 == 0;
            lab.node(1).own = if fails { Err(failure.clone()) } else { Ok(primary(1, 5)) };
            let asked = lab.asked.len();
            let end = lab.now + Duration::from_secs(30);
            while lab.now < end
                && lab.asked[asked..]
                    .iter()
                    .all(|(_, key, _)| key.address.host.as_str() != NODES[0])
            {
                lab.pass(25);
            }
            lab.pass(1_001);
            assert_eq!(lab.primary().named().map(|named| named.address.clone()), named);
        }
    }
}

#[test]
pub(super) fn garbage_is_a_failure_and_leaves_the_roles_alone() {
    for body in ["<html>502</html>", "{}", "[]", "{\"role\": \"primary\"", "{\"role\": 7}"] {
        let mut lab = started();
        lab.node(2).own = Ok(body.to_owned());
        lab.pass(10_000);
        assert_eq!(lab.confirmed(), Some("n1"));
        let failing = lab.discovery.endpoints().filter(|(_, _, failure)| failure.is_some());
        assert_eq!(failing.count(), 1, "{body}");
        let told =
            lab.events.iter().filter(|(_, e)| matches!(e.kind, EventKind::EndpointFailed(_)));
        assert_eq!(told.count(), 1, "{body}");
    }
}

#[test]
pub(super) fn a_late_answer_changes_nothing() {
    let mut lab = started();
    lab.pass(10);
    let ticket = lab.last_ticket.expect("something was answered");
    let before = lab.topology().clone();
    let body = primary(2, 9);
    lab.discovery.handle_answer(ticket, lab.now, Ok(body.as_bytes()));
    assert!(lab.discovery.poll_output().is_none());
    assert_eq!(*lab.topology(), before);
    let late: u64 = lab.discovery.endpoints().map(|(_, counters, _)| counters.late).sum();
    assert_eq!(late, 1);
}

#[test]
pub(super) fn an_answer_is_as_old_as_its_question() {
    let mut lab = started();
    let asked = lab.asked.len();
    lab.node(1).delay = Duration::from_millis(900);
    lab.pass(3_000);
    let times: Vec<Instant> = lab.asked[asked..].iter().map(|(at, ..)| *at).collect();
    let at = lab.primary().confirmed().expect("confirmed").evidence.at;
    assert!(times.contains(&at), "the time of an answer isn't the time of its question");
}

#[test]
pub(super) fn a_fence_is_lifted_by_its_holder() {
    let mut lab = started();
    lab.node(2).own = Ok(primary(2, 9));
    lab.pass(600);
    assert_eq!(lab.confirmed(), Some("n2"));
    lab.node(2).own = Ok(own(2, "replica", "running", 5, ""));
    lab.pass(2_000);
    assert_eq!(lab.confirmed(), Some("n1"));
    assert!(lab.has_event(|kind| {
        matches!(kind, EventKind::TimelineRegressed { why: RegressWhy::HolderIsLower, .. })
    }));
}

#[test]
pub(super) fn a_fence_is_lifted_after_a_minute_when_all_agree() {
    let mut lab = started();
    lab.node(2).own = Ok(primary(2, 9));
    lab.pass(600);
    lab.node(2).own = Err(AskFailure::Refused);
    lab.node(2).open = false;
    let silent = lab.now;
    let mut back = None;
    lab.run(silent + Duration::from_secs(90), |lab| {
        if lab.confirmed() == Some("n1") {
            back.get_or_insert(lab.now);
        }
    });
    let after = back.expect("it is lifted").since(silent);
    assert!((55..75).contains(&after.as_secs()), "{after:?}");
}

#[test]
pub(super) fn a_fence_is_lifted_by_hand() {
    let mut lab = started();
    lab.node(2).own = Ok(primary(2, 9));
    lab.pass(600);
    lab.node(2).own = Err(AskFailure::Refused);
    lab.pass(5_000);
    assert_ne!(lab.confirmed(), Some("n1"));
    assert!(lab.discovery.forget(&shard_id("0"), lab.now));
    assert!(!lab.discovery.forget(&shard_id("1"), lab.now));
    lab.pass(600);
    assert_eq!(lab.confirmed(), Some("n1"));
}

#[test]
pub(super) fn another_database_is_foreign_and_takes_over_only_when_it_is_alone() {
    let mut lab = started();
    let other = |body: String| body.replace("\"77\"", "\"78\"");
    lab.node(3).own = Ok(other(replica(3, 5)));
    lab.pass(600);
    assert!(lab.has_event(|kind| matches!(kind, EventKind::MixedSystems(_))));
    assert_eq!((lab.topology().foreign.len(), lab.topology().replicas.len()), (1, 1));
    lab.node(3).own = Ok(other(primary(3, 1)));
    assert!(matches!(lab.pass(600), Primary::None(NoneWhy::Conflict(_))));
    lab.node(1).own = Err(AskFailure::Refused);
    lab.node(2).own = Err(AskFailure::Refused);
    lab.views(&view(3, 1));
    lab.pass(30_000);
    assert_eq!(lab.confirmed(), Some("n3"));
    assert!(lab.has_event(|kind| matches!(kind, EventKind::SystemChanged { .. })));
}

#[test]
pub(super) fn a_leader_whose_api_never_answers_is_hearsay_after_twenty_seconds() {
    let mut script = healthy();
    script.0.get_mut(NODES[0]).expect("a node").own = Err(AskFailure::Refused);
    let mut lab = lab(script);
    assert!(matches!(lab.pass(15_000), Primary::None(NoneWhy::NobodyClaims)));
    assert!(matches!(lab.pass(20_000), Primary::Hearsay(_)));
    lab.node(1).open = false;
    assert!(lab.pass(3_000).named().is_none());
}

#[test]
pub(super) fn members_that_are_not_in_the_file_are_asked_too() {
    let mut lab = Lab::new(healthy(), &[shard(&NODES[2..])], at(0));
    lab.pass(3_000);
    assert_eq!(lab.confirmed(), Some("n1"));
    assert!(lab.topology().primary_unconfigured);
    assert!(lab.has_event(|kind| matches!(kind, EventKind::UnconfiguredPrimary(_))));
}

#[test]
pub(super) fn shards_on_the_same_servers_share_their_pollers() {
    let shards: Vec<ShardConfig> = (0..30)
        .map(|index| ShardConfig { id: shard_id(&index.to_string()), ..shard(&NODES) })
        .collect();
    let mut many = Lab::new(healthy(), &shards, at(0));
    let mut one = lab(healthy());
    many.pass(20_000);
    one.pass(20_000);
    assert_eq!(many.asked, one.asked);
    assert_eq!(many.changes.len(), 30 * one.changes.len());
}

#[test]
pub(super) fn a_reload_keeps_what_is_known_and_drops_what_is_gone() {
    let mut lab = started();
    let changes = lab.changes.len();
    lab.discovery.reconfigure(&[shard(&NODES)], lab.now);
    lab.pass(2_000);
    assert_eq!((lab.changes.len(), lab.confirmed()), (changes, Some("n1")));
    lab.discovery.reconfigure(&[shard(&NODES[..2])], lab.now);
    assert_eq!(lab.confirmed(), Some("n1"), "the primary of a shard outlives a change of servers");
    lab.discovery.reconfigure(&[], lab.now);
    let asked = lab.asked.len();
    lab.run(lab.now + Duration::from_secs(10), |_| {});
    assert_eq!(lab.asked.len(), asked);
    assert_eq!(lab.discovery.poll_timeout(), Instant::MAX);
    assert!(lab.discovery.topology(&shard_id("0")).is_none());
}

#[test]
pub(super) fn haste_ends_a_minute_after_the_last_news() {
    let mut lab = started();
    lab.node(1).own = Err(AskFailure::Refused);
    lab.node(1).open = false;
    lab.views(&view(1, 5));
    lab.pass(30_000);
    let from = lab.asked.len();
    lab.pass(1_000);
    assert!(lab.asked.len() - from > 20);
    lab.pass(45_000);
    let calm = lab.now;
    lab.pass(30_000);
    lab.assert_budget(calm, 2);
    lab.assert_budget(Instant::ZERO, 8);
}

#[test]
pub(super) fn in_haste_some_survivor_is_asked_every_65_ms() {
    let mut lab = started();
    lab.node(1).own = Err(AskFailure::Refused);
    lab.node(1).view = Err(AskFailure::Refused);
    lab.pass(3_000);
    let from = lab.asked.len();
    lab.pass(20_000);
    let survivors =
        lab.asked[from..].iter().filter(|(_, key, _)| key.address.host.as_str() != NODES[0]);
    let times: Vec<Instant> = survivors.map(|(at, ..)| *at).collect();
    let longest = times.windows(2).map(|two| two[1].since(two[0])).max().expect("asked");
    assert!(longest <= Duration::from_millis(65), "{longest:?}");
}

#[test]
pub(super) fn a_start_with_many_servers_is_spread_and_steady_polling_is_even() {
    let hosts: Vec<String> =
        (0..300).map(|index| format!("10.1.{}.{}", index / 200, index % 200 + 1)).collect();
    let shards: Vec<ShardConfig> = (0..1000)
        .map(|index| {
            let three: Vec<&str> = (0..3).map(|k| hosts[(index * 3 + k) % 300].as_str()).collect();
            ShardConfig { id: shard_id(&index.to_string()), ..shard(&three) }
        })
        .collect();
    let mut lab = Lab::new(Script::default(), &shards, at(0));
    lab.pass(1_000);
    let first: BTreeSet<_> = lab.asked.iter().map(|(_, key, _)| key).collect();
    assert_eq!(first.len(), 300, "each is asked within a second");
    for window in 0..10 {
        let begin = at(window * 100);
        let within = lab
            .asked
            .iter()
            .filter(|(at, ..)| *at >= begin && *at < begin + Duration::from_millis(100));
        assert!(within.count() <= 300, "a storm in the first second");
    }
}

#[test]
pub(super) fn without_patroni_the_roles_are_those_of_the_file() {
    let mut config = ShardConfig { patroni: None, ..shard(&NODES) };
    config.servers[1].role = FileRole::Primary;
    config.servers[2].role = FileRole::Replica;
    let mut lab = Lab::new(healthy(), &[config], at(0));
    lab.pass(10_000);
    assert!(lab.asked.is_empty());
    let named = lab.primary().confirmed().expect("by the file");
    assert_eq!((named.evidence.rule, &named.address), (Rule::File, &server(NODES[1]).address));
    assert_eq!(lab.changes.len(), 1);
}

#[test]
pub(super) fn a_replica_is_eligible_with_hysteresis() {
    let mut lab = started();
    let eligible = |lab: &Rules| lab.topology().replicas[0].eligible;
    assert!(eligible(&lab));
    lab.node(2).own = Ok(own(2, "replica", "starting", 5, ""));
    lab.pass(700);
    assert!(eligible(&lab), "one look changes nothing");
    lab.pass(1_500);
    assert!(!eligible(&lab));
    lab.node(2).own = Ok(replica(2, 5));
    lab.pass(2_000);
    assert!(eligible(&lab));
}

#[test]
pub(super) fn a_replica_that_is_cut_off_takes_nothing_from_the_new_primary() {
    let mut lab = started();
    lab.node(1).own = Err(AskFailure::Refused);
    lab.node(1).open = false;
    lab.pass(5_000);
    lab.node(2).own = Ok(primary(2, 6));
    lab.node(2).view = Ok(view(2, 6));
    lab.pass(600);
    let end = lab.now + Duration::from_secs(15);
    lab.run(end, |lab| assert_eq!(lab.confirmed(), Some("n2")));
    assert!(lab.has_event(|kind| matches!(kind, EventKind::StaleView { .. })));
    // Then it hangs, which is no evidence of anything.
    lab.node(3).view = Err(AskFailure::TimedOut);
    let end = lab.now + Duration::from_secs(30);
    lab.run(end, |lab| assert_eq!(lab.confirmed(), Some("n2")));
}

#[test]
pub(super) fn a_process_that_wakes_up_is_not_believed_for_what_it_was() {
    let mut lab = started();
    lab.node(1).own = Err(AskFailure::TimedOut);
    lab.node(1).view = Err(AskFailure::TimedOut);
    lab.pass(25_000);
    lab.node(2).view = Ok(view(0, 5));
    lab.node(3).view = Ok(view(0, 5));
    lab.pass(130);
    // It wakes up between the end of its key and the promotion of another, and says what it knew.
    lab.node(1).own = Ok(primary(1, 5));
    let end = lab.now + Duration::from_secs(2);
    lab.run(end, |lab| assert!(lab.primary().named().is_none()));
    lab.node(2).own = Ok(primary(2, 6));
    lab.node(2).view = Ok(view(2, 5));
    lab.node(3).view = Ok(view(2, 5));
    lab.pass(260);
    assert_eq!(lab.confirmed(), Some("n2"));
}

#[test]
pub(super) fn an_endpoint_that_hangs_rests_as_long_as_it_hung_and_longer_each_time() {
    let mut lab = started();
    lab.pass(15_000);
    lab.node(2).own = Err(AskFailure::TimedOut);
    let from = lab.asked.len();
    lab.pass(60_000);
    let to_it =
        |asked: &&(Instant, EndpointKey, AskPath)| asked.1.address.host.as_str() == NODES[1];
    let times: Vec<Instant> = lab.asked[from..].iter().filter(to_it).map(|(at, ..)| *at).collect();
    let gaps: Vec<u64> = times.windows(2).map(|two| two[1].since(two[0]).as_secs()).collect();
    assert!(gaps.starts_with(&[2, 3, 5, 9, 11]), "{gaps:?}");
}

#[test]
fn in_pause_a_key_that_was_moved_counts_though_one_that_is_gone_does_not() {
    let mut lab = started();
    lab.views(&paused(&view(0, 5)));
    lab.node(1).own = Err(AskFailure::TimedOut);
    lab.pass(10_000);
    assert!(matches!(lab.primary(), Primary::Kept(_, KeptWhy::Paused)), "{}", lab.primary());
    lab.views(&paused(&view(2, 5)));
    lab.pass(2_000);
    assert!(matches!(lab.primary(), Primary::None(NoneWhy::KeyMoved(_))), "{}", lab.primary());
}

#[test]
fn who_was_stopped_itself_leaves_nobody_at_rest_for_so_long() {
    let mut lab = started();
    lab.node(1).delay = Duration::from_millis(400);
    let key = lab.discovery.endpoints().next().expect("the first").0.clone();
    while lab.in_flight.get(&key) != Some(&1) {
        lab.pass(10);
    }
    lab.stop(Duration::from_secs(50));
    let from = lab.asked.len();
    lab.pass(3_000);
    assert!(lab.asked[from..].iter().any(|(_, asked, _)| *asked == key), "a second at most");
    assert_eq!(lab.confirmed(), Some("n1"));
}

#[test]
pub(super) fn a_node_that_says_failsafe_is_spared_its_view() {
    let mut lab = started();
    for index in 1..=3 {
        let own = lab.node(index).own.clone().expect("an answer");
        let more = r#"{"failsafe_mode_is_active": true, "cluster_unlocked": true, "state"#;
        lab.node(index).own = Ok(own.replace("{\"state", more));
    }
    lab.pass(2_000);
    (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::TimedOut));
    let from = lab.asked.len();
    let end = lab.now + Duration::from_secs(60);
    lab.run(end, |lab| assert_eq!(lab.confirmed(), Some("n1")));
    let views = lab.asked[from..].iter().filter(|(_, _, path)| *path == AskPath::Cluster);
    let views: Vec<_> = views.map(|(at, key, _)| (*at, key.address.host.as_str())).collect();
    assert_eq!(views, [], "there is nothing to be seen");
}

#[test]
pub(super) fn at_the_start_amid_a_failover_nobody_is_named_until_all_agree() {
    let mut script = healthy();
    for node in script.0.values_mut() {
        node.view = Ok(view(2, 5));
    }
    let mut lab = lab(script);
    let end = lab.now + Duration::from_millis(2_000);
    lab.run(end, |lab| assert!(lab.primary().confirmed().is_none()));
}

#[test]
pub(super) fn events_are_sentences() {
    let mut lab = started();
    lab.node(1).own = Ok(own(1, "demoted", "stopping", 5, ""));
    lab.pass(700);
    let told: Vec<String> = lab.events.iter().map(|(_, event)| event.to_string()).collect();
    assert_eq!(
        told,
        [
            "pool/0: primary: n1 (10.0.0.1:5432) on timeline 5, by its own word \
             (was none: not every server has answered or failed yet)",
            "pool/0: primary: none: it says demoted, stopping \
             (was n1 (10.0.0.1:5432) on timeline 5, by its own word)",
        ]
    );
}
