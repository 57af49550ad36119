//! The codec of VRRP.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use openproxy_core::vrrp::{
    ADDRESSES_MAX, AddressList, AdverInterval, AdvertBuffer, AdvertPriority, Advertisement,
    ChecksumForm, DecodeError, DiscardReason, Version, Vip, Vrid, ipv4, peek,
};

// The core's own tests have both, and they need nothing but the names here.
#[path = "../../../core/src/vrrp/advert/tests/naive.rs"]
mod naive;
#[path = "../../../core/src/vrrp/advert/tests/sent.rs"]
mod sent;

use sent::{sent, vip};

type Received<'a> = Advertisement<AddressList<'a>>;
type Sent = Advertisement<Arc<[Vip]>>;

/// Flags in the first byte, then an IPv4 packet; or source, destination and an IPv6 payload.
///
/// # Panics
/// When the naive decoder says otherwise.
pub fn advert_decode(data: &[u8]) {
    let Some((flags, rest)) = data.split_first() else { return };
    let (is_v6, repaired) = (flags & 1 != 0, flags & 2 != 0);
    if is_v6 {
        let Some((source, rest)) = rest.split_first_chunk::<16>() else { return };
        let Some((destination, payload)) = rest.split_first_chunk::<16>() else { return };
        let (source, destination) = (Ipv6Addr::from(*source), Ipv6Addr::from(*destination));
        return compare(payload, source.into(), destination.into(), repaired);
    }
    match ipv4::parse(rest) {
        Ok(packet) => {
            assert!(packet.payload.len() <= rest.len());
            compare(packet.payload, packet.source.into(), packet.destination.into(), repaired);
        }
        Err(error) => assert_told(&error),
    }
}

/// A log and a metric can carry why a packet was discarded.
fn assert_told(error: &DecodeError) {
    assert!(!error.to_string().is_empty());
    let reason = error.reason();
    let label = reason.label();
    assert_eq!(reason.to_string(), label);
    assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || b"_2346".contains(&byte)));
}

fn compare(payload: &[u8], source: IpAddr, destination: IpAddr, repaired: bool) {
    let mut payload = payload.to_vec();
    if repaired {
        repair(&mut payload, source, destination);
    }
    let expected = naive::decode(&payload, source, destination);
    match (Advertisement::decode(&payload, source, destination), expected) {
        (Ok(received), Ok(expected)) => {
            assert_eq!(naive::Naive::of(&received), expected);
            let peeked = peek(&payload).expect("it is good as a whole");
            assert_eq!((peeked.version, peeked.vrid), (received.version, received.vrid));
            encode_again(&received, source, destination);
        }
        (Err(error), Err(expected)) => {
            assert_eq!(error.reason(), expected);
            assert_told(&error);
        }
        (found, expected) => panic!("{found:?}, and naively {expected:?}"),
    }
}

/// Writes the right checksum, so that what lies behind it is reached.
fn repair(payload: &mut [u8], source: IpAddr, destination: IpAddr) {
    if payload.len() < 8 {
        return;
    }
    payload[6..8].fill(0);
    let sum = if payload[0] >> 4 == 3 {
        naive::checksum(&naive::with_pseudo_header(payload, source, destination))
    } else {
        naive::checksum(payload)
    };
    payload[6..8].copy_from_slice(&sum.to_be_bytes());
}

/// What was received can be sent, and is the same again.
fn encode_again(received: &Received<'_>, source: IpAddr, destination: IpAddr) {
    let sent = sent(received);
    let mut buffer = AdvertBuffer::new();
    let bytes = sent.encode(source, destination, &mut buffer);
    let again = Advertisement::decode(bytes, source, destination).expect("our own");
    let whole = |advert: &Received<'_>| {
        let list: Vec<IpAddr> = advert.addresses.iter().collect();
        (advert.version, advert.vrid, advert.priority, advert.interval, list)
    };
    assert_eq!(whole(&again), whole(received));
}

/// An advert, drawn from the bytes.
///
/// # Panics
/// When it isn't the same once encoded and decoded, by both decoders.
pub fn advert_roundtrip(data: &[u8]) {
    // Too few bytes: nothing is drawn.
    let _ = roundtrip(&mut Unstructured::new(data));
}

fn roundtrip(draw: &mut Unstructured<'_>) -> Result<()> {
    let version = if draw.arbitrary()? { Version::V2 } else { Version::V3 };
    let is_v4 = version == Version::V2 || draw.arbitrary()?;
    let count = draw.int_in_range(1..=ADDRESSES_MAX)?;
    let mut address = || -> Result<IpAddr> {
        Ok(if is_v4 {
            IpAddr::from(draw.arbitrary::<[u8; 4]>()?)
        } else {
            IpAddr::from(draw.arbitrary::<[u8; 16]>()?)
        })
    };
    let (source, destination) = (address()?, address()?);
    let addresses: Arc<[Vip]> =
        (0..count).map(|_| Ok(vip(address()?))).collect::<Result<Vec<_>>>()?.into();
    let interval = match version {
        Version::V2 => AdverInterval::from_secs(draw.int_in_range(1..=255)?),
        Version::V3 => AdverInterval::from_centis(draw.int_in_range(1..=4_095)?),
    };
    let is_message_only = version == Version::V2 || is_v4 && draw.arbitrary()?;
    let advert = Advertisement {
        version,
        vrid: Vrid::new(draw.int_in_range(1..=255)?).expect("in range"),
        priority: AdvertPriority::from_wire(draw.arbitrary()?),
        interval: interval.expect("in range"),
        checksum: match is_message_only {
            true => ChecksumForm::MessageOnly,
            false => ChecksumForm::PseudoHeader,
        },
        addresses,
    };
    let mut buffer = AdvertBuffer::new();
    let bytes = advert.encode(source, destination, &mut buffer).to_vec();
    let received = Advertisement::decode(&bytes, source, destination).expect("our own");
    // Where the pseudo-header adds up to nothing, both forms are one.
    let mut expected = advert.clone();
    if naive::pseudo_header_is_zero(bytes.len(), source, destination) {
        expected.checksum = received.checksum;
    }
    assert_eq!(sent(&received), expected);
    let naive = naive::decode(&bytes, source, destination).expect("our own");
    assert_eq!(naive::Naive::of(&received), naive);
    Ok(())
}
