//! Reading all links and addresses: when, how often, and what it makes up for.

use super::node::*;
use crate::event::EventKind;
use crate::io::{
    Address, AddressOperation, Completion, InterfaceIndex, KernelEvent, KernelSnapshot, Link,
    Output, RouterId,
};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Backup, Initialize, Master};
use crate::vrrp::{Check, RouterConfig, TrackConfig, Weight};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn dumps(node: &Node) -> Vec<Instant> {
    let dumps = node.log.iter().filter(|(_, output)| *output == Output::Dump);
    dumps.map(|(at, _)| *at).collect()
}

fn snapshot(node: &Node) -> KernelSnapshot {
    KernelSnapshot { links: node.links.clone(), addresses: node.addresses.clone() }
}

/// One turn whose outputs the host doesn't act upon.
fn turn(node: &mut Node) -> Vec<Output> {
    node.supervisor.turn(node.now, &mut node.inbox);
    std::iter::from_fn(|| node.supervisor.poll_output()).collect()
}

#[test]
fn what_a_dump_and_events_show_is_there_to_be_looked_up() {
    let mut node = Node::start(vec![config(100)]);
    assert_eq!(node.supervisor.interfaces().by_name("eth0"), Some(&link(true)));
    assert!(node.supervisor.interfaces().has(INDEX, ip(OWN)));
    node.change_link(false);
    assert_eq!(node.supervisor.interfaces().by_name("eth0"), Some(&link(false)));
}

#[test]
fn a_dump_that_fails_is_asked_for_again_every_second() {
    let mut node = Node::new(vec![config(100)], vec![link(true)], vec![address(OWN, 24)]);
    node.dump_fails = true;
    let start = node.now;
    node.turns();
    node.run(ms(2_500));
    assert_eq!(dumps(&node), [0, 1_000, 2_000].map(|after| start + ms(after)));
    assert_eq!(node.state(), Initialize);
    node.dump_fails = false;
    node.run(ms(500));
    assert_eq!(node.state(), Backup);
    node.run(ms(10_000));
    assert_eq!(dumps(&node).len(), 4, "events keep it true");
}

#[test]
fn a_dump_after_a_failed_one_is_still_the_first() {
    let leftover = Address { ours: true, ..address(VIP, 24) };
    let addresses = vec![address(OWN, 24), leftover];
    let mut node = Node::new(vec![config(100)], vec![link(true)], addresses);
    node.dump_fails = true;
    node.turns();
    node.dump_fails = false;
    node.run(ms(1_000));
    assert!(node.vip().is_none(), "leftovers are removed");
    let removed = EventKind::LeftoverRemoved(leftover);
    assert_eq!(node.events().iter().filter(|kind| ***kind == removed).count(), 1);
}

#[test]
fn events_lost_while_a_dump_is_awaited_cause_one_more() {
    let mut node = Node::start(vec![config(100)]);
    node.inbox.events.push_back(KernelEvent::Overrun);
    assert!(turn(&mut node).contains(&Output::Dump));
    for _ in 0..3 {
        node.inbox.events.push_back(KernelEvent::Overrun);
        assert!(!turn(&mut node).contains(&Output::Dump), "one is awaited");
    }
    let before = dumps(&node).len();
    node.inbox.completions.push_back(Completion::Dump(Some(snapshot(&node))));
    node.turns();
    assert_eq!(dumps(&node).len(), before + 1);
    node.run(ms(3_000));
    assert_eq!(dumps(&node).len(), before + 1, "nothing was lost since");
}

#[test]
fn events_lost_before_a_retry_do_not_hasten_it() {
    let mut node = Node::start(vec![config(100)]);
    node.dump_fails = true;
    node.inbox.events.push_back(KernelEvent::Overrun);
    node.turns();
    let before = dumps(&node).len();
    node.inbox.events.push_back(KernelEvent::Overrun);
    node.turns();
    node.run(ms(900));
    assert_eq!(dumps(&node).len(), before);
    node.run(ms(100));
    assert_eq!(dumps(&node).len(), before + 1);
}

#[test]
fn a_later_dump_takes_nothing_for_a_leftover() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    assert_eq!(node.state(), Master);
    let position = node.log.len();
    node.inbox.events.push_back(KernelEvent::Overrun);
    node.turns();
    assert_eq!(node.words_since(position), Vec::<String>::new());
    assert!(node.vip().is_some());
}

