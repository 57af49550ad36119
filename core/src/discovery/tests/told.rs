//! What people and routers are told: each fact once, and in words.

use super::super::coupling::{Look, Track};
use super::super::probe::Probing;
use super::super::*;
use super::lab::{Lab, at, server, shard, shard_id};
use super::script::{NODES, healthy, lab, own, primary, replica, started};
use crate::time::Duration;

#[test]
fn a_timeline_that_falls_is_told_with_the_reason() {
    let reasons = [
        (RegressWhy::HolderIsLower, "who was on it is on a lower one now"),
        (RegressWhy::HolderFollows, "who was on it follows the new primary"),
        (
            RegressWhy::HolderSilent,
            "who was on it has been silent for a minute, and all others agree",
        ),
        (RegressWhy::Forgotten, "it was forgotten, as asked for"),
    ];
    for (why, words) in reasons {
        let kind = EventKind::TimelineRegressed { from: Timeline(9), to: Timeline(5), why };
        let event = Event { subject: Subject::Shards([shard_id("0")].into()), kind };
        let told = "pool/0: believing timeline 5 though timeline 9 was seen before: ";
        assert_eq!(event.to_string(), format!("{told}{words}"));
    }
}

#[test]
fn servers_of_two_databases_are_told_of_once_and_by_name() {
    let mut lab = started();
    lab.node(3).own = Ok(replica(3, 5).replace("\"77\"", "\"78\""));
    lab.pass(10_000);
    let is_mixed = |kind: &EventKind| matches!(kind, EventKind::MixedSystems(_));
    let [told] = &lab.told(is_mixed)[..] else { panic!("once: {:?}", lab.told(is_mixed)) };
    assert!(told.contains("different databases (system identifiers 77 78)"), "{told}");
}

#[test]
fn servers_of_two_patroni_clusters_are_told_of_once_and_those_of_one_never() {
    let scoped = |body: &str, scope: &str| {
        body.replace(r#""patroni": {"#, &format!(r#""patroni": {{"scope": "{scope}", "#))
    };
    let mut lab = lab(healthy());
    lab.node(1).own = Ok(scoped(&primary(1, 5), "s"));
    (2..=3).for_each(|index| lab.node(index).own = Ok(scoped(&replica(index, 5), "s")));
    lab.pass(10_000);
    let is_mixed = |kind: &EventKind| matches!(kind, EventKind::MixedScopes(_));
    assert_eq!(lab.count_events(is_mixed), 0);
    assert_eq!(lab.topology().scope.as_deref(), Some("s"));
    lab.node(3).own = Ok(scoped(&replica(3, 5), "other"));
    lab.pass(10_000);
    let [told] = &lab.told(is_mixed)[..] else { panic!("once: {:?}", lab.told(is_mixed)) };
    assert!(told.ends_with("different Patroni clusters: other s"), "{told}");
}

#[test]
fn a_primary_that_is_not_in_the_file_is_told_of_once() {
    let mut lab = Lab::new(healthy(), &[shard(&NODES[2..])], at(0));
    lab.pass(10_000);
    assert_eq!(lab.count_events(|kind| matches!(kind, EventKind::UnconfiguredPrimary(_))), 1);
}

#[test]
fn the_port_of_a_healthy_primary_is_tried_only_where_that_is_asked_for() {
    let mut lab = started();
    lab.pass(10_000);
    assert_eq!(lab.probes, []);
    assert_eq!(lab.discovery.primary_port(&shard_id("0"), lab.now), Port::Unknown);

    let patroni = PatroniConfig { watch_primary: true, ..PatroniConfig::plain(8008) };
    let config = ShardConfig { patroni: Some(patroni), ..shard(&NODES) };
    let mut lab = Lab::new(healthy(), &[config], at(0));
    lab.pass(10_000);
    assert!((18..=21).contains(&lab.probes.len()), "{}", lab.probes.len());
    assert!(lab.probes.iter().all(|(_, address)| address.host.as_str() == NODES[0]));
    assert_eq!(lab.discovery.primary_port(&shard_id("0"), lab.now), Port::Open);
}

#[test]
fn the_port_of_one_that_gave_up_is_left_alone() {
    let mut lab = started();
    lab.node(1).own = Ok(own(1, "demoted", "stopped", 5, ""));
    assert!(matches!(lab.pass(1_000), Primary::None(NoneWhy::GaveUp(..))));
    let probes = lab.probes.len();
    lab.pass(10_000);
    assert_eq!(lab.probes.len(), probes);
}

#[test]
fn an_open_port_of_one_that_is_not_named_is_no_primary_in_reach() {
    let topology = Topology::unknown(NoneWhy::Unreachable);
    let track = Track::PrimaryReachable { penalty: 20 };
    assert_eq!(track.look([(&topology, Port::Open)], |_| true), Look::Nothing);
}

#[test]
fn a_port_is_tried_every_half_second_and_once_at_a_time() {
    let mut probing = Probing::default();
    probing.aim(at(0), Some(&server(NODES[0]).address));
    let begins = |probing: &mut Probing, millis, serial| {
        probing.handle_timeout(at(millis), serial).map(|(_, deadline)| deadline)
    };
    let deadline = Some(at(0) + Duration::from_secs(1));
    assert_eq!(begins(&mut probing, 0, 1), deadline);
    assert_eq!(begins(&mut probing, 600, 2), None, "the first is under way");
    assert!(probing.take(at(700), 1, Ok(())));
    assert_eq!(begins(&mut probing, 750, 3), Some(at(1_750)));
    assert!(probing.take(at(760), 3, Ok(())));
    assert_eq!(begins(&mut probing, 1_249, 4), None, "it would be the second in half a second");
    assert_eq!(begins(&mut probing, 1_250, 5), Some(at(2_250)));
}
