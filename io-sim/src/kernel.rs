//! A machine's interfaces and addresses, as its kernel keeps them.
//!
//! The kernel outlives the process: what a killed process added stays, until its lease is over. It
//! removes an address up to 1.25 s after its lifetime has passed, as Linux does; and when the first
//! IPv4 address of a subnet goes, the others of that subnet go too, unless it was told to promote
//! them.

use std::net::IpAddr;

use openproxy_core::io::{
    Address, AddressChange, AddressError, AddressOperation, AddressRequest, InterfaceIndex,
    KernelEvent, KernelSnapshot, Lifetime, Link, MacAddress,
};
use openproxy_core::time::{Duration, Instant};
use openproxy_core::vrrp::{InterfaceName, KERNEL_LATENESS_MAX};
use serde::{Deserialize, Serialize};

use crate::NodeId;
use crate::draw::{Draws, Stream};

/// `IFA_PROTO` of addresses that OpenProxy adds.
pub const OUR_PROTOCOL: u8 = 0x70;

/// Which operations a fault makes fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedOperation {
    /// Adding.
    Add,
    /// Renewing.
    Renew,
    /// Removing.
    Remove,
}

/// Who changed an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The process, by an operation.
    Process,
    /// The kernel, because a lease was over, a primary went, or the machine lost its power.
    Kernel,
    /// Somebody else on the machine.
    Somebody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Entry {
    ip: IpAddr,
    prefix_len: u8,
    ours: bool,
    secondary: bool,
    lifetime_secs: Option<u32>,
    /// When the kernel removes it, by the machine's clock.
    gone_at: Instant,
}

/// The addresses of one machine, on its one interface.
#[derive(Clone, Debug)]
pub struct Kernel {
    node: NodeId,
    draws: Draws,
    name: InterfaceName,
    mac: MacAddress,
    index: InterfaceIndex,
    exists: bool,
    running: bool,
    promotes_secondaries: bool,
    entries: Vec<Entry>,
    next_gone_at: Instant,
    refuses: Vec<(RefusedOperation, AddressError)>,
    changes: Vec<(AddressChange, Cause)>,
}

impl Kernel {
    /// A machine with one running interface and these addresses of its own.
    #[must_use]
    pub fn new(node: NodeId, draws: Draws, name: InterfaceName, own: &[(IpAddr, u8)]) -> Self {
        let mut kernel = Self {
            node,
            draws,
            name,
            mac: mac(node),
            index: InterfaceIndex(2),
            exists: true,
            running: true,
            promotes_secondaries: false,
            entries: Vec::new(),
            next_gone_at: Instant::MAX,
            refuses: Vec::new(),
            changes: Vec::new(),
        };
        for (ip, prefix_len) in own {
            kernel.put(*ip, *prefix_len, false, None, Instant::MAX, Cause::Somebody);
        }
        kernel.changes.clear();
        kernel
    }

    /// The same, whose interface has this number.
    #[must_use]
    pub fn numbered(mut self, index: InterfaceIndex) -> Self {
        self.index = index;
        self
    }

    /// Everything, as a dump gives it.
    #[must_use]
    pub fn snapshot(&self) -> KernelSnapshot {
        if !self.exists {
            return KernelSnapshot::default();
        }
        let addresses = self.entries.iter().map(|entry| self.address(entry)).collect();
        KernelSnapshot { links: vec![self.link()], addresses }
    }

    /// The interface as it is now.
    #[must_use]
    pub fn link(&self) -> Link {
        let (index, running) = (self.index, self.running);
        Link { index, name: self.name.clone(), running, mac: Some(self.mac) }
    }

    /// The number of the interface; `None` while there is none.
    #[must_use]
    pub fn index(&self) -> Option<InterfaceIndex> {
        self.exists.then_some(self.index)
    }

