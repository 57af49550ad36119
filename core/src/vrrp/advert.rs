//! The advertisement on the wire.
//!
//! ```text
//!     version 2 (RFC 3768 §5.1)                  version 3 (RFC 9568 §5.1)
//!  0  2, type 1 | VRID | priority | count        3, type 1 | VRID | priority | count
//!  4  auth type | seconds | checksum             reserved, 12 bits of interval | checksum
//!  8  IPv4 addresses                             IPv4 or IPv6 addresses
//!     8 bytes of authentication data
//! ```

// What comes from outside is counted with here.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod address_list;
mod decode;
mod encode;

pub use address_list::AddressList;
pub use decode::{Peek, peek};
pub use encode::AdvertBuffer;

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{AdverInterval, AdvertPriority, Version, Vrid};

/// The IP protocol number of VRRP (RFC 9568 §5.1.1.4).
pub const PROTOCOL: u8 = 112;
/// The TTL or hop limit of every advert; any other has passed a router (RFC 9568 §5.1.1.3).
pub const TTL: u8 = 255;
/// The group that IPv4 adverts are sent to (RFC 9568 §5.1.1.2).
pub const MULTICAST_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The group that IPv6 adverts are sent to (RFC 9568 §5.1.2.2).
pub const MULTICAST_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// The most addresses that the count field can say.
pub const ADDRESSES_MAX: usize = 255;
/// The length of the longest advert: version 3 with 255 IPv6 addresses.
pub const ADVERT_LEN_MAX: usize = HEADER_LEN + 16 * ADDRESSES_MAX;

/// The length of the fixed fields of both versions.
const HEADER_LEN: usize = 8;
/// The length of what follows the addresses in version 2, with and without authentication.
const AUTH_DATA_LEN: usize = 8;
/// The type of an advertisement, the only one (RFC 9568 §5.2.2).
const TYPE_ADVERTISEMENT: u8 = 1;

/// How the checksum of a version 3 advert over IPv4 is computed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
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
    ///
    /// Elsewhere there is no choice. Decoding says then what is always so: message only for
    /// version 2, pseudo-header for IPv6; encoding ignores it.
    pub checksum: ChecksumForm,
    /// The virtual IPs.
    pub addresses: A,
}

#[cfg(test)]
mod tests;
