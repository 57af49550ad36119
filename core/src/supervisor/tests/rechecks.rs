//! What a reload does to checks.

use super::node::*;
use crate::event::EventKind;
use crate::io::{Command, Completion, Output};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Backup, Initialize, Master};
use crate::vrrp::{Check, RouterConfig, TrackConfig, Weight};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn reload(node: &mut Node, configs: Vec<RouterConfig>) {
    node.command(Command::Reload(configs));
}

fn tracked(check: Check, weight: Weight) -> RouterConfig {
    let (interval, timeout) = (ms(1_000), ms(500));
    let track = vec![TrackConfig { check, interval, timeout, fall: 1, rise: 1, weight }];
    RouterConfig { track, ..config(100) }
}

#[test]
fn a_check_that_is_new_takes_nothing_from_a_router_before_its_first_result() {
    let tcp = || Check::Tcp(([127, 0, 0, 1], 1).into());
    for is_well in [true, false] {
        let mut node = Node::start(vec![config(100)]);
        node.run(ms(10_000));
        reload(&mut node, vec![tracked(tcp(), Weight::Fault)]);
        assert_eq!(node.state(), Master);
        let id = *node.checks.last().expect("asked at once");
        let result = if is_well { Ok(()) } else { Err("refused".to_owned()) };
        node.inbox.completions.push_back(Completion::Check(id, result));
        node.turns();
        assert_eq!(node.state(), if is_well { Master } else { Initialize });
    }
    // One that waits for a check goes on to wait, though the file names another.
    let mut node = Node::start(vec![tracked(tcp(), Weight::Fault)]);
    let other = Check::Tcp(([127, 0, 0, 1], 2).into());
    reload(&mut node, vec![tracked(other, Weight::Fault)]);
    assert_eq!(node.state(), Initialize);
}

#[test]
fn a_check_keeps_what_it_has_found_when_its_numbers_change() {
    let tcp = || Check::Tcp(([127, 0, 0, 1], 1).into());
    let mut node = Node::start(vec![tracked(tcp(), Weight::Change(-10))]);
    node.run(ms(600));
    assert_eq!(node.router().priority(), priority(90), "it hung");
    reload(&mut node, vec![tracked(tcp(), Weight::Change(-20))]);
    assert_eq!(node.router().priority(), priority(80));
    let mut slow = tracked(tcp(), Weight::Fault);
    slow.track[0].interval = ms(10_000);
    reload(&mut node, vec![slow]);
    assert_eq!(node.state(), Initialize, "it fails, and that counts otherwise now");
    let position = node.log.len();
    reload(&mut node, vec![tracked(tcp(), Weight::Fault)]);
    node.run(ms(1_000));
    let runs = |(_, output): &&(Instant, Output)| matches!(output, Output::RunCheck(..));
    assert!(node.log.iter().skip(position).any(|entry| runs(&entry)), "the interval is shorter");
}

#[test]
fn the_check_of_an_interface_has_its_result_with_the_reload() {
    let up = || tracked(Check::Interface("eth0".into()), Weight::Fault);
    let missing = || tracked(Check::Interface("eth9".into()), Weight::Fault);
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    reload(&mut node, vec![up()]);
    assert_eq!(node.state(), Master);
    reload(&mut node, vec![missing()]);
    assert_eq!(node.state(), Initialize);
    reload(&mut node, vec![up()]);
    assert_eq!(node.state(), Backup);
    // And so has that of a router that is new.
    let mut node = Node::start(Vec::new());
    reload(&mut node, vec![up()]);
    assert_eq!(node.state(), Backup);
    // Before links are known, nothing is told of them.
    let mut node = Node::new(Vec::new(), vec![link(true)], vec![address(OWN, 24)]);
    reload(&mut node, vec![up()]);
    assert_eq!(node.state(), Backup);
    assert!(!node.events().iter().any(|kind| matches!(kind, EventKind::CheckChanged(..))));
}

#[test]
fn checks_that_are_new_are_run_and_those_that_go_count_no_more() {
    let track = |port: u16| {
        let check = Check::Tcp(([127, 0, 0, 1], port).into());
        let (interval, timeout) = (ms(1_000), ms(500));
        TrackConfig { check, interval, timeout, fall: 1, rise: 1, weight: Weight::Change(-10) }
    };
    let tracked = |track: Vec<TrackConfig>| RouterConfig { track, ..config(100) };
    let mut node = Node::start(vec![tracked(vec![track(1)])]);
    node.run(ms(600));
    assert_eq!(node.router().priority(), priority(90), "it hung");
    let position = node.log.len();
    reload(&mut node, vec![tracked(vec![track(1), track(2)])]);
    assert_eq!(node.router().priority(), priority(90));
    let runs = |(_, output): &&(Instant, Output)| matches!(output, Output::RunCheck(..));
    assert_eq!(node.log.iter().skip(position).filter(runs).count(), 1, "the new one");
    reload(&mut node, vec![tracked(vec![track(2)])]);
    assert_eq!(node.router().priority(), priority(100));
    let cancels = |(_, output): &&(Instant, Output)| matches!(output, Output::CancelCheck(_));
    let cancelled = node.log.iter().filter(cancels).count();
    reload(&mut node, vec![config(100)]);
    assert_eq!(node.log.iter().filter(cancels).count(), cancelled + 1, "it ran");
}
