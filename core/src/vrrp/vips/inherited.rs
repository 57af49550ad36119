//! VIPs that a process before this one has left.

use super::{Kernel, Vips};
use crate::interfaces::Interfaces;
use crate::io::Lifetime;

impl Vips {
    /// From now on nothing is added.
    pub(in crate::vrrp) fn forgo_adding(&mut self) {
        self.adds = false;
    }

    /// Whether it adds any.
    pub(in crate::vrrp) fn adds(&self) -> bool {
        self.adds
    }

    /// Whether any of them is on the interface, and ours.
    pub(in crate::vrrp) fn has_any(&self, interfaces: &Interfaces) -> bool {
        self.entries.iter().any(|entry| interfaces.has_ours(self.index, entry.vip))
    }

    /// Wants the VIPs on the interface, where a process before this one has left them.
    pub(in crate::vrrp) fn inherit(&mut self, kernel: &mut Kernel<'_>, lifetime: Lifetime) {
        self.wanted = Some(lifetime);
        for entry in &mut self.entries {
            entry.present = kernel.interfaces.has_ours(self.index, entry.vip);
            entry.ours = entry.present;
        }
        self.reconcile(kernel);
    }
}
