//! Another program in place of this one: what is told before, and what it begins with.

use super::node::*;
use crate::io::{Address, Command, Completion, GuardNote, Output, SendError, Will};
use crate::supervisor::Supervisor;
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Leaving, Master};
use crate::vrrp::{Bequest, HEIR_WITHIN, Inheritance, RouterConfig, heir_until};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A guarded MASTER with such an interval.
fn guarded_master(hundredths: u16) -> Node {
    let config = RouterConfig {
        interval: centis(hundredths),
        version: crate::vrrp::Version::V3,
        garp_refresh: None,
        ..config(100)
    };
    let supervisor = Supervisor::new(vec![config]).guarded();
    let mut node = Node::of(supervisor, vec![link(true)], vec![address(OWN, 24)]);
    node.turns();
    node.run(ms(20_000));
    assert_eq!(node.state(), Master);
    node
}

/// What the guard knows.
fn estate(node: &Node) -> Vec<Inheritance> {
    let mut will = Will::default();
    for (_, output) in &node.log {
        if let Output::Guard(note) = output {
            will.note(note.clone());
        }
    }
    will.estate()
}

#[test]
fn one_that_stands_still_leaves_two_whole_intervals_however_long_ago_its_last_advert_was() {
    for (hundredths, waits) in [(100, ms(1_000)), (10, ms(150)), (5, ms(50)), (1, ms(10))] {
        let mut node = guarded_master(hundredths);
        let interval = node.router().config().interval.duration();
        let next_at = node.supervisor.poll_timeout();
        // Too soon after a note for another, by itself; and right before the next advert.
        for before in [interval * 7 / 8, Duration::from_nanos(1)] {
            node.now = next_at.before(before);
            let sent = node.sent_since(Instant::ZERO).len();
            assert!(estate(&node)[0].until < node.now + interval * 2);
            node.supervisor.stand_still();
            node.turns();
            let estate = estate(&node);
            assert_eq!(estate[0].until, node.now + interval * 2, "{hundredths}");
            assert_eq!(node.sent_since(Instant::ZERO).len(), sent, "nothing was due");
            assert_eq!(heir_until(&estate, node.now + HEIR_WITHIN), node.now + waits);
        }
    }
}

#[test]
fn what_was_due_is_sent_before_it_stands_still() {
    let mut node = guarded_master(10);
    let due_at = node.supervisor.poll_timeout();
    node.now = due_at + ms(30);
    let from = node.log.len();
    node.supervisor.stand_still();
    node.turns();
    let is_advert = |o: &Output| matches!(o, Output::SendAdvert(_));
    let is_alive = |o: &Output| matches!(o, Output::Guard(GuardNote::Alive(_)));
    let place = |is_it: fn(&Output) -> bool| {
        node.log.iter().skip(from).position(|(_, output)| is_it(output))
    };
    assert!(place(is_advert).is_some() && place(is_advert) < place(is_alive));
    assert_eq!(estate(&node)[0].until, node.now + ms(200));
}

#[test]
fn one_that_stands_still_makes_up_for_what_its_guard_has_missed() {
    let mut node = guarded_master(10);
    node.inbox.completions.push_back(Completion::GuardMissed);
    node.turns();
    let from = node.log.len();
    node.supervisor.stand_still();
    node.turns();
    let anew = |(_, output): &(Instant, Output)| *output == Output::Guard(GuardNote::Anew);
    assert!(node.log.iter().skip(from).any(anew));
    assert_eq!(estate(&node)[0].until, node.now + ms(200));
}

#[test]
fn one_that_cannot_send_leaves_nothing_by_standing_still() {
    let mut node = guarded_master(10);
    node.send_error = Some(SendError::Down);
    node.run(ms(100));
    node.supervisor.stand_still();
    node.turns();
    assert_eq!(estate(&node), []);
}

/// A process that has been asked to stop before its first turn, and that inherits a VIP of which it
/// knows nothing yet.
fn stopped_heir(config: RouterConfig, running: bool, until: Duration) -> Node {
    let now = Instant::from_millis(1_000_000);
    let bequest = Bequest { config: config.clone(), weight: 0 };
    let supervisor =
        Supervisor::new(vec![config]).inheriting(&[Inheritance { bequest, until: now + until }]);
    let left = Address { ours: true, secondary: true, valid_secs: Some(2), ..address(VIP, 24) };
    let mut node = Node::of(supervisor, vec![link(running)], vec![address(OWN, 24), left]);
    node.command(Command::Shutdown);
    node
}

#[test]
fn an_heir_that_is_asked_to_stop_as_it_begins_hands_over_what_it_inherits() {
    let mut demoted = config(100);
    demoted.hooks.pre_demote = Some(["down".to_owned()].into());
    let mut node = stopped_heir(demoted, true, ms(2_000));
    assert_eq!(node.state(), Leaving);
    assert!(node.words_since(0).contains(&"advert 0".to_owned()));
    node.run(ms(600));
    node.hear(&advert(LOW, 50));
    assert!(node.vip().is_some(), "nobody has announced it");
    node.hear_claim(VIP, crate::io::MacAddress([2, 0, 0, 0, 0, 9]));
    assert!(node.vip().is_none() && !node.supervisor.is_finished());
    let id = node.hooks[0].id;
    node.end_hook(id, Ok(()));
    assert!(node.supervisor.is_finished());
}

#[test]
fn it_lets_go_when_it_is_asked_twice_or_finds_no_link_in_time() {
    let mut node = stopped_heir(config(100), false, ms(80_000));
    node.run(ms(999));
    assert!(node.vip().is_some());
    node.run(ms(2));
    assert!(node.vip().is_none() && node.supervisor.is_finished());
    let mut node = stopped_heir(config(100), false, ms(500));
    node.run(ms(501));
    assert!(node.vip().is_none() && node.supervisor.is_finished());
    for running in [true, false] {
        let mut node = stopped_heir(config(100), running, ms(2_000));
        node.command(Command::Shutdown);
        assert!(node.vip().is_none() && node.supervisor.is_finished());
    }
}

#[test]
fn one_whose_inheritance_is_void_hands_over_nothing() {
    let node = stopped_heir(config(100), true, ms(0));
    assert_eq!(node.words_since(0), ["remove"]);
    assert!(node.supervisor.is_finished());
}
