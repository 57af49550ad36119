//! Why a received packet is discarded.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::{AdverInterval, Version, Vrid};

/// Why a received packet is discarded, with the values that explain it.
///
/// The decoder finds the faults of the bytes; whoever knows the configuration finds the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too short for an IPv4 header.
    #[error("{len} bytes are too few for an IPv4 header")]
    Ipv4Short {
        /// The bytes received.
        len: usize,
    },
    /// A raw IPv4 socket gave something else.
    #[error("the IP version is {version}, not 4")]
    Ipv4Version {
        /// The version field.
        version: u8,
    },
    /// The IPv4 header's own length is impossible.
    #[error("an IPv4 header of {ihl} words doesn't fit into {len} bytes, or is shorter than 5")]
    Ipv4HeaderLength {
        /// The header length field, in 32-bit words.
        ihl: u8,
        /// The bytes received.
        len: usize,
    },
    /// The IPv4 packet claims more than was received, or less than its header.
    #[error("a total length of {total} is impossible for an IPv4 packet of {len} bytes")]
    Ipv4TotalLength {
        /// The total length field.
        total: u16,
        /// The bytes received.
        len: usize,
    },
    /// Not protocol 112.
    #[error("the IP protocol is {protocol}, not 112")]
    Ipv4Protocol {
        /// The protocol field.
        protocol: u8,
    },
    /// A fragment of an IPv4 packet.
    #[error("a fragment at offset {offset}{}", if *more { ", more follow" } else { "" })]
    Fragment {
        /// Where it belongs, in bytes.
        offset: u16,
        /// The "more fragments" flag.
        more: bool,
    },
    /// It has passed a router, or wasn't sent as an advert must be (RFC 9568 §5.1.1.3).
    #[error("the TTL or hop limit is {ttl}, not 255")]
    Ttl {
        /// The time to live or hop limit.
        ttl: u8,
    },
    /// Too short for the fixed fields.
    #[error("{len} bytes are too few for an advert")]
    Short {
        /// The bytes received.
        len: usize,
    },
    /// Not as long as its address count says.
    #[error("{len} bytes, but an advert of this version with {count} addresses has {expected}")]
    Length {
        /// The address count field.
        count: u8,
        /// The length that the count demands.
        expected: usize,
        /// The bytes received.
        len: usize,
    },
    /// Neither version 2 nor 3.
    #[error("the VRRP version is {version}, neither 2 nor 3")]
    UnknownVersion {
        /// The version field.
        version: u8,
    },
    /// Version 2 exists for IPv4 only (RFC 3768 §1).
    #[error("VRRP version 2 over IPv6")]
    Version2OverIpv6,
    /// The peer speaks another version than this router.
    #[error("the VRRP version is {found}, this router's is {ours}")]
    OtherVersion {
        /// The sender's version.
        found: Version,
        /// This router's version.
        ours: Version,
    },
    /// Not an advertisement.
    #[error("the VRRP type is {kind}, not 1")]
    Type {
        /// The type field.
        kind: u8,
    },
    /// A VRID that can't exist.
    #[error("the VRID is 0")]
    ZeroVrid,
    /// No router of this VRID, version and family runs on this interface.
    #[error("no virtual router {vrid} runs here")]
    UnknownVrid {
        /// The advert's VRID.
        vrid: Vrid,
    },
    /// Damaged on the way, or summed in an unknown manner.
    #[error("the checksum is {found:#06x}, not {expected:#06x}")]
    Checksum {
        /// The checksum field.
        found: u16,
        /// What it should be; with a pseudo-header for version 3.
        expected: u16,
    },
    /// No address at all (RFC 9568 erratum 8299).
    #[error("the address count is 0")]
    NoAddresses,
    /// Authentication, which RFC 3768 §5.3.6 has abolished.
    #[error("the authentication type is {auth_type}, not 0")]
    Auth {
        /// The authentication type field.
        auth_type: u8,
    },
    /// An interval of zero would make every BACKUP become MASTER at once (RFC 9568 erratum 8301).
    #[error("the advertisement interval is 0")]
    ZeroInterval,
    /// A version 2 advert whose interval isn't ours (RFC 3768 §7.1).
    #[error("the advertisement interval is {found}, ours is {ours}")]
    IntervalMismatch {
        /// The sender's interval.
        found: AdverInterval,
        /// This router's interval.
        ours: AdverInterval,
    },
    /// An IPv6 list that doesn't begin with a link-local address (RFC 9568 erratum 8300).
    #[error("the first address is {first}, not a link-local one")]
    LinkLocal {
        /// The first address.
        first: Ipv6Addr,
    },
    /// CARP, which has the same protocol number, group and first byte.
    #[error("this is CARP, not VRRP")]
    Carp,
    /// Our own advert came back, or somebody uses our address.
    #[error("it comes from our own address {source_ip}")]
    OwnSource {
        /// The source address.
        source_ip: IpAddr,
    },
    /// A unicast router hears its peers only.
    #[error("{source_ip} is not one of the peers")]
    Peer {
        /// The source address.
        source_ip: IpAddr,
    },
    /// Multicast to a unicast router, unicast to a multicast router, or another group.
    #[error("it was sent to {destination}, where this router doesn't listen")]
    Destination {
        /// The destination address.
        destination: IpAddr,
    },
}

