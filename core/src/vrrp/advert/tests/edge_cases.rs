//! What goes wrong on real networks, one test each.

use super::*;
use crate::vrrp::checksum::Sum;

const V2A: &str = "210164010001b8fac00002010000000000000000";
const V3A: &str = "3101640100640606c0000201";
const V3A_MESSAGE_ONLY: &str = "310164010064a897c0000201";
const V3E: &str = "3101640100646df7fe800000000000000000000000000001";
const CARP: &str = "210100070001def600000000000000000000000000000000000000000000000000000000";

/// A version 3 IPv4 advert changed at one place, with a checksum that fits again.
fn changed(hex: &str, at: usize, byte: u8) -> Vec<u8> {
    let mut payload = bytes(hex);
    payload[at] = byte;
    repair(&mut payload);
    payload
}

#[test]
fn unknown_versions_are_discarded() {
    for version in (0..=15).filter(|version| ![2, 3].contains(version)) {
        let payload = changed(V3A, 0, version << 4 | 1);
        assert_eq!(decode_v4(&payload), Err(DecodeError::UnknownVersion { version }));
        assert_eq!(decode_v6(&payload), Err(DecodeError::UnknownVersion { version }));
        assert_eq!(peek(&payload), Err(DecodeError::UnknownVersion { version }));
    }
}

#[test]
fn version_2_does_not_exist_over_ipv6() {
    assert_eq!(decode_v6(&bytes(V2A)), Err(DecodeError::Version2OverIpv6));
    assert_eq!(DecodeError::Version2OverIpv6.reason(), DiscardReason::Version);
}

#[test]
fn the_version_of_another_router_is_told_before_its_checksum() {
    let mut payload = bytes(V3A);
    payload[7] ^= 1;
    assert_eq!(peek(&payload).map(|peek| peek.version), Ok(Version::V3));
    assert_eq!(reason(decode_v4(&payload)), Some(DiscardReason::Checksum));
}

#[test]
fn other_types_are_discarded() {
    for hex in [V2A, V3A] {
        for kind in (0..=15).filter(|kind| *kind != 1) {
            let version = bytes(hex)[0] & 0xf0;
            let payload = changed(hex, 0, version | kind);
            assert_eq!(decode_v4(&payload), Err(DecodeError::Type { kind }));
            assert_eq!(peek(&payload), Err(DecodeError::Type { kind }));
        }
    }
}

#[test]
fn vrid_zero_is_discarded() {
    for hex in [V2A, V3A] {
        assert_eq!(decode_v4(&changed(hex, 1, 0)), Err(DecodeError::ZeroVrid));
    }
}

#[test]
fn reserved_bits_are_ignored() {
    for reserved in 0..16 {
        let payload = changed(V3A, 4, reserved << 4);
        let decoded = decode_v4(&payload).expect("an advert");
        assert_eq!(decoded.interval.centis(), 100);
    }
}

#[test]
fn reserved_bits_alone_are_no_interval() {
    let mut payload = changed(V3A, 4, 0xf0);
    payload[5] = 0;
    repair(&mut payload);
    assert_eq!(decode_v4(&payload), Err(DecodeError::ZeroInterval));
}

#[test]
fn fewer_than_eight_bytes_are_discarded() {
    for len in 0..8 {
        assert_eq!(decode_v4(&bytes(V3A)[..len]), Err(DecodeError::Short { len }));
        assert_eq!(peek(&bytes(V3A)[..len]), Err(DecodeError::Short { len }));
    }
}

#[test]
fn a_header_without_its_address_is_discarded() {
    let mut payload = bytes(V3A);
    payload.truncate(8);
    repair(&mut payload);
    let expected = DecodeError::Length { count: 1, expected: 12, len: 8 };
    assert_eq!(decode_v4(&payload), Err(expected));
}

