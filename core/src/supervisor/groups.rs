//! Routers of one group are MASTER together or not at all.
//!
//! All promote once the timer of each has fired; one that leaves MASTER takes the others along; one
//! that is blocked blocks them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Supervisor;
use crate::time::{Duration, Instant};
use crate::vrrp::{StateName, VirtualRouter};

impl Supervisor {
    pub(super) fn settle_groups(&mut self, now: Instant) {
        let mut groups: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for (position, router) in self.routers.iter().enumerate() {
            if let (Some(group), false) = (&router.config().group, router.is_stopping()) {
                groups.entry(Arc::clone(group)).or_default().push(position);
            }
        }
        for members in groups.values() {
            self.settle_group(now, members);
        }
    }

    /// Nobody has followed one that had stepped down: it serves on, and the others, who went with
    /// it, can't have been followed either.
    fn resume_group(&mut self, now: Instant, members: &[usize]) {
        let serves = |r: &VirtualRouter| r.state() == StateName::Master && !r.is_blocked_itself();
        if members.iter().filter_map(|position| self.routers.get(*position)).any(serves) {
            for position in members {
                self.with_router(now, *position, VirtualRouter::resume_with_group);
            }
        }
    }

    /// How long after its priority 0 another is MASTER in a router's place: of a group, the slowest
    /// decides.
    pub(super) fn successor_within(&self, router: &VirtualRouter) -> Duration {
        let group = router.config().group.as_ref();
        let others = self.routers.iter().filter(|r| r.config().group.as_ref() == group);
        let others = others.filter(|_| group.is_some()).map(VirtualRouter::successor_within);
        others.fold(router.successor_within(), Duration::max)
    }

    fn settle_group(&mut self, now: Instant, members: &[usize]) {
        self.resume_group(now, members);
        let mut any_yielded = false;
        let mut any_blocked = false;
        for router in members.iter().filter_map(|position| self.routers.get(*position)) {
            any_yielded |= router.has_yielded();
            any_blocked |= router.is_blocked_itself();
        }
        for position in members {
            self.with_router(now, *position, |router, ctx| {
                router.set_group_blocked(ctx, any_blocked);
                if any_yielded && !mutated!(GroupNotFollowed) {
                    router.follow_group(ctx);
                }
                router.forget_yielded();
            });
        }
        let mut members_now = members.iter().filter_map(|position| self.routers.get(*position));
        let all_ready = members_now.all(|r| r.waits_for_group() || r.state() == StateName::Master);
        if all_ready {
            for position in members {
                self.with_router(now, *position, VirtualRouter::promote_with_group);
            }
        }
        // An owner that has to wait for others isn't MASTER yet.
        for position in members {
            self.with_router(now, *position, VirtualRouter::review_leftovers);
        }
    }
}
