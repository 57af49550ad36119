//! What the kernel tells about interfaces and addresses.

use std::fmt;
use std::net::IpAddr;

use crate::vrrp::InterfaceName;

/// The kernel's number of an interface; a deleted and re-created interface gets a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceIndex(pub u32);

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// Its number.
    pub index: InterfaceIndex,
    /// Its name now; it can be renamed.
    pub name: InterfaceName,
    /// Up, with carrier (`IFF_UP`, and `IFF_LOWER_UP` or an operational state of up or unknown).
    pub running: bool,
    /// Its Ethernet address; `None` where it has none.
    pub mac: Option<MacAddress>,
}

/// An address on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The interface.
    pub index: InterfaceIndex,
    /// The address.
    pub ip: IpAddr,
    /// Its prefix length.
    pub prefix_len: u8,
    /// Added by OpenProxy: by this process or one before it.
    pub ours: bool,
    /// IPv4: behind another address of the same subnet (`IFA_F_SECONDARY`).
    pub secondary: bool,
    /// IPv6: duplicate address detection isn't done, or has failed.
    pub tentative: bool,
    /// Seconds until the kernel removes it; `None` for a permanent address.
    pub valid_secs: Option<u32>,
    /// Who added it, as the kernel's `IFA_PROTO` tells; 0 where it doesn't.
    pub protocol: u8,
}

/// An address that came, changed or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressChange {
    /// It is there, perhaps with new attributes.
    Present(Address),
    /// It is gone; the attributes are its last.
    Gone(Address),
}

/// A change of links or addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelEvent {
    /// A link came or changed.
    Link(Link),
    /// A link is gone, and with it its addresses.
    LinkGone(InterfaceIndex),
    /// An address came, changed or went.
    Address(AddressChange),
    /// Events were lost (`ENOBUFS`): the core will ask for a dump.
    Overrun,
}

/// Everything the kernel knows of links and addresses at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelSnapshot {
    /// All links.
    pub links: Vec<Link>,
    /// All addresses, in the kernel's order: IPv4 primaries before their secondaries.
    pub addresses: Vec<Address>,
}