#[test]
fn counts_that_lie_are_discarded() {
    let two = "31ffc80200018196c0000201c0000264";
    for count in [1, 3, 255] {
        let payload = changed(two, 3, count);
        let expected = 8 + 4 * usize::from(count);
        let error = DecodeError::Length { count, expected, len: 16 };
        assert_eq!(decode_v4(&payload), Err(error));
    }
    let error = DecodeError::Length { count: 255, expected: 4_088, len: 24 };
    assert_eq!(decode_v6(&changed(V3E, 3, 255)), Err(error));
}

#[test]
fn a_version_3_advert_with_the_trailer_of_version_2_is_discarded() {
    let mut payload = bytes(V3A_MESSAGE_ONLY);
    payload.extend([0; 8]);
    let error = DecodeError::Length { count: 1, expected: 12, len: 20 };
    assert_eq!(decode_v4(&payload), Err(error));
}

#[test]
fn trailing_bytes_are_discarded() {
    for hex in [V2A, V3A, V3A_MESSAGE_ONLY] {
        for more in [1, 2, 4, 6, 8] {
            let mut payload = bytes(hex);
            payload.resize(payload.len() + more, 0);
            assert_eq!(reason(decode_v4(&payload)), Some(DiscardReason::Length));
        }
    }
}

#[test]
fn version_2_without_its_authentication_data_is_discarded() {
    let mut payload = bytes(V2A);
    payload.truncate(12);
    repair(&mut payload);
    let error = DecodeError::Length { count: 1, expected: 20, len: 12 };
    assert_eq!(decode_v4(&payload), Err(error));
}

#[test]
fn an_interval_of_zero_is_discarded_in_every_form() {
    for hex in ["31019601000076fbc0000201", "310196010000d469c0000201"] {
        assert_eq!(decode_v4(&bytes(hex)), Err(DecodeError::ZeroInterval));
    }
    assert_eq!(decode_v4(&changed(V2A, 5, 0)), Err(DecodeError::ZeroInterval));
    let mut payload = bytes(V3E);
    payload[5..8].fill(0);
    let checksum = checksum_v6(&payload);
    payload[6..8].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(decode_v6(&payload), Err(DecodeError::ZeroInterval));
}

#[test]
fn every_other_interval_is_reported_as_sent() {
    for centis in [1_u16, 255, 256, 4_095] {
        let mut payload = bytes(V3A);
        payload[4..6].copy_from_slice(&centis.to_be_bytes());
        repair(&mut payload);
        let decoded = decode_v4(&payload).expect("an advert");
        assert_eq!(decoded.interval.centis(), centis);
    }
    for secs in 1..=255 {
        let payload = changed(V2A, 5, secs);
        let decoded = decode_v4(&payload).expect("an advert");
        assert_eq!(decoded.interval.centis(), u16::from(secs) * 100);
    }
}

#[test]
fn an_address_count_of_zero_is_discarded_in_every_form() {
    for hex in ["310196000064389a", "310196000064960c"] {
        assert_eq!(decode_v4(&bytes(hex)), Err(DecodeError::NoAddresses));
    }
    assert_eq!(decode_v4(&changed(V2A, 3, 0)), Err(DecodeError::NoAddresses));
}

#[test]
fn a_global_address_in_front_is_left_to_the_router() {
    let payload = bytes("310a960100640cb620010db8000000000000000000000001");
    let decoded = decode_v6(&payload).expect("an advert");
    assert!(!decoded.addresses.starts_link_local());
}

#[test]
fn lists_match_in_any_order_and_only_with_the_same_addresses() {
    let payload = bytes("31ffc80200018196c0000201c0000264");
    let list = decode_v4(&payload).expect("an advert").addresses;
    assert_eq!(format!("{list:?}"), "[192.0.2.1, 192.0.2.100]");
    for (configured, expected) in [
        (&["192.0.2.1", "192.0.2.100"][..], true),
        (&["192.0.2.100", "192.0.2.1"], true),
        (&["192.0.2.1"], false),
        (&["192.0.2.1", "192.0.2.101"], false),
        (&["192.0.2.1", "192.0.2.100", "192.0.2.101"], false),
        (&["192.0.2.1", "192.0.2.1"], false),
        (&["::1", "::2"], false),
        (&[], false),
    ] {
        assert_eq!(list.matches(&vips(configured)), expected, "{configured:?}");
    }
}

