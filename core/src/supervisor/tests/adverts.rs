//! What each advert does to the timers of whoever hears it.

use super::node::*;
use crate::event::{EventKind, Reason};
use crate::io::{AddressError, CheckId, Command, Completion, Generation, HookId, Output, RouterId};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Backup, Master};
use crate::vrrp::{IntervalMismatch, Preempt, RouterConfig, Version};

/// Of priority 100 at one second: the skew time, and the master-down interval.
const SKEW: Duration = Duration::from_nanos(609_375_000);
const DOWN: Duration = Duration::from_nanos(3_609_375_000);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn v3(interval: u16) -> RouterConfig {
    RouterConfig { version: Version::V3, interval: centis(interval), ..config(100) }
}

fn due(node: &Node) -> Duration {
    node.supervisor.poll_timeout().since(node.now)
}

fn count(node: &Node, is_this: impl Fn(&EventKind) -> bool) -> usize {
    node.events().into_iter().filter(|kind| is_this(kind)).count()
}

fn reasons(node: &Node) -> Vec<Reason> {
    let reasons = node.events().into_iter().filter_map(|kind| match kind {
        EventKind::StateChanged { to: Master, reason, .. } => Some(reason.clone()),
        _ => None,
    });
    reasons.collect()
}

#[test]
fn a_priority_as_good_as_ours_is_followed_and_a_lesser_one_is_not() {
    for (number, restarts) in [(99, false), (100, true), (101, true), (255, true)] {
        let mut node = Node::start(vec![config(100)]);
        node.run(ms(1_000));
        node.hear(&advert(LOW, number));
        let expected = if restarts { DOWN } else { DOWN - ms(1_000) };
        assert_eq!(due(&node), expected, "priority {number}");
        assert_eq!(node.router().master(), Some(ip(LOW)), "heard it was");
    }
}

#[test]
fn a_release_by_the_master_last_heard_leaves_the_skew_time() {
    let mut node = Node::start(vec![config(100)]);
    node.hear(&advert(HIGH, 200));
    node.run(ms(500));
    node.hear(&advert(HIGH, 0));
    assert_eq!(due(&node), SKEW);
    node.run(SKEW);
    assert_eq!(reasons(&node), [Reason::MasterReleased]);
    assert_eq!(node.router().counters().zeros_ignored, 0);
}

#[test]
fn a_release_is_taken_back_by_the_next_advert() {
    let mut node = Node::start(vec![config(100)]);
    for number in [200, 0, 200] {
        node.hear(&advert(HIGH, number));
    }
    assert_eq!(due(&node), DOWN);
    node.run(DOWN);
    assert_eq!(reasons(&node), [Reason::MasterDown]);
}

#[test]
fn a_release_that_comes_when_the_timer_is_nearly_over_puts_nothing_off() {
    // The timer has the skew time left, or less.
    for passed in [ms(3_000), ms(3_500)] {
        let mut node = Node::start(vec![config(100)]);
        node.hear(&advert(HIGH, 200));
        node.run(passed);
        node.hear(&advert(HIGH, 0));
        assert_eq!(due(&node), DOWN - passed);
        node.run(DOWN - passed);
        assert_eq!(reasons(&node), [Reason::MasterDown]);
    }
}

#[test]
fn a_release_heard_before_any_master_is_believed() {
    let mut node = Node::start(vec![config(100)]);
    node.hear(&advert(HIGH, 0));
    assert_eq!(due(&node), SKEW);
}

#[test]
fn a_reload_of_the_priority_does_not_take_a_release_back() {
    let mut node = Node::start(vec![config(100)]);
    node.hear(&advert(HIGH, 200));
    node.hear(&advert(HIGH, 0));
    node.command(Command::Reload(vec![config(90)]));
    assert_eq!(due(&node), SKEW);
}

#[test]
fn preempt_delay_counts_from_the_first_of_the_adverts_of_lesser_masters() {
    let delayed = RouterConfig { preempt: Preempt::After(ms(2_000)), ..config(100) };
    let mut node = Node::start(vec![delayed]);
    let mut dues = Vec::new();
    for number in [50, 50, 50, 100, 50, 50, 50] {
        node.hear(&advert(LOW, number));
        dues.push(due(&node));
        node.run(ms(1_000));
    }
    // After two seconds the timer runs on; an equal one begins a new count.
    let on = DOWN - ms(1_000);
    assert_eq!(dues, [DOWN, DOWN, on, DOWN, DOWN, DOWN, on]);
}

