//! Routers of one group are MASTER together or not at all.

use super::node::*;
use crate::event::{Blocker, EventKind, Reason};
use crate::io::{AddressError, Command, Completion};
use crate::time::Duration;
use crate::vrrp::StateName::{self, Backup, Initialize, Master};
use crate::vrrp::{Check, Priority, RouterConfig, TrackConfig, Vrid, Weight};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn in_group(vrid: u8, group: &str) -> RouterConfig {
    let mut config = RouterConfig { group: Some(group.into()), ..config(100) };
    config.key.vrid = Vrid::new(vrid).expect("in range");
    config.vips = [vip(&format!("10.0.0.{}/24", 150 + vrid))].into();
    config
}

fn pair() -> Vec<RouterConfig> {
    vec![in_group(50, "pair"), in_group(51, "pair")]
}

fn states(node: &Node) -> Vec<StateName> {
    node.supervisor.routers().iter().map(|router| router.state()).collect()
}

fn masters(configs: Vec<RouterConfig>) -> Node {
    let count = configs.len();
    let mut node = Node::start(configs);
    node.run(ms(10_000));
    assert_eq!(states(&node), vec![Master; count]);
    node
}

#[test]
fn the_one_that_hears_a_better_master_takes_the_other_along_which_says_so() {
    let mut node = masters(pair());
    let position = node.log.len();
    node.hear(&advert(HIGH, 200));
    assert_eq!(states(&node), [Backup, Backup]);
    let adverts: Vec<_> =
        node.words_since(position).into_iter().filter(|word| word.starts_with("advert")).collect();
    assert_eq!(adverts, ["advert 0", "advert 100"], "the other's release, and the farewell");
    let (from, to, reason) = (Master, Backup, Reason::Group);
    let followed = EventKind::StateChanged { from, to, reason, priority: priority(100) };
    assert_eq!(node.events().into_iter().filter(|kind| **kind == followed).count(), 1);
    assert_eq!(node.addresses.len(), 1, "no VIP is left");
}

#[test]
fn once_they_are_master_again_an_old_exit_takes_nobody_along() {
    let mut node = masters(pair());
    for _ in 0..3 {
        node.hear(&advert(HIGH, 200));
        assert_eq!(states(&node), [Backup, Backup]);
        node.run(ms(10_000));
        assert_eq!(states(&node), [Master, Master]);
        let position = node.log.len();
        node.run(ms(10_000));
        assert!(!node.words_since(position).contains(&"remove".to_owned()));
    }
}

#[test]
fn groups_do_not_move_each_other() {
    let mut all = pair();
    all.extend([in_group(52, "other"), in_group(53, "other")]);
    let mut node = masters(all);
    node.hear(&advert(HIGH, 200));
    assert_eq!(states(&node), [Backup, Backup, Master, Master]);
}

#[test]
fn a_router_without_a_group_goes_its_own_way() {
    let mut all = pair();
    all.push(RouterConfig { group: None, ..in_group(52, "") });
    let mut node = masters(all);
    node.hear(&advert(HIGH, 200));
    assert_eq!(states(&node), [Backup, Backup, Master]);
}

#[test]
fn one_that_is_blocked_blocks_the_other_and_no_longer_than_it_is() {
    let mut blocked = pair();
    let check = Check::Command(["true".to_owned()].into());
    let (interval, timeout, weight) = (ms(1_000), ms(500), Weight::Fault);
    blocked[1].track = vec![TrackConfig { check, interval, timeout, fall: 1, rise: 1, weight }];
    let mut node = Node::start(blocked);
    assert_eq!(states(&node), [Initialize, Initialize]);
    let told = |node: &Node| -> Vec<Blocker> {
        let waits = node.events().into_iter().filter_map(|kind| match kind {
            EventKind::Waiting(blocker) => Some(blocker.clone()),
            _ => None,
        });
        waits.collect()
    };
    assert!(told(&node).contains(&Blocker::Group));
    let answer = |node: &mut Node, result: Result<(), String>| {
        let id = node.checks.pop().expect("a check");
        node.inbox.completions.push_back(Completion::Check(id, result));
        node.turns();
    };
    answer(&mut node, Ok(()));
    assert_eq!(states(&node), [Backup, Backup]);
    node.run(ms(1_000));
    answer(&mut node, Err("no".to_owned()));
    assert_eq!(states(&node), [Initialize, Initialize]);
}

#[test]
fn a_vip_that_one_is_refused_takes_the_other_along() {
    let mut node = Node::start(pair());
    node.refuse.insert(ip("10.0.0.201"), AddressError::Denied);
    node.run(ms(3_700));
    assert_eq!(states(&node), [Initialize, Initialize]);
    assert!(node.vip().is_none());
}

#[test]
fn owners_of_a_group_wait_for_each_other() {
    let mut owners = pair();
    for owner in &mut owners {
        owner.priority = Priority::OWNER;
    }
    let node = Node::start(owners.clone());
    assert_eq!(states(&node), [Master, Master], "nobody else is waited for");
    owners[1].priority = priority(100);
    let mut node = Node::start(owners);
    assert_eq!(states(&node), [Backup, Backup]);
    node.run(ms(3_700));
    assert_eq!(states(&node), [Master, Master]);
    let reasons: Vec<_> = node
        .events()
        .into_iter()
        .filter_map(|kind| match kind {
            EventKind::StateChanged { to: Master, reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(reasons, [Reason::Owner, Reason::MasterDown]);
}

#[test]
fn one_that_stops_is_no_part_of_its_group_any_more() {
    let mut node = masters(pair());
    let position = node.log.len();
    node.refuse.insert(ip("10.0.0.201"), AddressError::Denied);
    node.command(Command::Reload(vec![in_group(50, "pair")]));
    node.run(ms(5_000));
    assert_eq!(states(&node), [Master, Initialize], "its VIP isn't off yet");
    assert!(node.words_since(position).contains(&"advert 100".to_owned()));
    node.refuse.clear();
    node.run(ms(1_000));
    assert_eq!(states(&node), [Master]);
}

#[test]
fn one_that_joins_makes_the_group_master_or_takes_it_along() {
    for is_heard in [false, true] {
        let mut node = masters(vec![in_group(51, "pair")]);
        node.command(Command::Reload(pair()));
        assert_eq!(states(&node), [Master, Backup], "a reload takes no VIP off");
        node.run(ms(1_000));
        if is_heard {
            node.hear(&advert(HIGH, 200));
            assert_eq!(states(&node), [Backup, Backup], "another is MASTER of the one that joined");
        } else {
            node.run(ms(2_700));
            assert_eq!(states(&node), [Master, Master]);
        }
    }
}