#[test]
fn a_list_that_repeats_an_address_matches_no_list_of_different_ones() {
    let mut payload = bytes("31ffc80200018196c0000201c0000201");
    repair(&mut payload);
    let list = decode_v4(&payload).expect("an advert").addresses;
    assert!(!list.matches(&vips(&["192.0.2.1", "192.0.2.100"])));
    assert!(!list.matches(&vips(&["192.0.2.100", "192.0.2.1"])));
}

#[test]
fn an_address_that_is_configured_twice_stands_for_no_other() {
    let octets = [[192, 0, 2, 1], [192, 0, 2, 2], [192, 0, 2, 3]];
    let list = AddressList::v4(&octets);
    assert!(!list.matches(&vips(&["192.0.2.2", "192.0.2.1", "192.0.2.2"])));
    assert!(list.matches(&vips(&["192.0.2.2", "192.0.2.1", "192.0.2.3"])));
}

#[test]
fn both_checksum_forms_are_accepted_and_told_apart() {
    let form = |hex| decode_v4(&bytes(hex)).map(|decoded| decoded.checksum);
    assert_eq!(form(V3A), Ok(ChecksumForm::PseudoHeader));
    assert_eq!(form(V3A_MESSAGE_ONLY), Ok(ChecksumForm::MessageOnly));
}

#[test]
fn a_wrong_checksum_is_discarded_and_the_right_one_told() {
    let mut payload = bytes(V3A);
    payload[6..8].copy_from_slice(&[0x12, 0x34]);
    let error = DecodeError::Checksum { found: 0x1234, expected: 0x0606 };
    assert_eq!(decode_v4(&payload), Err(error));
    let mut payload = bytes(V2A);
    payload[6..8].fill(0);
    let error = DecodeError::Checksum { found: 0, expected: 0xb8fa };
    assert_eq!(decode_v4(&payload), Err(error));
}

#[test]
fn ipv6_has_no_checksum_without_a_pseudo_header() {
    let mut payload = bytes(V3E);
    repair(&mut payload);
    assert_eq!(reason(decode_v6(&payload)), Some(DiscardReason::Checksum));
}

#[test]
fn version_2_has_no_checksum_with_a_pseudo_header() {
    let mut payload = bytes(V2A);
    let mut sum = Sum::of(&payload).without_word(0xb8fa);
    sum = sum.and_pseudo_header(ip("192.0.2.2"), MULTICAST_V4.into(), 20);
    payload[6..8].copy_from_slice(&sum.checksum().to_be_bytes());
    assert_eq!(reason(decode_v4(&payload)), Some(DiscardReason::Checksum));
}

#[test]
fn both_zeros_are_the_same_checksum() {
    // The last address makes the rest sum to 0xffff, so that the checksum is zero.
    let mut payload = bytes("3101640200640000c000020100000000");
    let rest = naive::checksum(&payload);
    payload[12..14].copy_from_slice(&rest.to_be_bytes());
    for field in [[0x00, 0x00], [0xff, 0xff]] {
        payload[6..8].copy_from_slice(&field);
        let decoded = decode_v4(&payload).expect("an advert");
        assert_eq!(decoded.checksum, ChecksumForm::MessageOnly);
    }
    payload[6..8].copy_from_slice(&[0x00, 0x01]);
    assert_eq!(reason(decode_v4(&payload)), Some(DiscardReason::Checksum));
}

#[test]
fn unicast_summed_with_the_multicast_group_is_discarded() {
    let result = Advertisement::decode(&bytes(V3A), ip("192.0.2.2"), ip("192.0.2.3"))
        .map(|decoded| decoded.checksum);
    assert_eq!(reason(result), Some(DiscardReason::Checksum));
}

#[test]
fn carp_is_recognized_whatever_its_group_number() {
    for vhid in 0..=255 {
        let mut payload = bytes(CARP);
        payload[1] = vhid;
        assert_eq!(decode_v4(&payload), Err(DecodeError::Carp));
        assert_eq!(decode_v6(&payload), Err(DecodeError::Carp));
        assert_eq!(peek(&payload), Err(DecodeError::Carp));
    }
}