#[test]
fn a_long_interval_is_capped_and_told_of_once_and_then_believed() {
    let mut node = Node::start(vec![v3(10)]);
    let (source, interval) = (ip(HIGH), centis(200));
    let is = |wanted: bool| {
        move |kind: &EventKind| {
            *kind == EventKind::LongInterval { source, interval, believed: wanted }
        }
    };
    for _ in 0..5 {
        node.hear(&advert_v3(HIGH, 200, 200));
        node.run(ms(1));
    }
    assert_eq!((count(&node, is(false)), count(&node, is(true))), (1, 0));
    // Three times ten of our intervals, and the skew of that.
    assert_eq!(due(&node), ms(3_000) + SKEW - ms(1));
    node.run(ms(1_995));
    node.hear(&advert_v3(HIGH, 200, 200));
    assert_eq!((count(&node, is(false)), count(&node, is(true))), (1, 1));
    assert_eq!(due(&node), ms(6_000) + SKEW * 2);
    node.hear(&advert_v3(HIGH, 200, 200));
    assert_eq!(count(&node, |kind| matches!(kind, EventKind::LongInterval { .. })), 2);
}

#[test]
fn a_wrong_interval_of_a_better_router_holds_off_for_three_of_them_and_the_skew() {
    let other = Advert { interval: centis(300), ..advert(HIGH, 200) };
    let hold = ms(9_000) + SKEW;
    let mut node = Node::start(vec![config(100)]);
    node.hear(&other);
    assert_eq!(due(&node), hold);
    node.run(ms(1_000));
    // A zero of another takes nothing back, one of its own does.
    node.hear(&Advert { priority: 0, source: LOW, ..other.clone() });
    assert_eq!(due(&node), hold - ms(1_000));
    node.hear(&Advert { priority: 0, ..other.clone() });
    assert_eq!(due(&node), DOWN - ms(1_000));
    node.hear(&other);
    node.hear(&advert(HIGH, 0));
    assert_eq!(due(&node), SKEW, "a proper one, too");
}

#[test]
fn a_wrong_interval_of_a_lesser_router_or_to_the_letter_holds_nothing_off() {
    let other = |source, number| Advert { interval: centis(300), ..advert(source, number) };
    let letter = RouterConfig { interval_mismatch: IntervalMismatch::Discard, ..config(100) };
    let table = [
        (config(100), other(LOW, 100), false),
        (config(100), other(HIGH, 99), false),
        (config(100), other(HIGH, 100), true),
        (config(100), other(LOW, 101), true),
        (letter, other(HIGH, 200), false),
    ];
    for (config, advert, holds) in table {
        let mut node = Node::start(vec![config.clone()]);
        node.hear(&advert);
        assert_eq!(due(&node) > DOWN, holds, "{advert:?} as BACKUP");
        let mut master = Node::start(vec![config]);
        master.run(ms(10_000));
        let position = master.log.len();
        master.hear(&advert);
        assert_eq!(master.state() == Backup, holds, "{advert:?} as MASTER");
        let answered = !holds && !master.words_since(position).is_empty();
        assert!(!answered, "it is discarded: {advert:?}");
    }
}

#[test]
fn the_farewell_waits_for_the_vips_for_fifty_milliseconds() {
    let mut node = Node::start(vec![v3(100)]);
    node.run(ms(10_000));
    node.refuse.insert(ip(VIP), AddressError::Denied);
    let from = node.now;
    node.hear(&advert_v3(HIGH, 200, 300));
    node.run(ms(200));
    let farewell = (from + ms(50), 100, centis(300));
    assert_eq!(node.sent_since(from), [farewell], "once, with the winner's interval");
}

#[test]
fn a_farewell_of_version_2_has_the_only_interval_there_is() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    let from = node.now;
    node.hear(&Advert { interval: centis(300), ..advert(HIGH, 200) });
    assert_eq!(node.sent_since(from), [(from, 100, centis(100))]);
}

#[test]
fn an_advert_read_late_counts_from_its_arrival_while_that_is_not_past() {
    let mut node = Node::start(vec![config(100)]);
    let arrived = node.now;
    for (late, expected) in [(ms(3_000), DOWN - ms(3_000)), (DOWN, ms(1_000) + SKEW)] {
        let mut node = Node::start(vec![config(100)]);
        node.now = arrived + late;
        let socket = node.sockets[0];
        node.inbox.packets.push_back((socket, arrived, advert(HIGH, 200).packet()));
        node.turns();
        assert_eq!(due(&node), expected, "{late:?} late");
    }
    node.inbox.packets.push_back((
        node.sockets[0],
        arrived + ms(9_000),
        advert(HIGH, 200).packet(),
    ));
    node.turns();
    assert_eq!(due(&node), DOWN, "never from later than now");
}

#[test]
fn under_a_flood_each_turn_reads_what_had_come_before_it_and_one_more() {
    let mut node = Node::start(vec![config(100)]);
    let socket = node.sockets[0];
    for after in [0, 0, 1, 2, 3] {
        let packet = advert(HIGH, 200).packet();
        node.inbox.packets.push_back((socket, node.now + ms(after), packet));
    }
    let mut heard = Vec::new();
    for _ in 0..3 {
        node.supervisor.turn(node.now, &mut node.inbox);
        heard.push(node.router().counters().adverts_received);
    }
    assert_eq!(heard, [3, 4, 5]);
}

