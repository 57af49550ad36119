use super::*;

fn priority(number: u8) -> Priority {
    Priority::new(number).expect("in range")
}

fn centis(number: u16) -> AdverInterval {
    AdverInterval::from_centis(number).expect("in range")
}

#[test]
fn worked_values_hold_in_nanoseconds() {
    let cases = [
        (Version::V2, 100, 100, 609_375_000, 3_609_375_000),
        (Version::V3, 100, 100, 609_375_000, 3_609_375_000),
        (Version::V3, 100, 1, 6_093_750, 36_093_750),
        (Version::V3, 254, 1, 78_125, 30_078_125),
        (Version::V3, 1, 100, 996_093_750, 3_996_093_750),
        (Version::V3, 100, 4095, 24_953_906_250, 147_803_906_250),
    ];
    for (version, number, interval, skew, down) in cases {
        let (number, interval) = (priority(number), centis(interval));
        assert_eq!(skew_time(version, number, interval), Duration::from_nanos(skew));
        assert_eq!(master_down_interval(version, number, interval), Duration::from_nanos(down));
    }
}

#[test]
fn version_2_skew_does_not_depend_on_the_interval() {
    let three = AdverInterval::from_secs(3).expect("in range");
    let skew = skew_time(Version::V2, priority(150), three);
    assert_eq!(skew, Duration::from_nanos(414_062_500));
    let down = master_down_interval(Version::V2, priority(150), three);
    assert_eq!(down, Duration::from_nanos(9_414_062_500));
}

#[test]
fn every_skew_is_the_exact_fraction_rounded_up_and_falls_with_priority() {
    for interval in 1..=AdverInterval::CENTIS_MAX_V3 {
        let mut last = Duration::MAX;
        for number in 1..=255 {
            let skew = skew_time(Version::V3, priority(number), centis(interval));
            // skew = (256 − P) × interval / 256, as numerators over 256.
            let exact = u128::from(256 - u16::from(number)) * u128::from(interval) * 10_000_000;
            let over = skew.as_nanos() * 256 - exact;
            assert!(over < 256, "P {number} at {interval} cs is off by {over}/256 ns");
            assert!(skew < last, "P {number} at {interval} cs isn't faster than P {}", number - 1);
            last = skew;
        }
    }
}
