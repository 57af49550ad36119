//! Adverts as tests write them, and the packets that they are.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use super::node::{centis, ip, vip};
use crate::io::Datagram;
use crate::vrrp::*;

#[derive(Clone, Debug)]
pub(super) struct Advert {
    pub(super) source: &'static str,
    pub(super) priority: u8,
    pub(super) version: Version,
    pub(super) interval: AdverInterval,
    pub(super) ttl: u8,
    pub(super) destination: IpAddr,
    pub(super) checksum: ChecksumForm,
    pub(super) vips: Arc<[Vip]>,
}

pub(super) fn advert(source: &'static str, priority: u8) -> Advert {
    Advert {
        source,
        priority,
        version: Version::V2,
        interval: centis(100),
        ttl: 255,
        destination: MULTICAST_V4.into(),
        checksum: ChecksumForm::PseudoHeader,
        vips: [vip("10.0.0.200/24")].into(),
    }
}

/// One of version 3, with its interval in centiseconds.
pub(super) fn advert_v3(source: &'static str, number: u8, interval: u16) -> Advert {
    Advert { version: Version::V3, interval: centis(interval), ..advert(source, number) }
}

impl Advert {
    /// With its IP header.
    pub(super) fn packet(&self) -> Vec<u8> {
        let advert = Advertisement {
            version: self.version,
            vrid: Vrid::new(50).expect("in range"),
            priority: AdvertPriority::from_wire(self.priority),
            interval: self.interval,
            checksum: self.checksum,
            addresses: Arc::clone(&self.vips),
        };
        let mut buffer = AdvertBuffer::new();
        let payload = advert.encode(ip(self.source), self.destination, &mut buffer);
        let mut packet = match (ip(self.source), self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let len = u16::try_from(20 + payload.len()).expect("short").to_be_bytes();
                let fixed = [0x45, 0xc0, len[0], len[1], 0, 0, 0, 0, self.ttl, PROTOCOL, 0, 0];
                [&fixed[..], &source.octets(), &destination.octets()].concat()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let len = u16::try_from(payload.len()).expect("short").to_be_bytes();
                let fixed = [0x60, 0, 0, 0, len[0], len[1], PROTOCOL, self.ttl];
                [&fixed[..], &source.octets(), &destination.octets()].concat()
            }
            _ => panic!("one family"),
        };
        packet.extend(payload);
        packet
    }
}

/// What a raw socket hands out of a packet: of IPv6, the header comes apart.
pub(super) fn datagram(packet: &[u8]) -> Datagram<'_> {
    let address = |octets: &[u8]| Ipv6Addr::from(<[u8; 16]>::try_from(octets).expect("16 bytes"));
    match packet.split_at_checked(40) {
        Some((header, payload)) if header[0] == 0x60 => Datagram::V6 {
            source: address(&header[8..24]),
            destination: address(&header[24..]),
            hop_limit: header[7],
            payload,
        },
        _ => Datagram::V4(packet),
    }
}
