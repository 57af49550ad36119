//! When connections through VIPs that come off are reset, and when nothing may be sent from them.

use std::net::IpAddr;

use super::node::*;
use crate::event::{EventKind, Level};
use crate::io::{
    Address, AddressError, AddressOperation, Command, Completion, InterfaceIndex, KernelEvent,
    Link, MacAddress, Output, Resets, SendError,
};
use crate::supervisor::Supervisor;
use crate::time::{Duration, Instant};
use crate::vrrp::*;

const SUCCESSOR: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
const SECOND_VIP: &str = "10.0.0.201";
const NOTHING: &[&str] = &[];

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What was reset and what was removed since then, in order.
fn gone_since(node: &Node, position: usize) -> (Vec<IpAddr>, Vec<IpAddr>) {
    let (mut reset, mut removed): (Vec<IpAddr>, Vec<IpAddr>) = (Vec::new(), Vec::new());
    for (_, output) in node.log.iter().skip(position) {
        match output {
            Output::ResetConnections(asked) => {
                for ip in &asked.addresses {
                    assert!(!removed.contains(ip), "{ip} is gone: nothing can be sent from it");
                }
                reset.extend(&asked.addresses);
            }
            Output::Address(request) if request.operation == AddressOperation::Remove => {
                removed.push(request.vip.ip);
            }
            _ => {}
        }
    }
    (reset, removed)
}

fn checked(config: RouterConfig) -> RouterConfig {
    let check = Check::Command(["well".to_owned()].into());
    let (interval, timeout) = (ms(10_000), ms(500));
    let weight = Weight::Fault;
    let track = TrackConfig { check, interval, timeout, fall: 1, rise: 1, weight };
    RouterConfig { track: vec![track], ..config }
}

fn both() -> RouterConfig {
    RouterConfig { vips: [vip("10.0.0.200/24"), vip("10.0.0.201/24")].into(), ..config(100) }
}

fn end_check(node: &mut Node, result: Result<(), String>) {
    let id = *node.checks.last().expect("a check runs");
    node.inbox.completions.push_back(Completion::Check(id, result));
    node.turns();
}

/// A MASTER of this file, or a host on which there is none yet.
fn master(config: RouterConfig) -> Node {
    let is_checked = !config.track.is_empty();
    let mut node = Node::start(vec![RouterConfig { garp_refresh: None, ..config }]);
    if is_checked {
        end_check(&mut node, Ok(()));
    }
    node.run_until(StateName::Master);
    node.run(ms(100));
    node
}

fn stop(node: &mut Node) {
    node.command(Command::Shutdown);
}

fn rename(node: &mut Node) {
    let link = Link { name: "eth1".into(), ..link(true) };
    node.links = vec![link.clone()];
    node.tell(KernelEvent::Link(link));
}

fn elsewhere(node: &mut Node, index: InterfaceIndex, prefix_len: u8) {
    node.put(Address { index, ..address(VIP, prefix_len) });
}

/// How a VIP comes off a MASTER's interface.
struct Row {
    how: &'static str,
    config: fn() -> RouterConfig,
    befalls: fn(&mut Node),
    /// Of which addresses the connections are reset; all of these come off.
    reset: &'static [&'static str],
    /// Which come off besides.
    kept: &'static [&'static str],
}

const fn row(how: &'static str, befalls: fn(&mut Node)) -> Row {
    Row { how, config: || config(100), befalls, reset: &[VIP], kept: NOTHING }
}

/// It comes off, and its connections are left alone.
const fn silent(how: &'static str, befalls: fn(&mut Node)) -> Row {
    Row { how, config: || config(100), befalls, reset: NOTHING, kept: &[VIP] }
}

