//! How a shutdown ends.

use super::node::*;
use crate::event::EventKind;
use crate::io::{Address, AddressError, Command, Output};
use crate::time::{Duration, Instant};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_reload_after_a_shutdown_was_asked_for_is_too_late() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    node.refuse.insert(ip(VIP), AddressError::Denied);
    node.inbox.commands.push_back(Command::Shutdown);
    node.command(Command::Reload(vec![config(100)]));
    assert_eq!(node.supervisor.routers().len(), 1);
    assert!(node.router().is_stopping());
    node.refuse.clear();
    node.run(ms(4_000));
    assert!(node.supervisor.is_finished() && node.supervisor.routers().is_empty());
}

#[test]
fn a_shutdown_ends_once_and_nothing_is_due_afterwards() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    node.inbox.commands.push_back(Command::Shutdown);
    node.supervisor.turn(node.now, &mut node.inbox);
    assert!(!node.supervisor.is_finished(), "outputs are still to be taken");
    node.run(ms(3_000));
    assert!(node.supervisor.is_finished());
    for _ in 0..5 {
        node.turns();
        node.now = node.now + ms(60_000);
    }
    assert_eq!(node.supervisor.poll_timeout(), Instant::MAX);
    let released = node.events().into_iter().filter(|kind| **kind == EventKind::Released);
    assert_eq!(released.count(), 1);
}

#[test]
fn one_that_is_asked_to_end_as_it_begins_removes_what_an_earlier_process_left() {
    let leftover = Address { ours: true, ..address(VIP, 24) };
    let addresses = vec![address(OWN, 24), leftover];
    let mut node = Node::new(vec![config(100)], vec![link(true)], addresses);
    node.command(Command::Shutdown);
    assert!(node.vip().is_none() && node.supervisor.is_finished());
    let removed_at = node.first(|output| matches!(output, Output::Address(_)));
    let released_at = node.first(
        |output| matches!(output, Output::Event(event) if event.kind == EventKind::Released),
    );
    assert!(removed_at.is_some() && removed_at < released_at, "the driver ends with the latter");
}

#[test]
fn a_shutdown_ends_even_if_the_kernel_never_tells_what_is_there() {
    let mut node = Node::new(vec![config(100)], vec![link(true)], vec![address(OWN, 24)]);
    node.dump_fails = true;
    node.inbox.commands.push_back(Command::Shutdown);
    node.run(ms(27_100));
    assert!(!node.supervisor.is_finished());
    node.run(ms(200));
    assert!(node.supervisor.is_finished());
}
