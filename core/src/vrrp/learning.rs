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
}
