//! VIPs that an earlier process has left where an owner starts: they stay until it has them.

use super::node::*;
use crate::event::EventKind;
use crate::io::{Address, AddressChange, AddressError, Command, KernelEvent, SocketError};
use crate::supervisor::Supervisor;
use crate::time::Duration;
use crate::vrrp::StateName::{Backup, Initialize, Master};
use crate::vrrp::{Duty, HookFailure, Priority, RouterConfig, Vrid};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn leftover(text: &str) -> Address {
    Address { ours: true, secondary: true, valid_secs: Some(60), ..address(text, 24) }
}

fn with_leftover() -> Vec<Address> {
    vec![address(OWN, 24), leftover(VIP)]
}

/// An owner with a promote hook.
fn hooked() -> RouterConfig {
    let mut owner = config(255);
    owner.hooks.pre_promote = Some(["up".to_owned()].into());
    owner
}

fn removals(node: &Node) -> usize {
    node.words_since(0).iter().filter(|word| *word == "remove").count()
}

/// Whatever the kernel tells of while it waits: that another address has come or gone, of the
/// leftover itself, or that it hasn't told everything.
fn tell_everything(node: &mut Node) {
    node.put(address("10.0.0.6", 24));
    node.take_away(ip("10.0.0.6"));
    node.tell(KernelEvent::Address(AddressChange::Present(leftover(VIP))));
    node.tell(KernelEvent::Overrun);
    node.run(ms(10));
}

#[test]
fn it_stays_while_the_promote_hook_runs_whatever_else_changes() {
    let mut node = Node::start_with(vec![hooked()], vec![link(true)], with_leftover());
    tell_everything(&mut node);
    assert_eq!((node.state(), removals(&node)), (Master, 0));
    let id = node.hooks[0].id;
    node.end_hook(id, Ok(()));
    assert_eq!(removals(&node), 0, "it has never been off");
    assert_eq!(node.router().held().collect::<Vec<_>>(), [ip(VIP)]);
    assert!(node.words_since(0).contains(&"announce".to_owned()));
    // From then on it is a VIP as any other.
    node.take_away(ip(VIP));
    assert!(node.vip().is_some(), "it is put back");
}

#[test]
fn it_stays_while_the_socket_is_about_to_open_and_goes_when_that_fails() {
    let mut node = Node::new(vec![config(255)], vec![link(true)], with_leftover());
    node.socket_error = Some(SocketError::Denied);
    node.turns();
    assert_eq!((node.state(), removals(&node)), (Initialize, 1), "nobody advertises here");
    node.socket_error = None;
    node.run(ms(1_100));
    assert_eq!(node.state(), Master);
    assert!(node.vip().is_some());
}

#[test]
fn it_goes_when_the_promotion_is_broken_off() {
    let breaks: [fn(&mut Node); 4] = [
        |node| node.change_link(false),
        |node| node.command(Command::Shutdown),
        |node| node.take_away(ip(OWN)),
        |node| node.hear(&advert(HIGH, 255)),
    ];
    for break_off in breaks {
        let mut node = Node::start_with(vec![hooked()], vec![link(true)], with_leftover());
        tell_everything(&mut node);
        break_off(&mut node);
        assert_eq!((node.vip(), removals(&node)), (None, 1));
        // The kernel tells of the removal, which was ours: nothing is left to be put right.
        let told = |kind: &&EventKind| matches!(kind, EventKind::VipTakenAway(_));
        assert!(!node.events().iter().any(told));
    }
    let mut strict = hooked();
    strict.hooks.on_failure = HookFailure::Abort;
    let mut node = Node::start_with(vec![strict], vec![link(true)], with_leftover());
    tell_everything(&mut node);
    let id = node.hooks[0].id;
    node.end_hook(id, Err("exit status 1"));
    assert_eq!((node.vip(), removals(&node)), (None, 1));
}

#[test]
fn an_owner_in_maintenance_keeps_none() {
    let key = config(255).key;
    let supervisor = Supervisor::new(vec![config(255)]).with_duties(&[(key, Duty::Maintenance)]);
    let mut node = Node::of(supervisor, vec![link(true)], with_leftover());
    node.turns();
    assert_eq!((node.state(), node.vip()), (Initialize, None));
}

#[test]
fn owners_of_a_group_keep_theirs_and_one_that_waits_for_another_does_not() {
    let group = |config: RouterConfig| RouterConfig { group: Some("g".into()), ..config };
    for (number, kept) in [(Priority::OWNER, true), (priority(100), false)] {
        let mut second = RouterConfig {
            vips: [vip("10.0.0.201/24")].into(),
            priority: number,
            ..group(hooked())
        };
        second.key.vrid = Vrid::new(51).expect("in range");
        let configs = vec![group(hooked()), second];
        let mut node = Node::start_with(configs, vec![link(true)], with_leftover());
        tell_everything(&mut node);
        assert_eq!(node.state(), if kept { Master } else { Backup });
        assert_eq!(node.vip().is_some(), kept, "{number:?}");
    }
}

#[test]
fn one_that_cannot_be_removed_when_it_is_to_go_is_tried_again() {
    let mut node = Node::start_with(vec![hooked()], vec![link(true)], with_leftover());
    tell_everything(&mut node);
    node.refuse.insert(ip(VIP), AddressError::Denied);
    node.change_link(false);
    assert!(node.vip().is_some());
    node.refuse.clear();
    node.run(ms(1_100));
    assert!(node.vip().is_none());
}