#[test]
fn seven_addresses_are_not_carp() {
    let addresses = ["1.0.0.1", "1.0.0.2", "1.0.0.3", "1.0.0.4", "1.0.0.5", "1.0.0.6", "1.0.0.7"];
    for version in [Version::V2, Version::V3] {
        let advert = Advertisement {
            version,
            vrid: Vrid::new(1).expect("in range"),
            priority: AdvertPriority::Of(Priority::MIN),
            interval: AdverInterval::from_secs(1).expect("in range"),
            checksum: ChecksumForm::MessageOnly,
            addresses: vips(&addresses),
        };
        let mut buffer = AdvertBuffer::new();
        let payload = advert.encode(ip("192.0.2.2"), MULTICAST_V4.into(), &mut buffer);
        assert!(decode_v4(payload).is_ok(), "version {version}");
    }
}

#[test]
fn authentication_is_discarded_whatever_its_type() {
    let password = "2133640101015566c00002013131313100000000";
    let error = DecodeError::Auth { auth_type: 1 };
    assert_eq!(decode_v4(&bytes(password)), Err(error));
    for auth_type in 1..=255 {
        let payload = changed(V2A, 4, auth_type);
        assert_eq!(decode_v4(&payload), Err(DecodeError::Auth { auth_type }));
    }
}

#[test]
fn authentication_data_without_authentication_is_ignored() {
    let payload = changed(V2A, 19, 0x31);
    assert_eq!(decode_v4(&payload).map(|decoded| decoded.addresses.len()), Ok(1));
}

#[test]
fn addresses_compare_as_unsigned_numbers_in_network_order() {
    assert!(ip("10.0.0.200") > ip("10.0.0.100"));
    assert!(ip("128.0.0.1") > ip("127.0.0.1"));
    assert!(ip("fe80::ffff") > ip("fe80::1"));
    assert!(ip("fe80::1:0:0:0") > ip("fe80::ffff"));
}

#[test]
fn the_longest_advert_is_as_long_as_is_said() {
    let addresses = (1..=255_u16).map(|last| vip([0xfe80, 0, 0, 0, 0, 0, 0, last].into()));
    let addresses: Arc<[Vip]> = addresses.collect();
    let advert = Advertisement {
        version: Version::V3,
        vrid: Vrid::new(1).expect("in range"),
        priority: AdvertPriority::Zero,
        interval: AdverInterval::from_centis(100).expect("in range"),
        checksum: ChecksumForm::PseudoHeader,
        addresses,
    };
    let mut buffer = AdvertBuffer::new();
    let source = [0xfe80, 0, 0, 0, 0, 0, 0, 1].into();
    let payload = advert.encode(source, MULTICAST_V6.into(), &mut buffer);
    assert_eq!((advert.addresses.len(), payload.len()), (ADDRESSES_MAX, ADVERT_LEN_MAX));
}

#[test]
fn one_vrid_can_be_used_by_both_families() {
    let (v4, v6) = (bytes(V3A), bytes(V3E));
    let vrid = |decoded: Result<Received<'_>, _>| decoded.map(|decoded| decoded.vrid.get());
    assert_eq!((vrid(decode_v4(&v4)), vrid(decode_v6(&v6))), (Ok(1), Ok(1)));
}

#[test]
fn a_message_of_one_family_is_not_an_advert_of_the_other() {
    assert_eq!(reason(decode_v6(&bytes(V3A))), Some(DiscardReason::Length));
    assert_eq!(reason(decode_v4(&bytes(V3E))), Some(DiscardReason::Length));
    let destination = MULTICAST_V6.into();
    let result = Advertisement::decode(&bytes(V3A), ip("192.0.2.2"), destination)
        .map(|decoded| decoded.vrid);
    assert_eq!(result, Err(DecodeError::Destination { destination }));
}

#[test]
fn a_buffer_shows_none_of_its_bytes() {
    assert_eq!(format!("{:?}", AdvertBuffer::new()), "AdvertBuffer { .. }");
}
