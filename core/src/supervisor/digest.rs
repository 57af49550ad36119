//! What of a process decides its future, for those who explore all of its futures.

use std::hash::{Hash, Hasher};

use super::Supervisor;
use super::uplinks::Dump;
use crate::time::Instant;

impl Supervisor {
    /// Hands `hasher` everything that decides what this process will do, and nothing else: two
    /// that have the same configuration and hand over the same do the same when the same happens to
    /// them. What is only counted, reported or told to neighbours is left out, and so are the
    /// numbers by which results are told apart.
    ///
    /// Times are handed over as they are; a hasher that takes them relative to the present makes
    /// equal what differs only in when it is. Nothing that happened before `from` may be handed in
    /// later: what is older than that any rule asks for is left out.
    ///
    /// # Panics
    /// If something is under way, of which the rest of the world would know more than this process;
    /// and if a router has checks, of which one always is.
    pub fn digest(&self, from: Instant, hasher: &mut impl Hasher) {
        let Self {
            routers,
            // Both are the routers' own.
            deadlines: _,
            leases: _,
            vip_owners: _,
            interfaces,
            ports,
            discards: _,
            dump,
            cleaning,
            is_unclean,
            watched: _,
            uplinks_stale,
            any_grouped: _,
            any_stopping: _,
            next_router: _,
            shutdown_by,
            told_released,
            guarding: _,
            out,
            ready,
        } = self;
        assert!(out.is_empty() && ready.is_empty(), "outputs wait for the driver");
        assert!(
            *dump == Dump::Done && *cleaning == 0 && !is_unclean,
            "the first dump isn't dealt with"
        );
        assert!(ports.retry_at() == Instant::MAX, "a socket is to be tried again");
        (interfaces, uplinks_stale, shutdown_by, told_released).hash(hasher);
        // What a guard has been told is its own to know.
        self.is_guard().hash(hasher);
        for router in routers {
            router.digest(from, hasher);
        }
    }
}
