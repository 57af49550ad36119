//! The interval that a BACKUP learns from its MASTER, and how far it believes it.

use std::net::IpAddr;

use super::AdverInterval;
use crate::time::Instant;

/// How many times our own interval is believed at once.
const CAP_FACTOR: u32 = 10;

/// The interval of the MASTER last heard (RFC 9568 §6.2 Active_Adver_Interval).
///
/// One forged advert with the longest interval would hold up an election for minutes, so one that
/// is longer than ten of ours is capped until the same sender has kept it: two adverts of one
/// sender, about that far apart. A slow MASTER is then believed; until then it costs one needless
/// takeover at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MasterInterval {
    value: AdverInterval,
    doubted: Option<Doubt>,
    believed: Option<(IpAddr, AdverInterval)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Doubt {
    sender: IpAddr,
    interval: AdverInterval,
    heard_at: Instant,
}

/// What learning an interval came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Learned {
    /// It is taken as it is.
    Taken,
    /// It is capped: longer than ten of ours, and new.
    Capped,
    /// It is taken from now on, though longer than ten of ours: its sender keeps it.
    Believed,
}

impl MasterInterval {
    pub(super) fn new(own: AdverInterval) -> Self {
        Self { value: own, doubted: None, believed: None }
    }

    /// The interval to count with.
    pub(super) fn get(&self) -> AdverInterval {
        self.value
    }

    /// Forgets what was learned: there is no MASTER (RFC 9568 §6.4.1).
    pub(super) fn reset(&mut self, own: AdverInterval) {
        self.value = own;
    }

    /// Our own interval is another now: what this MASTER has said isn't doubted for that.
    pub(super) fn keep(&mut self, master: IpAddr) {
        self.believed = Some((master, self.value));
    }

