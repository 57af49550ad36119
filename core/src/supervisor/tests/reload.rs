//! What a reload changes while a router runs.

use super::node::*;
use crate::io::{Command, SendError};
use crate::time::Duration;
use crate::vrrp::RouterConfig;
use crate::vrrp::StateName::Master;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn reload(node: &mut Node, configs: Vec<RouterConfig>) {
    node.inbox.commands.push_back(Command::Reload(configs));
    node.turns();
}

#[test]
fn leases_that_are_switched_on_do_not_lapse_at_once() {
    let mut node = Node::start(vec![RouterConfig { lease: false, ..config(100) }]);
    node.run(ms(20_000));
    assert_eq!(node.vip().map(|vip| vip.valid_secs), Some(None));
    reload(&mut node, vec![config(100)]);
    node.run(ms(10_000));
    assert_eq!(node.state(), Master);
    assert_eq!(node.vip().map(|vip| vip.valid_secs), Some(Some(2)));
    assert_eq!(node.router().counters().leases_lapsed, 0);
}

#[test]
fn leases_that_are_switched_on_lapse_when_nothing_can_be_sent() {
    let mut node = Node::start(vec![RouterConfig { lease: false, ..config(100) }]);
    node.run(ms(20_000));
    node.send_error = Some(SendError::Denied);
    reload(&mut node, vec![config(100)]);
    node.run(ms(1_900));
    assert_eq!(node.state(), Master);
    node.run(ms(400));
    assert_ne!(node.state(), Master);
}

#[test]
fn a_longer_interval_that_cannot_be_advertised_leaves_the_lease_as_it_was() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    node.send_error = Some(SendError::Denied);
    reload(&mut node, vec![RouterConfig { interval: centis(300), ..config(100) }]);
    assert_eq!(node.vip().map(|vip| vip.valid_secs), Some(Some(2)));
    node.run(ms(2_300));
    assert_ne!(node.state(), Master);
}
