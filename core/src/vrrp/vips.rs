//! The VIPs of one router on the interface: wanted or not, there or not, and the one operation that
//! is under way for each.
//!
//! Each address has at most one operation outstanding; its result, matched by generation, decides
//! what comes next. So an add and a remove can never cross, whatever the kernel's delay.

mod digest;
mod entry;
mod inherited;
mod requests;

use std::net::IpAddr;
use std::sync::Arc;

use super::Vip;
use crate::interfaces::Interfaces;
use crate::io::{
    Address, AddressChange, AddressError, AddressOperation, Generation, InterfaceIndex, Lifetime,
    Output, RouterId,
};
use crate::time::{Duration, Instant};
use entry::Entry;

/// How long after a failed removal it is tried again.
const REMOVAL_RETRY: Duration = Duration::from_secs(1);

/// What a change of one VIP means to its router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum VipNews {
    /// It is on the interface and ours: announce it.
    Acquired(Vip),
    /// It was there already and not ours; it is ours now.
    Converted(Vip, Address),
    /// The kernel refuses it.
    Refused(Vip, AddressError),
    /// It is off the interface.
    Released(Vip),
    /// The kernel refuses to remove it; it will be tried again.
    RemovalFailed(Vip, AddressError),
    /// Somebody else removed it while it was wanted; it is being put back.
    TakenAway(Vip),
    /// It is on the interface, not ours, and we are not MASTER.
    Foreign(Vip, Address),
}

/// A VIP at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VipReport {
    /// Which.
    pub vip: Vip,
    /// It is on the interface, and ours.
    pub held: bool,
    /// The kernel refused it when last asked.
    pub refused: bool,
}

/// The VIPs of one router.
#[derive(Clone, Debug)]
pub(super) struct Vips {
    router: RouterId,
    index: Option<InterfaceIndex>,
    wanted: Option<Lifetime>,
    /// Whether VIPs that aren't there are added: a guard only keeps those that are.
    adds: bool,
    entries: Vec<Entry>,
    /// Removed from the file while still on the interface.
    leaving: Vec<Entry>,
    generation: Generation,
}

/// What handlers need around them.
pub(super) struct Kernel<'a> {
    pub(super) now: Instant,
    pub(super) interfaces: &'a Interfaces,
    pub(super) out: &'a mut Vec<Output>,
}

impl Vips {
    pub(super) fn new(router: RouterId, vips: &[Vip]) -> Self {
        Self {
            router,
            index: None,
            wanted: None,
            adds: true,
            entries: vips.iter().copied().map(Entry::new).collect(),
            leaving: Vec::new(),
            generation: Generation::default(),
        }
    }

    pub(super) fn index(&self) -> Option<InterfaceIndex> {
        self.index
    }

    /// The addresses that are on the interface and ours.
    pub(super) fn held(&self) -> impl Iterator<Item = IpAddr> {
        self.entries.iter().filter(|entry| entry.present).map(|entry| entry.vip.ip)
    }

    /// Each of them, at this moment.
    pub(super) fn report(&self) -> Vec<VipReport> {
        let entries = self.entries.iter();
        entries.map(|e| VipReport { vip: e.vip, held: e.present, refused: e.refused }).collect()
    }

    /// The VIPs that the kernel refused when last asked.
    pub(super) fn refused(&self) -> impl Iterator<Item = Vip> {
        self.entries.iter().filter(|entry| entry.refused).map(|entry| entry.vip)
    }

    /// Whether nothing of ours is on the interface and nothing is under way.
    pub(super) fn is_clear(&self) -> bool {
        let clear = |entry: &Entry| !entry.present && entry.in_flight.is_none();
        self.entries.iter().chain(&self.leaving).all(clear)
    }

    /// When an operation that failed is to be tried again.
    pub(super) fn retry_at(&self) -> Instant {
        let times = self.entries.iter().chain(&self.leaving).filter_map(|entry| entry.retry_at);
        times.min().unwrap_or(Instant::MAX)
    }