    /// Learns `interval` from an accepted advert of `sender` that arrived `at`.
    pub(super) fn learn(
        &mut self,
        own: AdverInterval,
        sender: IpAddr,
        interval: AdverInterval,
        at: Instant,
    ) -> Learned {
        let cap_centis = u32::from(own.centis()).saturating_mul(CAP_FACTOR);
        let believed = self.believed == Some((sender, interval)) || mutated!(IntervalUncapped);
        if u32::from(interval.centis()) <= cap_centis || believed {
            self.value = interval;
            return Learned::Taken;
        }
        let last = self.doubted.filter(|d| d.sender == sender && d.interval == interval);
        let spacing = last.map(|doubt| at.since(doubt.heard_at));
        let expected = interval.duration();
        let keeps = |spacing| (expected / 2..=expected * 3 / 2).contains(&spacing);
        if spacing.is_some_and(keeps) && !mutated!(CapNeverLifted) {
            self.value = interval;
            self.believed = Some((sender, interval));
            return Learned::Believed;
        }
        // Too soon to tell after another, an assertion or a duplicate: the first goes on counting.
        if spacing.is_none_or(|spacing| spacing > expected * 3 / 2) {
            self.doubted = Some(Doubt { sender, interval, heard_at: at });
        }
        // Another MASTER may have been heard since the first: what was learned of it is void.
        self.value = u16::try_from(cap_centis)
            .ok()
            .and_then(|centis| AdverInterval::from_centis(centis).ok())
            .unwrap_or(interval);
        Learned::Capped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn centis(number: u16) -> AdverInterval {
        AdverInterval::from_centis(number).expect("in range")
    }

    #[test]
    fn one_forged_advert_counts_for_ten_of_our_intervals_at_most() {
        let mut master = MasterInterval::new(centis(100));
        let learned = master.learn(centis(100), SENDER, centis(4095), Instant::ZERO);
        assert_eq!((learned, master.get()), (Learned::Capped, centis(1000)));
        // A flood of them changes nothing: they are far too close together.
        for millis in 0..1_000 {
            let at = Instant::from_millis(millis);
            assert_eq!(master.learn(centis(100), SENDER, centis(4095), at), Learned::Capped);
        }
        assert_eq!(master.get(), centis(1000));
    }

    #[test]
    fn a_slow_master_is_believed_at_its_second_advert() {
        let mut master = MasterInterval::new(centis(100));
        master.learn(centis(100), SENDER, centis(4000), Instant::ZERO);
        let second = master.learn(centis(100), SENDER, centis(4000), Instant::from_millis(40_000));
        assert_eq!((second, master.get()), (Learned::Believed, centis(4000)));
        let third = master.learn(centis(100), SENDER, centis(4000), Instant::from_millis(80_000));
        assert_eq!(third, Learned::Taken);
    }

    #[test]
    fn a_capped_interval_replaces_that_of_another_master() {
        let other = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
        let mut master = MasterInterval::new(centis(200));
        master.learn(centis(200), SENDER, centis(4000), Instant::ZERO);
        master.learn(centis(200), other, centis(100), Instant::from_millis(6_000));
        let again = master.learn(centis(200), SENDER, centis(4000), Instant::from_millis(14_000));
        assert_eq!((again, master.get()), (Learned::Capped, centis(2000)));
    }

    #[test]
    fn up_to_ten_times_our_own_is_taken_at_once() {
        let mut master = MasterInterval::new(centis(100));
        let learned = master.learn(centis(100), SENDER, centis(1000), Instant::ZERO);
        assert_eq!((learned, master.get()), (Learned::Taken, centis(1000)));
    }

    /// What the second of two adverts comes to, so many milliseconds after the first.
    fn second_after(millis: u64) -> (Learned, AdverInterval) {
        let mut master = MasterInterval::new(centis(100));
        master.learn(centis(100), SENDER, centis(4000), Instant::ZERO);
        let at = Instant::from_millis(millis);
        (master.learn(centis(100), SENDER, centis(4000), at), master.get())
    }

    #[test]
    fn from_half_to_one_and_a_half_of_its_interval_later_a_slow_master_is_believed() {
        for millis in [20_000, 40_000, 60_000] {
            assert_eq!(second_after(millis), (Learned::Believed, centis(4000)), "{millis} ms");
        }
        for millis in [0, 19_999, 60_001, 400_000] {
            assert_eq!(second_after(millis), (Learned::Capped, centis(1000)), "{millis} ms");
        }
    }

    #[test]
    fn an_advert_too_late_to_be_believed_is_the_first_of_a_new_pair() {
        let mut master = MasterInterval::new(centis(100));
        let mut learn = |secs: u64| {
            let at = Instant::from_millis(secs * 1_000);
            master.learn(centis(100), SENDER, centis(4000), at)
        };
        assert_eq!([0, 10, 100, 110].map(&mut learn), [Learned::Capped; 4]);
        assert_eq!(learn(140), Learned::Believed);
    }

    #[test]
    fn another_sender_or_interval_is_doubted_anew() {
        let other = IpAddr::from([10, 0, 0, 2]);
        for (sender, interval) in [(other, centis(4000)), (SENDER, centis(4001))] {
            let mut master = MasterInterval::new(centis(100));
            let mut learn = |sender, interval, secs: u64| {
                let at = Instant::from_millis(secs * 1_000);
                master.learn(centis(100), sender, interval, at)
            };
            learn(SENDER, centis(4000), 0);
            assert_eq!(learn(sender, interval, 40), Learned::Capped);
            assert_eq!(learn(sender, interval, 80), Learned::Believed);
            assert_eq!(learn(SENDER, centis(4000), 80), Learned::Capped);
            assert_eq!(learn(sender, interval, 81), Learned::Taken);
        }
    }

    #[test]
    fn a_reset_forgets_the_value_and_not_who_keeps_to_its_interval() {
        let mut master = MasterInterval::new(centis(100));
        for millis in [0, 40_000] {
            master.learn(centis(100), SENDER, centis(4000), Instant::from_millis(millis));
        }
        master.reset(centis(200));
        assert_eq!(master.get(), centis(200));
        let again = master.learn(centis(100), SENDER, centis(4000), Instant::from_millis(41_000));
        assert_eq!((again, master.get()), (Learned::Taken, centis(4000)));
    }
}
