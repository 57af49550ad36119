use super::*;

const fn timing(advert_ms: u64, version: Version) -> Timing {
    Timing { advert_int: Duration::from_millis(advert_ms), version }
}

#[test]
fn version_2_skews_in_seconds_whatever_the_interval() {
    let three = timing(3000, Version::V2);
    assert_eq!(three.skew(100), Duration::from_micros(609_375));
    assert_eq!(three.master_down(100), Duration::from_micros(9_609_375));
    assert_eq!(timing(1000, Version::V2).master_down(100), Duration::from_micros(3_609_375));
}

#[test]
fn version_3_skews_in_intervals() {
    let fast = timing(10, Version::V3);
    assert_eq!(fast.master_down(100), Duration::from_nanos(36_093_750));
}

#[test]
fn a_crash_leaves_no_two_holders_from_one_second_on() {
    for seconds in 1..=255 {
        let timing = timing(seconds * 1000, Version::V2);
        assert_eq!(timing.two_holders_max(100), Duration::ZERO, "advert_int {seconds}");
    }
}

#[test]
fn a_successor_of_very_high_priority_may_be_faster_than_the_lease() {
    let timing = timing(1000, Version::V2);
    assert_eq!(timing.two_holders_max(192), Duration::ZERO);
    assert!(timing.two_holders_max(200) > Duration::ZERO);
}

#[test]
fn below_one_second_the_lease_ends_within_two_and_a_half_seconds() {
    assert_eq!(timing(10, Version::V3).lease_end_max(), Duration::from_millis(2500));
}

#[test]
fn priorities_fall_from_node_to_node() {
    let all: Vec<u8> = (0..7).map(priority).collect();
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]));
}
