//! What is asked of the kernel for the VIPs, and for the connections of those that come off.

use std::net::IpAddr;

use super::{Kernel, Vips};
use crate::io::{
    AddressOperation, AddressRequest, Generation, InterfaceIndex, Output, ResetConnections,
};
use crate::time::Instant;
use crate::vrrp::Vip;

impl Vips {
    /// Starts what is needed for each address that has nothing under way.
    pub(super) fn reconcile(&mut self, kernel: &mut Kernel<'_>) {
        self.leaving.retain(|entry| entry.present || entry.in_flight.is_some());
        let Some(index) = self.index else { return };
        let (mut requests, mut going) = (Vec::new(), Vec::new());
        for position in 0..self.entries.len() + self.leaving.len() {
            let (entry, wanted) = match position.checked_sub(self.entries.len()) {
                None => (self.entries.get_mut(position), self.wanted),
                Some(position) => (self.leaving.get_mut(position), None),
            };
            let Some(entry) = entry else { continue };
            let Some(operation) = entry.next_operation(wanted, self.adds) else {
                continue;
            };
            let vip = entry.vip;
            self.generation = Generation(self.generation.0 + 1);
            entry.in_flight = Some((self.generation, operation));
            if operation == AddressOperation::Remove {
                // One that the kernel refuses to remove isn't reset again.
                going.push((vip, entry.reset_until.take()));
            }
            requests.push((self.generation, vip, operation));
        }
        self.reset_connections(kernel, index, &going);
        for (generation, vip, operation) in requests {
            self.request(kernel, index, generation, vip, operation);
        }
    }

    pub(super) fn next_generation(&mut self) -> Generation {
        self.generation = Generation(self.generation.0 + 1);
        self.generation
    }

    pub(super) fn request(
        &self,
        kernel: &mut Kernel<'_>,
        index: InterfaceIndex,
        generation: Generation,
        vip: Vip,
        operation: AddressOperation,
    ) {
        let router = self.router;
        let request = AddressRequest { router, generation, index, vip, operation };
        kernel.out.push(Output::Address(request));
    }

    /// Has the connections of VIPs reset whose removal is asked for next: of those that were held, as
    /// long as nobody else can have them, and whose address doesn't stay on this node.
    pub(super) fn reset_connections(
        &self,
        kernel: &mut Kernel<'_>,
        index: InterfaceIndex,
        going: &[(Vip, Option<Instant>)],
    ) {
        let is_ours = |until: &Option<Instant>| {
            until.is_some_and(|until| kernel.now < until || mutated!(ResetAfterLapse))
        };
        let reset = going.iter().filter(|(_, until)| is_ours(until));
        let reset = reset.filter(|(vip, _)| !self.stays(kernel, index, *vip));
        let addresses: Vec<_> = reset.map(|(vip, _)| vip.ip).collect();
        if !addresses.is_empty() {
            let router = self.router;
            let reset = ResetConnections { router, index, addresses };
            kernel.out.push(Output::ResetConnections(reset));
        }
    }

    /// Whether connections live on without this VIP: its address is wanted with another prefix
    /// length, or is somewhere on this node for another reason.
    fn stays(&self, kernel: &Kernel<'_>, index: InterfaceIndex, vip: Vip) -> bool {
        let mut listed = self.entries.iter();
        if self.wanted.is_some() && listed.any(|entry| entry.vip.ip == vip.ip && entry.vip != vip) {
            return true;
        }
        // It means another host on each interface.
        let is_link_local = matches!(vip.ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let mut same = kernel
            .interfaces
            .all_addresses()
            .filter(|address| address.ip == vip.ip && (address.index == index || !is_link_local));
        same.any(|address| {
            let there = Vip { ip: address.ip, prefix_len: address.prefix_len };
            let mut own = self.entries.iter().chain(&self.leaving);
            address.index != index || !(there == vip || own.any(|entry| entry.vip == there))
        })
    }
}
