//! Packets made by hand, whose checksums scapy and tshark have confirmed.

use super::*;

/// A valid advert and what it says.
pub(super) struct Vector {
    pub(super) name: &'static str,
    pub(super) hex: &'static str,
    source: &'static str,
    destination: &'static str,
    version: Version,
    vrid: u8,
    priority: u8,
    centis: u16,
    checksum: ChecksumForm,
    addresses: &'static [&'static str],
}

impl Vector {
    pub(super) fn source(&self) -> IpAddr {
        ip(self.source)
    }

    pub(super) fn destination(&self) -> IpAddr {
        ip(self.destination)
    }

    fn sent(&self) -> Sent {
        let interval = match self.version {
            Version::V2 => {
                AdverInterval::from_secs(u8::try_from(self.centis / 100).expect("seconds"))
            }
            Version::V3 => AdverInterval::from_centis(self.centis),
        };
        Advertisement {
            version: self.version,
            vrid: Vrid::new(self.vrid).expect("in range"),
            priority: AdvertPriority::from_wire(self.priority),
            interval: interval.expect("in range"),
            checksum: self.checksum,
            addresses: vips(self.addresses),
        }
    }
}

const fn v2(
    name: &'static str,
    hex: &'static str,
    (vrid, priority, secs): (u8, u8, u16),
    addresses: &'static [&'static str],
) -> Vector {
    Vector {
        name,
        hex,
        source: "192.0.2.2",
        destination: "224.0.0.18",
        version: Version::V2,
        vrid,
        priority,
        centis: secs * 100,
        checksum: ChecksumForm::MessageOnly,
        addresses,
    }
}

const fn v3(
    name: &'static str,
    hex: &'static str,
    checksum: ChecksumForm,
    (vrid, priority, centis): (u8, u8, u16),
    addresses: &'static [&'static str],
) -> Vector {
    Vector {
        version: Version::V3,
        centis,
        checksum,
        ..v2(name, hex, (vrid, priority, 0), addresses)
    }
}

const fn v6(
    name: &'static str,
    hex: &'static str,
    numbers: (u8, u8, u16),
    addresses: &'static [&'static str],
) -> Vector {
    Vector {
        source: "fe80::2",
        destination: "ff02::12",
        ..v3(name, hex, ChecksumForm::PseudoHeader, numbers, addresses)
    }
}

const PH: ChecksumForm = ChecksumForm::PseudoHeader;
const MSG: ChecksumForm = ChecksumForm::MessageOnly;
const ONE: &[&str] = &["192.0.2.1"];
const TWO: &[&str] = &["192.0.2.1", "192.0.2.100"];
const LINK_LOCAL: &[&str] = &["fe80::1"];
const BOTH_SCOPES: &[&str] = &["fe80::1", "2001:db8::1"];
const GLOBAL: &[&str] = &["2001:db8::1"];

