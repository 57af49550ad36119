//! The DCS is gone, and no failsafe mode keeps the primary.

use super::super::*;
use super::script::{Rules, healthy, lab, own, started};
use crate::time::{Duration, Instant};

/// A DCS that has been gone for long enough that a `/cluster` has hung.
fn without_dcs() -> Rules {
    let mut lab = started();
    (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::TimedOut));
    lab.pass(15_000);
    assert_eq!(lab.confirmed(), Some("n1"));
    lab
}

#[test]
pub(super) fn a_demotion_is_told_at_once_though_it_makes_the_nodes_own_answer_hang() {
    // Nothing but its own word tells of it: a node may show its cluster out of its memory.
    let worlds: [fn() -> Rules; 2] = [started, without_dcs];
    for (phase, world) in (0..20).flat_map(|phase| worlds.map(|world| (phase, world))) {
        let mut lab = world();
        lab.pass(phase * 25);
        lab.node(1).own = Err(AskFailure::TimedOut);
        lab.node(1).health = Some(Ok(own(1, "demoted", "starting", 5, "")));
        let demoted = lab.now;
        lab.run(demoted + Duration::from_millis(600), |_| {});
        assert!(matches!(lab.primary(), Primary::None(NoneWhy::GaveUp(..))), "phase {phase}");
    }
}

#[test]
fn who_has_no_health_to_tell_is_asked_for_it_once_a_minute_and_keeps_its_role() {
    for failure in [AskFailure::Status(404), AskFailure::Other("not HTTP".to_owned())] {
        let mut lab = lab(healthy());
        lab.node(1).health = Some(Err(failure));
        lab.pass(6_000);
        (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::TimedOut));
        let told = lab.events.len();
        let end: Instant = lab.now + Duration::from_secs(60);
        lab.run(end, |lab| assert_eq!(lab.confirmed(), Some("n1")));
        assert_eq!(lab.asked_for(AskPath::Health, 1, 0).len(), 2);
        assert!(lab.asked_for(AskPath::Patroni, 1, 0).len() > 100);
        let failed =
            |event: &&(Instant, Event)| matches!(event.1.kind, EventKind::EndpointFailed(_));
        assert_eq!(lab.events[told..].iter().filter(failed).count(), 0);
    }
}

/// An error page of something before it, once, is no reason to ask the path that hangs ever after.
#[test]
fn who_has_health_to_tell_again_is_asked_for_it_within_a_minute() {
    let mut lab = lab(healthy());
    lab.node(1).health = Some(Err(AskFailure::Status(503)));
    lab.pass(6_000);
    lab.node(1).health = None;
    lab.pass(60_000);
    let from = lab.asked.len();
    lab.pass(10_000);
    assert!(lab.asked_for(AskPath::Health, 1, from).len() >= 19);
}

#[test]
fn health_is_asked_of_the_named_primary_alone() {
    let mut lab = started();
    let from = lab.asked.len();
    lab.pass(10_000);
    assert!(lab.asked_for(AskPath::Health, 1, from).len() >= 19);
    assert_eq!(lab.asked_for(AskPath::Patroni, 1, from).len(), 0);
    let of_others = [2, 3].map(|index| lab.asked_for(AskPath::Health, index, from).len());
    assert_eq!(of_others, [0, 0]);
}
