use proptest::prelude::*;

use super::*;
use crate::vrrp::DiscardReason;

const PAYLOAD: [u8; 12] = [0x31, 1, 100, 1, 0, 100, 6, 6, 192, 0, 2, 1];

/// A packet with a header of `ihl` words, options filled with router alerts.
fn packet(ihl: u8, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(usize::from(ihl) * 4 + payload.len()).expect("short");
    let mut bytes = vec![0x40 | ihl, 0xc0];
    bytes.extend(total.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 255, PROTOCOL, 0, 0]);
    bytes.extend([192, 0, 2, 2, 224, 0, 0, 18]);
    for _ in 5..ihl {
        bytes.extend([0x94, 4, 0, 0]);
    }
    bytes.extend(payload);
    bytes
}

#[track_caller]
fn assert_discarded(bytes: &[u8], error: DecodeError) {
    assert_eq!(parse(bytes), Err(error));
}

#[test]
fn a_plain_packet_is_taken_apart() {
    let bytes = packet(5, &PAYLOAD);
    let expected = Ipv4Packet {
        source: Ipv4Addr::new(192, 0, 2, 2),
        destination: Ipv4Addr::new(224, 0, 0, 18),
        ttl: 255,
        payload: &PAYLOAD,
    };
    assert_eq!(parse(&bytes), Ok(expected));
}

#[test]
fn options_are_skipped_up_to_the_longest_header() {
    for ihl in 5..=15 {
        let bytes = packet(ihl, &PAYLOAD);
        let parsed = parse(&bytes).expect("a packet");
        assert_eq!(parsed.payload, PAYLOAD, "IHL {ihl}");
    }
}

#[test]
fn header_lengths_below_five_words_are_discarded() {
    for ihl in 0..5 {
        let mut bytes = packet(5, &PAYLOAD);
        bytes[0] = 0x40 | ihl;
        let len = bytes.len();
        assert_discarded(&bytes, DecodeError::Ipv4HeaderLength { ihl, len });
    }
}

#[test]
fn a_header_longer_than_the_buffer_is_discarded() {
    let mut bytes = packet(5, &PAYLOAD);
    bytes[0] = 0x4f;
    let error = DecodeError::Ipv4HeaderLength { ihl: 15, len: 32 };
    assert_discarded(&bytes, error);
}

#[test]
fn buffers_shorter_than_a_header_are_discarded() {
    let bytes = packet(5, &PAYLOAD);
    for len in 0..20 {
        assert_discarded(&bytes[..len], DecodeError::Ipv4Short { len });
    }
}

#[test]
fn ethernet_padding_is_cut_off() {
    let mut bytes = packet(5, &PAYLOAD);
    bytes.extend([0; 14]);
    assert_eq!(parse(&bytes).expect("a packet").payload, PAYLOAD);
}

#[test]
fn a_total_length_beyond_the_buffer_is_discarded() {
    let bytes = packet(5, &PAYLOAD);
    for len in 20..32 {
        let error = DecodeError::Ipv4TotalLength { total: 32, len };
        assert_discarded(&bytes[..len], error);
    }
}

#[test]
fn a_total_length_within_the_header_is_discarded() {
    for total in [0, 19, 23] {
        let mut bytes = packet(6, &PAYLOAD);
        bytes[2..4].copy_from_slice(&u16::to_be_bytes(total));
        assert_discarded(&bytes, DecodeError::Ipv4TotalLength { total, len: 36 });
    }
}

#[test]
fn a_packet_may_be_empty() {
    assert_eq!(parse(&packet(5, &[])).expect("a packet").payload, [0_u8; 0]);
}

#[test]
fn fragments_are_discarded_first_middle_and_last() {
    for (field, offset, more) in [(0x2000, 0, true), (0x2001, 8, true), (0x1fff, 65_528, false)] {
        let mut bytes = packet(5, &PAYLOAD);
        bytes[6..8].copy_from_slice(&u16::to_be_bytes(field));
        assert_discarded(&bytes, DecodeError::Fragment { offset, more });
    }
}

#[test]
fn a_packet_that_must_not_be_fragmented_is_whole() {
    let mut bytes = packet(5, &PAYLOAD);
    bytes[6] = 0x40;
    assert!(parse(&bytes).is_ok());
}

#[test]
fn other_versions_and_protocols_are_discarded() {
    let mut bytes = packet(5, &PAYLOAD);
    bytes[0] = 0x65;
    assert_discarded(&bytes, DecodeError::Ipv4Version { version: 6 });
    let mut bytes = packet(5, &PAYLOAD);
    bytes[9] = 6;
    assert_discarded(&bytes, DecodeError::Ipv4Protocol { protocol: 6 });
}

#[test]
fn the_ttl_is_reported_as_it_is() {
    for ttl in [0, 64, 254, 255] {
        let mut bytes = packet(5, &PAYLOAD);
        bytes[8] = ttl;
        assert_eq!(parse(&bytes).expect("a packet").ttl, ttl);
    }
}

proptest! {
    #[test]
    fn whatever_comes_nothing_panics_and_payloads_are_within(
        start in prop_oneof![Just(0x45_u8), any::<u8>()],
        rest in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut bytes = vec![start];
        bytes.extend(rest);
        match parse(&bytes) {
            Ok(packet) => prop_assert!(packet.payload.len() + HEADER_LEN_MIN <= bytes.len()),
            Err(error) => prop_assert!(matches!(
                error.reason(),
                DiscardReason::Ipv4Header | DiscardReason::Fragment
            )),
        }
    }
}