    /// Whether packets go out and come in.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.exists && self.running
    }

    /// Whether the machine has this address.
    #[must_use]
    pub fn has(&self, ip: IpAddr) -> bool {
        self.entries.iter().any(|entry| entry.ip == ip)
    }

    /// Whether the machine has this address, added by OpenProxy.
    #[must_use]
    pub fn has_ours(&self, ip: IpAddr) -> bool {
        self.entries.iter().any(|entry| entry.ip == ip && entry.ours)
    }

    /// The changes since the last call, for netlink's listeners, with who made them.
    pub fn take_change(&mut self) -> Option<(AddressChange, Cause)> {
        (!self.changes.is_empty()).then(|| self.changes.remove(0))
    }

    /// When the next lease is over.
    #[must_use]
    pub fn due_at(&self) -> Instant {
        self.next_gone_at
    }

    /// Removes addresses whose leases are over.
    pub fn expire(&mut self, now: Instant) {
        while self.next_gone_at <= now {
            let gone = self.entries.iter().position(|entry| entry.gone_at <= now);
            let Some(position) = gone else { break };
            self.remove_at(position, Cause::Kernel);
        }
    }

    /// Sets `promote_secondaries`.
    pub fn promote_secondaries(&mut self) {
        self.promotes_secondaries = true;
    }

    /// Makes operations of a kind fail from now on, or no more.
    pub fn refuse(&mut self, operation: RefusedOperation, error: Option<AddressError>) {
        self.refuses.retain(|(known, _)| *known != operation);
        self.refuses.extend(error.map(|error| (operation, error)));
    }

    /// Carries out an operation of the process.
    ///
    /// # Errors
    /// What a kernel would answer, or what the scenario makes it answer.
    pub fn operate(&mut self, now: Instant, request: &AddressRequest) -> Result<(), AddressError> {
        let kind = match request.operation {
            AddressOperation::Add(_) => RefusedOperation::Add,
            AddressOperation::Renew(_) => RefusedOperation::Renew,
            AddressOperation::Remove => RefusedOperation::Remove,
        };
        if let Some((_, error)) = self.refuses.iter().find(|(refused, _)| *refused == kind) {
            return Err(error.clone());
        }
        if !self.exists || request.index != self.index {
            return Err(AddressError::NoInterface);
        }
        let (ip, prefix_len) = (request.vip.ip, request.vip.prefix_len);
        let known = self.find(ip, prefix_len);
        match (request.operation, known) {
            (AddressOperation::Add(_), Some(_)) => Err(AddressError::Exists),
            (AddressOperation::Remove, None) => Err(AddressError::NotFound),
            (AddressOperation::Remove, Some(position)) => {
                self.remove_at(position, Cause::Process);
                Ok(())
            }
            (AddressOperation::Add(lifetime), None) | (AddressOperation::Renew(lifetime), _) => {
                let (secs, gone_at) = self.lease(now, lifetime);
                self.put(ip, prefix_len, true, secs, gone_at, Cause::Process);
                Ok(())
            }
        }
    }

    /// Somebody else on the machine adds an address for good.
    pub fn add_foreign(&mut self, ip: IpAddr, prefix_len: u8) {
        if self.exists && self.find(ip, prefix_len).is_none() {
            self.put(ip, prefix_len, false, None, Instant::MAX, Cause::Somebody);
        }
    }

    /// Somebody else on the machine removes an address.
    pub fn remove_foreign(&mut self, ip: IpAddr) {
        if let Some(position) = self.entries.iter().position(|entry| entry.ip == ip) {
            self.remove_at(position, Cause::Somebody);
        }
    }

    /// The cable is pulled, or plugged in.
    pub fn set_running(&mut self, running: bool) -> Option<KernelEvent> {
        if self.running == running || !self.exists {
            self.running = running;
            return None;
        }
        self.running = running;
        Some(KernelEvent::Link(self.link()))
    }

    /// The interface is deleted, and all its addresses with it.
    pub fn delete_interface(&mut self) -> Option<KernelEvent> {
        if !self.exists {
            return None;
        }
        while !self.entries.is_empty() {
            self.remove_at(self.entries.len() - 1, Cause::Kernel);
        }
        self.exists = false;
        Some(KernelEvent::LinkGone(self.index))
    }

    /// An interface of the same name is made, with these addresses.
    pub fn create_interface(&mut self, own: &[(IpAddr, u8)]) -> Option<KernelEvent> {
        if self.exists {
            return None;
        }
        self.exists = true;
        self.index = InterfaceIndex(self.index.0 + 1);
        for (ip, prefix_len) in own {
            self.put(*ip, *prefix_len, false, None, Instant::MAX, Cause::Somebody);
        }
        Some(KernelEvent::Link(self.link()))
    }

    /// The machine loses its power and starts again, later: only its own addresses are there.
    pub fn reboot(&mut self, own: &[(IpAddr, u8)]) {
        while !self.entries.is_empty() {
            self.remove_at(self.entries.len() - 1, Cause::Kernel);
        }
        self.promotes_secondaries = false;
        for (ip, prefix_len) in own {
            self.put(*ip, *prefix_len, false, None, Instant::MAX, Cause::Somebody);
        }
    }

    fn find(&self, ip: IpAddr, prefix_len: u8) -> Option<usize> {
        self.entries.iter().position(|entry| entry.ip == ip && entry.prefix_len == prefix_len)
    }

    fn address(&self, entry: &Entry) -> Address {
        Address {
            index: self.index,
            ip: entry.ip,
            prefix_len: entry.prefix_len,
            ours: entry.ours,
            secondary: entry.secondary,
            tentative: false,
            valid_secs: entry.lifetime_secs,
            protocol: if entry.ours { OUR_PROTOCOL } else { 0 },
        }
    }

    fn lease(&self, now: Instant, lifetime: Lifetime) -> (Option<u32>, Instant) {
        match lifetime {
            Lifetime::Forever => (None, Instant::MAX),
            Lifetime::Secs(secs) => {
                let over = now + Duration::from_secs(u64::from(secs));
                let latest = u64::try_from(KERNEL_LATENESS_MAX.as_nanos()).unwrap_or(u64::MAX);
                let key = u64::from(self.node.0);
                let late = self.draws.between(Stream::Lateness, key, over.as_nanos(), 0, latest);
                (Some(secs), over + Duration::from_nanos(late))
            }
        }
    }

    fn put(
        &mut self,
        ip: IpAddr,
        prefix_len: u8,
        ours: bool,
        lifetime_secs: Option<u32>,
        gone_at: Instant,
        cause: Cause,
    ) {
        let entry = match self.find(ip, prefix_len) {
            Some(position) => {
                let entry = &mut self.entries[position];
                (entry.ours, entry.lifetime_secs, entry.gone_at) = (ours, lifetime_secs, gone_at);
                *entry
            }
            None => {
                let same = |known: &Entry| same_subnet(known, ip, prefix_len) && !known.secondary;
                let secondary = ip.is_ipv4() && self.entries.iter().any(same);
                let entry = Entry { ip, prefix_len, ours, secondary, lifetime_secs, gone_at };
                self.entries.push(entry);
                entry
            }
        };
        self.find_next_gone();
        self.changes.push((AddressChange::Present(self.address(&entry)), cause));
    }

    fn remove_at(&mut self, position: usize, cause: Cause) {
        let entry = self.entries.remove(position);
        self.changes.push((AddressChange::Gone(self.address(&entry)), cause));
        if entry.ip.is_ipv4() && !entry.secondary {
            self.follow_primary(&entry);
        }
        self.find_next_gone();
    }

    /// The first IPv4 address of a subnet has gone.
    fn follow_primary(&mut self, primary: &Entry) {
        let next = |known: &Entry| same_subnet(known, primary.ip, primary.prefix_len);
        if self.promotes_secondaries {
            if let Some(position) = self.entries.iter().position(next) {
                self.entries[position].secondary = false;
                let promoted = self.address(&self.entries[position]);
                self.changes.push((AddressChange::Present(promoted), Cause::Kernel));
            }
            return;
        }
        while let Some(position) = self.entries.iter().position(next) {
            let entry = self.entries.remove(position);
            self.changes.push((AddressChange::Gone(self.address(&entry)), Cause::Kernel));
        }
    }

    fn find_next_gone(&mut self) {
        let times = self.entries.iter().map(|entry| entry.gone_at);
        self.next_gone_at = times.min().unwrap_or(Instant::MAX);
    }
}

/// The Ethernet address of a machine.
#[must_use]
pub fn mac(node: NodeId) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, node.0 + 1])
}

fn same_subnet(entry: &Entry, ip: IpAddr, prefix_len: u8) -> bool {
    let (IpAddr::V4(a), IpAddr::V4(b)) = (entry.ip, ip) else { return false };
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0);
    entry.prefix_len == prefix_len && a.to_bits() & mask == b.to_bits() & mask
}

#[cfg(test)]
mod tests;
