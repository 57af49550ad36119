//! Ethernet frames that announce an address: gratuitous ARP and unsolicited neighbour
//! advertisement.

use std::net::{Ipv4Addr, Ipv6Addr};

use openproxy_core::io::MacAddress;

const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const BROADCAST: [u8; 6] = [0xff; 6];
/// The Ethernet address of ff02::1.
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ICMPV6: u8 = 58;

/// A gratuitous ARP request (RFC 5227 §3): sender and target are the address itself.
pub(crate) fn gratuitous_arp(mac: MacAddress, ip: Ipv4Addr) -> [u8; 42] {
    let mut frame = [0; 42];
    let mut writer = Writer { frame: &mut frame, at: 0 };
    writer.put(&BROADCAST);
    writer.put(&mac.0);
    writer.put(&ETHERTYPE_ARP);
    // Ethernet, IPv4, lengths 6 and 4, request.
    writer.put(&[0, 1, 8, 0, 6, 4, 0, 1]);
    writer.put(&mac.0);
    writer.put(&ip.octets());
    // The target's Ethernet address is the sender's too (RFC 9568 erratum 7949).
    writer.put(&mac.0);
    writer.put(&ip.octets());
    frame
}

/// An unsolicited neighbour advertisement (RFC 4861 §4.4, RFC 9568 §6.4.2): router and override
/// flags, target link-layer option, hop limit 255, to all nodes.
pub(crate) fn unsolicited_na(mac: MacAddress, source: Ipv6Addr, target: Ipv6Addr) -> [u8; 86] {
    let mut body = [0; 32];
    let mut writer = Writer { frame: &mut body, at: 0 };
    writer.put(&[136, 0, 0, 0, 0xa0, 0, 0, 0]);
    writer.put(&target.octets());
    writer.put(&[2, 1]);
    writer.put(&mac.0);
    let checksum = icmpv6_checksum(source, ALL_NODES, &body);
    if let Some(field) = body.get_mut(2..4) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
    let mut frame = [0; 86];
    let mut writer = Writer { frame: &mut frame, at: 0 };
    writer.put(&ALL_NODES_MAC);
    writer.put(&mac.0);
    writer.put(&ETHERTYPE_IPV6);
    writer.put(&[0x60, 0, 0, 0, 0, 32, ICMPV6, 255]);
    writer.put(&source.octets());
    writer.put(&ALL_NODES.octets());
    writer.put(&body);
    frame
}

struct Writer<'a> {
    frame: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.frame.get_mut(self.at..self.at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self.at += bytes.len();
    }
}

/// RFC 8200 §8.1, over a body of 32 bytes with the field zero.
fn icmpv6_checksum(source: Ipv6Addr, destination: Ipv6Addr, body: &[u8; 32]) -> u16 {
    let words = source.segments().into_iter().chain(destination.segments());
    let header = words.map(u32::from).sum::<u32>() + 32 + u32::from(ICMPV6);
    let body = body.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_be_bytes(*word)));
    let mut sum = header + body.sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_gratuitous_arp_is_the_vector_but_for_the_target_mac() {
        let frame = gratuitous_arp(MacAddress([0, 0, 0x5e, 0, 1, 1]), Ipv4Addr::new(192, 0, 2, 1));
        let vector = "ffffffffffff00005e0001010806000108000604000100005e000101c0000201\
                      00005e000101c0000201";
        assert_eq!(hex(&frame), vector);
    }

    #[test]
    fn a_neighbour_advertisement_is_the_vector() {
        let mac = MacAddress([0, 0, 0x5e, 0, 2, 10]);
        let source = "fe80::1".parse().expect("an address");
        let target = "2001:db8::1".parse().expect("an address");
        let vector = "33330000000100005e00020a86dd6000000000203afffe800000000000000000000000000001\
                      ff02000000000000000000000000000188004a59a000000020010db8000000000000000000\
                      000001020100005e00020a";
        assert_eq!(hex(&unsolicited_na(mac, source, target)), vector);
    }
}