    /// Its interface has another name now, or is deleted. One that is still there would keep the VIPs:
    /// they are removed, and nobody waits for it. See [`Self::release`] for `reset_until`.
    pub(super) fn leave_interface(
        &mut self,
        kernel: &mut Kernel<'_>,
        reset_until: Option<Instant>,
    ) {
        let is_there = |index: &InterfaceIndex| kernel.interfaces.by_index(*index).is_some();
        let Some(index) = self.index.filter(is_there) else { return };
        if self.wanted.is_some() {
            self.entries.iter_mut().for_each(|entry| entry.reset_until = reset_until);
        }
        let going = self.entries.iter().chain(&self.leaving).filter(|entry| entry.present);
        let going: Vec<_> = going.map(|entry| (entry.vip, entry.reset_until)).collect();
        self.reset_connections(kernel, index, &going);
        let entries = self.entries.iter().chain(&self.leaving);
        let there = entries.filter(|entry| entry.present || entry.in_flight.is_some());
        let there: Vec<_> = there.map(|entry| entry.vip).collect();
        for vip in there {
            let generation = self.next_generation();
            self.request(kernel, index, generation, vip, AddressOperation::Remove);
        }
    }

    /// The interface is this one now, or gone. Addresses of one that went are gone with it.
    pub(super) fn set_interface(&mut self, index: Option<InterfaceIndex>) {
        if self.index == index {
            return;
        }
        self.index = index;
        self.leaving.clear();
        for entry in &mut self.entries {
            *entry = Entry::new(entry.vip);
        }
    }

    /// Wants the VIPs on the interface, and takes away the same addresses with other prefix
    /// lengths, which would stay behind when ours go.
    pub(super) fn acquire(&mut self, kernel: &mut Kernel<'_>, lifetime: Lifetime) {
        self.wanted = Some(lifetime);
        self.entries.iter_mut().for_each(|entry| entry.reset_until = None);
        for entry in self.entries.iter_mut().filter(|entry| !entry.is_coming_or_going()) {
            // Whatever is thought to be there is added again, and so announced.
            entry.present = false;
            entry.retry_at = None;
        }
        let Some(index) = self.index else { return };
        for position in 0..self.entries.len() {
            let Some(vip) = self.entries.get(position).map(|entry| entry.vip) else {
                continue;
            };
            let others: Vec<_> = kernel
                .interfaces
                .addresses(index)
                .filter(|a| a.ip == vip.ip && a.prefix_len != vip.prefix_len)
                .map(|a| Vip { ip: a.ip, prefix_len: a.prefix_len })
                .collect();
            for other in others {
                let generation = self.next_generation();
                self.request(kernel, index, generation, other, AddressOperation::Remove);
            }
        }
        self.reconcile(kernel);
    }

    /// Wants the VIPs off the interface. Until `reset_until`, the connections of what is held now are
    /// reset before that; `None` leaves them alone.
    pub(super) fn release(&mut self, kernel: &mut Kernel<'_>, reset_until: Option<Instant>) {
        let was_wanted = self.wanted.take().is_some();
        for entry in &mut self.entries {
            entry.reset_until = reset_until.filter(|_| was_wanted && entry.present);
            entry.retry_at = None;
            entry.refused = false;
            entry.reorder = false;
            entry.find_leftover(kernel.interfaces, self.index);
        }
        self.reconcile(kernel);
    }

    /// Renews the lease of everything held. While the VIPs wait for a hook, nothing is.
    pub(super) fn renew(&mut self, kernel: &mut Kernel<'_>, lifetime: Lifetime) {
        if self.wanted.is_none() {
            return;
        }
        self.wanted = Some(lifetime);
        for entry in &mut self.entries {
            entry.renew = entry.present;
            if mutated!(ExistsNotConverted) {
                let there = self.index.and_then(|index| kernel.interfaces.find(index, entry.vip));
                entry.renew &= there.is_none_or(|address| address.ours);
            }
        }
        self.reconcile(kernel);
    }

    /// Tries again what was refused and is due.
    pub(super) fn retry(&mut self, kernel: &mut Kernel<'_>) {
        for entry in self.entries.iter_mut().chain(&mut self.leaving) {
            if entry.retry_at.is_some_and(|at| at <= kernel.now) {
                entry.retry_at = None;
            }
        }
        self.reconcile(kernel);
    }

    /// Tries a refused VIP again, but not before `at`.
    pub(super) fn retry_refused_at(&mut self, at: Instant) {
        for entry in self.entries.iter_mut().filter(|entry| entry.refused) {
            entry.retry_at = Some(at);
        }
    }

