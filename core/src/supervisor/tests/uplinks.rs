//! What a router makes of links and addresses.

use std::net::IpAddr;

use super::node::*;
use crate::event::EventKind;
use crate::io::{Address, AddressChange, InterfaceIndex, KernelEvent, Link, MacAddress, Output};
use crate::time::Duration;
use crate::vrrp::StateName::{Backup, Initialize, Master};
use crate::vrrp::{Family, RouterConfig, RouterKey, Transport, Version, Vrid};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn changes_elsewhere_are_nobodys_business() {
    let index = InterfaceIndex(3);
    let elsewhere = Address { index, ..address("10.0.0.6", 24) };
    let vip_elsewhere = Address { index, ..address(VIP, 24) };
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    let (due, position) = (node.supervisor.poll_timeout(), node.log.len());
    let second = Link { index, name: "eth1".into(), ..link(true) };
    for event in [
        KernelEvent::Link(second),
        KernelEvent::Address(AddressChange::Present(elsewhere)),
        KernelEvent::Address(AddressChange::Present(vip_elsewhere)),
        KernelEvent::Address(AddressChange::Gone(vip_elsewhere)),
        KernelEvent::Address(AddressChange::Gone(elsewhere)),
        KernelEvent::LinkGone(index),
    ] {
        node.tell(event);
    }
    assert_eq!((node.supervisor.poll_timeout(), node.log.len()), (due, position));
    assert_eq!(node.state(), Master);
}

#[test]
fn the_source_of_adverts_stays_while_it_is_there() {
    let mut node = Node::start(vec![config(100)]);
    assert_eq!(node.router().source(), Some(ip(OWN)));
    node.put(address("10.0.0.4", 24));
    assert_eq!(node.router().source(), Some(ip(OWN)));
    node.take_away(ip(OWN));
    assert_eq!((node.state(), node.router().source()), (Backup, Some(ip("10.0.0.4"))));
    node.take_away(ip("10.0.0.4"));
    assert_eq!((node.state(), node.router().source()), (Initialize, None));
}

#[test]
fn our_own_address_among_the_peers_is_told_of_each_time_that_the_router_is_ready() {
    let told =
        |node: &Node| node.events().into_iter().filter(|kind| **kind == EventKind::OwnPeer).count();
    let among = |peers: &[&str]| {
        let peers = peers.iter().map(|text| ip(text)).collect();
        let transport = Transport::Unicast { source: None, peers };
        Node::start(vec![RouterConfig { transport, ..config(100) }])
    };
    assert_eq!(told(&among(&[HIGH])), 0);
    let mut node = among(&[HIGH, OWN]);
    node.put(address("10.0.0.6", 24));
    assert_eq!(told(&node), 1);
    node.change_link(false);
    node.change_link(true);
    assert_eq!(told(&node), 2);
}

#[test]
fn secondaries_are_kept_on_the_interfaces_of_ipv4_routers() {
    let wishes = |node: &Node| -> Vec<_> {
        let wishes = node.log.iter().filter_map(|(_, output)| match output {
            Output::PromoteSecondaries(name) => Some(name.to_string()),
            _ => None,
        });
        wishes.collect()
    };
    let second = RouterConfig {
        key: RouterKey { vrid: Vrid::new(51).expect("in range"), ..config(100).key },
        vips: [vip("10.0.0.201/24")].into(),
        ..config(100)
    };
    let mut both = Node::start(vec![config(100), second]);
    assert_eq!(wishes(&both), ["eth0"], "once for both routers");
    both.change_link(false);
    both.change_link(true);
    both.run(Duration::from_secs(10));
    assert_eq!(wishes(&both).len(), 1);
    let of_ipv6 = RouterConfig {
        key: RouterKey { family: Family::V6, ..config(100).key },
        version: Version::V3,
        vips: [vip("fd00::200/64")].into(),
        ..config(100)
    };
    let v6 = Node::start_with(vec![of_ipv6], vec![link(true)], vec![address("fe80::5", 64)]);
    assert_eq!(v6.state(), Backup);
    assert_eq!(wishes(&v6), Vec::<String>::new());
    let nowhere = Link { name: "eth1".into(), ..link(true) };
    let none = Node::start_with(vec![config(100)], vec![nowhere], vec![]);
    assert_eq!(wishes(&none), Vec::<String>::new());
}

#[test]
fn an_interface_without_an_ethernet_address_announces_nothing() {
    for (mac, announced) in [(None, 0), (Some(MacAddress([2, 0, 0, 0, 0, 5])), 1)] {
        let links = vec![Link { mac, ..link(true) }];
        let mut node = Node::start_with(vec![config(255)], links, vec![address(OWN, 24)]);
        assert_eq!(node.state(), Master);
        let from = node.now;
        assert_eq!(node.announced_since(from), announced);
        node.run(Duration::from_millis(100));
        assert_eq!(node.router().held().collect::<Vec<IpAddr>>(), [ip(VIP)]);
    }
}
