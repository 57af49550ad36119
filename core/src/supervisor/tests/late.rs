//! Results that come after what they were asked for is wanted no more.

use super::node::*;
use crate::event::EventKind;
use crate::io::{
    Address, AddressChange, AddressError, AddressOperation, AddressRequest, Command, Completion,
    KernelEvent, Lifetime, Output,
};
use crate::time::Duration;
use crate::vrrp::RouterConfig;
use crate::vrrp::StateName::{Backup, Initialize, Master};

/// One turn whose outputs the host doesn't act upon.
fn turn(node: &mut Node) -> Vec<Output> {
    node.supervisor.turn(node.now, &mut node.inbox);
    std::iter::from_fn(|| node.supervisor.poll_output()).collect()
}

fn requests(outputs: &[Output]) -> Vec<AddressRequest> {
    let requests = outputs.iter().filter_map(|output| match output {
        Output::Address(request) => Some(*request),
        _ => None,
    });
    requests.collect()
}

/// A MASTER whose adds are under way.
fn adding(config: RouterConfig) -> (Node, Vec<AddressRequest>) {
    let mut node = Node::start(vec![config]);
    let mut outputs = Vec::new();
    for _ in 0..10 {
        if node.state() != Master {
            node.now = node.supervisor.poll_timeout();
            outputs.extend(turn(&mut node));
        }
    }
    assert_eq!(node.state(), Master);
    (node, requests(&outputs))
}

fn both() -> RouterConfig {
    RouterConfig { vips: [vip("10.0.0.200/24"), vip("10.0.0.201/24")].into(), ..config(100) }
}

fn end(node: &mut Node, request: &AddressRequest, result: Result<(), AddressError>) {
    let done = Completion::Address(request.router, request.generation, result);
    node.inbox.completions.push_back(done);
}

/// A better MASTER is heard in the turn in which an operation ends.
fn yields_as_it_ends(node: &mut Node, request: &AddressRequest, result: Result<(), AddressError>) {
    let socket = *node.sockets.last().expect("an open socket");
    node.inbox.packets.push_back((socket, node.now, advert(HIGH, 200).packet()));
    end(node, request, result);
}

/// The VIP is taken off again, and nobody hears that it was there.
fn assert_removed_in_silence(node: &mut Node, outputs: Vec<Output>) {
    let removals = requests(&outputs);
    let operations: Vec<_> = removals.iter().map(|request| request.operation).collect();
    assert_eq!(operations, [AddressOperation::Remove]);
    end(node, &removals[0], Ok(()));
    let mut all = outputs;
    all.extend(turn(node));
    for _ in 0..10 {
        // Another MASTER advertises, so that only what was left over can be put out.
        node.now = node.now + Duration::from_secs(1);
        let socket = *node.sockets.last().expect("an open socket");
        node.inbox.packets.push_back((socket, node.now, advert(HIGH, 200).packet()));
        all.extend(turn(node));
    }
    for output in all {
        let acquired = matches!(&output, Output::Event(event)
            if matches!(event.kind, EventKind::VipAcquired(_) | EventKind::VipConverted(..)));
        assert!(!acquired && !matches!(output, Output::Announce(_)), "{output:?}");
    }
}

#[test]
fn an_add_that_ends_after_its_master_has_yielded_is_undone_and_not_announced() {
    let (mut node, adds) = adding(config(100));
    yields_as_it_ends(&mut node, &adds[0], Ok(()));
    let outputs = turn(&mut node);
    assert_eq!(node.state(), Backup);
    assert_removed_in_silence(&mut node, outputs);
}

#[test]
fn a_vip_found_there_after_its_master_has_yielded_is_removed_and_not_announced() {
    let (mut node, adds) = adding(config(100));
    node.inbox.events.push_back(KernelEvent::Address(AddressChange::Present(address(VIP, 24))));
    yields_as_it_ends(&mut node, &adds[0], Err(AddressError::Exists));
    let outputs = turn(&mut node);
    assert_removed_in_silence(&mut node, outputs);
}

#[test]
fn a_vip_put_behind_the_hosts_address_too_late_is_removed_and_not_announced() {
    let mut node = Node::start(vec![config(100)]);
    node.run(Duration::from_millis(3_700));
    // The host's address has come after the VIP.
    let primary = Address { secondary: false, ..*node.vip().expect("the VIP") };
    let behind = Address { secondary: true, ..address(OWN, 24) };
    for address in [primary, behind] {
        node.inbox.events.push_back(KernelEvent::Address(AddressChange::Present(address)));
    }
    let removals = requests(&turn(&mut node));
    assert_eq!(removals[0].operation, AddressOperation::Remove);
    end(&mut node, &removals[0], Ok(()));
    let adds = requests(&turn(&mut node));
    assert!(matches!(adds[0].operation, AddressOperation::Add(_)));
    yields_as_it_ends(&mut node, &adds[0], Ok(()));
    let outputs = turn(&mut node);
    assert_removed_in_silence(&mut node, outputs);
}

