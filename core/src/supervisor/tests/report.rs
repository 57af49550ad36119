//! What a router reports of itself.

use super::node::*;
use crate::event::{Blocker, Reason};
use crate::io::{Completion, Output};
use crate::time::Duration;
use crate::vrrp::StateName::{self, Backup, Initialize, Master};
use crate::vrrp::{
    AdvertPriority, Check, HookConfig, LastAdvert, Report, RouterConfig, TrackConfig, Weight,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn report(node: &Node) -> Report {
    node.router().report(node.now)
}

#[test]
fn a_router_that_waits_says_what_for_and_since_nothing() {
    let node = Node::start_with(vec![config(100)], vec![], vec![]);
    let report = report(&node);
    assert_eq!((report.state, report.blocker), (Initialize, Some(Blocker::NoInterface)));
    assert!(report.changed.is_none() && report.last_advert.is_none());
    assert_eq!(report.vips.iter().map(|vip| vip.held).collect::<Vec<_>>(), [false]);
}

#[test]
fn every_change_has_its_time_and_its_reason_and_is_counted() {
    let mut node = Node::start(vec![config(100)]);
    let began = node.now;
    assert_eq!(report(&node).changed, Some((began, Reason::Ready)));
    node.run(ms(5_000));
    let master = report(&node);
    let (since, reason) = master.changed.clone().expect("it has changed");
    assert_eq!((master.state, reason), (Master, Reason::MasterDown));
    assert_eq!(master.master_for, node.now.since(since));
    assert!(master.vips.iter().all(|vip| vip.held && !vip.refused));
    node.hear(&advert(HIGH, 200));
    let heard_at = node.now;
    node.run(ms(500));
    let backup = report(&node);
    let better = Reason::BetterMaster(ip(HIGH), AdvertPriority::Of(priority(200)));
    assert_eq!((backup.state, backup.changed), (Backup, Some((heard_at, better))));
    assert_eq!(backup.master_for, heard_at.since(since), "and no more");
    let last =
        LastAdvert { source: ip(HIGH), priority: AdvertPriority::Of(priority(200)), at: heard_at };
    assert_eq!(backup.last_advert, Some(last));
    let entered = |state: StateName| backup.counters.entered[state as usize];
    assert_eq!((entered(Initialize), entered(Backup), entered(Master)), (0, 2, 1));
    assert!(backup.counters.announcements >= 1);
}

#[test]
fn a_check_is_unknown_well_or_failed() {
    let track = TrackConfig {
        check: Check::Tcp("127.0.0.1:6432".parse().expect("an address")),
        interval: ms(1_000),
        timeout: ms(500),
        fall: 1,
        rise: 1,
        weight: Weight::Change(-50),
    };
    let mut node = Node::start(vec![RouterConfig { track: vec![track], ..config(100) }]);
    let is_well = |node: &Node| report(node).checks.first().and_then(|check| check.is_well);
    assert_eq!(is_well(&node), None);
    for (result, well, weighted) in [(Ok(()), true, 100), (Err("refused".to_owned()), false, 50)] {
        let id = node.checks.pop().expect("a check runs");
        node.inbox.completions.push_back(Completion::Check(id, result));
        node.turns();
        assert_eq!((is_well(&node), report(&node).priority), (Some(well), priority(weighted)));
        node.run(ms(1_000));
    }
}

#[test]
fn hooks_are_counted_and_so_are_those_that_fail() {
    let hooks =
        HookConfig { pre_promote: Some(["/bin/true".to_owned()].into()), ..config(100).hooks };
    let mut node = Node::start(vec![RouterConfig { hooks, ..config(255) }]);
    let run = node.hooks.pop().expect("a hook runs");
    node.inbox.completions.push_back(Completion::Hook(run.id, Err("exit status 1".to_owned())));
    node.turns();
    let counters = report(&node).counters;
    assert_eq!((counters.hooks_started, counters.hooks_failed), (1, 1));
    assert!(node.log.iter().any(|(_, output)| matches!(output, Output::Event(_))));
}
