//! What an operator wants of routers: a group moves together.

use std::collections::BTreeSet;

use super::Supervisor;
use crate::time::Instant;
use crate::vrrp::{Duty, RouterKey, VirtualRouter};

impl Supervisor {
    /// Begins with what the process before this one was told. To be called before the first turn.
    #[must_use]
    pub fn with_duties(mut self, duties: &[(RouterKey, Duty)]) -> Self {
        for (key, duty) in duties {
            if let Some(router) = self.routers.iter_mut().find(|router| router.key() == key) {
                router.assume_duty(*duty);
            }
        }
        self.index_routers(Instant::ZERO);
        self
    }

    /// An operator wants this of some routers, and so of all in their groups.
    pub(super) fn set_duty(&mut self, now: Instant, keys: &[RouterKey], duty: Duty) {
        let is_named =
            |router: &&VirtualRouter| !router.is_stopping() && keys.contains(router.key());
        let named = self.routers.iter().filter(is_named);
        let groups: BTreeSet<_> = named.filter_map(|r| r.config().group.clone()).collect();
        for position in 0..self.routers.len() {
            let Some(router) = self.routers.get(position) else { continue };
            let moves_along = router.config().group.as_ref().is_some_and(|g| groups.contains(g));
            if router.is_stopping() || !(moves_along || is_named(&router)) {
                continue;
            }
            let within = self.successor_within(router);
            self.with_router(now, position, |router, ctx| router.set_duty(ctx, duty, within));
        }
    }
}
