//! Links and addresses, and what each router can make of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::Supervisor;
use crate::event::{Blocker, Event, EventKind};
use crate::io::{
    Address, AddressChange, AddressError, AddressOperation, AddressRequest, Destinations,
    Generation, InterfaceIndex, KernelEvent, KernelSnapshot, Output, RouterId, SocketError,
    SocketId, WatchClaims,
};
use crate::time::{Duration, Instant};
use crate::vrrp::{Family, Transport, Uplink, Vip, VirtualRouter, Weight};

/// Whose the removals of leftovers are: no router has this id.
pub(super) const CLEANER: RouterId = RouterId(u32::MAX);

/// How long after a dump failed it is tried again.
const DUMP_RETRY: Duration = Duration::from_secs(1);

/// The reading of all links and addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dump {
    /// To be asked for, at this time.
    Due { at: Instant, first: bool },
    /// Asked for; and again, if events were lost since.
    Awaited { first: bool, again: bool },
    /// Events keep the table true.
    Done,
}

impl Dump {
    pub(super) fn first() -> Self {
        Self::Due { at: Instant::ZERO, first: true }
    }

    pub(super) fn due_at(self) -> Instant {
        match self {
            Self::Due { at, .. } => at,
            Self::Awaited { .. } | Self::Done => Instant::MAX,
        }
    }

    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        match *self {
            Self::Due { at, first } if at <= now => {
                *self = Self::Awaited { first, again: false };
                true
            }
            Self::Due { .. } | Self::Awaited { .. } | Self::Done => false,
        }
    }

    /// A removal at the start was refused: what is there is to be looked at again.
    pub(super) fn request_later(&mut self, now: Instant) {
        *self = match *self {
            Self::Done => Self::Due { at: now + DUMP_RETRY, first: false },
            Self::Due { .. } | Self::Awaited { .. } => *self,
        };
    }

    /// Events were lost.
    fn request(&mut self, now: Instant) {
        *self = match *self {
            Self::Due { at, first } => Self::Due { at, first },
            Self::Awaited { first, .. } => Self::Awaited { first, again: true },
            Self::Done => Self::Due { at: now, first: false },
        };
    }

    pub(super) fn is_first(self) -> bool {
        matches!(self, Self::Due { first: true, .. } | Self::Awaited { first: true, .. })
    }
}

impl Supervisor {
    pub(super) fn handle_kernel_event(&mut self, now: Instant, event: KernelEvent) {
        match event {
            KernelEvent::Link(link) => {
                self.interfaces.put_link(link);
                self.handle_links(now);
            }
            KernelEvent::LinkGone(index) => {
                self.interfaces.remove_link(index);
                self.watched.remove(&index);
                self.handle_links(now);
            }
            KernelEvent::Address(change) => self.handle_address_change(now, change),
            KernelEvent::Overrun => {
                if !mutated!(OverrunIgnored) {
                    self.dump.request(now);
                }
                let kind = EventKind::NetlinkOverrun;
                self.out.push(Output::Event(Event { router: None, kind }));
            }
        }
    }

    pub(super) fn handle_links(&mut self, now: Instant) {
        self.uplinks_stale = true;
        for position in 0..self.routers.len() {
            self.with_router(now, position, VirtualRouter::handle_links);
        }
    }

    fn handle_address_change(&mut self, now: Instant, change: AddressChange) {
        match change {
            AddressChange::Present(address) => self.interfaces.put_address(address),
            AddressChange::Gone(address) => self.interfaces.remove_address(&address),
        }
        let (AddressChange::Present(address) | AddressChange::Gone(address)) = change;
        if let Some(id) = self.vip_owners.get(&address.ip).copied() {
            self.with_router_id(now, id, |router, ctx| {
                if router.index() == Some(address.index) {
                    router.handle_address_change(ctx, change);
                }
            });
        } else {
            self.uplinks_stale = true;
            self.recheck_vips(now, address.index);
        }
    }

    /// A host address came or went: a VIP of ours may stand before it now.
    fn recheck_vips(&mut self, now: Instant, index: InterfaceIndex) {
        let vips: Vec<Address> = self
            .interfaces
            .addresses(index)
            .filter(|address| address.ours && self.vip_owners.contains_key(&address.ip))
            .copied()
            .collect();
        for address in vips {
            let Some(id) = self.vip_owners.get(&address.ip).copied() else {
                continue;
            };
            self.with_router_id(now, id, |router, ctx| {
                router.handle_address_change(ctx, AddressChange::Present(address));
            });
        }
    }