#[test]
fn an_add_that_ends_after_its_vip_has_left_the_file_is_undone_and_not_announced() {
    let (mut node, adds) = adding(both());
    node.inbox.commands.push_back(Command::Reload(vec![config(100)]));
    turn(&mut node);
    end(&mut node, &adds[1], Ok(()));
    let outputs = turn(&mut node);
    assert_eq!(node.state(), Master);
    assert_removed_in_silence(&mut node, outputs);
}

#[test]
fn a_master_that_wakes_up_answers_a_lesser_one_only_if_no_better_one_follows() {
    let mut node = Node::start(vec![config(100)]);
    node.run(Duration::from_secs(10));
    assert_eq!(node.state(), Master);
    let socket = *node.sockets.last().expect("an open socket");
    let from = node.log.len();
    for advert in [advert(LOW, 50), advert(HIGH, 200)] {
        node.inbox.packets.push_back((socket, node.now, advert.packet()));
    }
    node.turns();
    assert_eq!(node.state(), Backup);
    assert_eq!(node.words_since(from), ["remove", "advert 100"], "the farewell, and no answer");
}

#[test]
fn a_vip_that_cannot_be_renewed_is_removed_when_the_router_steps_down() {
    let mut node = Node::start(vec![config(100)]);
    node.run(Duration::from_secs(10));
    node.refuse.insert(ip(VIP), AddressError::Denied);
    node.run(Duration::from_millis(1_000));
    assert_eq!(node.state(), Initialize);
    let removals = node.words_since(0).iter().filter(|word| *word == "remove").count();
    assert!(removals > 0, "it is asked to go");
}

#[test]
fn an_add_that_ends_after_the_interval_has_become_shorter_is_renewed_with_the_shorter_lease() {
    let (mut node, adds) = adding(RouterConfig { interval: centis(300), ..config(100) });
    assert_eq!(adds[0].operation, AddressOperation::Add(Lifetime::Secs(7)));
    node.inbox.commands.push_back(Command::Reload(vec![config(100)]));
    let outputs = turn(&mut node);
    let sent = outputs.iter().find_map(|output| match output {
        Output::SendAdvert(send) => Some((send.router, send.generation)),
        _ => None,
    });
    let (router, generation) = sent.expect("an advert");
    node.inbox.completions.push_back(Completion::AdvertSent(router, generation, Ok(())));
    turn(&mut node);
    end(&mut node, &adds[0], Ok(()));
    let operations: Vec<_> = requests(&turn(&mut node)).iter().map(|r| r.operation).collect();
    assert_eq!(operations, [AddressOperation::Renew(Lifetime::Secs(2))]);
}

#[test]
fn a_vip_that_is_refused_after_it_has_left_the_file_takes_its_router_nowhere() {
    let (mut node, adds) = adding(both());
    node.inbox.commands.push_back(Command::Reload(vec![config(100)]));
    turn(&mut node);
    end(&mut node, &adds[0], Ok(()));
    end(&mut node, &adds[1], Err(AddressError::Denied));
    let outputs = turn(&mut node);
    assert_eq!(node.state(), Master);
    let refused = |output: &Output| {
        matches!(output, Output::Event(event)
            if matches!(event.kind, EventKind::VipRefused(..)))
    };
    assert!(!outputs.iter().any(refused));
}

#[test]
fn a_backup_that_wakes_up_waits_an_interval_for_what_its_full_buffer_lost() {
    let mut node = Node::start(vec![config(100)]);
    node.run(Duration::from_secs(1));
    node.hear(&advert(HIGH, 200));
    let heard_at = node.now;
    node.freeze(Duration::from_secs(10));
    let socket = *node.sockets.last().expect("an open socket");
    // The buffer kept the oldest.
    let packet = advert(HIGH, 200).packet();
    node.inbox.packets.push_back((socket, heard_at + Duration::from_secs(1), packet));
    node.turns();
    assert_eq!(node.state(), Backup);
    node.run(Duration::from_millis(1_600));
    assert_eq!(node.state(), Backup, "one interval and the skew");
    node.run(Duration::from_millis(10));
    assert_eq!(node.state(), Master);
}