#[test]
fn however_late_a_master_wakes_up_it_sends_one_advert_and_keeps_its_grid() {
    let interval = ms(100);
    let unleased = RouterConfig { lease: false, garp_refresh: None, ..v3(10) };
    for late in [0, 1, 99, 100, 101, 200, 250, 1_000] {
        let mut node = Node::start(vec![unleased.clone()]);
        node.run(ms(10_000));
        let grid = node.supervisor.poll_timeout();
        node.now = grid + ms(late);
        let from = node.now;
        node.turns();
        assert_eq!(node.sent_since(from).len(), 1, "{late} ms late");
        let next = node.supervisor.poll_timeout();
        assert!(next > from && next.since(from) <= interval, "{late} ms late");
        assert_eq!(next.since(grid).as_millis() % 100, 0, "{late} ms late");
    }
}

#[test]
fn each_lesser_master_is_answered_in_the_turn_in_which_it_is_heard() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    let mut words = Vec::new();
    for source in [LOW, "10.0.0.2", "10.0.0.3", "10.0.0.3", "10.0.0.3"] {
        let position = node.log.len();
        node.hear(&advert(source, 50));
        words.push(node.words_since(position).join(" "));
    }
    let both = "advert 100 announce";
    assert_eq!(words, [both, both, "advert 100", "advert 100", ""]);
    let position = node.log.len();
    for source in [LOW, LOW, "10.0.0.4", "10.0.0.5"] {
        let socket = node.sockets[0];
        node.inbox.packets.push_back((socket, node.now, advert(source, 50).packet()));
    }
    node.turns();
    assert_eq!(node.words_since(position), ["advert 100"], "one for all of a turn");
}

#[test]
fn two_masters_are_told_of_once_until_there_is_one_again() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    let dual = |node: &Node| {
        let begun = count(node, |kind| matches!(kind, EventKind::DualMaster(_)));
        (begun, count(node, |kind| *kind == EventKind::DualMasterEnded))
    };
    for seen in [(1, 1), (2, 2)] {
        for _ in 0..10 {
            node.hear(&advert(LOW, 50));
            node.hear(&advert("10.0.0.2", 50));
            node.run(ms(1_000));
            assert!(dual(&node).1 < seen.1, "it goes on");
        }
        node.run(ms(5_000));
        assert_eq!(dual(&node), seen);
    }
    node.hear(&advert(LOW, 50));
    node.run(ms(5_000));
    assert_eq!(dual(&node), (2, 2), "one advert is no other MASTER");
}

#[test]
fn promotions_and_adverts_are_counted() {
    let mut node = Node::start(vec![config(100)]);
    for promotions in 1..=3 {
        node.run(ms(5_000));
        assert_eq!(node.state(), Master);
        node.hear(&advert(HIGH, 200));
        let counters = *node.router().counters();
        assert_eq!((counters.promotions, counters.adverts_received), (promotions, promotions));
        let sent = node.sent_since(Instant::ZERO).len();
        assert_eq!(counters.adverts_sent, u64::try_from(sent).expect("few"));
    }
}

#[test]
fn a_lapsed_master_believes_in_no_master_and_waits_as_long_as_at_its_start() {
    let mut node = Node::start(vec![config(100)]);
    node.hear(&advert(HIGH, 200));
    node.run(ms(10_000));
    assert_eq!(node.state(), Master);
    node.freeze(ms(10_000));
    node.turns();
    assert_eq!((node.state(), node.router().master()), (Backup, None));
    assert_eq!(due(&node), DOWN);
    let lapsed = |kind: &EventKind| {
        matches!(kind, EventKind::StateChanged { reason: Reason::LeaseLapsed(late), .. }
            if *late > ms(7_000) && *late < ms(9_000))
    };
    assert_eq!(count(&node, lapsed), 1);
}

#[test]
fn results_for_a_router_that_is_gone_are_dropped() {
    let mut node = Node::start(vec![config(100)]);
    let unknown = RouterId(9);
    let generation = Generation(1);
    let before = (node.supervisor.poll_timeout(), node.log.len());
    let failed = Err("no".to_owned());
    for completion in [
        Completion::AdvertSent(unknown, generation, Ok(())),
        Completion::Address(unknown, generation, Ok(())),
        Completion::Hook(HookId(unknown, generation), failed.clone()),
        Completion::Check(CheckId(unknown, generation), failed),
    ] {
        node.inbox.completions.push_back(completion);
        node.turns();
    }
    assert_eq!((node.supervisor.poll_timeout(), node.log.len()), before);
    assert_eq!(node.router().counters().adverts_sent, 0);
    let sends = |(_, output): &&(Instant, Output)| matches!(output, Output::SendAdvert(_));
    assert_eq!(node.log.iter().filter(sends).count(), 0);
}
