//! What a router waits for before it takes part, and what it says meanwhile.

use super::node::*;
use crate::event::{Blocker, EventKind, Reason};
use crate::io::{AddressChange, KernelEvent, Link, SocketError};
use crate::time::Duration;
use crate::vrrp::StateName::{self, Backup, Initialize, Master};
use crate::vrrp::{RouterConfig, Version};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn told(node: &Node) -> Vec<Blocker> {
    let waits = node.events().into_iter().filter_map(|kind| match kind {
        EventKind::Waiting(blocker) => Some(blocker.clone()),
        _ => None,
    });
    waits.collect()
}

/// Every change of state, and why.
fn changes(node: &Node) -> Vec<(StateName, StateName, Reason)> {
    let changes = node.events().into_iter().filter_map(|kind| match kind {
        EventKind::StateChanged { from, to, reason, .. } => Some((*from, *to, reason.clone())),
        _ => None,
    });
    changes.collect()
}

/// The kernel says it more than once.
fn tell(node: &mut Node, event: KernelEvent) {
    for _ in 0..3 {
        node.tell(event.clone());
    }
}

#[test]
fn each_thing_that_is_missing_is_told_of_once() {
    let mut node = Node::start_with(vec![config(100)], vec![], vec![]);
    node.socket_error = Some(SocketError::Denied);
    tell(&mut node, KernelEvent::Link(link(false)));
    tell(&mut node, KernelEvent::Link(link(true)));
    tell(&mut node, KernelEvent::Address(AddressChange::Present(address(OWN, 24))));
    let missing = [Blocker::LinkDown, Blocker::NoSource, Blocker::NoSocket];
    assert_eq!(told(&node), missing);
    node.socket_error = None;
    node.run(ms(3_000));
    assert_eq!(told(&node).len(), 3);
    assert_eq!(changes(&node), [(Initialize, Backup, Reason::Ready)]);
}

#[test]
fn whatever_goes_blocks_a_master_and_is_the_reason() {
    let table = [
        (KernelEvent::LinkGone(INDEX), Blocker::NoInterface),
        (KernelEvent::Link(link(false)), Blocker::LinkDown),
        (KernelEvent::Link(Link { name: "eth9".into(), ..link(true) }), Blocker::NoInterface),
        (KernelEvent::Address(AddressChange::Gone(address(OWN, 24))), Blocker::NoSource),
    ];
    for (event, blocker) in table {
        let mut node = Node::start(vec![config(255)]);
        tell(&mut node, event);
        let changes = changes(&node);
        let owner = (Initialize, Master, Reason::Owner);
        let blocked = (Master, Initialize, Reason::Blocked(blocker));
        assert_eq!(changes, [owner, blocked]);
    }
}

#[test]
fn the_first_interval_of_a_router_that_takes_part_again_is_its_own() {
    let mut node = Node::start(vec![RouterConfig { version: Version::V3, ..config(100) }]);
    let slow = Advert { version: Version::V3, interval: centis(500), ..advert(HIGH, 200) };
    node.hear(&slow);
    assert_eq!(node.router().master(), Some(ip(HIGH)));
    assert!(node.supervisor.poll_timeout() > node.now + ms(15_000));
    node.change_link(false);
    node.change_link(true);
    assert_eq!(node.router().master(), None);
    let down = Duration::from_nanos(3_609_375_000);
    assert_eq!(node.supervisor.poll_timeout(), node.now + down);
}
