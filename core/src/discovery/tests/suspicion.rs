//! What speaks against a primary that is confirmed, and for how long.

use super::super::cluster::get;
use super::super::endpoint::Endpoint;
use super::super::*;
use super::script::{FAILSAFE, Rules, UNLOCKED, paused, primary, replica, started, view, with};
use crate::time::{Duration, Instant};

/// What anybody but the primary says counts for so long.
const COUNTS_FOR: Duration = Duration::from_secs(16);
const A_MOMENT: Duration = Duration::from_nanos(1);

/// Whether anything speaks against the primary, by what is known now.
fn is_suspect(lab: &Rules) -> bool {
    is_suspect_at(lab, lab.now)
}

/// Likewise, if nothing more is heard until then.
fn is_suspect_at(lab: &Rules, now: Instant) -> bool {
    assert!(lab.confirmed().is_some(), "{}", lab.primary());
    lab.first_cluster().is_suspect(&lab.discovery.endpoints, now, lab.primary())
}

fn endpoint(lab: &Rules, node: usize) -> &Endpoint {
    let seat = &lab.first_cluster().seats[node - 1];
    get(&lab.discovery.endpoints, seat.endpoint).expect("it is asked")
}

/// The third node alone shows this view from now on; runs until it has been asked for it.
fn third_sees(lab: &mut Rules, view: &str) {
    lab.node(3).view = Ok(view.to_owned());
    let from = lab.now;
    lab.wait(30_000, |lab| endpoint(lab, 3).view.as_ref().is_some_and(|view| view.sent >= from));
}

#[test]
fn a_replica_arouses_suspicion_by_a_higher_timeline_or_by_knowing_no_leader() {
    let unlocked = with(&replica(3, 5), UNLOCKED);
    for (word, suspect) in [
        (replica(3, 5), false),
        (replica(3, 4), false),
        (replica(3, 6), true),
        (unlocked.clone(), true),
        (with(&unlocked, FAILSAFE), false),
        (paused(&unlocked), false),
    ] {
        let mut lab = started();
        assert!(!is_suspect(&lab));
        lab.node(3).own = Ok(word.clone());
        lab.pass(1_000);
        assert_eq!(is_suspect(&lab), suspect, "{word}");
        assert_eq!(lab.first_cluster().haste, suspect, "{word}");
    }
}

#[test]
fn what_a_replica_said_of_itself_arouses_suspicion_for_sixteen_seconds() {
    for word in [replica(3, 6), with(&replica(3, 5), UNLOCKED)] {
        let mut lab = started();
        lab.node(3).own = Ok(word.clone());
        lab.pass(1_000);
        let said = endpoint(&lab, 3).report.as_ref().expect("a word").sent;
        assert!(is_suspect_at(&lab, (said + COUNTS_FOR).before(A_MOMENT)), "{word}");
        assert!(!is_suspect_at(&lab, said + COUNTS_FOR), "{word}");
    }
}

#[test]
fn a_view_arouses_suspicion_by_a_higher_timeline_or_by_a_leader_that_leaves() {
    for (seen, suspect) in [
        (view(1, 5), false),
        (view(1, 4), false),
        (view(1, 6), true),
        // A leader that is leaving shows no timeline.
        (view(1, 0), true),
        (paused(&view(1, 6)), false),
        (paused(&view(1, 0)), false),
    ] {
        let mut lab = started();
        third_sees(&mut lab, &seen);
        assert_eq!(is_suspect(&lab), suspect, "{seen}");
        assert_eq!(lab.first_cluster().haste, suspect, "{seen}");
    }
}

#[test]
fn what_a_view_showed_arouses_suspicion_for_sixteen_seconds() {
    let mut lab = started();
    third_sees(&mut lab, &view(1, 6));
    let seen = endpoint(&lab, 3).view.as_ref().expect("a view").sent;
    assert!(is_suspect_at(&lab, (seen + COUNTS_FOR).before(A_MOMENT)));
    assert!(!is_suspect_at(&lab, seen + COUNTS_FOR));
}

#[test]
fn one_that_is_believed_without_its_key_stays_suspect_and_in_pause_only_if_it_is_anothers() {
    let anothers = view(2, 4);
    for (seen, suspect) in [
        (view(0, 5), true),
        (anothers.clone(), true),
        (paused(&anothers), true),
        (paused(&view(0, 5)), false),
    ] {
        let mut lab = started();
        lab.views(&seen);
        // Insisting takes five seconds, once the first view has come.
        lab.pass(20_000);
        assert_eq!(lab.confirmed(), Some("n1"), "{seen}: {}", lab.primary());
        assert_eq!(is_suspect(&lab), suspect, "{seen}");
    }
}

#[test]
fn one_that_is_cut_off_arouses_no_suspicion_by_what_it_showed_before_or_by_the_former_primary() {
    let nobodys = view(0, 5);
    for (before, after) in
        [(view(1, 5), view(1, 5)), (nobodys.clone(), nobodys.clone()), (nobodys, view(1, 5))]
    {
        let mut lab = started();
        third_sees(&mut lab, &before);
        lab.fails(1, &AskFailure::Refused);
        lab.node(2).own = Ok(primary(2, 6));
        lab.node(2).view = Ok(view(2, 6));
        lab.wait(5_000, |lab| lab.confirmed() == Some("n2"));
        third_sees(&mut lab, &after);
        // The new primary says so twice.
        lab.pass(1_000);
        assert_eq!(lab.confirmed(), Some("n2"), "{after}");
        assert!(!is_suspect(&lab), "{before} {after}");
    }
}
