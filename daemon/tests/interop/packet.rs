//! Whole packets, as a network has them.

use std::net::IpAddr;

use openproxy_core::vrrp::PROTOCOL;

/// An IP header of either family, without options, and an advert behind it. IPv4's header checksum is
/// left to the kernel.
pub(crate) fn packet(source: IpAddr, destination: IpAddr, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).expect("short");
    let header = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let total = (20 + len).to_be_bytes();
            let fixed = [0x45, 0xc0, total[0], total[1], 0, 0, 0, 0, ttl, PROTOCOL, 0, 0];
            [&fixed[..], &source.octets(), &destination.octets()].concat()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let [high, low] = len.to_be_bytes();
            let fixed = [0x60, 0, 0, 0, high, low, PROTOCOL, ttl];
            [&fixed[..], &source.octets(), &destination.octets()].concat()
        }
        _ => panic!("a packet from {source} to {destination}"),
    };
    [header, payload.to_vec()].concat()
}
