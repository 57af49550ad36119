//! Advert sockets: which are opened, tried again and closed, and whom a packet is for.

use super::node::*;
use crate::event::EventKind;
use crate::io::{
    Address, Command, Completion, InterfaceIndex, KernelEvent, Link, Output, SocketError, SocketId,
};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Backup, Initialize};
use crate::vrrp::{RouterConfig, Vrid};

const OTHER: InterfaceIndex = InterfaceIndex(3);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn router(interface: &str, vrid: u8) -> RouterConfig {
    let mut config = config(100);
    config.key.interface = interface.into();
    config.key.vrid = Vrid::new(vrid).expect("in range");
    config.vips = [vip(&format!("10.0.{}.{vrid}/24", interface.len()))].into();
    config
}

fn two_links() -> (Vec<Link>, Vec<Address>) {
    let second = Link { index: OTHER, name: "second".into(), ..link(true) };
    let address_of_second = Address { index: OTHER, ..address("10.0.6.5", 24) };
    (vec![link(true), second], vec![address(OWN, 24), address_of_second])
}

/// Sockets opened and closed since a position of the log, in short words.
fn sockets_since(node: &Node, position: usize) -> Vec<String> {
    let words = node.log.iter().skip(position).filter_map(|(_, output)| match output {
        Output::OpenSocket(id, spec) => {
            Some(format!("open {} on {} for {}", id.0, spec.name, spec.routers))
        }
        Output::CloseSocket(id) => Some(format!("close {}", id.0)),
        _ => None,
    });
    words.collect()
}

fn opened_at(node: &Node) -> Vec<Instant> {
    let opened = node.log.iter().filter(|(_, output)| matches!(output, Output::OpenSocket(..)));
    opened.map(|(at, _)| *at).collect()
}

fn reload(node: &mut Node, configs: Vec<RouterConfig>) -> usize {
    let position = node.log.len();
    node.command(Command::Reload(configs));
    position
}

#[test]
fn a_socket_that_cannot_be_opened_is_tried_again_every_second_and_told_of_once() {
    let mut node = Node::new(vec![config(100)], vec![link(true)], vec![address(OWN, 24)]);
    node.socket_error = Some(SocketError::Denied);
    let start = node.now;
    node.turns();
    node.run(ms(3_500));
    assert_eq!(node.state(), Initialize);
    assert_eq!(opened_at(&node), [0, 1_000, 2_000, 3_000].map(|after| start + ms(after)));
    let told = EventKind::SocketFailed("eth0".to_owned(), SocketError::Denied);
    assert_eq!(node.events().iter().filter(|kind| ***kind == told).count(), 1);
    node.socket_error = None;
    node.run(ms(500));
    assert_eq!(node.state(), Backup);
    assert_eq!(sockets_since(&node, 0), ["open 0 on eth0 for 1"; 5], "the same socket");
    node.run(ms(3_000));
    assert_eq!(opened_at(&node).len(), 5, "it is open");
}

#[test]
fn a_socket_that_fails_again_after_it_was_open_is_told_of_again() {
    let mut node = Node::start(vec![config(100)]);
    let denied = || Err(SocketError::Denied);
    for result in [denied(), denied(), Ok(()), denied(), denied()] {
        node.inbox.completions.push_back(Completion::Socket(SocketId(0), result));
        node.turns();
    }
    let failed = |kind: &&&EventKind| matches!(kind, EventKind::SocketFailed(..));
    assert_eq!(node.events().iter().filter(failed).count(), 2);
}

#[test]
fn each_failed_socket_is_tried_again_in_its_own_time() {
    let (links, addresses) = two_links();
    let mut node =
        Node::start_with(vec![router("eth0", 50), router("second", 50)], links, addresses);
    let position = node.log.len();
    let failed = |id| Completion::Socket(SocketId(id), Err(SocketError::NoInterface));
    node.inbox.completions.push_back(failed(0));
    node.turns();
    node.run(ms(600));
    node.inbox.completions.push_back(failed(1));
    node.turns();
    node.run(ms(500));
    assert_eq!(sockets_since(&node, position), ["open 0 on eth0 for 1"]);
    node.run(ms(500));
    assert_eq!(sockets_since(&node, position)[1..], ["open 1 on second for 1"]);
}

#[test]
fn routers_of_an_interface_share_a_socket_until_the_last_of_them_goes() {
    let (links, addresses) = two_links();
    let (first, second) = (router("eth0", 50), router("eth0", 51));
    let other = router("second", 50);
    let all = vec![first.clone(), second.clone(), other.clone()];
    let mut node = Node::start_with(all, links, addresses);
    assert_eq!(sockets_since(&node, 0), ["open 0 on eth0 for 2", "open 1 on second for 1"]);
    let position = reload(&mut node, vec![second, other.clone()]);
    assert_eq!(sockets_since(&node, position), Vec::<String>::new());
    let position = reload(&mut node, vec![other.clone()]);
    assert_eq!(sockets_since(&node, position), ["close 0"]);
    let position = reload(&mut node, vec![first, other]);
    assert_eq!(sockets_since(&node, position), ["open 2 on eth0 for 1"], "a new number");
}

#[test]
fn a_socket_that_is_not_open_is_not_closed() {
    let mut node = Node::new(vec![config(100)], vec![link(true)], vec![address(OWN, 24)]);
    node.socket_error = Some(SocketError::Denied);
    node.turns();
    let position = reload(&mut node, Vec::new());
    node.run(ms(5_000));
    assert_eq!(sockets_since(&node, position), Vec::<String>::new());
}

#[test]
fn a_socket_is_closed_when_its_interface_is_gone() {
    let mut node = Node::start(vec![config(100)]);
    let position = node.log.len();
    node.inbox.events.push_back(KernelEvent::LinkGone(INDEX));
    node.turns();
    assert_eq!(sockets_since(&node, position), ["close 0"]);
}

#[test]
fn an_advert_is_for_the_router_of_the_interface_that_it_came_in_by() {
    let (links, addresses) = two_links();
    let mut node =
        Node::start_with(vec![router("eth0", 50), router("second", 50)], links, addresses);
    let received = |node: &Node| -> Vec<_> {
        let routers = node.supervisor.routers().iter();
        routers.map(|router| router.counters().adverts_received).collect()
    };
    for (position, expected) in [(1, [0, 1]), (0, [1, 1])] {
        let packet = advert(HIGH, 200).packet();
        node.inbox.packets.push_back((node.sockets[position], node.now, packet));
        node.turns();
        assert_eq!(received(&node), expected);
    }
    // A host's address belongs to one interface: on another it is a neighbour's.
    let own = Advert { source: OWN, ..advert(HIGH, 200) }.packet();
    node.inbox.packets.push_back((node.sockets[1], node.now, own));
    node.turns();
    assert_eq!(received(&node), [1, 2]);
    // What a socket had received before it was closed comes late.
    node.inbox.packets.push_back((SocketId(9), node.now, advert(HIGH, 200).packet()));
    node.turns();
    assert_eq!(received(&node), [1, 2]);
}
