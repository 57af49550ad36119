//! The IPv4 header, which Linux raw sockets hand out in front of the payload.

// What comes from outside is counted with here.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::net::Ipv4Addr;

use super::{DecodeError, PROTOCOL};

/// The shortest header, in bytes.
const HEADER_LEN_MIN: usize = 20;

/// The "more fragments" flag and the fragment offset, in the header's seventh and eighth byte.
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// An IPv4 packet of the VRRP protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Packet<'a> {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Time to live.
    pub ttl: u8,
    /// What follows the header and its options, without Ethernet padding.
    pub payload: &'a [u8],
}

/// Takes a packet apart.
///
/// The header's checksum isn't verified: a raw socket gets only what the kernel has verified.
///
/// # Errors
/// Lengths that don't fit the buffer, another version or protocol, and fragments.
pub fn parse(bytes: &[u8]) -> Result<Ipv4Packet<'_>, DecodeError> {
    let len = bytes.len();
    let header: &[u8; HEADER_LEN_MIN] =
        bytes.first_chunk().ok_or(DecodeError::Ipv4Short { len })?;
    #[rustfmt::skip]
    let [
        version_ihl, _, total0, total1,
        _, _, fragment0, fragment1,
        ttl, protocol, _, _,
        source @ ..,
    ] = *header;
    let [s0, s1, s2, s3, d0, d1, d2, d3] = source;

    let version = version_ihl >> 4;
    if version != 4 {
        return Err(DecodeError::Ipv4Version { version });
    }
    let ihl = version_ihl & 0x0f;
    let header_len = usize::from(ihl).saturating_mul(4);
    if header_len < HEADER_LEN_MIN || header_len > len {
        return Err(DecodeError::Ipv4HeaderLength { ihl, len });
    }
    let total = u16::from_be_bytes([total0, total1]);
    let end = if mutated!(LengthUnchecked) { len } else { total.into() };
    let payload = bytes.get(header_len..end).ok_or(DecodeError::Ipv4TotalLength { total, len })?;
    if protocol != PROTOCOL {
        return Err(DecodeError::Ipv4Protocol { protocol });
    }
    // The kernel reassembles before it delivers; an advert never needs fragments.
    let fragment = u16::from_be_bytes([fragment0, fragment1]);
    if fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0 {
        return Err(DecodeError::Fragment {
            offset: fragment << 3,
            more: fragment & MORE_FRAGMENTS != 0,
        });
    }
    Ok(Ipv4Packet {
        source: Ipv4Addr::new(s0, s1, s2, s3),
        destination: Ipv4Addr::new(d0, d1, d2, d3),
        ttl,
        payload,
    })
}

#[cfg(test)]
mod tests;
