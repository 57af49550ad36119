//! What a reload changes while a router runs.

use super::node::*;
use crate::io::{Command, MacAddress, Output, SendError};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Backup, Initialize, Master};
use crate::vrrp::{RouterConfig, Vrid};

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

fn in_group(vrid: u8, interface: &str, vip_text: &str) -> RouterConfig {
    let mut config = RouterConfig { group: Some("pair".into()), ..config(100) };
    config.key.vrid = Vrid::new(vrid).expect("in range");
    config.key.interface = interface.into();
    config.vips = [vip(vip_text)].into();
    config
}

fn alone(config: &RouterConfig) -> RouterConfig {
    RouterConfig { group: None, ..config.clone() }
}

#[test]
fn a_router_that_its_group_blocks_takes_part_once_it_has_left_the_group() {
    // There is no eth1.
    let pair = [in_group(50, "eth0", "10.0.0.200/24"), in_group(51, "eth1", "10.0.1.200/24")];
    let mut node = Node::start(pair.to_vec());
    node.run(ms(10_000));
    assert_eq!(node.state(), Initialize);
    reload(&mut node, pair.iter().map(alone).collect());
    assert_eq!(node.state(), Backup);
    node.run(ms(3_700));
    assert_eq!(node.state(), Master);
}

#[test]
fn a_router_that_waits_for_its_group_is_master_once_it_has_left_the_group() {
    let slow = RouterConfig { interval: centis(1_000), ..in_group(51, "eth0", "10.0.0.201/24") };
    let pair = [in_group(50, "eth0", "10.0.0.200/24"), slow];
    let mut node = Node::start(pair.to_vec());
    node.run(ms(6_000));
    assert_eq!(node.state(), Backup);
    reload(&mut node, pair.iter().map(alone).collect());
    assert_eq!(node.state(), Master, "its timer had fired");
}

#[test]
fn a_router_that_was_master_once_takes_the_group_that_it_joins_nowhere() {
    let pair = [in_group(50, "eth0", "10.0.0.200/24"), in_group(51, "eth0", "10.0.0.201/24")];
    let mut node = Node::start(pair.iter().map(alone).collect());
    node.run(ms(3_700));
    node.hear(&advert(HIGH, 200));
    node.run(ms(3_700));
    assert_eq!(node.state(), Master, "again");
    let position = node.log.len();
    reload(&mut node, pair.to_vec());
    node.run(ms(1_000));
    assert_eq!(node.state(), Master);
    assert!(!node.words_since(position).contains(&"remove".to_owned()));
}

#[test]
fn claims_of_a_vip_that_a_reload_adds_are_watched_for_and_answered() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    let position = node.log.len();
    let both = [vip("10.0.0.200/24"), vip("10.0.0.201/24")];
    reload(&mut node, vec![RouterConfig { vips: both.into(), ..config(100) }]);
    let watched = |(_, output): &(Instant, Output)| match output {
        Output::WatchClaims(watch) => Some(watch.addresses.clone()),
        _ => None,
    };
    let watched: Vec<_> = node.log.iter().skip(position).filter_map(watched).collect();
    assert_eq!(watched, [both.map(|vip| vip.ip)]);
    let from = node.now + ms(1);
    node.run(ms(10_000));
    let announced = node.announced_since(from);
    node.inbox.claims.push_back((INDEX, both[1].ip, MacAddress([2, 0, 0, 0, 0, 9])));
    node.turns();
    assert_eq!(node.announced_since(from), announced + 1);
}
