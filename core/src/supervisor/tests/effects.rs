//! What comes of effects that fail, come late or come out otherwise.

use super::node::*;
use crate::event::{Blocker, EventKind, Reason};
use crate::io::{
    AddressError, Command, Completion, Generation, InterfaceIndex, KernelEvent, Link, Output,
    RouterId, SendError,
};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Backup, Initialize, Master};
use crate::vrrp::{
    AdverInterval, Check, HookFailure, Preempt, RouterConfig, RouterKey, TrackConfig, Version,
    Vrid, Weight,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn master(config: RouterConfig) -> Node {
    let mut node = Node::start(vec![config]);
    node.run(ms(10_000));
    assert_eq!(node.state(), Master);
    node
}

fn count(node: &Node, is_this: impl Fn(&EventKind) -> bool) -> usize {
    node.events().into_iter().filter(|kind| is_this(kind)).count()
}

#[test]
fn sends_that_fail_are_tried_four_times_an_interval_and_told_of_once_a_minute() {
    let mut node = master(RouterConfig { lease: false, ..config(100) });
    let sent = node.router().counters().adverts_sent;
    node.send_error = Some(SendError::NoBuffers);
    let from = node.now;
    node.run(ms(125_000));
    assert_eq!(node.state(), Master, "without a lease nothing lapses");
    assert_eq!(node.sent_since(from).len(), 4 * 125);
    let counters = *node.router().counters();
    assert_eq!((counters.adverts_sent, counters.sends_failed), (sent, 4 * 125));
    let told = node.log.iter().filter_map(|(at, output)| match output {
        Output::Event(event) if matches!(event.kind, EventKind::SendFailed(_)) => Some(*at),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, [0, 60_000, 120_000].map(|after| told[0] + ms(after)));
}

#[test]
fn after_a_retry_that_succeeds_the_grid_is_where_it_was() {
    let mut node = master(config(100));
    let due = node.supervisor.poll_timeout();
    node.send_error = Some(SendError::Down);
    node.now = due;
    node.turns();
    node.send_error = None;
    node.run(ms(2_100));
    let times: Vec<_> = node.sent_since(due).into_iter().map(|(at, _, _)| at).collect();
    assert_eq!(times, [0, 250, 1_000, 2_000].map(|after| due + ms(after)));
}

#[test]
fn a_master_that_cannot_send_gives_up_in_the_moment_its_lease_ends() {
    for centis in [10, 30, 100, 150, 250] {
        let interval = AdverInterval::from_centis(centis).expect("in range");
        let version = Version::V3;
        let mut node = master(RouterConfig { interval, version, ..config(100) });
        node.run(ms(20_000));
        node.send_error = Some(SendError::Down);
        let lease_until = node.router().lease_until();
        node.run_until(Backup);
        assert_eq!(node.now, lease_until, "{interval}");
        let told = |kind: &EventKind| {
            matches!(kind, EventKind::StateChanged { reason: Reason::CannotSend, .. })
        };
        assert_eq!(count(&node, told), 1);
    }
}

#[test]
fn the_result_of_an_older_advert_renews_nothing() {
    let mut node = master(config(100));
    let due = node.supervisor.poll_timeout();
    node.send_error = Some(SendError::Down);
    node.now = due;
    node.turns();
    let position = node.log.len();
    for generation in 0..5 {
        let sent = Completion::AdvertSent(RouterId(0), Generation(generation), Ok(()));
        node.inbox.completions.push_back(sent);
        node.turns();
    }
    assert_eq!(node.words_since(position), Vec::<String>::new());
    node.run(ms(2_000));
    assert_ne!(node.state(), Master, "its lease has passed");
}

#[test]
fn leases_are_renewed_by_the_first_advert_after_the_renewal_interval() {
    let wanted = [(5, 20), (10, 20), (15, 33), (24, 20), (25, 40), (26, 38), (100, 10)];
    for (interval, renewals) in wanted {
        let config = config(100);
        let version = Version::V3;
        let mut node = master(RouterConfig { version, interval: centis(interval), ..config });
        let from = node.log.len();
        node.run(ms(10_000));
        let words = node.words_since(from);
        let renewed = words.iter().filter(|word| *word == "renew").count();
        assert!(renewed.abs_diff(renewals) <= 1, "{renewed} at {interval} centiseconds");
    }
}

#[test]
fn without_leases_nothing_is_renewed_and_nothing_lapses() {
    let mut node = master(RouterConfig { lease: false, ..config(100) });
    let from = node.log.len();
    node.run(ms(10_000));
    assert!(!node.words_since(from).contains(&"renew".to_owned()));
    node.freeze(ms(60_000));
    node.turns();
    assert_eq!((node.state(), node.router().counters().leases_lapsed), (Master, 0));
}

#[test]
fn a_lease_lapses_when_it_has_passed_and_not_before() {
    for (late, state) in [(ms(1_999), Master), (ms(2_000), Backup)] {
        let mut node = master(config(100));
        let renewed = node.sent_since(Instant::ZERO).last().expect("an advert").0;
        node.now = renewed + late;
        node.turns();
        assert_eq!(node.state(), state, "{late:?} after the last advert");
    }
}

#[test]
fn a_refused_router_waits_longer_each_time_until_it_has_held_its_vips() {
    let mut node = Node::start(vec![config(100)]);
    node.refuse.insert(ip(VIP), AddressError::Denied);
    let mut waits = Vec::new();
    for _ in 0..8 {
        // Another MASTER takes the role each time, and goes again.
        node.run_until(Initialize);
        let since = node.now;
        node.hear(&advert(LOW, 50));
        node.run_until(Backup);
        waits.push(node.now.since(since).as_secs());
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    node.refuse.clear();
    node.run(ms(10_000));
    assert_eq!(node.state(), Master);
    node.refuse.insert(ip(VIP), AddressError::Denied);
    node.run(ms(1_000));
    assert_eq!(node.state(), Initialize);
    node.refuse.clear();
    node.run(ms(1_000));
    assert_eq!(node.state(), Backup, "one second again");
}

#[test]
fn serving_in_part_is_told_of_once_and_again_after_another_master() {
    let vips = [vip("10.0.0.200/24"), vip("10.0.0.201/24")];
    let mut node = Node::start(vec![RouterConfig { vips: vips.into(), ..config(100) }]);
    node.refuse.insert(vips[1].ip, AddressError::Denied);
    let in_part = |node: &Node| count(node, |k| *k == EventKind::ServingInPart(vec![vips[1]]));
    node.run(ms(60_000));
    assert_eq!((node.state(), in_part(&node)), (Master, 1));
    node.hear(&advert(HIGH, 200));
    assert_eq!(node.state(), Backup);
    node.hear(&advert(HIGH, 200));
    node.run(ms(4_000));
    assert_eq!(node.state(), Initialize, "another node may have its turn");
    node.run(ms(200_000));
    assert_eq!((node.state(), in_part(&node)), (Master, 2));
}

#[test]
fn a_promote_hook_that_ends_well_lets_the_vips_on_whatever_a_failed_one_does() {
    for on_failure in [HookFailure::Continue, HookFailure::Abort] {
        let mut hooked = config(100);
        hooked.hooks.pre_promote = Some(["up".to_owned()].into());
        hooked.hooks.on_failure = on_failure;
        let mut node = Node::start(vec![hooked]);
        node.run(ms(3_700));
        let id = node.hooks[0].id;
        node.inbox.completions.push_back(Completion::Hook(id, Ok(())));
        node.turns();
        assert_eq!(node.state(), Master);
        assert!(node.vip().is_some());
    }
}

#[test]
fn an_aborted_promotion_says_why_and_is_tried_again() {
    let mut hooked = config(100);
    hooked.hooks.pre_promote = Some(["up".to_owned()].into());
    hooked.hooks.on_failure = HookFailure::Abort;
    let mut node = Node::start(vec![hooked]);
    node.run(ms(3_700));
    node.run(ms(10_000));
    assert_eq!(node.killed.len(), 1, "it hung");
    let failed = Reason::Blocked(Blocker::HookFailed);
    let why =
        |k: &EventKind| matches!(k, EventKind::StateChanged { reason, .. } if *reason == failed);
    assert_eq!((count(&node, why), node.state()), (1, Initialize));
    node.run(ms(1_000));
    assert_eq!(node.state(), Backup);
}

fn watching(weight: Weight) -> RouterConfig {
    let check = Check::Interface("eth1".into());
    let (interval, timeout) = (ms(1_000), ms(500));
    let track = vec![TrackConfig { check, interval, timeout, fall: 1, rise: 1, weight }];
    RouterConfig { track, ..config(100) }
}

#[test]
fn an_interface_that_must_be_up_is_needed_from_the_start() {
    let eth1 = |running| {
        let index = InterfaceIndex(3);
        KernelEvent::Link(Link { index, name: "eth1".into(), ..link(running) })
    };
    let mut node = Node::start(vec![watching(Weight::Fault)]);
    assert_eq!(node.state(), Initialize, "it doesn't exist");
    for (running, state) in
        [(false, Initialize), (true, Backup), (false, Initialize), (true, Backup)]
    {
        node.inbox.events.push_back(eth1(running));
        node.turns();
        assert_eq!(node.state(), state, "running: {running}");
    }
    let index = InterfaceIndex(3);
    let second = Link { index, name: "eth1".into(), ..link(true) };
    let links = vec![link(true), second];
    let well = Node::start_with(vec![watching(Weight::Fault)], links, vec![address(OWN, 24)]);
    assert_eq!(well.state(), Backup);
    assert_eq!(count(&well, |kind| matches!(kind, EventKind::CheckChanged(..))), 0);
}

#[test]
fn a_priority_that_changes_is_told_of_and_nothing_else_is() {
    let node = Node::start(vec![watching(Weight::Change(-30))]);
    let changed = EventKind::PriorityChanged(priority(100), priority(70));
    assert_eq!(count(&node, |kind| *kind == changed), 1);
    let mut same = Node::start(vec![watching(Weight::Change(0))]);
    same.inbox.commands.push_back(Command::Reload(vec![RouterConfig {
        preempt: Preempt::Never,
        ..watching(Weight::Change(0))
    }]));
    same.turns();
    assert_eq!(count(&same, |kind| matches!(kind, EventKind::PriorityChanged(..))), 0);
}

#[test]
fn where_the_primary_is_moves_the_priority_of_its_router_alone_and_a_reload_keeps_it() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    let weigh = |node: &mut Node, key: RouterKey, weight| {
        node.command(Command::Weigh(key, weight));
        node.router().priority().get()
    };
    let (key, mut other) = (config(100).key, config(100).key);
    other.vrid = Vrid::new(51).expect("in range");
    assert_eq!(weigh(&mut node, other, 100), 100, "there is no such router");
    assert_eq!(weigh(&mut node, key.clone(), 100), 200);
    node.command(Command::Reload(vec![config(90)]));
    assert_eq!(node.router().priority().get(), 190);
    assert_eq!(weigh(&mut node, key.clone(), -200), 1, "0 would mean that it is gone");
    assert_eq!(weigh(&mut node, key, 0), 90);
    assert_eq!(node.state(), Master);
}
