//! What of the budget for answers decides who will be answered.

use std::hash::{Hash, Hasher};

use super::Assertions;
use crate::time::Instant;
use crate::vrrp::AdverInterval;

impl Assertions {
    /// See [`Supervisor::digest`](crate::supervisor::Supervisor::digest). How often is announced is
    /// left out, and who is deaf: both are only told.
    pub(in crate::vrrp) fn digest(
        &self,
        from: Instant,
        own: AdverInterval,
        hasher: &mut impl Hasher,
    ) {
        let Self {
            senders,
            asserted_at,
            announced: _,
            announce_at: _,
            announce_gap: _,
            unannounced: _,
        } = self;
        let silence = own.duration() * 3;
        // A sender who has been silent for so long is forgotten when the next one is heard.
        for sender in senders.iter().filter(|sender| from.since(sender.heard_at) < silence) {
            // The first two are always answered.
            (sender.address, sender.heard_at, sender.count.min(2)).hash(hasher);
        }
        asserted_at.filter(|at| from.since(*at) < own.duration()).hash(hasher);
    }
}
