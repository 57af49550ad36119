//! Routers of IPv6, and what is odd about their peers.

use super::node::*;
use crate::event::EventKind;
use crate::io::{Address, Completion, Output, SocketError, SocketId};
use crate::time::Duration;
use crate::vrrp::StateName::{Backup, Initialize, Master};
use crate::vrrp::{
    ChecksumForm, DiscardReason, Family, MULTICAST_V6, RouterConfig, Transport, Version,
};

const OWN6: &str = "fe80::5";
const PEER: &str = "fe80::9";
const GLOBAL: &str = "fd00::5";

fn config6() -> RouterConfig {
    let mut config = config(100);
    config.key.family = Family::V6;
    config.version = Version::V3;
    config.vips = [vip("fe80::200/64"), vip("fd00::200/64")].into();
    config
}

fn advert6(vips: &[&str]) -> Advert {
    let vips = vips.iter().map(|text| vip(text)).collect();
    let destination = MULTICAST_V6.into();
    Advert { version: Version::V3, destination, vips, ..advert(PEER, 200) }
}

fn good() -> Advert {
    advert6(&["fe80::200/64", "fd00::200/64"])
}

fn start(config: RouterConfig, addresses: &[&str]) -> Node {
    let addresses = addresses.iter().map(|text| address(text, 64)).collect();
    Node::start_with(vec![config], vec![link(true)], addresses)
}

fn count(node: &Node, kind: &EventKind) -> usize {
    node.events().into_iter().filter(|event| *event == kind).count()
}

#[test]
fn a_master_of_ipv6_advertises_from_its_link_local_address() {
    let mut node = start(config6(), &[GLOBAL, OWN6]);
    node.run(Duration::from_millis(3_700));
    assert_eq!(node.state(), Master);
    let sources: Vec<_> = node
        .log
        .iter()
        .filter_map(|(_, output)| match output {
            Output::SendAdvert(send) => Some(send.source),
            _ => None,
        })
        .collect();
    assert_eq!(sources, [ip(OWN6)]);
    node.hear(&good());
    assert_eq!(node.state(), Backup);
    assert_eq!(node.router().master(), Some(ip(PEER)));
}

#[test]
fn an_address_that_is_still_being_tried_is_no_source() {
    let tentative = Address { tentative: true, ..address(OWN6, 64) };
    let mut node = Node::start_with(vec![config6()], vec![link(true)], vec![tentative]);
    assert_eq!(node.state(), Initialize);
    node.addresses.clear();
    node.put(address(OWN6, 64));
    assert_eq!(node.state(), Backup);
}

#[test]
fn adverts_that_passed_a_router_or_went_elsewhere_are_discarded() {
    let table = [
        (Advert { ttl: 254, ..good() }, DiscardReason::Ttl),
        (Advert { destination: ip("ff02::1"), ..good() }, DiscardReason::Destination),
        (Advert { destination: ip(OWN6), ..good() }, DiscardReason::Destination),
        (Advert { source: OWN6, ..good() }, DiscardReason::OwnSource),
    ];
    for (advert, reason) in table {
        let mut node = start(config6(), &[OWN6]);
        node.hear(&advert);
        assert_eq!(node.supervisor.discards().count(reason), 1, "{reason}");
        assert_eq!(node.router().counters().adverts_received, 0, "{reason}");
    }
}

#[test]
fn a_list_that_begins_with_a_global_address_is_told_of_or_discarded() {
    // Whether a list is odd, and whether a strict router discards it.
    let table = [(good(), false), (advert6(&["fd00::200/64", "fe80::200/64"]), true)];
    for (advert, odd) in table {
        let mut node = start(config6(), &[OWN6]);
        for _ in 0..3 {
            node.hear(&advert);
        }
        assert_eq!(node.router().counters().adverts_received, 3);
        let told = count(&node, &EventKind::GlobalFirst(ip(PEER)));
        assert_eq!(told, usize::from(odd));
        assert_eq!(count(&node, &EventKind::VipListMismatch(ip(PEER))), 0);
        let mut strict = start(RouterConfig { strict: true, ..config6() }, &[OWN6]);
        strict.hear(&advert);
        let discarded = strict.supervisor.discards().count(DiscardReason::LinkLocal);
        assert_eq!(discarded, u64::from(odd));
        assert_eq!(strict.router().counters().adverts_received, u64::from(!odd));
    }
}

#[test]
fn what_is_odd_about_a_peer_is_told_again_once_it_had_been_well() {
    let mut node = start(config6(), &[OWN6]);
    let odd = advert6(&["fd00::201/64"]);
    for advert in [&odd, &odd, &good(), &good(), &odd] {
        node.hear(advert);
    }
    assert_eq!(count(&node, &EventKind::GlobalFirst(ip(PEER))), 2);
    assert_eq!(count(&node, &EventKind::VipListMismatch(ip(PEER))), 2);
}

#[test]
fn unicast_to_global_peers_goes_out_from_a_global_address() {
    let table = [("fd00::9", GLOBAL), (PEER, OWN6)];
    for (peer, source) in table {
        let peers = [ip(peer)].into();
        let transport = Transport::Unicast { source: None, peers };
        let mut node = start(RouterConfig { transport, ..config6() }, &[OWN6, GLOBAL]);
        node.run(Duration::from_millis(3_700));
        assert_eq!(node.router().source(), Some(ip(source)), "to {peer}");
    }
}

#[test]
fn a_fixed_source_is_waited_for() {
    let peers = [ip("fd00::9")].into();
    let transport = Transport::Unicast { source: Some(ip(GLOBAL)), peers };
    let mut node = start(RouterConfig { transport, ..config6() }, &[OWN6, "fd00::6"]);
    assert_eq!(node.state(), Initialize);
    node.put(address(GLOBAL, 64));
    assert_eq!((node.state(), node.router().source()), (Backup, Some(ip(GLOBAL))));
}

#[test]
fn checksums_over_the_message_alone_are_counted_where_there_are_two_forms() {
    let v3 = |checksum| Advert { version: Version::V3, checksum, ..advert(HIGH, 200) };
    let config3 = RouterConfig { version: Version::V3, ..config(100) };
    // Version 2 has no other form, and IPv6 never has this one.
    let table = [
        (config3.clone(), v3(ChecksumForm::MessageOnly), OWN, 1),
        (config3, v3(ChecksumForm::PseudoHeader), OWN, 0),
        (config(100), advert(HIGH, 200), OWN, 0),
        (config6(), Advert { checksum: ChecksumForm::MessageOnly, ..good() }, OWN6, 0),
    ];
    for (config, advert, own, counted) in table {
        let mut node = start(config, &[own]);
        node.hear(&advert);
        let counters = node.router().counters();
        let heard = (counters.adverts_received, counters.message_only_checksums);
        assert_eq!(heard, (1, counted), "{advert:?}");
    }
}

#[test]
fn each_family_of_an_interface_waits_for_its_own_socket() {
    let addresses = vec![address(OWN, 24), address(OWN6, 64)];
    let mut node = Node::start_with(vec![config(100), config6()], vec![link(true)], addresses);
    for (socket, expected) in [(0, [Initialize, Backup]), (1, [Initialize, Initialize])] {
        let failed = Completion::Socket(SocketId(socket), Err(SocketError::Denied));
        node.inbox.completions.push_back(failed);
        node.turns();
        let states: Vec<_> = node.supervisor.routers().iter().map(|r| r.state()).collect();
        assert_eq!(states, expected);
    }
}