#[rustfmt::skip]
pub(super) const VALID: &[Vector] = &[
    v2("V2a", "210164010001b8fac00002010000000000000000", (1, 100, 1), ONE),
    v2("V2b, priority 0", "2101000100011cfbc00002010000000000000000", (1, 0, 1), ONE),
    v2("V2c, owner", "2133ff0200035b60c0000201c00002640000000000000000", (51, 255, 3), TWO),
    v3("V3a", "3101640100640606c0000201", PH, (1, 100, 100), ONE),
    v3("V3a, message only", "310164010064a897c0000201", MSG, (1, 100, 100), ONE),
    v3("V3b, shortest interval", "31ffc8020001df00c0000201c0000264", PH, (255, 200, 1), TWO),
    v3("V3b, message only", "31ffc80200018196c0000201c0000264", MSG, (255, 200, 1), TWO),
    v3("V3c, priority 0", "3101000100646a06c0000201", PH, (1, 0, 100), ONE),
    v3("V3c, message only", "3101000100640c98c0000201", MSG, (1, 0, 100), ONE),
    v3("V3d, longest interval", "310164010ffff66ac0000201", PH, (1, 100, 4095), ONE),
    v3("V3d, message only", "310164010fff98fcc0000201", MSG, (1, 100, 4095), ONE),
    Vector {
        destination: "192.0.2.3",
        ..v3("V3u, unicast", "3101640100642415c0000201", PH, (1, 100, 100), ONE)
    },
    Vector {
        destination: "192.0.2.3",
        ..v3("V3u, message only", "310164010064a897c0000201", MSG, (1, 100, 100), ONE)
    },
    v6("V3e", "3101640100646df7fe800000000000000000000000000001", (1, 100, 100), LINK_LOCAL),
    v6(
        "V3f, two addresses",
        "310a960200640e23fe80000000000000000000000000000120010db8000000000000000000000001",
        (10, 150, 100),
        BOTH_SCOPES,
    ),
    v6(
        "V3g, priority 0",
        "310a00020064a423fe80000000000000000000000000000120010db8000000000000000000000001",
        (10, 0, 100),
        BOTH_SCOPES,
    ),
    v6(
        "X4, no link-local address",
        "310a960100640cb620010db8000000000000000000000001",
        (10, 150, 100),
        GLOBAL,
    ),
];

#[test]
fn every_vector_decodes_to_what_it_says() {
    for vector in VALID {
        let payload = bytes(vector.hex);
        let received = Advertisement::decode(&payload, vector.source(), vector.destination())
            .unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(sent(&received), vector.sent(), "{}", vector.name);
        assert_eq!(received.addresses.len(), vector.addresses.len());
        assert!(received.addresses.matches(&vips(vector.addresses)));
    }
}

#[test]
fn every_vector_is_encoded_byte_for_byte() {
    // One buffer for all, so that what an advert leaves behind would show in the next.
    let mut buffer = AdvertBuffer::new();
    for vector in VALID.iter().chain(VALID.iter().rev()) {
        let encoded = vector.sent().encode(vector.source(), vector.destination(), &mut buffer);
        assert_eq!(encoded, bytes(vector.hex), "{}", vector.name);
    }
}

#[test]
fn peeking_tells_version_and_vrid_of_every_vector() {
    for vector in VALID {
        let peeked = peek(&bytes(vector.hex)).expect(vector.name);
        assert_eq!(peeked.version, vector.version, "{}", vector.name);
        assert_eq!(peeked.vrid.get(), vector.vrid, "{}", vector.name);
    }
}

#[test]
fn only_ipv6_lists_that_begin_with_a_link_local_address_say_so() {
    for vector in VALID {
        let payload = bytes(vector.hex);
        let received = Advertisement::decode(&payload, vector.source(), vector.destination())
            .expect(vector.name);
        let expected = vector.addresses[0].starts_with("fe80");
        assert_eq!(received.addresses.starts_link_local(), expected, "{}", vector.name);
    }
}

#[test]
fn no_vector_survives_the_flip_of_any_bit() {
    for vector in VALID {
        let mut payload = bytes(vector.hex);
        for bit in 0..payload.len() * 8 {
            payload[bit / 8] ^= 1 << (bit % 8);
            let result = Advertisement::decode(&payload, vector.source(), vector.destination());
            assert!(result.is_err(), "{}, bit {bit}: {result:?}", vector.name);
            payload[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn no_vector_survives_being_cut_or_lengthened() {
    for vector in VALID {
        let payload = bytes(vector.hex);
        let decode = |bytes: &[u8]| {
            let result = Advertisement::decode(bytes, vector.source(), vector.destination());
            reason(result)
        };
        for len in 0..payload.len() {
            let found = decode(&payload[..len]);
            assert_eq!(found, Some(DiscardReason::Length), "{}, {len} bytes", vector.name);
        }
        for more in 1..=28 {
            let mut longer = payload.clone();
            longer.resize(payload.len() + more, 0);
            let found = decode(&longer);
            assert_eq!(found, Some(DiscardReason::Length), "{}, {more} more", vector.name);
        }
    }
}
