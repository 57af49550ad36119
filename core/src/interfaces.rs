//! What the core knows of links and addresses, from netlink events.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::io::{Address, InterfaceIndex, KernelSnapshot, Link};
use crate::vrrp::{Family, Vip};

/// All links and addresses of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interfaces {
    links: BTreeMap<InterfaceIndex, Link>,
    /// In the kernel's order per interface: IPv4 primaries before their secondaries.
    addresses: BTreeMap<InterfaceIndex, Vec<Address>>,
    /// Every address that our file calls a VIP: never the source of an advert.
    vips: BTreeSet<IpAddr>,
}

impl Interfaces {
    /// Says which addresses are VIPs of this host's file.
    pub(crate) fn set_vips(&mut self, vips: BTreeSet<IpAddr>) {
        self.vips = vips;
    }

    /// The link of this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| *link.name == *name)
    }

    /// The link of this number.
    #[must_use]
    pub fn by_index(&self, index: InterfaceIndex) -> Option<&Link> {
        self.links.get(&index)
    }

    /// All addresses of an interface.
    pub fn addresses(&self, index: InterfaceIndex) -> impl Iterator<Item = &Address> + Clone {
        self.addresses.get(&index).into_iter().flatten()
    }

    /// All addresses of all interfaces.
    pub fn all_addresses(&self) -> impl Iterator<Item = &Address> {
        self.addresses.values().flatten()
    }

    /// The address of this interface that equals a VIP in address and prefix length.
    #[must_use]
    pub fn find(&self, index: InterfaceIndex, vip: Vip) -> Option<&Address> {
        self.addresses(index).find(|a| a.ip == vip.ip && a.prefix_len == vip.prefix_len)
    }

    /// Whether a VIP is on this interface, if there is one, and ours.
    #[must_use]
    pub fn has_ours(&self, index: Option<InterfaceIndex>, vip: Vip) -> bool {
        index.and_then(|index| self.find(index, vip)).is_some_and(|address| address.ours)
    }

    /// Whether the interface has this address, with any prefix length.
    #[must_use]
    pub fn has(&self, index: InterfaceIndex, ip: IpAddr) -> bool {
        self.addresses(index).any(|address| address.ip == ip)
    }

    /// The source for adverts of a family (RFC 9568 §7.2: the primary IPv4 or the link-local IPv6
    /// address), which stays the same while it is usable. A VIP is never it. Unicast to global IPv6
    /// peers needs a `global` one.
    #[must_use]
    pub fn source(
        &self,
        index: InterfaceIndex,
        family: Family,
        global: bool,
        current: Option<IpAddr>,
    ) -> Option<IpAddr> {
        let usable = |address: &&Address| {
            Family::of(address.ip) == family
                && !address.tentative
                && (mutated!(VipAsSource) || !address.ours && !self.vips.contains(&address.ip))
                && match address.ip {
                    IpAddr::V4(_) => true,
                    IpAddr::V6(ip) => ip.is_unicast_link_local() != global,
                }
        };
        let mut candidates = self.addresses(index).filter(usable);
        let stays = candidates.clone().find(|a| Some(a.ip) == current && !a.secondary);
        let first_primary = candidates.clone().find(|address| !address.secondary);
        stays.or(first_primary).or_else(|| candidates.next()).map(|address| address.ip)
    }

    /// Whether a VIP has become the primary address of a subnet in which the host has an address:
    /// removing it would take the host's own along.
    #[must_use]
    pub fn shadows_host(&self, index: InterfaceIndex, vip: Vip) -> bool {
        let IpAddr::V4(vip_ip) = vip.ip else {
            return false;
        };
        let shift = 32 - u32::from(vip.prefix_len.min(32));
        let subnet = |ip: std::net::Ipv4Addr| ip.to_bits().checked_shr(shift).unwrap_or(0);
        self.find(index, vip).is_some_and(|held| !held.secondary)
            && self.addresses(index).any(|other| match other.ip {
                IpAddr::V4(ip) => {
                    other.secondary
                        && other.prefix_len == vip.prefix_len
                        && subnet(ip) == subnet(vip_ip)
                        && !other.ours
                        && !self.vips.contains(&other.ip)
                }
                IpAddr::V6(_) => false,
            })
    }

    pub(crate) fn put_link(&mut self, link: Link) {
        self.links.insert(link.index, link);
    }

    pub(crate) fn remove_link(&mut self, index: InterfaceIndex) -> Option<Link> {
        self.addresses.remove(&index);
        self.links.remove(&index)
    }

    pub(crate) fn put_address(&mut self, address: Address) {
        let list = self.addresses.entry(address.index).or_default();
        match list.iter_mut().find(|a| a.ip == address.ip && a.prefix_len == address.prefix_len) {
            Some(known) => *known = address,
            None => list.push(address),
        }
    }

    pub(crate) fn remove_address(&mut self, gone: &Address) {
        if let Some(list) = self.addresses.get_mut(&gone.index) {
            list.retain(|a| a.ip != gone.ip || a.prefix_len != gone.prefix_len);
        }
    }

    /// Takes a dump for the truth.
    pub(crate) fn replace(&mut self, snapshot: KernelSnapshot) {
        self.links = snapshot.links.into_iter().map(|link| (link.index, link)).collect();
        self.addresses.clear();
        for address in snapshot.addresses {
            self.put_address(address);
        }
    }
}

#[cfg(test)]
mod tests;
