//! Changing the set of routers: only what differs changes.

use super::Supervisor;
use crate::event::{Event, EventKind};
use crate::io::{Output, RouterId};
use crate::time::Instant;
use crate::vrrp::{RouterConfig, Vip, VirtualRouter};

impl Supervisor {
    /// Runs exactly these routers from now on.
    pub(super) fn reload(&mut self, now: Instant, configs: Vec<RouterConfig>) {
        let (added, removed, changed) = self.apply(now, configs);
        if !self.dump.is_first() {
            // A check of an interface may be new, and its link needn't ever change again.
            self.handle_links(now);
        }
        if added + removed + changed > 0 {
            let kind = EventKind::Reloaded { added, removed, changed };
            self.out.push(Output::Event(Event { router: None, kind }));
        }
    }

    /// Adds, stops and reconfigures; returns how many of each.
    pub(super) fn apply(
        &mut self,
        now: Instant,
        configs: Vec<RouterConfig>,
    ) -> (usize, usize, usize) {
        let (mut removed, mut changed, mut added) = (0, 0, 0);
        for position in 0..self.routers.len() {
            let Some(router) = self.routers.get(position).filter(|r| !r.is_stopping()) else {
                continue;
            };
            match configs.iter().find(|config| config.key == *router.key()) {
                Some(_) if mutated!(ReloadRestartsAll) => {
                    removed += 1;
                    self.stop(now, position);
                }
                Some(config) if config == router.config() => {}
                Some(config) => {
                    changed += 1;
                    let config = config.clone();
                    self.with_router(now, position, |r, ctx| r.reconfigure(ctx, config));
                    self.tell_reconfigured(position);
                }
                None => {
                    removed += 1;
                    self.stop(now, position);
                }
            }
        }
        // One that hands over is in the file again, or its VIP is: it makes way.
        for position in 0..self.routers.len() {
            let is_back = |r: &&VirtualRouter| {
                shares_vip(&configs, r.config()) || configs.iter().any(|c| c.key == *r.key())
            };
            let router = self.routers.get(position).filter(|router| router.is_stopping());
            if router.filter(is_back).is_some() {
                self.with_router(now, position, VirtualRouter::stop_at_once);
            }
        }
        for config in configs {
            if !self.routers.iter().any(|r| *r.key() == config.key && !r.is_stopping()) {
                added += 1;
                let id = RouterId(self.next_router);
                self.next_router += 1;
                self.routers.push(VirtualRouter::new(id, now, config));
            }
        }
        self.index_routers(now);
        (added, removed, changed)
    }

    /// Rebuilds what is looked up by position, VIP or socket.
    pub(super) fn index_routers(&mut self, now: Instant) {
        self.deadlines = self.routers.iter().map(VirtualRouter::poll_timeout).collect();
        self.leases = self.routers.iter().map(VirtualRouter::lease_until).collect();
        self.any_grouped = self.routers.iter().any(|router| router.config().group.is_some());
        self.any_stopping = self.routers.iter().any(VirtualRouter::is_stopping);
        self.vip_owners.clear();
        // Those that stop come first, so that whoever takes over a VIP of theirs owns it.
        let (stopping, running): (Vec<_>, Vec<_>) =
            self.routers.iter().partition(|router| router.is_stopping());
        for router in stopping.into_iter().chain(running) {
            let owned = router.config().vips.iter().map(|vip| (vip.ip, router.id()));
            self.vip_owners.extend(owned);
        }
        self.interfaces.set_vips(self.vip_owners.keys().copied().collect());
        self.uplinks_stale = true;
        self.find_uplinks(now);
    }
}

/// Whether any of `configs` is to have a VIP of `other`.
fn shares_vip(configs: &[RouterConfig], other: &RouterConfig) -> bool {
    let has = |vip: &Vip| other.vips.iter().any(|own| own.ip == vip.ip);
    configs.iter().any(|config| config.vips.iter().any(has))
}
