//! What is discarded, and that it changes nothing.

use super::node::*;
use crate::event::EventKind;
use crate::time::Duration;
use crate::vrrp::StateName::{Backup, Master};
use crate::vrrp::{DiscardReason, RouterConfig, Transport, Version};

fn bad_packets() -> Vec<(DiscardReason, Vec<u8>)> {
    let good = advert(HIGH, 200);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = good.packet();
        change(&mut packet);
        packet
    };
    vec![
        (DiscardReason::Ttl, Advert { ttl: 254, ..good.clone() }.packet()),
        (DiscardReason::Version, Advert { version: Version::V3, ..good.clone() }.packet()),
        (DiscardReason::Checksum, with(&|packet| packet[22] ^= 1)),
        (DiscardReason::Type, with(&|packet| packet[20] = 0x22)),
        (DiscardReason::Vrid, with(&|packet| packet[21] = 77)),
        (DiscardReason::OwnSource, Advert { source: OWN, ..good.clone() }.packet()),
        (DiscardReason::Destination, Advert { destination: ip(OWN), ..good.clone() }.packet()),
        (
            DiscardReason::Length,
            with(&|packet| {
                packet.truncate(30);
                packet[3] = 30;
            }),
        ),
        (DiscardReason::Ipv4Header, with(&|packet| packet[0] = 0x44)),
        (DiscardReason::Fragment, with(&|packet| packet[6] = 0x20)),
    ]
}

#[test]
fn bad_packets_are_counted_once_and_change_nothing_timers_included() {
    for (reason, packet) in bad_packets() {
        let mut node = Node::start(vec![config(100)]);
        node.hear(&advert(HIGH, 200));
        node.run(Duration::from_millis(100));
        let due = node.supervisor.poll_timeout();
        let router = format!("{:?}", node.router());
        node.hear_bytes(packet);
        assert_eq!(node.supervisor.discards().count(reason), 1, "{reason}");
        let total: u64 =
            DiscardReason::ALL.iter().map(|r| node.supervisor.discards().count(*r)).sum();
        assert_eq!(total, 1, "{reason}");
        assert_eq!(node.supervisor.poll_timeout(), due, "{reason}");
        assert_eq!(format!("{:?}", node.router()), router, "{reason}");
    }
}

#[test]
fn a_master_under_a_flood_of_bad_packets_keeps_its_grid() {
    let mut node = Node::start(vec![config(100)]);
    node.run(Duration::from_millis(3_700));
    assert_eq!(node.state(), Master);
    let from = node.now;
    for _ in 0..2_000 {
        for (_, packet) in bad_packets() {
            node.hear_bytes(packet);
        }
        node.run(Duration::from_millis(5));
    }
    assert_eq!(node.sent_since(from).len(), 10, "ten in ten seconds, no answers");
}

#[test]
fn one_line_a_minute_for_each_reason_and_peer() {
    let mut node = Node::start(vec![config(100)]);
    for _ in 0..150 {
        node.hear(&advert(HIGH, 200));
        node.hear(&Advert { ttl: 1, ..advert(HIGH, 200) });
        node.hear(&Advert { ttl: 1, ..advert(LOW, 200) });
        node.run(Duration::from_secs(1));
    }
    let told: Vec<_> = node
        .events()
        .into_iter()
        .filter_map(|kind| match kind {
            EventKind::Discarded { untold, .. } => Some(*untold),
            _ => None,
        })
        .collect();
    assert_eq!(told, [0, 0, 59, 59, 59, 59]);
    assert_eq!(node.state(), Backup);
}

#[test]
fn unicast_routers_hear_their_peers_alone() {
    let peers = [ip(HIGH), ip(OWN)].into();
    let transport = Transport::Unicast { source: None, peers };
    let mut node = Node::start(vec![RouterConfig { transport, ..config(100) }]);
    let to_us = |source| Advert { destination: ip(OWN), ..advert(source, 200) };
    node.hear(&to_us("10.0.0.66"));
    assert_eq!(node.supervisor.discards().count(DiscardReason::Peer), 1);
    node.hear(&advert(HIGH, 200));
    assert_eq!(node.supervisor.discards().count(DiscardReason::Destination), 1);
    node.hear(&to_us(HIGH));
    assert_eq!(node.router().counters().adverts_received, 1);
    node.run(Duration::from_secs(4));
    let sent = node.log.iter().find_map(|(_, output)| match output {
        crate::io::Output::SendAdvert(send) => Some(send.destinations.clone()),
        _ => None,
    });
    let others = crate::io::Destinations::Unicast([ip(HIGH)].into());
    assert_eq!(sent, Some(others), "our own address among the peers is left out");
    let told = node.events().into_iter().filter(|kind| **kind == EventKind::OwnPeer);
    assert_eq!(told.count(), 1);
}

#[test]
fn another_vip_list_is_accepted_and_told_of_once() {
    let mut node = Node::start(vec![config(100)]);
    for _ in 0..3 {
        node.hear(&Advert { vips: [vip("10.0.0.201/24")].into(), ..advert(HIGH, 200) });
    }
    assert_eq!(node.router().counters().adverts_received, 3);
    let mismatch = |kind: &&&EventKind| matches!(kind, EventKind::VipListMismatch(_));
    assert_eq!(node.events().iter().filter(mismatch).count(), 1);
}
