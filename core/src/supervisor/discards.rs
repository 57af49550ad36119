//! Packets that were discarded: all are counted, few are told of.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::time::{Duration, Instant};
use crate::vrrp::{DecodeError, DiscardReason};

/// One line for each reason and source in this time.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// How many pairs of reason and source are told apart; beyond, packets are only counted.
const SOURCES_MAX: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Told {
    at: Instant,
    untold: u64,
}

/// Counts by reason.
#[derive(Clone, Debug)]
pub struct Discards {
    counts: [u64; DiscardReason::COUNT],
    told: BTreeMap<(DiscardReason, IpAddr), Told>,
}

impl Default for Discards {
    fn default() -> Self {
        Self { counts: [0; DiscardReason::COUNT], told: BTreeMap::new() }
    }
}

impl Discards {
    /// How many packets were discarded for this reason.
    #[must_use]
    pub fn count(&self, reason: DiscardReason) -> u64 {
        self.counts.get(reason.index()).copied().unwrap_or(0)
    }

    /// Counts a packet. Returns how many like it were not told of before, if this one is to be.
    pub(super) fn add(&mut self, now: Instant, error: DecodeError, source: IpAddr) -> Option<u64> {
        let reason = error.reason();
        if let Some(count) = self.counts.get_mut(reason.index()) {
            *count += 1;
        }
        // A neighbour's virtual routers are none of our business.
        if reason == DiscardReason::Vrid {
            return None;
        }
        if self.told.len() >= SOURCES_MAX {
            self.told.retain(|_, told| now.since(told.at) < TOLD_EVERY);
        }
        let full = self.told.len() >= SOURCES_MAX;
        match self.told.get_mut(&(reason, source)) {
            Some(told) if now.since(told.at) < TOLD_EVERY => {
                told.untold += 1;
                None
            }
            Some(told) => {
                told.at = now;
                Some(std::mem::take(&mut told.untold))
            }
            None if full => None,
            None => {
                self.told.insert((reason, source), Told { at: now, untold: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: DecodeError = DecodeError::Ttl { ttl: 64 };

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    fn source(number: usize) -> IpAddr {
        let [.., high, low] = number.to_be_bytes();
        IpAddr::from([10, 0, high, low])
    }

    #[test]
    fn each_reason_and_source_is_told_of_once_a_minute_with_what_was_not() {
        let mut discards = Discards::default();
        let one = source(1);
        let told: Vec<_> =
            [0, 0, 59, 60, 60, 119, 120, 500].map(|s| discards.add(at(s), TTL, one)).into();
        assert_eq!(
            told,
            [Some(0), None, None, Some(2), None, None, Some(2), Some(0)],
            "a minute from the last that was told"
        );
        assert_eq!(discards.add(at(500), DecodeError::Carp, one), Some(0), "another reason");
        assert_eq!(discards.add(at(500), TTL, source(2)), Some(0), "another source");
        assert_eq!(discards.count(DiscardReason::Ttl), 9);
        assert_eq!(discards.count(DiscardReason::Carp), 1);
        assert_eq!(discards.count(DiscardReason::Peer), 0);
    }

    #[test]
    fn adverts_of_other_virtual_routers_are_only_counted() {
        let mut discards = Discards::default();
        for _ in 0..3 {
            assert_eq!(discards.add(at(0), DecodeError::ZeroVrid, source(1)), None);
        }
        assert_eq!(discards.count(DiscardReason::Vrid), 3);
    }

    #[test]
    fn of_more_sources_than_are_told_apart_the_rest_is_only_counted_for_a_minute() {
        let mut discards = Discards::default();
        for number in 0..SOURCES_MAX {
            assert_eq!(discards.add(at(number as u64 / 32), TTL, source(number)), Some(0));
        }
        let [more, first] = [source(SOURCES_MAX), source(0)];
        assert_eq!(discards.add(at(59), TTL, more), None);
        assert_eq!(discards.add(at(59), TTL, first), None, "known, and told of already");
        // Those of the first second give way, a minute after they were told of.
        assert_eq!(discards.add(at(60), TTL, more), Some(0));
        assert_eq!(discards.add(at(60), TTL, source(32)), None, "of the second one");
        assert_eq!(discards.add(at(61), TTL, source(32)), Some(1));
    }
}