impl DecodeError {
    /// The reason to count it under.
    #[must_use]
    pub const fn reason(&self) -> DiscardReason {
        match self {
            Self::Ipv4Short { .. }
            | Self::Ipv4Version { .. }
            | Self::Ipv4HeaderLength { .. }
            | Self::Ipv4TotalLength { .. }
            | Self::Ipv4Protocol { .. } => DiscardReason::Ipv4Header,
            Self::Fragment { .. } => DiscardReason::Fragment,
            Self::Ttl { .. } => DiscardReason::Ttl,
            Self::Short { .. } | Self::Length { .. } => DiscardReason::Length,
            Self::UnknownVersion { .. } | Self::Version2OverIpv6 | Self::OtherVersion { .. } => {
                DiscardReason::Version
            }
            Self::Type { .. } => DiscardReason::Type,
            Self::ZeroVrid | Self::UnknownVrid { .. } => DiscardReason::Vrid,
            Self::Checksum { .. } => DiscardReason::Checksum,
            Self::NoAddresses => DiscardReason::AddressCount,
            Self::Auth { .. } => DiscardReason::Auth,
            Self::ZeroInterval => DiscardReason::Interval,
            Self::IntervalMismatch { .. } => DiscardReason::IntervalMismatch,
            Self::LinkLocal { .. } => DiscardReason::LinkLocal,
            Self::Carp => DiscardReason::Carp,
            Self::OwnSource { .. } => DiscardReason::OwnSource,
            Self::Peer { .. } => DiscardReason::Peer,
            Self::Destination { .. } => DiscardReason::Destination,
        }
    }
}

/// What discarded packets are counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiscardReason {
    /// The IPv4 header is wrong, or isn't one.
    Ipv4Header,
    /// An IPv4 fragment.
    Fragment,
    /// The TTL or hop limit isn't 255.
    Ttl,
    /// Too short, too long, or not as long as it says.
    Length,
    /// An unknown version, or not this router's.
    Version,
    /// Not an advertisement.
    Type,
    /// A VRID of zero, or one that has no router here.
    Vrid,
    /// The checksum is wrong.
    Checksum,
    /// The address count is zero.
    AddressCount,
    /// An authentication type other than none.
    Auth,
    /// The interval is zero.
    Interval,
    /// A version 2 interval that isn't ours.
    IntervalMismatch,
    /// An IPv6 list without a link-local address in front.
    LinkLocal,
    /// CARP, not VRRP.
    Carp,
    /// From our own address.
    OwnSource,
    /// From a host that isn't one of the unicast peers.
    Peer,
    /// To an address where this router doesn't listen.
    Destination,
}

impl DiscardReason {
    /// Every reason, in the order of [`index`](Self::index).
    pub const ALL: [Self; Self::COUNT] = [
        Self::Ipv4Header,
        Self::Fragment,
        Self::Ttl,
        Self::Length,
        Self::Version,
        Self::Type,
        Self::Vrid,
        Self::Checksum,
        Self::AddressCount,
        Self::Auth,
        Self::Interval,
        Self::IntervalMismatch,
        Self::LinkLocal,
        Self::Carp,
        Self::OwnSource,
        Self::Peer,
        Self::Destination,
    ];
    /// How many reasons there are.
    pub const COUNT: usize = Self::Destination.index() + 1;

    /// The position in a table of [`COUNT`](Self::COUNT) counters.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The label of its metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ipv4Header => "ipv4_header",
            Self::Fragment => "fragment",
            Self::Ttl => "ttl",
            Self::Length => "length",
            Self::Version => "version",
            Self::Type => "type",
            Self::Vrid => "vrid",
            Self::Checksum => "checksum",
            Self::AddressCount => "address_count",
            Self::Auth => "auth",
            Self::Interval => "interval",
            Self::IntervalMismatch => "interval_mismatch",
            Self::LinkLocal => "link_local",
            Self::Carp => "carp",
            Self::OwnSource => "own_source",
            Self::Peer => "peer",
            Self::Destination => "destination",
        }
    }
}

impl fmt::Display for DiscardReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_place_and_a_label_of_its_own() {
        for (position, reason) in DiscardReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), position);
        }
        let labels: BTreeSet<_> = DiscardReason::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(labels.len(), DiscardReason::COUNT);
        let is_label =
            |label: &String| label.chars().all(|c| "abcdefghijklmnopqrstuvwxyz4_".contains(c));
        assert!(labels.iter().all(is_label), "{labels:?}");
    }

    #[test]
    fn errors_explain_themselves() {
        let told = |error: DecodeError| (error.to_string(), error.reason().to_string());
        let expect = |text: &str, label: &str| (text.to_owned(), label.to_owned());
        assert_eq!(
            told(DecodeError::Ttl { ttl: 64 }),
            expect("the TTL or hop limit is 64, not 255", "ttl")
        );
        assert_eq!(
            told(DecodeError::Fragment { offset: 16, more: true }),
            expect("a fragment at offset 16, more follow", "fragment")
        );
        let (found, expected) = (0x12, 0xabcd);
        assert_eq!(
            told(DecodeError::Checksum { found, expected }),
            expect("the checksum is 0x0012, not 0xabcd", "checksum")
        );
        let destination = [224, 0, 0, 18].into();
        assert_eq!(
            told(DecodeError::Destination { destination }),
            expect("it was sent to 224.0.0.18, where this router doesn't listen", "destination")
        );
    }
}
