//! Frames as the lab sees them on a node's cable: adverts and address announcements.
//!
//! A parser of its own on purpose: the lab judges the daemon, so it shares no code with it.

use std::net::Ipv4Addr;

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const PROTOCOL_VRRP: u8 = 112;
const ETHERNET_LEN: usize = 14;

/// What one frame said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A VRRP advertisement.
    Advert(Advert),
    /// An ARP packet whose sender claims this address.
    Claim(Ipv4Addr),
}

/// The fields of an advertisement that the lab judges by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advert {
    /// 2 or 3.
    pub(crate) version: u8,
    /// The virtual router.
    pub(crate) vrid: u8,
    /// 0 when the sender stops.
    pub(crate) priority: u8,
}

/// Reads an Ethernet frame; `None` for everything else that a LAN carries.
pub(crate) fn parse(frame: &[u8]) -> Option<Frame> {
    let payload = frame.get(ETHERNET_LEN..)?;
    match frame.get(12..14)? {
        kind if kind == ETHERTYPE_IPV4 => parse_advert(payload).map(Frame::Advert),
        kind if kind == ETHERTYPE_ARP => {
            let sender: [u8; 4] = payload.get(14..18)?.try_into().ok()?;
            Some(Frame::Claim(Ipv4Addr::from(sender)))
        }
        _ => None,
    }
}

fn parse_advert(packet: &[u8]) -> Option<Advert> {
    let first = *packet.first()?;
    if first >> 4 != 4 || *packet.get(9)? != PROTOCOL_VRRP {
        return None;
    }
    let header_len = usize::from(first & 0x0f) * 4;
    let vrrp = packet.get(header_len..)?;
    let version_and_type = *vrrp.first()?;
    if version_and_type & 0x0f != 1 {
        return None;
    }
    let version = version_and_type >> 4;
    Some(Advert { version, vrid: *vrrp.get(1)?, priority: *vrrp.get(2)? })
}

#[cfg(test)]
mod tests;
