//! Guards, and those who come in place of them: driven by the production driver.

use openproxy_core::vrrp::StateName;
use openproxy_io_sim::clock::SimTime;
use openproxy_sim_tests::fault::{Fault, FaultKind};
use openproxy_sim_tests::observe::End;

use crate::told::{Story, ms, secs};
use crate::{A, B, scenario, tell};

/// Three nodes with guards, and one fault.
fn guarded(at: SimTime, until: SimTime, kind: FaultKind) -> Story {
    let mut scenario = scenario(40, vec![Fault { at, until, kind }]);
    scenario.guarded = true;
    tell(&scenario)
}

/// Whether A enters a state then, as soon as it has read what its kernel has.
fn enters(story: &Story, state: StateName, at: SimTime) -> bool {
    let read = at + ms(2).since(SimTime::ZERO);
    story.became(A, state, at).is_some_and(|entered| entered <= read)
}

#[test]
fn the_guard_of_a_killed_master_hands_over_without_a_gap() {
    let story = guarded(secs(10), secs(25), FaultKind::Death { node: A });
    // Priority 0, and B's skew of 609 ms.
    let follows = story.became(B, StateName::Master, secs(10)).expect("a successor");
    assert!(follows > ms(10_600) && follows < ms(10_620), "{follows}");
    let gone = story.lost_vip(A, secs(10)).expect("it lets go");
    assert!(gone >= follows && gone < follows + ms(20).since(SimTime::ZERO), "{gone}");
    let [(ended, End::Finished)] = story.ended(A)[..] else { panic!("{:?}", story.ended(A)) };
    assert!(ended >= gone && ended < secs(13), "{ended}");
    assert_eq!(story.holders(secs(24)), [B]);
    assert_eq!(story.masters(secs(39)), [A], "it is started again, and preempts");
}

#[test]
fn who_comes_while_the_guard_hands_over_goes_on() {
    let story = guarded(secs(10), ms(10_200), FaultKind::Death { node: A });
    assert!(enters(&story, StateName::Leaving, secs(10)));
    assert!(enters(&story, StateName::Master, ms(10_200)));
    assert_eq!(story.became(B, StateName::Master, secs(5)), None);
    assert_eq!(story.lost_vip(A, secs(10)), None);
    assert_eq!(story.ended(A), [], "nothing that has begun has ended but the guard's watch");
}

#[test]
fn another_program_goes_on_where_the_old_one_was() {
    let story = guarded(secs(10), ms(10_040), FaultKind::Upgrade { node: A });
    assert_eq!(story.ended(A), [(secs(10), End::Replaced)]);
    assert!(enters(&story, StateName::Master, ms(10_040)));
    assert_eq!(story.became(B, StateName::Master, secs(5)), None);
    assert_eq!(story.lost_vip(A, secs(10)), None);
    assert!(story.announced_between(A, ms(10_040), ms(10_050)) > 0, "nobody knows the last word");
}

#[test]
fn another_program_that_comes_late_finds_the_guard_at_work() {
    let story = guarded(secs(10), ms(11_300), FaultKind::Upgrade { node: A });
    assert!(enters(&story, StateName::Leaving, secs(11)));
    assert!(enters(&story, StateName::Master, ms(11_300)));
    assert_eq!(story.became(B, StateName::Master, secs(5)), None);
    assert_eq!(story.lost_vip(A, secs(10)), None);
}