const ROWS: &[Row] = &[
    row("a better MASTER is heard", |node| node.hear(&advert(HIGH, 200))),
    row("a stop, and another announces it", |node| {
        stop(node);
        node.hear_claim(VIP, SUCCESSOR);
    }),
    row("a stop, and another advertises", |node| {
        stop(node);
        node.hear(&advert(LOW, 50));
        node.run(ms(50));
    }),
    row("a stop, and nobody follows", |node| {
        stop(node);
        node.run(ms(5_000));
    }),
    row("a stop in a hurry", |node| {
        stop(node);
        stop(node);
    }),
    Row {
        config: || RouterConfig { handover: Handover::Strict, ..config(100) },
        ..row("a strict stop", stop)
    },
    row("its router leaves the file", |node| {
        node.command(Command::Reload(vec![]));
        node.hear_claim(VIP, SUCCESSOR);
    }),
    Row {
        config: || checked(config(100)),
        ..row("a check fails", |node| {
            while node.checks.len() < 2 {
                node.run(ms(100));
            }
            end_check(node, Err("refused".to_owned()));
        })
    },
    row("the node has no other address", |node| node.take_away(ip(OWN))),
    row("its interface is renamed", rename),
    Row {
        config: both,
        ..row("all of a list", |node| {
            stop(node);
            stop(node);
        })
    },
    row("somebody had put it there before", |node| {
        // Ours is gone unheard, and theirs is there.
        node.addresses.retain(|address| address.ip != ip(VIP));
        node.addresses.push(address(VIP, 24));
        node.tell(KernelEvent::Overrun);
        node.run(ms(1_500));
        assert!(node.vip().expect("it is there").ours, "and is ours now");
        node.hear(&advert(HIGH, 200));
    }),
    silent("the process was stopped", |node| {
        node.freeze(ms(10_000));
        node.turns();
    }),
    silent("the process was stopped, and a better MASTER is heard", |node| {
        node.freeze(ms(10_000));
        node.hear(&advert(HIGH, 200));
    }),
    silent("the process was stopped while it handed over", |node| {
        stop(node);
        node.freeze(ms(10_000));
        node.turns();
    }),
    silent("no advert can be sent until the lease is over", |node| {
        node.send_error = Some(SendError::Down);
        node.run(ms(5_000));
    }),
    silent("the cable is pulled", |node| node.change_link(false)),
    Row {
        config: || RouterConfig { reset_connections: false, ..config(100) },
        ..silent("the file says so", |node| node.hear(&advert(HIGH, 200)))
    },
    silent("its address is on another interface, too", |node| {
        elsewhere(node, InterfaceIndex(1), 32);
        node.hear(&advert(HIGH, 200));
    }),
    silent("its address is there, too, with another prefix length", |node| {
        elsewhere(node, INDEX, 32);
        node.hear(&advert(HIGH, 200));
    }),
    silent("only its prefix length changes", |node| {
        let vips = [vip("10.0.0.200/25")].into();
        node.command(Command::Reload(vec![RouterConfig { vips, ..config(100) }]));
        assert!(node.vip().is_some());
    }),
    Row {
        kept: NOTHING,
        ..silent("it was taken away and can't be put back", |node| {
            node.refuse.insert(ip(VIP), AddressError::Denied);
            node.take_away(ip(VIP));
            node.hear(&advert(HIGH, 200));
        })
    },
];

#[test]
fn connections_are_reset_right_before_a_vip_that_others_cannot_have_yet_comes_off() {
    for Row { how, config, befalls, reset, kept } in ROWS {
        let mut node = master(config());
        let position = node.log.len();
        befalls(&mut node);
        let (asked, removed) = gone_since(&node, position);
        let is_both = config().vips.len() == 2;
        let reset: Vec<_> = match (*reset, is_both) {
            ([], _) => vec![],
            (_, true) => vec![ip(VIP), ip(SECOND_VIP)],
            (reset, false) => reset.iter().map(|text| ip(text)).collect(),
        };
        assert_eq!(asked, reset, "{how}");
        let all: Vec<_> = reset.into_iter().chain(kept.iter().map(|text| ip(text))).collect();
        assert_eq!(removed, all, "{how}");
    }
}

#[test]
fn one_that_leaves_the_list_is_reset_alone_and_by_what_the_new_file_says() {
    for resets in [true, false] {
        let mut node = master(both());
        let position = node.log.len();
        let shorter = RouterConfig { reset_connections: resets, ..config(100) };
        node.command(Command::Reload(vec![shorter]));
        let reset = if resets { vec![ip(SECOND_VIP)] } else { vec![] };
        assert_eq!(gone_since(&node, position), (reset, vec![ip(SECOND_VIP)]));
        assert_eq!(node.state(), StateName::Master);
    }
}

