//! Random adverts, and random damage to them.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::naive::Naive;
use super::*;
use crate::vrrp::Family;

/// An advert and the addresses of its packet.
#[derive(Clone, Debug)]
struct Packet {
    source: IpAddr,
    destination: IpAddr,
    advert: Sent,
}

impl Packet {
    fn payload(&self) -> Vec<u8> {
        let mut buffer = AdvertBuffer::new();
        self.advert.encode(self.source, self.destination, &mut buffer).to_vec()
    }
}

fn address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::V4 => any::<Ipv4Addr>().prop_map(IpAddr::V4).boxed(),
        Family::V6 => any::<Ipv6Addr>().prop_map(IpAddr::V6).boxed(),
    }
}

/// As many addresses as people use, and sometimes as many as there can be.
fn address_count() -> impl Strategy<Value = usize> {
    prop_oneof![9 => 1_usize..10, 1 => 1_usize..=ADDRESSES_MAX, 1 => Just(ADDRESSES_MAX)]
}

fn packets() -> impl Strategy<Value = Packet> {
    const KINDS: &[(Version, Family)] =
        &[(Version::V2, Family::V4), (Version::V3, Family::V4), (Version::V3, Family::V6)];
    let numbers = (any::<u8>(), 1_u8..=255, 1_u8..=255, 1_u16..=4_095);
    let lists = (prop::sample::select(KINDS), address_count());
    let lists = lists.prop_flat_map(|(kind, count)| {
        let pair = (address(kind.1), address(kind.1));
        (Just(kind), pair, vec(address(kind.1), count))
    });
    (numbers, any::<bool>(), lists).prop_map(|(numbers, message_only, list)| {
        let (priority, vrid, secs, centis) = numbers;
        let ((version, family), (source, destination), addresses) = list;
        let interval = match version {
            Version::V2 => AdverInterval::from_secs(secs),
            Version::V3 => AdverInterval::from_centis(centis),
        };
        let message_only = match (version, family) {
            (Version::V2, _) => true,
            (Version::V3, Family::V4) => message_only,
            (Version::V3, Family::V6) => false,
        };
        let advert = Advertisement {
            version,
            vrid: Vrid::new(vrid).expect("in range"),
            priority: AdvertPriority::from_wire(priority),
            interval: interval.expect("in range"),
            checksum: if message_only {
                ChecksumForm::MessageOnly
            } else {
                ChecksumForm::PseudoHeader
            },
            addresses: addresses.into_iter().map(vip).collect(),
        };
        Packet { source, destination, advert }
    })
}

/// A change to a payload.
#[derive(Clone, Debug)]
enum Damage {
    /// A byte of the header becomes another: there the decisions are made.
    Header(usize, u8),
    /// Any byte becomes another.
    Byte(Index, u8),
    /// The rest is lost.
    Cut(Index),
    /// Bytes are added.
    Append(Vec<u8>),
    /// The checksum over the message alone is made right again.
    Repair,
}

impl Damage {
    fn inflict(self, payload: &mut Vec<u8>) {
        match self {
            Self::Header(at, byte) => payload.iter_mut().skip(at).take(1).for_each(|b| *b = byte),
            Self::Byte(at, byte) => {
                let at = at.index(payload.len() + 1);
                payload.iter_mut().skip(at).take(1).for_each(|b| *b = byte);
            }
            Self::Cut(at) => payload.truncate(at.index(payload.len() + 1)),
            Self::Append(bytes) => payload.extend(bytes),
            Self::Repair => repair(payload),
        }
    }
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let byte = prop_oneof![any::<u8>(), Just(0), Just(7), Just(0x21), Just(0x31)];
    let one = prop_oneof![
        4 => (0..HEADER_LEN, byte).prop_map(|(at, byte)| Damage::Header(at, byte)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => vec(any::<u8>(), 1..17).prop_map(Damage::Append),
        4 => Just(Damage::Repair),
    ];
    vec(one, 0..5)
}

/// Both decoders must say the same, and the same reason.
fn assert_agreement(
    payload: &[u8],
    source: IpAddr,
    destination: IpAddr,
) -> Result<(), TestCaseError> {
    let found = Advertisement::decode(payload, source, destination);
    let peeked = peek(payload);
    match (&found, &peeked) {
        (Ok(advert), Ok(peek)) => {
            prop_assert_eq!((advert.version, advert.vrid), (peek.version, peek.vrid));
        }
        (Ok(_), Err(error)) => prop_assert!(false, "only peeking fails: {}", error),
        (Err(_), Ok(_)) => {}
        (Err(whole), Err(peek)) => prop_assert_eq!(whole, peek),
    }
    let found = found.map(|advert| Naive::of(&advert)).map_err(|error| error.reason());
    prop_assert_eq!(found, naive::decode(payload, source, destination));
    Ok(())
}

/// Thousands of adverts take less than a second; a failure is told in its smallest form.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_sent_is_received(packet in packets()) {
        let payload = packet.payload();
        let received = Advertisement::decode(&payload, packet.source, packet.destination)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        // A pseudo-header that sums to zero leaves both forms right.
        let mut expected = packet.advert.clone();
        if naive::pseudo_header_is_zero(payload.len(), packet.source, packet.destination) {
            expected.checksum = received.checksum;
        }
        prop_assert_eq!(sent(&received), expected);
        prop_assert!(received.addresses.matches(&packet.advert.addresses));
    }

    #[test]
    fn an_intact_or_damaged_advert_is_judged_as_the_naive_decoder_does(
        packet in packets(),
        damages in damages(),
    ) {
        let mut payload = packet.payload();
        for damage in damages {
            damage.inflict(&mut payload);
        }
        assert_agreement(&payload, packet.source, packet.destination)?;
    }

    #[test]
    fn arbitrary_bytes_are_judged_as_the_naive_decoder_does(
        mut payload in vec(any::<u8>(), 0..64),
        start in prop_oneof![Just(Some(0x21)), Just(Some(0x31)), Just(None)],
        repaired in any::<bool>(),
        v6 in any::<bool>(),
    ) {
        for (byte, start) in payload.iter_mut().zip(start) {
            *byte = start;
        }
        if repaired {
            repair(&mut payload);
        }
        let (source, destination) = if v6 {
            (ip("fe80::2"), MULTICAST_V6.into())
        } else {
            (ip("192.0.2.2"), MULTICAST_V4.into())
        };
        assert_agreement(&payload, source, destination)?;
    }

    #[test]
    fn a_list_matches_itself_shuffled_and_not_when_one_address_differs(
        packet in packets(),
        turn in any::<Index>(),
        other in any::<Index>(),
    ) {
        let payload = packet.payload();
        let list = Advertisement::decode(&payload, packet.source, packet.destination)
            .map_err(|error| TestCaseError::fail(error.to_string()))?
            .addresses;
        let mut configured = packet.advert.addresses.to_vec();
        let turn = turn.index(configured.len());
        configured.rotate_left(turn);
        prop_assert!(list.matches(&configured));
        let at = other.index(configured.len());
        let absent = match packet.source {
            IpAddr::V4(_) => ip("192.0.2.77"),
            IpAddr::V6(_) => ip("2001:db8::77"),
        };
        configured[at].ip = absent;
        prop_assert!(!list.matches(&configured) || list.iter().any(|ip| ip == absent));
        configured.swap_remove(at);
        prop_assert!(!list.matches(&configured));
    }
}