    /// Changes the list; what is in both stays as it is. See [`Self::release`] for `reset_until`.
    pub(super) fn set_list(
        &mut self,
        kernel: &mut Kernel<'_>,
        vips: &Arc<[Vip]>,
        reset_until: Option<Instant>,
    ) {
        let mut old = std::mem::take(&mut self.entries);
        self.entries = vips
            .iter()
            .map(|vip| match old.iter().position(|entry| entry.vip == *vip) {
                Some(position) => old.swap_remove(position),
                None => Entry::new(*vip),
            })
            .collect();
        if self.wanted.is_some() {
            for entry in old.iter_mut().filter(|entry| entry.present) {
                entry.reset_until = reset_until;
            }
        }
        for entry in &mut old {
            entry.find_leftover(kernel.interfaces, self.index);
        }
        if !mutated!(DroppedVipKept) {
            self.leaving.extend(old.into_iter().filter(|e| e.present || e.in_flight.is_some()));
        }
        self.reconcile(kernel);
    }

    /// An operation has ended. Results of overtaken operations are dropped.
    pub(super) fn handle_result(
        &mut self,
        kernel: &mut Kernel<'_>,
        generation: Generation,
        result: Result<(), AddressError>,
        news: &mut Vec<VipNews>,
    ) {
        let index = self.index;
        let is_this = |(entry, _): &(&mut Entry, Option<Lifetime>)| {
            entry.in_flight.is_some_and(|(g, _)| g == generation || mutated!(OldResultsCounted))
        };
        let Some((entry, lifetime)) = self.all().find(is_this) else {
            return;
        };
        let wanted = lifetime.is_some();
        let Some((_, operation)) = entry.in_flight.take() else {
            return;
        };
        // What came too late is removed, and nobody may hear of it.
        let acquired = wanted.then_some(VipNews::Acquired(entry.vip));
        match (operation, result) {
            (AddressOperation::Add(_), Ok(())) if !wanted && mutated!(LateAddKept) => {}
            (AddressOperation::Add(given), Ok(())) => {
                entry.present = true;
                entry.ours = true;
                entry.refused = false;
                // A reload has changed the lease while the kernel was busy with this one.
                entry.renew = lifetime.is_some_and(|lifetime| lifetime != given);
                news.extend(acquired);
            }
            // First adds are exclusive: what is there may be our own, or somebody's without lease.
            (AddressOperation::Add(_), Err(AddressError::Exists)) if !mutated!(ExistsRefused) => {
                let there = index.and_then(|index| kernel.interfaces.find(index, entry.vip));
                if let (Some(there), true) = (there.filter(|a| !a.ours), wanted) {
                    news.push(VipNews::Converted(entry.vip, *there));
                }
                entry.present = true;
                entry.refused = false;
                entry.renew = !mutated!(ExistsNotConverted);
                news.extend(acquired);
            }
            (AddressOperation::Renew(_), Ok(())) => {
                entry.ours = true;
                // Its lease had ended before, perhaps, and this put it back: it is ours to remove.
                entry.present |= !wanted && kernel.interfaces.has_ours(index, entry.vip);
            }
            (AddressOperation::Add(_) | AddressOperation::Renew(_), Err(error)) => {
                // What can't be renewed may still be there, and is ours to remove; though nothing be
                // known of it, as events were lost and can't be made up for.
                let there = index.and_then(|index| kernel.interfaces.find(index, entry.vip));
                let is_there = there.map_or(entry.present, |address| address.ours);
                entry.present = (is_there || entry.ours) && !mutated!(RefusedRenewalForgotten);
                entry.renew = entry.present;
                if wanted {
                    entry.refused = true;
                    entry.retry_at = Some(Instant::MAX);
                    news.push(VipNews::Refused(entry.vip, error));
                }
            }
            (AddressOperation::Remove, Ok(())) => {
                entry.mark_gone();
                news.push(VipNews::Released(entry.vip));
            }
            (AddressOperation::Remove, Err(AddressError::NotFound | AddressError::NoInterface))
                if !mutated!(NotFoundRetried) =>
            {
                entry.mark_gone();
                entry.own_removals = entry.own_removals.saturating_sub(1);
                news.push(VipNews::Released(entry.vip));
            }
            // Wanted again meanwhile: if still there, its lease may be short, and nobody knows.
            (AddressOperation::Remove, Err(_)) if wanted => {
                entry.own_removals = entry.own_removals.saturating_sub(1);
                entry.renew = entry.present;
                news.extend(acquired.filter(|_| entry.present));
            }
            (AddressOperation::Remove, Err(error)) => {
                entry.own_removals = entry.own_removals.saturating_sub(1);
                entry.retry_at = Some(kernel.now + REMOVAL_RETRY);
                if mutated!(RemovalNotRetried) {
                    entry.retry_at = Some(Instant::MAX);
                }
                news.push(VipNews::RemovalFailed(entry.vip, error));
            }
        }
        self.reconcile(kernel);
    }

