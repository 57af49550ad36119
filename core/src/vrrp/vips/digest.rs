//! What of the VIPs decides their future.

use std::hash::{Hash, Hasher};

use super::Vips;

impl Vips {
    /// See [`Supervisor::digest`](crate::supervisor::Supervisor::digest).
    pub(in crate::vrrp) fn digest(&self, hasher: &mut impl Hasher) {
        let Self { router: _, index, wanted, adds, entries, leaving, generation: _ } = self;
        let mut all = entries.iter().chain(leaving);
        assert!(all.all(|entry| entry.in_flight.is_none()), "an operation is under way");
        (index, wanted, adds, entries, leaving).hash(hasher);
    }
}
