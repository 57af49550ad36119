//! What holds whatever is answered.

#![allow(clippy::wildcard_enum_match_arm, reason = "a check looks at the events that it is about")]

use proptest::prelude::*;

use super::super::*;
use super::lab::{Answer, Lab, World, at, shard};
use crate::time::{Duration, Instant};

/// A world whose answers are drawn from bytes.
#[derive(Debug)]
struct Dice {
    bytes: Vec<u8>,
    next: usize,
}

impl Dice {
    fn roll(&mut self, sides: u8) -> u8 {
        let byte = self.bytes.get(self.next % self.bytes.len().max(1)).copied().unwrap_or_default();
        self.next += 1;
        // The bytes come round again, and must not say the same again.
        let turn = u8::try_from(self.next / self.bytes.len().max(1) % 251).unwrap_or_default();
        byte.wrapping_add(turn.wrapping_mul(37)) % sides
    }

    fn body(&mut self, host: &str) -> String {
        let roles =
            ["primary", "primary", "replica", "replica", "demoted", "king", "standby_leader"];
        let states = ["running", "running", "running", "running", "stopping", "unknown", "odd"];
        let role = roles[usize::from(self.roll(7))];
        let state = states[usize::from(self.roll(7))];
        let timeline = self.roll(5);
        let system = if self.roll(40) == 0 { 78 } else { 77 };
        let flags = ["", r#""pause": true,"#, r#""cluster_unlocked": true,"#, ""];
        let flags = flags[usize::from(self.roll(4))];
        format!(
            r#"{{"role": "{role}", "state": "{state}", "timeline": {timeline}, {flags}
                "database_system_identifier": "{system}", "patroni": {{"name": "{host}"}}}}"#
        )
    }

    fn view(&mut self) -> String {
        let leader = self.roll(5);
        let timeline = self.roll(5);
        let member = |index: u8| {
            let role = if index == leader { "leader" } else { "replica" };
            format!(
                r#"{{"name": "10.0.0.{index}", "role": "{role}", "state": "running",
                    "host": "10.0.0.{index}", "port": 5432, "timeline": {timeline}}}"#
            )
        };
        let members: Vec<_> = (1..=4).map(member).collect();
        format!(r#"{{"members": [{}]}}"#, members.join(","))
    }
}

impl World for Dice {
    fn answer(&mut self, _: Instant, endpoint: &EndpointKey, path: AskPath) -> Answer {
        let delay = match self.roll(8) {
            0 => Duration::from_secs(60),
            1 => Duration::from_millis(900),
            n => Duration::from_millis(u64::from(n)),
        };
        let answer = match self.roll(10) {
            0 => Err(AskFailure::Refused),
            1 => Ok("<html>".to_owned()),
            _ => Ok(match path {
                AskPath::Patroni | AskPath::Health => self.body(endpoint.address.host.as_str()),
                AskPath::Cluster => self.view(),
            }),
        };
        (delay, answer)
    }

    fn probe(&mut self, _: Instant, _: &Address) -> (Duration, Result<(), ProbeFailure>) {
        let open = self.roll(3) > 0;
        (Duration::from_millis(1), if open { Ok(()) } else { Err(ProbeFailure::Refused) })
    }
}

/// A naive record of what has been claimed.
#[derive(Debug, Default)]
struct Reference {
    /// The highest claim so far, by anybody, that counts.
    fence: Option<Timeline>,
    events: usize,
}

fn claim(answer: &NodeAnswer) -> Option<Timeline> {
    let ours = answer.system == Some(SystemIdentifier(77));
    (answer.is_running_primary() && ours).then_some(answer.timeline)?
}

impl Reference {
    fn check(&mut self, lab: &Lab<Dice>) {
        for (when, event) in &lab.events[self.events..] {
            match &event.kind {
                EventKind::TimelineRegressed { from, to, why } => {
                    assert!(from > to);
                    assert!(Self::is_lawful(lab, *when, *from, *why), "{event}");
                    self.fence = Some(*to);
                }
                EventKind::SystemChanged { .. } => self.fence = None,
                _ => {}
            }
        }
        self.events = lab.events.len();
        let Some(named) = lab.primary().confirmed() else { return };
        let timeline = named.evidence.timeline.expect("no claim without a timeline");
        if lab.topology().system == Some(SystemIdentifier(77)) {
            assert!(
                self.fence.is_none_or(|fence| timeline >= fence),
                "{named} below {:?}",
                self.fence
            );
            self.fence = self.fence.max(Some(timeline));
        }
        assert!(lab.now.since(named.evidence.at) <= Duration::from_secs(3), "old evidence");
    }

    /// Whether one of the conditions holds by which a fence may be lifted.
    fn is_lawful(lab: &Lab<Dice>, when: Instant, from: Timeline, why: RegressWhy) -> bool {
        lab.delivered.values().any(|(sent, answer)| match why {
            RegressWhy::HolderIsLower => answer.timeline.is_some_and(|timeline| timeline < from),
            RegressWhy::HolderFollows => answer.role == Some(Role::Replica),
            RegressWhy::HolderSilent => when.since(*sent) >= Duration::from_secs(60),
            RegressWhy::Forgotten => false,
        })
    }
}

/// Two fresh claims on the same timeline, and none above it that may count still.
fn two_claim_alike(lab: &Lab<Dice>) -> bool {
    let claims = |secs: u64| -> Vec<Timeline> {
        let fresh = lab
            .delivered
            .values()
            .filter(|(sent, _)| lab.now.since(*sent) < Duration::from_secs(secs));
        fresh.filter_map(|(_, answer)| claim(answer)).collect()
    };
    let highest = claims(4).into_iter().max();
    claims(1).into_iter().filter(|timeline| Some(*timeline) == highest).count() > 1
}

fn play(bytes: Vec<u8>, secs: u64) -> Lab<Dice> {
    let hosts = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
    let mut lab = Lab::new(Dice { bytes, next: 0 }, &[shard(&hosts)], at(0));
    let mut reference = Reference::default();
    lab.run(at(0) + Duration::from_secs(secs), |lab| {
        reference.check(lab);
        if lab.topology().system == Some(SystemIdentifier(77)) && two_claim_alike(lab) {
            assert!(lab.primary().confirmed().is_none(), "one of two equals is confirmed");
        }
    });
    lab.assert_budget(Instant::ZERO, 8);
    lab
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_answered_no_lower_timeline_is_confirmed_and_the_budget_holds(
        bytes in prop::collection::vec(any::<u8>(), 1..400)
    ) {
        play(bytes, 120);
    }

    #[test]
    fn the_same_answers_give_the_same_outputs(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        let (one, other) = (play(bytes.clone(), 30), play(bytes, 30));
        prop_assert_eq!(one.asked, other.asked);
        prop_assert_eq!(one.events, other.events);
    }

    #[test]
    fn a_late_answer_of_any_kind_changes_nothing(
        bytes in prop::collection::vec(any::<u8>(), 1..200),
        body in "[ -~]{0,80}",
    ) {
        let mut lab = play(bytes, 20);
        let before = format!("{:?}", lab.topology());
        let ticket = lab.last_ticket.expect("something was answered");
        lab.discovery.handle_answer(ticket, lab.now, Ok(body.as_bytes()));
        prop_assert_eq!(format!("{:?}", lab.topology()), before);
        prop_assert!(lab.discovery.poll_output().is_none());
    }
}
