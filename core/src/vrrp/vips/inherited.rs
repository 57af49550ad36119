//! VIPs that a process before this one has left.

use super::{Kernel, Vips};
use crate::interfaces::Interfaces;
use crate::io::Lifetime;
use crate::vrrp::Vip;

impl Vips {
    /// From now on nothing is added.
    pub(in crate::vrrp) fn forgo_adding(&mut self) {
        self.adds = mutated!(GuardAdds);
    }

    /// Whether it adds any.
    pub(in crate::vrrp) fn adds(&self) -> bool {
        self.adds
    }

    /// Whether any of them is on the interface, and ours.
    pub(in crate::vrrp) fn has_any(&self, interfaces: &Interfaces) -> bool {
        self.entries.iter().any(|entry| self.is_ours(interfaces, entry.vip))
    }

    fn is_ours(&self, interfaces: &Interfaces, vip: Vip) -> bool {
        let there = self.index.and_then(|index| interfaces.find(index, vip));
        there.is_some_and(|address| address.ours)
    }

    /// Wants the VIPs on the interface, where a process before this one has left them.
    pub(in crate::vrrp) fn inherit(&mut self, kernel: &mut Kernel<'_>, lifetime: Lifetime) {
        self.wanted = Some(lifetime);
        for position in 0..self.entries.len() {
            let Some(vip) = self.entries.get(position).map(|entry| entry.vip) else { continue };
            let is_there = self.is_ours(kernel.interfaces, vip);
            if let Some(entry) = self.entries.get_mut(position) {
                (entry.present, entry.ours) = (is_there, is_there);
            }
        }
        self.reconcile(kernel);
    }
}
