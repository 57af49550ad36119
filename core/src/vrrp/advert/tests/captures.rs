//! Whole frames, and what keepalived and FRR really send.

use super::*;
use crate::vrrp::ipv4;

const ETHERNET_LEN: usize = 14;
const IPV6_HEADER_LEN: usize = 40;

/// Decodes an IPv4 packet, header and all.
#[track_caller]
fn assert_ipv4(packet: &[u8], expected: (Version, u8, u8, u16, ChecksumForm), address: &str) {
    let packet = ipv4::parse(packet).expect("a packet");
    assert_eq!(packet.ttl, TTL);
    assert_eq!(packet.destination, MULTICAST_V4);
    let decoded =
        Advertisement::decode(packet.payload, packet.source.into(), packet.destination.into())
            .expect("an advert");
    let found = (
        decoded.version,
        decoded.vrid.get(),
        decoded.priority.to_wire(),
        decoded.interval.centis(),
        decoded.checksum,
    );
    assert_eq!(found, expected);
    assert!(decoded.addresses.matches(&vips(&[address])));
    let mut buffer = AdvertBuffer::new();
    let (source, destination) = (packet.source.into(), packet.destination.into());
    assert_eq!(sent(&decoded).encode(source, destination, &mut buffer), packet.payload);
}

const V2: Version = Version::V2;
const V3: Version = Version::V3;
const PH: ChecksumForm = ChecksumForm::PseudoHeader;
const MSG: ChecksumForm = ChecksumForm::MessageOnly;

#[test]
fn a_version_2_frame_is_decoded() {
    let frame = bytes(concat!(
        "01005e00001200005e000101080045c0002800010000ff701890c0000202e0000012",
        "210164010001b8fac00002010000000000000000",
    ));
    assert_ipv4(&frame[ETHERNET_LEN..], (V2, 1, 100, 100, MSG), "192.0.2.1");
}

#[test]
fn a_version_3_frame_is_decoded_and_ethernet_padding_does_not_hurt() {
    let mut frame = bytes(concat!(
        "01005e00001200005e000101080045c0002000010000ff701898c0000202e0000012",
        "3101640100640606c0000201",
    ));
    assert_ipv4(&frame[ETHERNET_LEN..], (V3, 1, 100, 100, PH), "192.0.2.1");
    frame.resize(60, 0);
    assert_ipv4(&frame[ETHERNET_LEN..], (V3, 1, 100, 100, PH), "192.0.2.1");
}

#[test]
fn an_ipv6_frame_is_decoded() {
    let frame = bytes(concat!(
        "33330000001200005e00020186dd60000000001870ff",
        "fe800000000000000000000000000002ff020000000000000000000000000012",
        "3101640100646df7fe800000000000000000000000000001",
    ));
    let decoded = decode_v6(&frame[ETHERNET_LEN + IPV6_HEADER_LEN..]).expect("an advert");
    assert_eq!((decoded.vrid.get(), decoded.priority.to_wire()), (1, 100));
    assert!(decoded.addresses.matches(&vips(&["fe80::1"])));
}

#[test]
fn keepalived_version_2_is_understood() {
    let packet = bytes(concat!(
        "45c0002800010000ff70d0910a000001e0000012",
        "2133c80100010c660a0000640000000000000000",
    ));
    assert_ipv4(&packet, (V2, 51, 200, 100, MSG), "10.0.0.100");
}

#[test]
fn keepalived_version_3_is_understood_in_both_checksum_forms() {
    let header = "45c0002000010000ff70d0990a000001e0000012";
    for (payload, priority, centis, form) in [
        ("3133c801006411730a000064", 200, 100, PH),
        ("3133c8010064fc020a000064", 200, 100, MSG),
        ("313300010064d9730a000064", 0, 100, PH),
        ("3133c801000111d60a000064", 200, 1, PH),
    ] {
        let packet = bytes(&format!("{header}{payload}"));
        assert_ipv4(&packet, (V3, 51, priority, centis, form), "10.0.0.100");
    }
}

#[test]
fn frr_version_3_is_understood() {
    let payload = bytes("31336401006475720a000064");
    let decoded = Advertisement::decode(&payload, ip("10.0.0.2"), MULTICAST_V4.into());
    let decoded = decoded.expect("an advert");
    assert_eq!(decoded.checksum, ChecksumForm::PseudoHeader);
    assert_eq!((decoded.vrid.get(), decoded.priority.to_wire()), (51, 100));
}

#[test]
fn keepalived_with_only_a_global_ipv6_address_is_understood() {
    let mut payload = bytes("313264010014000020010db8000000000000000000000001");
    let checksum = checksum_v6(&payload);
    payload[6..8].copy_from_slice(&checksum.to_be_bytes());
    let decoded = decode_v6(&payload).expect("an advert");
    assert!(!decoded.addresses.starts_link_local());
    assert_eq!(decoded.interval.centis(), 20);
}

#[test]
fn a_signed_advert_is_discarded_for_its_trailer() {
    let signed = bytes(concat!(
        "3133c80100644402c0000264",
        "0101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265",
    ));
    let result = Advertisement::decode(&signed, ip("198.51.100.10"), MULTICAST_V4.into());
    let expected = DecodeError::Length { count: 1, expected: 12, len: 40 };
    assert_eq!(result, Err(expected));
}