#[test]
fn all_of_one_router_are_reset_together() {
    let mut node = master(both());
    node.hear(&advert(HIGH, 200));
    let asked: Vec<_> = node
        .log
        .iter()
        .filter_map(|(_, output)| match output {
            Output::ResetConnections(reset) => Some(reset),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].index, asked[0].addresses.len()), (INDEX, 2));
}

#[test]
fn one_that_the_kernel_refuses_to_remove_is_reset_once() {
    let mut node = master(config(100));
    let position = node.log.len();
    node.refuse.insert(ip(VIP), AddressError::Denied);
    node.hear(&advert(HIGH, 200));
    for _ in 0..4 {
        node.run(ms(500));
        node.hear(&advert(HIGH, 200));
    }
    let (reset, removed) = gone_since(&node, position);
    assert_eq!(reset, [ip(VIP)]);
    assert!(removed.len() > 2, "it is tried again and again");
}

#[test]
fn what_an_earlier_process_left_is_removed_and_nothing_is_sent_from_it() {
    let leftover = Address { ours: true, valid_secs: Some(2), ..address(VIP, 24) };
    let addresses = vec![address(OWN, 24), leftover];
    let node = Node::start_with(vec![config(100)], vec![link(true)], addresses);
    assert_eq!(gone_since(&node, 0), (vec![], vec![ip(VIP)]));
}

#[test]
fn one_that_is_put_behind_the_hosts_own_address_stays() {
    let mut node = master(config(100));
    let position = node.log.len();
    let vip = node.addresses.iter_mut().find(|address| address.ip == ip(VIP)).expect("held");
    vip.secondary = false;
    let primary = *vip;
    node.tell(KernelEvent::Address(crate::io::AddressChange::Present(primary)));
    let behind = Address { secondary: true, ..address(OWN, 24) };
    node.tell(KernelEvent::Address(crate::io::AddressChange::Present(behind)));
    node.tell(KernelEvent::Address(crate::io::AddressChange::Present(primary)));
    let (reset, removed) = gone_since(&node, position);
    assert_eq!((reset, removed.first()), (vec![], Some(&ip(VIP))));
    assert!(node.vip().is_some());
}

#[test]
fn a_guard_resets_when_it_hands_over_and_not_when_others_may_be_master() {
    let vip = Address { ours: true, secondary: true, valid_secs: Some(2), ..address(VIP, 24) };
    let left = |until| {
        let bequest = Bequest { config: config(100), weight: 0 };
        let estate = [Inheritance { bequest, until }];
        let addresses = vec![address(OWN, 24), vip];
        let mut node = Node::of(Supervisor::guard(&estate), vec![link(true)], addresses);
        node.turns();
        node.hear_claim(VIP, SUCCESSOR);
        gone_since(&node, 0)
    };
    let begun = Instant::from_millis(1_000_000);
    assert_eq!(left(begun + ms(1_000)), (vec![ip(VIP)], vec![ip(VIP)]));
    assert_eq!(left(begun), (vec![], vec![ip(VIP)]));
}

#[test]
fn what_came_of_it_is_told() {
    let mut node = master(config(100));
    stop(&mut node);
    let resets = Resets { reset: 7, left: 0, all_found: true };
    let id = node.router().id();
    node.inbox.completions.push_back(Completion::ConnectionsReset(id, resets));
    node.turns();
    let is_it = |event: &&&EventKind| matches!(event, EventKind::ConnectionsReset(_));
    let told = node.events();
    assert_eq!(told.iter().filter(is_it).count(), 1);
    let event = node.log.iter().rev().find_map(|(_, output)| match output {
        Output::Event(event) => Some(event),
        _ => None,
    });
    let event = event.expect("told");
    assert_eq!(event.to_string(), "eth0/50/IPv4: reset 7 TCP connections of VIPs that come off");
    assert_eq!(event.level(), Level::Info);
}

#[test]
fn the_estate_of_an_earlier_version_resets() {
    let mut json = serde_json::to_value(config(100)).expect("JSON");
    let fields = json.as_object_mut().expect("an object");
    assert_eq!(fields.remove("reset_connections"), Some(true.into()));
    let read: RouterConfig = serde_json::from_value(json).expect("a router");
    assert_eq!(read, config(100));
}
