//! Maintenance and stepdown: what an operator wants, and what becomes of the VIPs.

use super::super::Supervisor;
use super::node::*;
use crate::event::{Blocker, EventKind, Reason};
use crate::io::{Command, MacAddress, SendError};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{self, Backup, Initialize, Leaving, Master};
use crate::vrrp::{Duty, Handover, Priority, RouterConfig, Vrid};

const SUCCESSOR: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
/// 255 / 256 of a second is the longest skew, and a tenth of the interval the margin.
const WAIT: Duration = Duration::from_micros(996_093 + 100_000);
const MINUTE: Duration = Duration::from_secs(60);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn key(vrid: u8) -> crate::vrrp::RouterKey {
    let mut key = config(100).key;
    key.vrid = Vrid::new(vrid).expect("in range");
    key
}

fn want(node: &mut Node, duty: Duty) {
    node.command(Command::SetDuty(vec![key(50)], duty));
}

/// For a minute.
fn step_down(node: &mut Node) {
    let until = node.now + MINUTE;
    want(node, Duty::SteppedDown { until });
}

fn states(node: &Node) -> Vec<StateName> {
    node.supervisor.routers().iter().map(|router| router.state()).collect()
}

/// Every change of state since a position in the log, and why.
fn changes(node: &Node, position: usize) -> Vec<(StateName, StateName, Reason)> {
    let outputs = node.log.iter().skip(position);
    let changes = outputs.filter_map(|(_, output)| match output {
        crate::io::Output::Event(event) => match &event.kind {
            EventKind::StateChanged { from, to, reason, .. } => Some((*from, *to, reason.clone())),
            _ => None,
        },
        _ => None,
    });
    changes.collect()
}

fn blocker(node: &Node) -> Option<Blocker> {
    node.router().report(node.now).blocker
}

/// Lets time pass while another advertises every second.
fn run_beside(node: &mut Node, span: Duration, other: &Advert) {
    let end = node.now + span;
    while node.now < end {
        node.hear(other);
        node.run(ms(1_000).min(end.since(node.now)));
    }
}

/// A MASTER whose place another has taken.
fn followed(duty: Duty) -> Node {
    let mut node = Node::quiet_master(config(100));
    want(&mut node, duty);
    assert_eq!(node.state(), Leaving);
    node.run(ms(800));
    node.hear(&advert(LOW, 50));
    node.hear_claim(VIP, SUCCESSOR);
    assert_eq!(node.state(), Initialize);
    assert!(node.vip().is_none());
    node
}

#[test]
fn every_state_obeys_a_wish_as_the_table_says() {
    let until = Instant::MAX;
    let down = Duty::SteppedDown { until };
    let hands_over: &[&str] = &["advert 0", "renew"];
    let nothing: &[&str] = &[];
    let table = [
        (Initialize, Duty::Maintenance, Initialize, nothing, Some(Blocker::Maintenance)),
        (Initialize, down, Initialize, nothing, Some(Blocker::SteppedDown)),
        (Initialize, Duty::Full, Initialize, nothing, Some(Blocker::LinkDown)),
        (Backup, Duty::Maintenance, Initialize, nothing, Some(Blocker::Maintenance)),
        (Backup, down, Initialize, nothing, Some(Blocker::SteppedDown)),
        (Backup, Duty::Full, Backup, nothing, None),
        (Master, Duty::Maintenance, Leaving, hands_over, None),
        (Master, down, Leaving, hands_over, None),
        (Master, Duty::Full, Master, nothing, None),
    ];
    for (state, duty, next, words, waits_for) in table {
        let mut node = match state {
            Initialize => {
                Node::start_with(vec![config(100)], vec![link(false)], vec![address(OWN, 24)])
            }
            Backup => Node::start(vec![config(100)]),
            Master | Leaving => Node::quiet_master(config(100)),
        };
        assert_eq!(node.state(), state);
        let position = node.log.len();
        want(&mut node, duty);
        let context = format!("{state} × {duty:?}");
        assert_eq!((node.state(), blocker(&node)), (next, waits_for), "{context}");
        assert_eq!(node.words_since(position), words, "{context}");
        assert_eq!(node.router().report(node.now).duty, duty, "{context}");
        // Said again, it changes nothing.
        let position = node.log.len();
        want(&mut node, duty);
        assert_eq!((node.state(), node.words_since(position)), (next, vec![]), "{context}");
    }
}

