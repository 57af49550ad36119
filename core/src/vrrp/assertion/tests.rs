//! The budget for answers, and what is owed.

use super::*;

fn peer(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn second() -> AdverInterval {
    AdverInterval::from_secs(1).expect("in range")
}

#[test]
fn the_first_advert_and_the_farewell_are_answered_and_announced() {
    let mut assertions = Assertions::default();
    let first = assertions.heard(Instant::ZERO, second(), peer(1));
    assert_eq!(first, Answer { assert: true, announce: true, deaf: false });
    let farewell = assertions.heard(Instant::from_millis(1), second(), peer(1));
    assert_eq!(farewell, Answer { assert: true, announce: true, deaf: false });
}

#[test]
fn a_flood_from_one_sender_gets_one_answer_an_interval() {
    let mut assertions = Assertions::default();
    let answers: Vec<_> = (0..10_000)
        .map(|millis| assertions.heard(Instant::from_millis(millis), second(), peer(1)))
        .collect();
    assert_eq!(answers.iter().filter(|answer| answer.assert).count(), 2 + 9);
    // At 0 and 1 ms, then after 1, 2 and 4 s.
    assert_eq!(answers.iter().filter(|answer| answer.announce).count(), 2 + 3);
    assert_eq!(answers.iter().filter(|answer| answer.deaf).count(), 1);
}

#[test]
fn a_flood_from_forged_senders_is_bounded_too() {
    let mut assertions = Assertions::default();
    let answers: usize = (0..3_000)
        .map(|millis| {
            let sender = peer(u8::try_from(millis % 251).expect("below 251"));
            assertions.heard(Instant::from_millis(millis), second(), sender)
        })
        .filter(|answer| answer.assert)
        .count();
    assert!(answers <= 2 * SENDERS_MAX + 3, "{answers} answers in three intervals");
}

#[test]
fn three_intervals_of_silence_end_an_episode() {
    let mut assertions = Assertions::default();
    for millis in [0, 10, 20] {
        assertions.heard(Instant::from_millis(millis), second(), peer(1));
    }
    assert!(!assertions.is_quiet(Instant::from_millis(3_000), second()));
    assert!(assertions.is_quiet(Instant::from_millis(3_020), second()));
    let again = assertions.heard(Instant::from_millis(3_020), second(), peer(1));
    assert_eq!(again, Answer { assert: true, announce: true, deaf: false });
}

#[test]
fn a_sender_that_was_silent_for_three_intervals_begins_anew() {
    // Milliseconds of silence after three adverts, and whether they are forgotten.
    for (silence, forgotten) in [(2_999, false), (3_000, true)] {
        let mut assertions = Assertions::default();
        for millis in [0, 1, 2] {
            assertions.heard(Instant::from_millis(millis), second(), peer(1));
        }
        let now = Instant::from_millis(2 + silence);
        assert_eq!(assertions.is_quiet(now, second()), forgotten);
        let deaf = assertions.heard(now, second(), peer(1)).deaf;
        let again = assertions.heard(now, second(), peer(1));
        assert_eq!((deaf, again.deaf), (false, false));
        assert_eq!(again.assert, forgotten, "its second after the silence");
    }
}

#[test]
fn the_third_advert_in_a_row_shows_that_a_sender_does_not_hear_us() {
    let mut assertions = Assertions::default();
    let mut deaf =
        |millis, last| assertions.heard(Instant::from_millis(millis), second(), peer(last)).deaf;
    let heard = [(0, 1), (0, 2), (1_000, 1), (1_000, 2), (2_000, 1), (2_000, 2), (3_000, 1)];
    let heard = heard.map(|(millis, last)| deaf(millis, last));
    assert_eq!(heard, [false, false, false, false, true, true, false]);
}

#[test]
fn answers_are_an_interval_apart_and_announced_ever_more_seldom() {
    let mut assertions = Assertions::default();
    for _ in 0..2 {
        assert!(assertions.heard(Instant::ZERO, second(), peer(1)).announce);
    }
    let mut announced = Vec::new();
    for secs in 1..300 {
        let now = Instant::from_millis(secs * 1_000);
        let answer = assertions.heard(now, second(), peer(1));
        assert!(answer.assert, "an interval has passed");
        let soon = assertions.heard(now + Duration::from_millis(999), second(), peer(1));
        assert_eq!(soon, Answer::default(), "and now it hasn't");
        if answer.announce {
            announced.push(secs);
        }
    }
    assert_eq!(announced, [1, 3, 7, 15, 31, 63, 123, 183, 243]);
}

#[test]
fn one_sender_too_many_is_answered_within_the_common_budget() {
    let mut assertions = Assertions::default();
    let mut answered =
        |millis, last| assertions.heard(Instant::from_millis(millis), second(), peer(last)).assert;
    for last in 1..=8 {
        assert!(answered(0, last), "it is told apart");
    }
    assert!(!answered(0, 9));
    assert!(!answered(999, 9));
    assert!(answered(1_000, 9));
    assert!(!answered(1_999, 9));
}

#[test]
fn what_was_not_announced_is_owed_once() {
    let mut assertions = Assertions::default();
    assert!(!assertions.take_unannounced());
    for last in [1, 2, 3] {
        assertions.heard(Instant::ZERO, second(), peer(last));
    }
    assert!(assertions.take_unannounced(), "two of three were");
    assert!(!assertions.take_unannounced());
    assert!(Assertions::default().is_quiet(Instant::ZERO, second()));
}
