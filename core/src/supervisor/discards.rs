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
