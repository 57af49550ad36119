//! Hooks and checks.

use super::node::*;
use crate::event::EventKind;
use crate::io::{AddressError, Completion};
use crate::time::Duration;
use crate::vrrp::StateName::{Backup, Initialize, Master};
use crate::vrrp::{Check, Handover, HookFailure, RouterConfig, TrackConfig, Weight};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn hooked() -> RouterConfig {
    let mut config = config(100);
    config.hooks.pre_promote = Some(["up".to_owned()].into());
    config.hooks.pre_demote = Some(["down".to_owned()].into());
    config.handover = Handover::Strict;
    config
}

fn promoted(config: RouterConfig) -> Node {
    let mut node = Node::start(vec![config]);
    node.run(ms(3_610));
    assert_eq!(node.state(), Master);
    node
}

#[test]
fn the_vips_wait_for_the_promote_hook_and_adverts_do_not() {
    let mut node = promoted(hooked());
    let from = node.now;
    node.run(ms(5_000));
    assert!(node.vip().is_none());
    assert_eq!(node.sent_since(from).len(), 5);
    let id = node.hooks[0].id;
    node.end_hook(id, Ok(()));
    assert!(node.vip().is_some());
}

#[test]
fn a_hook_that_hangs_is_killed_and_the_promotion_goes_on() {
    let mut node = promoted(hooked());
    node.run(ms(10_000));
    assert_eq!(node.killed, [node.hooks[0].id]);
    assert!(node.vip().is_some());
    assert_eq!(node.state(), Master);
}

#[test]
fn a_failed_promote_hook_changes_nothing_unless_it_is_to_abort() {
    let mut node = promoted(hooked());
    let id = node.hooks[0].id;
    node.end_hook(id, Err("exit status 1"));
    assert!(node.vip().is_some());
    let mut strict = hooked();
    strict.hooks.on_failure = HookFailure::Abort;
    let mut node = promoted(strict);
    let id = node.hooks[0].id;
    node.end_hook(id, Err("exit status 1"));
    assert_eq!(node.state(), Initialize);
    assert!(node.vip().is_none());
}

#[test]
fn a_promotion_overtaken_by_a_demotion_has_its_hook_killed_and_the_demote_hook_run() {
    let mut node = promoted(hooked());
    node.hear(&advert(HIGH, 200));
    let id = node.hooks[0].id;
    assert_eq!(node.killed, [id]);
    assert_eq!(node.hooks.len(), 1, "hooks never overlap");
    node.end_hook(id, Err("killed"));
    assert_eq!(node.hooks[1].new_state, "BACKUP");
    assert!(node.vip().is_none());
}

#[test]
fn demotion_removes_the_vips_without_waiting_for_its_hook() {
    let mut node = promoted(hooked());
    let id = node.hooks[0].id;
    node.end_hook(id, Ok(()));
    node.hear(&advert(HIGH, 200));
    assert!(node.vip().is_none());
    let run = node.hooks.last().expect("the demote hook");
    assert_eq!((run.old_state, run.new_state), ("MASTER", "BACKUP"));
}

#[test]
fn a_removal_that_was_refused_waits_its_second_though_the_demote_hook_ends_before() {
    let mut node = promoted(hooked());
    let id = node.hooks[0].id;
    node.end_hook(id, Ok(()));
    node.refuse.insert(ip(VIP), AddressError::Denied);
    node.hear(&advert(HIGH, 200));
    node.run(ms(500));
    let position = node.log.len();
    let id = node.hooks.last().expect("the demote hook").id;
    node.end_hook(id, Ok(()));
    assert_eq!(node.words_since(position), Vec::<String>::new());
    node.run(ms(500));
    assert_eq!(node.words_since(position), ["remove"]);
}

#[test]
fn a_shutdown_waits_for_the_demote_hook_but_not_for_ever() {
    let mut node = promoted(hooked());
    let id = node.hooks[0].id;
    node.end_hook(id, Ok(()));
    node.command(crate::io::Command::Shutdown);
    assert!(node.vip().is_none() && !node.supervisor.is_finished());
    node.run(ms(16_000));
    assert!(node.supervisor.is_finished());
    assert_eq!(node.killed.len(), 1);
}

#[test]
fn a_shutdown_waits_for_hooks_that_hang_one_after_the_other() {
    for timeout in [ms(1_000), ms(10_000)] {
        let mut config = hooked();
        config.hooks.timeout = timeout;
        let mut node = promoted(config);
        node.command(crate::io::Command::Shutdown);
        // The kill of either takes 5 s to be given up.
        node.run(ms(5_000) + timeout + ms(4_900));
        assert_eq!((node.hooks.len(), node.killed.len()), (2, 2));
        assert!(!node.supervisor.is_finished());
        node.run(ms(200));
        assert!(node.supervisor.is_finished());
    }
}

#[test]
fn a_shutdown_ends_even_if_the_kernel_never_lets_a_vip_go() {
    let mut node = promoted(config(100));
    node.refuse.insert(ip(VIP), AddressError::Denied);
    node.command(crate::io::Command::Shutdown);
    // 2.2 s for a successor, 25 s for hooks and the kernel.
    node.run(ms(27_100));
    assert!(!node.supervisor.is_finished());
    node.run(ms(200));
    assert!(node.supervisor.is_finished());
}

fn tracked(weight: Weight) -> RouterConfig {
    let check = Check::Tcp("127.0.0.1:6432".parse().expect("an address"));
    let track =
        TrackConfig { check, interval: ms(1_000), timeout: ms(500), fall: 2, rise: 2, weight };
    RouterConfig { track: vec![track], ..config(150) }
}

fn answer(node: &mut Node, well: bool) {
    let id = node.checks.pop().expect("a check");
    let result = if well { Ok(()) } else { Err("refused".to_owned()) };
    node.inbox.completions.push_back(Completion::Check(id, result));
    node.turns();
}

#[test]
fn a_failed_check_lowers_the_priority_after_fall_and_raises_it_after_rise() {
    let mut node = Node::start(vec![tracked(Weight::Change(-100))]);
    let mut priorities = Vec::new();
    for well in [true, false, false, true, true] {
        answer(&mut node, well);
        priorities.push(node.router().priority().get());
        node.run(ms(1_000));
    }
    assert_eq!(priorities, [150, 150, 50, 50, 150]);
}

#[test]
fn a_check_with_weight_0_faults_the_router_and_a_hanging_one_has_failed() {
    let mut node = Node::start(vec![tracked(Weight::Fault)]);
    assert_eq!(node.state(), Initialize, "not before its first answer");
    answer(&mut node, true);
    assert_eq!(node.state(), Backup);
    node.run(ms(2_600));
    assert_eq!(node.state(), Initialize, "two timeouts");
    let failed = |kind: &&EventKind| matches!(kind, EventKind::CheckChanged(_, Some(_)));
    assert!(node.events().iter().any(failed));
}

#[test]
fn a_watched_interface_counts_at_once() {
    let mut config = tracked(Weight::Change(-100));
    config.track[0].check = Check::Interface("eth1".into());
    let mut node = Node::start(vec![config]);
    assert_eq!(node.router().priority().get(), 50, "it doesn't exist");
    let index = crate::io::InterfaceIndex(3);
    let eth1 = crate::io::Link { index, name: "eth1".into(), ..link(true) };
    node.inbox.events.push_back(crate::io::KernelEvent::Link(eth1));
    node.turns();
    assert_eq!(node.router().priority().get(), 150);
}