    pub(super) fn handle_dump(&mut self, now: Instant, snapshot: Option<KernelSnapshot>) {
        let first = self.dump.is_first();
        let Some(snapshot) = snapshot else {
            let at = if mutated!(DumpNotRetried) { Instant::MAX } else { now + DUMP_RETRY };
            self.dump = Dump::Due { at, first };
            return;
        };
        self.dump = match self.dump {
            Dump::Awaited { again: true, .. } => Dump::Due { at: now, first: false },
            Dump::Due { .. } | Dump::Awaited { .. } | Dump::Done => Dump::Done,
        };
        self.interfaces.replace(snapshot);
        self.handle_links(now);
        let is_unclean = std::mem::take(&mut self.is_unclean);
        if first {
            self.clean_up(now, |_| true);
        } else {
            // A router whose VIP is there sees to it itself.
            if is_unclean {
                self.clean_up(now, |owner| owner.is_none());
            }
            for position in 0..self.routers.len() {
                self.with_router(now, position, VirtualRouter::resync);
            }
        }
        self.find_uplinks(now);
    }

    /// Removes what an earlier process left, before anything else. Only what carries our mark is
    /// touched, and not what a router of priority 255 is about to hold. `concerns` is given the
    /// position of the router whose VIP it is.
    fn clean_up(&mut self, now: Instant, concerns: impl Fn(Option<usize>) -> bool) {
        if mutated!(LeftoversKept) {
            return;
        }
        let addresses: Vec<Address> = self.interfaces.all_addresses().copied().collect();
        for address in addresses {
            let vip = Vip { ip: address.ip, prefix_len: address.prefix_len };
            let name = self.interfaces.by_index(address.index).map(|link| link.name.clone());
            let owner = self.routers.iter().position(|router| {
                Some(&router.key().interface) == name.as_ref()
                    && router.config().vips.contains(&vip)
            });
            if !concerns(owner) {
                continue;
            }
            let is_owners = owner
                .and_then(|position| self.routers.get(position))
                .is_some_and(|router| self.is_about_to_hold(router));
            let is_foreign = !(address.ours || mutated!(ForeignCleanedUp) && owner.is_some());
            if is_foreign {
                if let Some(router) = owner.and_then(|p| self.routers.get(p)).filter(|_| !is_owners)
                {
                    let router = Some(router.key().clone());
                    let kind = EventKind::VipForeign(vip, address);
                    self.out.push(Output::Event(Event { router, kind }));
                }
                continue;
            }
            let inherits = |router: &VirtualRouter| {
                router.may_inherit(now) && (self.is_guard() || !mutated!(InheritanceCleanedUp))
            };
            if owner.and_then(|p| self.routers.get(p)).is_some_and(inherits) {
                continue;
            }
            if is_owners && let Some(router) = owner.and_then(|p| self.routers.get_mut(p)) {
                router.keep_leftovers();
                continue;
            }
            self.cleaning += 1;
            self.out.push(Output::Address(AddressRequest {
                router: CLEANER,
                generation: Generation::default(),
                index: address.index,
                vip,
                operation: AddressOperation::Remove,
            }));
            let kind = EventKind::LeftoverRemoved(address);
            self.out.push(Output::Event(Event { router: None, kind }));
            if let Some(position) = owner {
                self.with_router(now, position, VirtualRouter::handle_leftover);
            }
        }
    }

    /// A removal of a leftover has ended. What the kernel refuses to remove is asked for again,
    /// without keeping its router from the election meanwhile.
    pub(super) fn handle_cleaned(&mut self, now: Instant, result: Result<(), AddressError>) {
        self.cleaning = self.cleaning.saturating_sub(1);
        self.uplinks_stale = true;
        match result {
            Ok(()) | Err(AddressError::NotFound | AddressError::NoInterface) => {}
            Err(AddressError::Exists | AddressError::Denied | AddressError::Other(_)) => {
                self.is_unclean = true;
                self.dump.request_later(now);
            }
        }
    }

    /// Whether a router is MASTER as soon as its socket is open: what is there may stay.
    fn is_about_to_hold(&self, router: &VirtualRouter) -> bool {
        let waits = router.config().track.iter().any(|track| track.weight == Weight::Fault);
        router.config().priority.is_owner()
            && !self.is_guard()
            && !waits
            && matches!(self.uplink_of(router), Ok(_) | Err(Blocker::NoSocket))
    }

    pub(super) fn handle_socket(
        &mut self,
        now: Instant,
        id: SocketId,
        result: Result<(), SocketError>,
    ) {
        self.ports.handle_result(now, id, result, &mut self.out);
        self.uplinks_stale = true;
    }

