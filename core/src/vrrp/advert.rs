//! The advertisement on the wire.

use super::{AdverInterval, AdvertPriority, Version, Vrid};

/// How the checksum of a version 3 advert over IPv4 is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChecksumForm {
    /// With a pseudo-header: what RFC 5798 is read to mean, and what keepalived and FRR do.
    PseudoHeader,
    /// Over the VRRP message alone: RFC 9568 §5.2.8.
    MessageOnly,
}

/// An advertisement; `A` is its list of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement<A> {
    /// The protocol version.
    pub version: Version,
    /// The virtual router.
    pub vrid: Vrid,
    /// The sender's priority.
    pub priority: AdvertPriority,
    /// The sender's interval.
    pub interval: AdverInterval,
    /// The form of a version 3 IPv4 checksum: found when decoded, chosen when encoded.
    pub checksum: ChecksumForm,
    /// The virtual IPs.
    pub addresses: A,
}