#[test]
fn nobody_listens_before_all_leftovers_are_gone() {
    let leftovers = ["10.0.0.200", "10.0.0.201"].map(|text| Address {
        ours: true,
        valid_secs: Some(2),
        ..address(text, 24)
    });
    let mut addresses = vec![address(OWN, 24)];
    addresses.extend(leftovers);
    let mut node = Node::new(vec![config(100)], vec![link(true)], addresses);
    turn(&mut node);
    node.inbox.completions.push_back(Completion::Dump(Some(snapshot(&node))));
    let outputs = turn(&mut node);
    let removals: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Address(request) => Some(*request),
            _ => None,
        })
        .collect();
    let removed: Vec<_> = removals.iter().map(|request| (request.vip, request.operation)).collect();
    let wanted = [vip("10.0.0.200/24"), vip("10.0.0.201/24")];
    assert_eq!(removed, wanted.map(|vip| (vip, AddressOperation::Remove)));
    let opens = |outputs: &[Output]| outputs.iter().any(|o| matches!(o, Output::OpenSocket(..)));
    assert!(!opens(&outputs));
    let done = |node: &mut Node, position: usize| {
        let request = removals[position];
        let done = Completion::Address(request.router, request.generation, Ok(()));
        node.inbox.completions.push_back(done);
        turn(node)
    };
    assert!(!opens(&done(&mut node, 0)), "one is still there");
    assert!(opens(&done(&mut node, 1)));
    let known: Vec<_> = node.supervisor.routers().iter().map(|router| router.id()).collect();
    assert_eq!(known, [RouterId(0)]);
    assert!(removals.iter().all(|request| request.router != RouterId(0)));
}

#[test]
fn a_leftover_of_a_vip_has_the_demote_hook_run_and_any_other_has_not() {
    let hooked = || {
        let mut config = config(100);
        config.hooks.pre_demote = Some(["down".to_owned()].into());
        config
    };
    let index = InterfaceIndex(3);
    let elsewhere = Link { index, name: "eth1".into(), ..link(true) };
    let ours = |text: &str, prefix_len| Address { ours: true, ..address(text, prefix_len) };
    let table = [
        (ours(VIP, 24), 1),
        (ours(VIP, 32), 0),
        (ours("10.0.0.201", 24), 0),
        (Address { index, ..ours(VIP, 24) }, 0),
    ];
    for (leftover, hooks) in table {
        let links = vec![link(true), elsewhere.clone()];
        let node = Node::start_with(vec![hooked()], links, vec![address(OWN, 24), leftover]);
        assert_eq!(node.hooks.len(), hooks, "{leftover:?}");
        assert!(node.vip().is_none(), "{leftover:?}");
        if let Some(run) = node.hooks.first() {
            assert_eq!((run.old_state, run.new_state), ("MASTER", "INITIALIZE"));
        }
    }
}

#[test]
fn an_owner_that_may_not_serve_at_once_keeps_no_leftover() {
    let leftover = Address { ours: true, ..address(VIP, 24) };
    for (weight, kept) in [(Weight::Fault, false), (Weight::Change(-10), true)] {
        let check = Check::Command(["true".to_owned()].into());
        let (interval, timeout) = (ms(1_000), ms(500));
        let track = vec![TrackConfig { check, interval, timeout, fall: 1, rise: 1, weight }];
        let owner = RouterConfig { track, ..config(255) };
        let node =
            Node::start_with(vec![owner], vec![link(true)], vec![address(OWN, 24), leftover]);
        assert_eq!(node.vip().is_some(), kept, "{weight:?}");
    }
}

#[test]
fn what_is_not_ours_is_told_of_where_it_is_a_vip_of_a_router_that_does_not_hold_it() {
    let table = [
        (config(100), address(VIP, 24), 1),
        (config(255), address(VIP, 24), 0),
        (config(100), address(VIP, 25), 0),
        (config(100), address("10.0.0.201", 24), 0),
    ];
    for (config, there, told) in table {
        let addresses = vec![address(OWN, 24), there];
        let mut node = Node::start_with(vec![config], vec![link(true)], addresses);
        node.put(address("10.0.0.6", 24));
        let foreign = EventKind::VipForeign(vip("10.0.0.200/24"), there);
        let count = node.events().iter().filter(|kind| ***kind == foreign).count();
        assert_eq!(count, told, "{there:?}");
    }
}
