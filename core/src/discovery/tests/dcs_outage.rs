//! The DCS is gone, and no failsafe mode keeps the primary.

use super::super::*;
use super::script::{NODES, Rules, own, started};
use crate::time::{Duration, Instant};

/// A DCS that has been gone for long enough that a `/cluster` has hung.
fn without_dcs() -> Rules {
    let mut lab = started();
    (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::TimedOut));
    lab.pass(15_000);
    assert_eq!(lab.confirmed(), Some("n1"));
    lab
}

fn asked_of_primary(lab: &Rules, from: usize, path: AskPath) -> usize {
    let asked = lab.asked[from..].iter();
    asked.filter(|(_, key, of)| key.address.host.as_str() == NODES[0] && *of == path).count()
}

#[test]
pub(super) fn a_demotion_is_told_at_once_though_it_makes_the_nodes_own_answer_hang() {
    for phase in 0..20 {
        let mut lab = without_dcs();
        lab.pass(phase * 25);
        lab.node(1).own = Err(AskFailure::TimedOut);
        lab.node(1).health = Some(Ok(own(1, "demoted", "starting", 5, "")));
        let demoted = lab.now;
        lab.run(demoted + Duration::from_millis(600), |_| {});
        assert!(matches!(lab.primary(), Primary::None(NoneWhy::GaveUp(..))), "phase {phase}");
    }
}

#[test]
fn who_has_no_health_to_tell_is_asked_for_it_once_and_keeps_its_role() {
    for failure in [AskFailure::Status(404), AskFailure::Other("not HTTP".to_owned())] {
        let mut lab = started();
        lab.node(1).health = Some(Err(failure));
        (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::TimedOut));
        let (from, told) = (lab.asked.len(), lab.events.len());
        let end: Instant = lab.now + Duration::from_secs(60);
        lab.run(end, |lab| assert_eq!(lab.confirmed(), Some("n1")));
        assert_eq!(asked_of_primary(&lab, from, AskPath::Health), 1);
        assert!(asked_of_primary(&lab, from, AskPath::Patroni) > 100);
        let failed =
            |event: &&(Instant, Event)| matches!(event.1.kind, EventKind::EndpointFailed(_));
        assert_eq!(lab.events[told..].iter().filter(failed).count(), 0);
    }
}

#[test]
fn health_is_asked_for_only_while_the_dcs_seems_to_be_gone() {
    let mut lab = started();
    assert_eq!(asked_of_primary(&lab, 0, AskPath::Health), 0);
    let (from, back) = (lab.asked.len(), lab.node(1).view.clone());
    (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::TimedOut));
    lab.pass(30_000);
    assert!(asked_of_primary(&lab, from, AskPath::Health) > 40);
    (1..=3).for_each(|index| lab.node(index).view = back.clone());
    lab.pass(30_000);
    let from = lab.asked.len();
    lab.pass(30_000);
    assert_eq!(asked_of_primary(&lab, from, AskPath::Health), 0);
}

#[test]
fn health_is_asked_for_once_the_primary_has_not_heard_from_its_dcs_for_longer_than_it_should() {
    let heard =
        |secs: u64| Ok(own(1, "primary", "running", 5, &format!("\"dcs_last_seen\": {secs},")));
    let mut lab = started();
    // Its clock is its own.
    for loops in 0..4 {
        lab.node(1).own = heard(1_795_524_856 + 10 * loops);
        let from = lab.asked.len();
        lab.pass(10_000);
        assert_eq!(asked_of_primary(&lab, from, AskPath::Health), 0);
    }
    let from = lab.asked.len();
    lab.pass(300);
    assert_eq!(asked_of_primary(&lab, from, AskPath::Health), 0);
    // What it heard while it was being lost is told five seconds late, and is old by then.
    lab.pass(4_700);
    lab.node(1).own = heard(1_795_524_856 + 31);
    let from = lab.asked.len();
    lab.pass(5_000);
    assert!(asked_of_primary(&lab, from, AskPath::Health) >= 9);
    lab.node(1).own = heard(1_795_524_856 + 50);
    lab.pass(1_000);
    let from = lab.asked.len();
    lab.pass(8_000);
    assert_eq!(asked_of_primary(&lab, from, AskPath::Health), 0);
}
