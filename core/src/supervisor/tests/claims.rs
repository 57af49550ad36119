//! Others that announce our VIPs as their own.

use super::node::*;
use crate::event::EventKind;
use crate::io::{InterfaceIndex, KernelEvent, Link, MacAddress, Output};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Backup, Master};
use crate::vrrp::{RouterConfig, Vrid};

const RIVAL: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn both() -> RouterConfig {
    RouterConfig { vips: [vip("10.0.0.200/24"), vip("10.0.0.201/24")].into(), ..config(100) }
}

/// When what was announced since a position of the log.
fn announced(node: &Node, position: usize) -> Vec<(Instant, usize)> {
    let announced = node.log.iter().skip(position).filter_map(|(at, output)| match output {
        Output::Announce(announcement) => Some((*at, announcement.addresses.len())),
        _ => None,
    });
    announced.collect()
}

/// What is to be watched for, each time that this is said.
fn watched(node: &Node, position: usize) -> Vec<String> {
    let watched = node.log.iter().skip(position).filter_map(|(_, output)| match output {
        Output::WatchClaims(watch) => {
            let ends: Vec<_> = watch.addresses.iter().map(|ip| ip.to_string()).collect();
            Some(ends.join(" ").replace("10.0.0.", ""))
        }
        _ => None,
    });
    watched.collect()
}

#[test]
fn the_last_word_is_ours_and_comes_a_second_after_the_one_before() {
    let mut node = Node::quiet_master(both());
    let (position, start) = (node.log.len(), node.now);
    node.hear_claim(VIP, RIVAL);
    assert_eq!(announced(&node, position), [(start, 1)]);
    node.run(ms(400));
    node.hear_claim("10.0.0.201", RIVAL);
    node.hear_claim(VIP, RIVAL);
    node.run(ms(599));
    assert_eq!(announced(&node, position).len(), 1, "not yet");
    node.run(ms(5_000));
    let second = start + ms(1_000);
    assert_eq!(announced(&node, position), [(start, 1), (second, 2)], "all of them, once");
    assert_eq!(node.router().counters().vips_claimed, 3);
    let told = EventKind::VipClaimed(ip(VIP), RIVAL);
    assert_eq!(node.events().into_iter().filter(|kind| **kind == told).count(), 1);
    let position = node.log.len();
    node.hear_claim(VIP, RIVAL);
    assert_eq!(announced(&node, position), [(node.now, 1)], "at once again");
}

#[test]
fn a_second_after_an_answer_a_claim_is_told_of_again() {
    let mut node = Node::quiet_master(config(100));
    let told = EventKind::VipClaimed(ip(VIP), RIVAL);
    for count in 1..=3 {
        node.hear_claim(VIP, RIVAL);
        assert_eq!(node.events().into_iter().filter(|kind| **kind == told).count(), count);
        node.run(ms(1_000));
    }
}

#[test]
fn an_answer_that_came_late_counts_as_one() {
    let mut node = Node::quiet_master(config(100));
    let (position, start) = (node.log.len(), node.now);
    for _ in 0..30 {
        node.hear_claim(VIP, RIVAL);
        node.run(ms(100));
    }
    let times: Vec<_> = announced(&node, position).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [0, 1_000, 2_000, 3_000].map(|after| start + ms(after)));
}

#[test]
fn what_is_no_claim_of_another_host_is_not_answered() {
    let ours = link(true).mac.expect("an Ethernet address");
    let nowhere = InterfaceIndex(77);
    let table = [(INDEX, VIP, ours), (INDEX, "10.0.0.77", RIVAL), (nowhere, VIP, RIVAL)];
    for (index, text, mac) in table {
        let mut node = Node::quiet_master(config(100));
        let position = node.log.len();
        node.inbox.claims.push_back((index, ip(text), mac));
        node.turns();
        node.run(ms(3_000));
        assert_eq!(announced(&node, position), [], "{text} at {mac} on {index:?}");
        assert_eq!(node.router().counters().vips_claimed, 0);
    }
}

#[test]
fn a_vip_that_is_not_held_is_not_defended() {
    let mut waiting = config(100);
    waiting.hooks.pre_promote = Some(["up".to_owned()].into());
    let mut node = Node::start(vec![waiting]);
    node.run(ms(3_700));
    node.hear_claim(VIP, RIVAL);
    assert_eq!((node.state(), node.announced_since(Instant::ZERO)), (Master, 0));
    let mut node = Node::quiet_master(config(100));
    node.hear(&advert(HIGH, 200));
    let position = node.log.len();
    node.hear_claim(VIP, RIVAL);
    assert_eq!((node.state(), announced(&node, position).len()), (Backup, 0));
    assert_eq!(node.router().counters().vips_claimed, 0);
}

#[test]
fn claims_are_watched_for_while_master_and_said_when_that_changes() {
    let mut node = Node::start(vec![both()]);
    assert_eq!(watched(&node, 0), Vec::<String>::new(), "a BACKUP has nothing to defend");
    node.run(ms(10_000));
    assert_eq!(watched(&node, 0), ["200 201"]);
    let watched_from = node.first(|output| matches!(output, Output::WatchClaims(_)));
    let acquired_at = node.first(
        |output| matches!(output, Output::Event(event) if matches!(event.kind, EventKind::VipAcquired(_))),
    );
    assert!(acquired_at.is_some() && watched_from < acquired_at, "before the VIPs are there");
    let position = node.log.len();
    node.hear(&advert(HIGH, 200));
    assert_eq!(watched(&node, position), [""]);
    node.change_link(false);
    node.change_link(true);
    assert_eq!(watched(&node, position), [""], "nothing has changed");
    node.run(ms(10_000));
    assert_eq!(watched(&node, position), ["", "200 201"]);
}

#[test]
fn all_masters_of_an_interface_are_watched_for_together() {
    let mut second = config(100);
    second.key.vrid = Vrid::new(51).expect("in range");
    second.vips = [vip("10.0.0.202/24")].into();
    let mut node = Node::start(vec![both(), second]);
    node.run(ms(10_000));
    assert_eq!(watched(&node, 0).last().map(String::as_str), Some("200 201 202"));
    let position = node.log.len();
    node.hear(&advert(HIGH, 200));
    assert_eq!(watched(&node, position), ["202"]);
}

#[test]
fn an_interface_that_comes_back_is_watched_anew_and_one_without_address_never() {
    let mut node = Node::quiet_master(config(100));
    node.inbox.events.push_back(KernelEvent::LinkGone(INDEX));
    node.turns();
    let position = node.log.len();
    node.addresses = vec![address(OWN, 24)];
    node.inbox.events.push_back(KernelEvent::Link(link(true)));
    node.put(address(OWN, 24));
    node.run(ms(10_000));
    assert_eq!((node.state(), watched(&node, position)), (Master, vec!["200".to_owned()]));
    let links = vec![Link { mac: None, ..link(true) }];
    let mut silent = Node::start_with(vec![config(100)], links, vec![address(OWN, 24)]);
    silent.run(ms(10_000));
    assert_eq!((silent.state(), watched(&silent, 0)), (Master, Vec::new()));
}
