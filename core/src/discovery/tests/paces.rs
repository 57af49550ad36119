//! How fast the servers of one or many clusters are asked, in haste and at rest.

use std::collections::BTreeSet;

use super::super::cluster::get;
use super::super::slots::Speed;
use super::super::*;
use super::lab::{Lab, at, shard, shard_id};
use super::script::{NODES, Rules, by_key, clusters, healthy, own, started, view};
use crate::time::{Duration, Instant};

const HASTE_FOR: Duration = Duration::from_secs(60);
const A_MOMENT: Duration = Duration::from_nanos(1);

/// How fast the servers of the first cluster are asked.
fn speeds(lab: &Rules) -> Vec<Speed> {
    let seats = lab.first_cluster().seats.iter();
    let endpoints = seats.filter_map(|seat| get(&lab.discovery.endpoints, seat.endpoint));
    endpoints.map(|endpoint| endpoint.pace.speed).collect()
}

fn many(count: usize) -> Rules {
    let (script, shards) = clusters(count);
    Lab::new(script, &shards, at(0))
}

#[test]
fn haste_ends_on_time_though_nothing_happens_then() {
    let mut lab = by_key();
    // All that happens, happens every eighth of a second: but for the last news.
    lab.node(3).own = Ok(own(3, "replica", "starting", 5, ""));
    lab.pass(2_500);
    lab.node(3).delay = Duration::from_millis(3);
    let end = lab.first_cluster().last_fact + HASTE_FOR;
    assert!(end > lab.now + Duration::from_millis(57_500), "that is news");
    lab.run(end.before(A_MOMENT), |_| {});
    assert_eq!(speeds(&lab), [Speed::Haste; 3]);
    lab.run(end, |_| {});
    assert_eq!(speeds(&lab), [Speed::Calm; 3]);
}

#[test]
fn nobody_wakes_up_for_the_end_of_haste_where_there_is_none() {
    let mut lab = started();
    lab.pass(20_000);
    let end = lab.first_cluster().last_fact + HASTE_FOR;
    lab.run(end, |lab| assert_ne!(lab.first_cluster().review_at, end));
    assert_eq!(lab.first_cluster().last_fact + HASTE_FOR, end, "nothing new");
}

#[test]
fn among_300_servers_a_primary_is_asked_every_second_and_a_replica_every_five() {
    let mut lab = many(100);
    lab.pass(10_000);
    let from = lab.asked.len();
    lab.pass(20_000);
    for cluster in [0, 1, 50, 99] {
        let count = |node| lab.asked_of_host(&format!("10.0.{cluster}.{node}"), from).len();
        assert!((19..=21).contains(&count(1)), "{} of the primary", count(1));
        for replica in 2..=3 {
            assert!((3..=5).contains(&count(replica)), "{} of a replica", count(replica));
        }
    }
}

#[test]
fn servers_are_left_alone_from_the_moment_that_their_primary_is_sound() {
    let mut lab = many(20);
    let mut sound = 0;
    lab.run(at(3_000), |lab| {
        if lab.first_cluster().sound.is_some() {
            sound += 1;
            let rare = speeds(lab).iter().filter(|s| matches!(s, Speed::Sparse(_))).count();
            assert_eq!(rare, 2, "{:?}", speeds(lab));
        }
    });
    assert!(sound > 10);
}

#[test]
fn replicas_of_a_primary_that_is_silent_are_not_left_alone_after_haste() {
    let mut lab = many(12);
    lab.pass(6_000);
    assert!(speeds(&lab).iter().any(|speed| matches!(speed, Speed::Sparse(_))));
    lab.fails(1, &AskFailure::Refused);
    lab.pass(5_000);
    assert_eq!(lab.rule(), Some(Rule::LeaderKey));
    let end = lab.first_cluster().last_fact + HASTE_FOR;
    lab.run(end, |_| {});
    assert_eq!(lab.rule(), Some(Rule::LeaderKey));
    // Judged once more while the key still counts, as by chance it may be.
    lab.discovery.reconfigure(&clusters(12).1, end);
    let later = end + Duration::from_secs(1);
    lab.run(later, |lab| assert_eq!(speeds(lab), [Speed::Calm; 3]));
}

#[test]
fn servers_asked_at_the_pace_of_the_rule_are_asked_one_by_one() {
    let (script, mut shards) = clusters(11);
    for shard in &mut shards {
        shard.renew_interval = Duration::from_millis(500);
    }
    let mut lab = Lab::new(script, &shards, at(0));
    lab.pass(6_000);
    let from = lab.now;
    lab.pass(1_000);
    let times: Vec<Instant> =
        lab.asked.iter().map(|(at, ..)| *at).filter(|at| *at >= from).collect();
    let moments: BTreeSet<Instant> = times.iter().copied().collect();
    assert!(
        times.len() > 60 && moments.len() + 5 > times.len(),
        "{} at {}",
        times.len(),
        moments.len()
    );
}

#[test]
fn a_server_of_two_clusters_in_haste_is_asked_evenly() {
    // The second shard doesn't find its primary, the first one's is silent.
    let other = ShardConfig { id: shard_id("1"), ..shard(&[NODES[2], NODES[1]]) };
    let mut lab = Lab::new(healthy(), &[shard(&NODES), other], at(0));
    lab.views(&view(1, 5).replace("http://10.0.0.1:8008", "http://pod-1:8008"));
    lab.pass(6_000);
    lab.fails(1, &AskFailure::Refused);
    lab.node(1).delay = Duration::from_millis(10);
    lab.pass(5_000);
    let from = lab.asked.len();
    lab.pass(5_000);
    assert!(lab.discovery.clusters.iter().flatten().all(|cluster| cluster.haste));
    for node in 2..=3 {
        let asked = lab.asked_of(node, from);
        let times: Vec<Instant> = asked.into_iter().map(|(at, _)| at).collect();
        assert!(times.len() >= 39, "{}", times.len());
        let gaps: BTreeSet<_> = times.windows(2).map(|two| two[1].since(two[0])).collect();
        assert_eq!(gaps, BTreeSet::from([Duration::from_millis(125)]), "{node}");
    }
}