    /// Finds each router's uplink anew, if anything that it is made of has changed.
    pub(super) fn find_uplinks(&mut self, now: Instant) {
        let is_known = self.has_cleaned();
        if !is_known || !std::mem::take(&mut self.uplinks_stale) {
            return;
        }
        self.ports.fit(&self.interfaces, &self.routers, &mut self.out);
        for position in 0..self.routers.len() {
            let Some(router) = self.routers.get(position) else {
                continue;
            };
            let index = self.interfaces.by_name(&router.key().interface).map(|link| link.index);
            let is_new = router.index() != index && index.is_some();
            if is_new && router.key().family == Family::V4 {
                let name = router.key().interface.clone();
                let wish = Output::PromoteSecondaries(name);
                if !self.out.contains(&wish) {
                    self.out.push(wish);
                }
            }
            let uplink = self.uplink_of(router);
            if router.source().is_none() && leaves_out_own(router, &uplink) {
                let router = Some(router.key().clone());
                self.out.push(Output::Event(Event { router, kind: EventKind::OwnPeer }));
            }
            let has_failed =
                index.is_some_and(|index| self.ports.has_failed(index, router.key().family));
            self.with_router(now, position, |r, ctx| {
                r.set_uplink(ctx, index, uplink);
                if has_failed {
                    // It would be MASTER, and nobody would hear of it.
                    r.forgo_leftovers(ctx);
                }
            });
        }
    }

    fn uplink_of(&self, router: &VirtualRouter) -> Result<Uplink, Blocker> {
        let key = router.key();
        let link = self.interfaces.by_name(&key.interface).ok_or(Blocker::NoInterface)?;
        if !link.running && !mutated!(LinkDownIgnored) {
            return Err(Blocker::LinkDown);
        }
        let current = router.source();
        let (source, destinations) = match &router.config().transport {
            Transport::Multicast => (
                self.interfaces.source(link.index, key.family, false, current),
                Destinations::Multicast,
            ),
            Transport::Unicast { source, peers } => {
                let global = matches!(peers.first(), Some(IpAddr::V6(peer))
                    if !peer.is_unicast_link_local());
                let source = match source {
                    Some(fixed) => Some(*fixed).filter(|s| self.interfaces.has(link.index, *s)),
                    None => self.interfaces.source(link.index, key.family, global, current),
                };
                // One file serves all nodes, so our own address may be among the peers.
                let others = peers.iter().filter(|peer| !self.interfaces.has(link.index, **peer));
                let others: Arc<[IpAddr]> = others.copied().collect();
                (source, Destinations::Unicast(others))
            }
        };
        let source = if mutated!(SourceGoneIgnored) { source.or(current) } else { source };
        let source = source.ok_or(Blocker::NoSource)?;
        let socket = self.ports.open(link.index, key.family).ok_or(Blocker::NoSocket)?;
        Ok(Uplink { index: link.index, mac: link.mac, socket, source, destinations })
    }

    /// Whether all that an earlier process left has been seen and, as far as it could be, removed.
    pub(super) fn has_cleaned(&self) -> bool {
        !self.dump.is_first() && self.cleaning == 0
    }

    /// Asks for claims of the VIPs of MASTERs, when that list has changed.
    pub(super) fn watch_claims(&mut self) {
        // Besides the state, the file: a MASTER's list can change while it stays MASTER.
        let may_have_changed = self.out.iter().any(|output| {
            let Output::Event(Event { kind, .. }) = output else { return false };
            matches!(kind, EventKind::StateChanged { .. } | EventKind::Reloaded { .. })
        });
        if !may_have_changed {
            return;
        }
        let mut wanted: BTreeMap<InterfaceIndex, Vec<IpAddr>> = BTreeMap::new();
        for router in &self.routers {
            if let Some(index) = router.index() {
                wanted.entry(index).or_default().extend(router.watched());
            }
        }
        for (index, addresses) in wanted {
            let Some(mac) = self.interfaces.by_index(index).and_then(|link| link.mac) else {
                continue;
            };
            let known = self.watched.get(&index);
            if known != Some(&addresses) && !(known.is_none() && addresses.is_empty()) {
                self.watched.insert(index, addresses.clone());
                self.out.push(Output::WatchClaims(WatchClaims { index, mac, addresses }));
            }
        }
    }
}

/// Whether a router's own address stands among its peers.
fn leaves_out_own(router: &VirtualRouter, uplink: &Result<Uplink, Blocker>) -> bool {
    match (&router.config().transport, uplink) {
        (
            Transport::Unicast { peers, .. },
            Ok(Uplink { destinations: Destinations::Unicast(others), .. }),
        ) => others.len() < peers.len(),
        (Transport::Unicast { .. } | Transport::Multicast, Ok(_) | Err(_)) => false,
    }
}
