//! A primary that goes on though a `/cluster` doesn't give it the key any more.

use super::super::*;
use super::script::{FAILSAFE, Rules, healthy, lab, paused, primary, replica, started, view, with};
use crate::time::Duration;

/// The views say so, and it is seen; the primary goes on with that it is one.
fn lost(view: &str) -> Rules {
    let mut lab = started();
    lab.views(view);
    lab.wait(11_000, |lab| lab.primary().named().is_none());
    lab
}

/// Milliseconds until the first node is confirmed again, if it is within 15 s.
fn back_after(lab: &mut Rules) -> Option<u128> {
    let (from, mut back) = (lab.now, None);
    lab.run(from + Duration::from_secs(15), |lab| {
        if lab.confirmed() == Some("n1") {
            back.get_or_insert(lab.now.since(from).as_millis());
        }
    });
    back
}

/// It is believed again when it has insisted for five seconds.
fn insists(lab: &mut Rules, why: &str) {
    let back = back_after(lab);
    assert!(back.is_some_and(|millis| (4_800..6_500).contains(&millis)), "{why}: {back:?}");
}

fn nobody_is_named_for(lab: &mut Rules, secs: u64) {
    let end = lab.now + Duration::from_secs(secs);
    lab.run(end, |lab| assert!(lab.primary().named().is_none(), "{}", lab.primary()));
}

#[test]
fn one_that_insists_is_believed_after_five_seconds_and_then_for_good() {
    let cut_off = view(2, 4);
    for (why, views) in [
        ("nobody has the key", view(0, 5)),
        ("by one that is cut off it is another's, on an old timeline", cut_off),
    ] {
        let mut lab = lost(&views);
        insists(&mut lab, why);
        let end = lab.now + Duration::from_secs(60);
        lab.run(end, |lab| assert_eq!(lab.confirmed(), Some("n1"), "{why}: {}", lab.primary()));
    }
}

#[test]
fn one_that_insists_is_not_believed_while_the_key_is_anothers() {
    let mut lab = lost(&view(2, 5));
    nobody_is_named_for(&mut lab, 60);
    // One of them is cut off, and knows of no key; what the other says counts nonetheless.
    lab.node(2).view = Ok(view(0, 5));
    nobody_is_named_for(&mut lab, 60);
}

#[test]
fn what_a_silent_node_said_of_the_key_counts_for_a_while() {
    let mut lab = lost(&view(2, 5));
    for index in 1..=3 {
        lab.node(index).view = Err(AskFailure::Closed);
    }
    nobody_is_named_for(&mut lab, 10);
    lab.wait(7_000, |lab| lab.confirmed() == Some("n1"));
}

#[test]
fn one_that_was_believed_is_not_any_more_once_the_key_is_anothers() {
    let mut lab = lost(&view(0, 5));
    assert!(back_after(&mut lab).is_some());
    lab.views(&view(2, 5));
    lab.wait(11_000, |lab| matches!(lab.primary(), Primary::None(NoneWhy::KeyMoved(_))));
    nobody_is_named_for(&mut lab, 10);
}

#[test]
fn one_that_gave_up_must_insist_again() {
    let mut lab = lost(&view(0, 5));
    assert!(back_after(&mut lab).is_some());
    lab.node(1).own = Ok(replica(1, 5));
    lab.wait(2_000, |lab| lab.primary().named().is_none());
    lab.node(1).own = Ok(primary(1, 5));
    insists(&mut lab, "again");
}

#[test]
fn once_all_give_it_the_key_again_it_is_believed_at_once() {
    for views in [view(0, 5), view(2, 5)] {
        let mut lab = lost(&views);
        lab.views(&view(1, 5));
        assert!(back_after(&mut lab).is_some_and(|millis| millis < 1_500), "{views}");
    }
}

#[test]
fn who_said_that_the_key_is_lost_must_take_it_back() {
    let mut lab = started();
    lab.node(2).view = Ok(view(0, 5));
    lab.wait(11_000, |lab| matches!(lab.primary(), Primary::None(NoneWhy::KeyGone)));
    lab.node(2).view = Err(AskFailure::Closed);
    insists(&mut lab, "again");
}

#[test]
fn a_failsafe_mode_or_a_pause_excuses_that_the_key_is_gone_but_not_that_it_is_anothers() {
    let failsafe = |lab: &mut Rules, _: &str| {
        lab.node(1).own = Ok(with(&primary(1, 5), FAILSAFE));
    };
    let pause = |lab: &mut Rules, views: &str| {
        lab.views(&paused(views));
        lab.node(1).own = Ok(paused(&primary(1, 5)));
    };
    let excuses: [fn(&mut Rules, &str); 2] = [failsafe, pause];
    for (index, excuse) in excuses.iter().enumerate() {
        for (views, excused) in [(view(0, 5), true), (view(2, 5), false)] {
            let mut lab = lost(&views);
            excuse(&mut lab, &views);
            lab.pass(2_000);
            assert_eq!(lab.confirmed().is_some(), excused, "{index}: {}", lab.primary());
        }
    }
}

#[test]
fn a_first_claim_against_all_views_is_not_believed_however_often_they_repeat_themselves() {
    let mut script = healthy();
    script.0.values_mut().for_each(|node| node.view = Ok(view(2, 5)));
    let mut lab = lab(script);
    lab.fails(1, &AskFailure::Refused);
    lab.pass(5_000);
    lab.node(1).own = Ok(primary(1, 5));
    nobody_is_named_for(&mut lab, 20);
    assert!(matches!(lab.primary(), Primary::None(NoneWhy::KeyMoved(_))), "{}", lab.primary());
}