#[test]
fn one_that_stops_obeys_no_other_wish() {
    for duty in [Duty::Full, Duty::Maintenance, Duty::SteppedDown { until: Instant::MAX }] {
        let mut node = Node::quiet_master(config(100));
        node.command(Command::Shutdown);
        let position = node.log.len();
        want(&mut node, duty);
        assert_eq!((node.state(), node.words_since(position)), (Leaving, vec![]), "{duty:?}");
        node.run(WAIT * 2 + ms(1));
        assert!(node.supervisor.is_finished() && node.vip().is_none(), "{duty:?}");
    }
}

#[test]
fn a_master_steps_down_is_out_for_its_time_and_preempts_as_ever() {
    let mut node = Node::quiet_master(config(100));
    let (from, position) = (node.now, node.log.len());
    step_down(&mut node);
    node.run(ms(800));
    node.hear_claim(VIP, SUCCESSOR);
    let other = advert(LOW, 50);
    run_beside(&mut node, ms(59_100), &other);
    assert_eq!((node.state(), blocker(&node)), (Initialize, Some(Blocker::SteppedDown)));
    run_beside(&mut node, ms(5_000), &other);
    let expected = [
        (Master, Leaving, Reason::Blocked(Blocker::SteppedDown)),
        (Leaving, Initialize, Reason::Announced(SUCCESSOR)),
        (Initialize, Backup, Reason::Ready),
        (Backup, Master, Reason::MasterDown),
    ];
    assert_eq!(changes(&node, position), expected);
    let back = node.log.iter().skip(position).filter_map(|(at, output)| match output {
        crate::io::Output::Event(event) => match event.kind {
            EventKind::StateChanged { to: Backup, .. } => Some(at.since(from)),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(back.collect::<Vec<_>>(), [MINUTE]);
    assert_eq!(node.router().report(node.now).duty, Duty::Full);
}

#[test]
fn where_nobody_follows_a_stepdown_is_over_and_the_vip_never_was_off() {
    let mut hooked = config(100);
    hooked.hooks.pre_demote = Some(["down".to_owned()].into());
    for config in [config(100), hooked, RouterConfig { lease: false, ..config(255) }] {
        let priority = config.priority.get();
        let mut node = Node::quiet_master(config);
        let (from, position) = (node.now, node.log.len());
        step_down(&mut node);
        node.run(WAIT * 2 - ms(1));
        assert_eq!(node.state(), Leaving);
        node.run(ms(3));
        let resumed = [
            (Master, Leaving, Reason::Blocked(Blocker::SteppedDown)),
            (Leaving, Master, Reason::Resumed),
        ];
        assert_eq!(changes(&node, position), resumed);
        node.run(MINUTE * 2);
        assert_eq!((node.state(), changes(&node, position).len()), (Master, 2));
        let words = node.words_since(position);
        assert!(!words.iter().any(|word| word == "remove" || word == "add"), "{words:?}");
        assert!(node.hooks.is_empty(), "no state of the VIPs has changed");
        assert!(words.contains(&"announce".to_owned()));
        let sent: Vec<_> = node.sent_since(from).into_iter().map(|(_, sent, _)| sent).collect();
        assert_eq!(sent[..3], [0, 0, priority]);
        assert!(sent.len() > 100, "it advertises as ever: {}", sent.len());
    }
}

#[test]
fn maintenance_lasts_until_it_is_called_off_though_nobody_follows() {
    let mut node = Node::quiet_master(config(255));
    let position = node.log.len();
    want(&mut node, Duty::Maintenance);
    node.run(MINUTE * 60);
    assert_eq!((node.state(), blocker(&node)), (Initialize, Some(Blocker::Maintenance)));
    assert!(node.vip().is_none());
    want(&mut node, Duty::Full);
    let expected = [
        (Master, Leaving, Reason::Blocked(Blocker::Maintenance)),
        (Leaving, Initialize, Reason::NobodyFollowed),
        (Initialize, Master, Reason::Owner),
    ];
    assert_eq!(changes(&node, position), expected);
}

#[test]
fn a_strict_stepdown_lets_go_at_once_and_is_over_when_nobody_follows() {
    let mut node = Node::quiet_master(RouterConfig { handover: Handover::Strict, ..config(100) });
    let position = node.log.len();
    step_down(&mut node);
    assert_eq!(
        (node.state(), node.words_since(position)),
        (Initialize, { vec!["advert 0".to_owned(), "remove".to_owned()] })
    );
    // As long as a BACKUP of priority 1 waits, and its margin.
    node.run(ms(3_000) + WAIT - ms(1));
    assert_eq!(node.state(), Initialize);
    node.run(ms(2));
    assert_eq!(node.state(), Master, "by its silence it knows that nobody is there");
    assert!(node.vip().is_some());
}

#[test]
fn when_whoever_has_followed_goes_a_stepdown_is_over_and_maintenance_is_not() {
    let until = Instant::MAX;
    for (duty, state) in [(Duty::SteppedDown { until }, Master), (Duty::Maintenance, Initialize)] {
        let mut node = followed(duty);
        run_beside(&mut node, MINUTE, &advert(LOW, 50));
        // A priority 0 is no sign of life.
        node.hear(&advert(LOW, 0));
        node.run(ms(1_000) + WAIT);
        assert_eq!(node.state(), Initialize, "a third may follow yet");
        node.run(ms(1_002));
        assert_eq!(node.state(), state, "{duty:?}");
    }
}

#[test]
fn one_that_cannot_hear_does_not_take_that_for_silence() {
    let mut node = followed(Duty::SteppedDown { until: Instant::MAX });
    node.change_link(false);
    node.run(MINUTE);
    node.change_link(true);
    assert_eq!((node.state(), blocker(&node)), (Initialize, Some(Blocker::SteppedDown)));
    run_beside(&mut node, MINUTE, &advert(LOW, 50));
    assert_eq!(node.state(), Initialize);
    node.run(ms(3_000) + WAIT);
    assert_eq!(node.state(), Master);
}

#[test]
fn called_back_while_it_hands_over_it_serves_on_unless_somebody_follows_already() {
    for by_time in [false, true] {
        for is_followed in [false, true] {
            let mut node = Node::quiet_master(config(100));
            let until = if by_time { node.now + ms(900) } else { Instant::MAX };
            want(&mut node, Duty::SteppedDown { until });
            node.run(ms(890));
            if is_followed {
                node.hear(&advert(LOW, 50));
            }
            let position = node.log.len();
            if by_time {
                node.run(ms(15));
            } else {
                want(&mut node, Duty::Full);
            }
            if is_followed {
                assert_eq!((node.state(), node.words_since(position)), (Leaving, vec![]));
                node.hear_claim(VIP, SUCCESSOR);
                let ready = (Initialize, Backup, Reason::Ready);
                assert_eq!(changes(&node, position).last(), Some(&ready));
            } else {
                assert_eq!(node.state(), Master);
                assert!(!node.words_since(position).contains(&"remove".to_owned()));
            }
        }
    }
}

#[test]
fn a_reload_keeps_it_and_a_process_that_begins_with_it_does_too() {
    for duty in [Duty::Maintenance, Duty::SteppedDown { until: Instant::MAX }] {
        let mut node = followed(duty);
        let better = RouterConfig { priority: Priority::OWNER, ..config(100) };
        node.command(Command::Reload(vec![better.clone()]));
        assert_eq!((node.state(), blocker(&node)), (Initialize, duty.blocker()));
        let supervisor = Supervisor::new(vec![better]).with_duties(&[(key(50), duty)]);
        let mut node = Node::of(supervisor, vec![link(true)], vec![address(OWN, 24)]);
        node.turns();
        run_beside(&mut node, MINUTE, &advert(LOW, 50));
        assert_eq!((node.state(), blocker(&node)), (Initialize, duty.blocker()));
        want(&mut node, Duty::Full);
        assert_eq!(node.state(), Master);
    }
}

#[test]
fn a_process_that_begins_stepped_down_is_back_when_its_time_is_over_or_nobody_is_there() {
    for (until, back_after) in [(ms(2_000), ms(2_000)), (MINUTE, ms(3_000) + WAIT)] {
        let until = Instant::from_millis(1_000_000) + until;
        let duty = Duty::SteppedDown { until };
        let supervisor = Supervisor::new(vec![config(255)]).with_duties(&[(key(50), duty)]);
        let mut node = Node::of(supervisor, vec![link(true)], vec![address(OWN, 24)]);
        node.turns();
        node.run(back_after - ms(1));
        assert_eq!(node.state(), Initialize);
        node.run(ms(2));
        assert_eq!(node.state(), Master);
    }
}

#[test]
fn a_lease_that_a_reload_brings_during_a_handover_is_kept_up() {
    let mut node = Node::quiet_master(RouterConfig { lease: false, ..config(100) });
    node.run(MINUTE);
    want(&mut node, Duty::Maintenance);
    node.command(Command::Reload(vec![RouterConfig { lease: true, ..config(100) }]));
    node.run(WAIT);
    assert_eq!(node.state(), Leaving);
    assert_eq!(node.vip().and_then(|vip| vip.valid_secs), Some(2));
}

fn in_group(vrid: u8) -> RouterConfig {
    let vips = [vip(&format!("10.0.0.{}/24", 150 + vrid))].into();
    let key = key(vrid);
    RouterConfig { key, vips, group: Some("pair".into()), garp_refresh: None, ..config(100) }
}

/// Two MASTERs of one group, and one that goes its own way.
fn masters() -> Node {
    let alone = RouterConfig { group: None, ..in_group(52) };
    let mut node = Node::start(vec![in_group(50), in_group(51), alone]);
    node.run(ms(10_000));
    assert_eq!(states(&node), [Master; 3]);
    node
}

#[test]
fn a_group_steps_down_as_one_and_comes_back_as_one() {
    let mut node = masters();
    step_down(&mut node);
    assert_eq!(states(&node), [Leaving, Leaving, Master]);
    for address in ["10.0.0.200", "10.0.0.201"] {
        node.hear_claim(address, SUCCESSOR);
    }
    assert_eq!(states(&node), [Initialize, Initialize, Master]);
    node.run(ms(3_000) + WAIT + ms(4_000));
    assert_eq!(states(&node), [Master, Master, Master], "whoever followed has gone");
}

#[test]
fn a_group_that_nobody_follows_serves_on_as_one() {
    for is_one_refused in [false, true] {
        let mut node = masters();
        let position = node.log.len();
        if is_one_refused {
            // Whose zero isn't out gives up sooner.
            node.send_error = Some(SendError::NoBuffers);
            let until = node.now + MINUTE;
            let wish = Command::SetDuty(vec![key(51)], Duty::SteppedDown { until });
            node.inbox.commands.push_back(wish);
            node.turns();
            node.send_error = None;
        } else {
            step_down(&mut node);
        }
        node.run(WAIT * 2 + ms(2));
        assert_eq!(states(&node), [Master; 3]);
        node.run(MINUTE);
        assert_eq!(states(&node), [Master; 3]);
        assert!(!node.words_since(position).contains(&"remove".to_owned()));
    }
}

#[test]
fn one_of_a_group_that_gives_up_first_takes_the_other_along() {
    let mut node = masters();
    let slow = RouterConfig { interval: centis(300), ..in_group(51) };
    let position = node.log.len();
    step_down(&mut node);
    // Only the first has another zero to lose: its handover is over while the other's runs.
    let alone = RouterConfig { group: None, ..in_group(52) };
    node.command(Command::Reload(vec![in_group(50), slow, alone]));
    node.run(ms(1_000));
    node.send_error = Some(SendError::NoBuffers);
    node.run(WAIT - ms(1_000) + ms(1));
    node.send_error = None;
    node.run(WAIT);
    node.run(ms(10_000));
    assert_eq!(states(&node), [Master; 3]);
    assert!(!node.words_since(position).contains(&"remove".to_owned()));
}