    /// The kernel tells of a change of an address on our interface.
    pub(super) fn handle_change(
        &mut self,
        kernel: &mut Kernel<'_>,
        change: AddressChange,
        news: &mut Vec<VipNews>,
    ) {
        let (AddressChange::Present(address) | AddressChange::Gone(address)) = change;
        let (wanted, index) = (self.wanted.is_some(), self.index);
        let same =
            |e: &&mut Entry| e.vip.ip == address.ip && e.vip.prefix_len == address.prefix_len;
        let Some(entry) = self.entries.iter_mut().chain(&mut self.leaving).find(same) else {
            return;
        };
        match change {
            AddressChange::Gone(_) if entry.own_removals > 0 => {
                entry.own_removals -= 1;
                // Its lease may have ended before our removal, which may yet be refused.
                if entry.is_going() {
                    entry.mark_gone();
                }
            }
            AddressChange::Gone(_) => {
                if entry.present && wanted {
                    let (vip, adds) = (entry.vip, self.adds);
                    news.push(if adds { VipNews::TakenAway(vip) } else { VipNews::Released(vip) });
                }
                entry.mark_gone();
                entry.renew = false;
                if wanted && mutated!(TakenAwayNotPutBack) {
                    entry.retry_at = Some(Instant::MAX);
                }
            }
            AddressChange::Present(address) if entry.in_flight.is_none() => {
                entry.ours = address.ours;
                if address.ours {
                    // A leftover, perhaps: reconciling removes what isn't wanted.
                    entry.present = true;
                } else if !wanted {
                    news.push(VipNews::Foreign(entry.vip, address));
                }
                entry.reorder =
                    wanted && index.is_some_and(|i| kernel.interfaces.shadows_host(i, entry.vip));
            }
            AddressChange::Present(address) => entry.ours = address.ours,
        }
        self.reconcile(kernel);
    }

    /// Events were lost: `interfaces` is the truth now.
    pub(super) fn resync(&mut self, kernel: &mut Kernel<'_>, news: &mut Vec<VipNews>) {
        let Some(index) = self.index else { return };
        let vips: Vec<_> = self.entries.iter().chain(&self.leaving).map(|e| e.vip).collect();
        for entry in self.entries.iter_mut().chain(&mut self.leaving) {
            entry.own_removals = 0;
        }
        for vip in vips {
            match kernel.interfaces.find(index, vip).copied() {
                // Ours was removed unheard, and somebody put this one there.
                Some(address) if !address.ours && self.is_held(vip) => {
                    news.push(VipNews::Converted(vip, address));
                    let held = self.entries.iter_mut().filter(|entry| entry.vip == vip);
                    for entry in held {
                        entry.ours = false;
                        entry.renew = true;
                    }
                    self.reconcile(kernel);
                }
                Some(address) => {
                    self.handle_change(kernel, AddressChange::Present(address), news);
                }
                None if self.is_held(vip) => {
                    let gone = Address {
                        index,
                        ip: vip.ip,
                        prefix_len: vip.prefix_len,
                        ours: true,
                        secondary: false,
                        tentative: false,
                        valid_secs: None,
                        protocol: 0,
                    };
                    self.handle_change(kernel, AddressChange::Gone(gone), news);
                }
                None => {}
            }
        }
    }

    /// Every entry, and for how long its VIP is wanted on the interface, if it is.
    fn all(&mut self) -> impl Iterator<Item = (&mut Entry, Option<Lifetime>)> {
        let wanted = self.wanted;
        let listed = self.entries.iter_mut().map(move |entry| (entry, wanted));
        listed.chain(self.leaving.iter_mut().map(|entry| (entry, None)))
    }

    fn is_held(&self, vip: Vip) -> bool {
        self.entries.iter().any(|e| e.vip == vip && e.present && e.in_flight.is_none())
    }
}

#[cfg(test)]
mod tests;
