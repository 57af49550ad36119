//! The codec against known packets, against the letter of the RFCs, and against a naive decoder.

mod captures;
mod edge_cases;
mod naive;
mod properties;
mod sent;
mod vectors;

use std::net::IpAddr;
use std::sync::Arc;

use sent::{sent, vip};

use super::*;
use crate::vrrp::{DecodeError, DiscardReason, Priority, Vip};

type Received<'a> = Advertisement<AddressList<'a>>;
type Sent = Advertisement<Arc<[Vip]>>;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("hexadecimal")
        })
        .collect()
}

fn vips(addresses: &[&str]) -> Arc<[Vip]> {
    addresses.iter().map(|text| vip(ip(text))).collect()
}

/// Decodes what came from 192.0.2.2, or from fe80::2, by multicast.
fn decode_v4(payload: &[u8]) -> Result<Received<'_>, DecodeError> {
    Advertisement::decode(payload, ip("192.0.2.2"), MULTICAST_V4.into())
}

fn decode_v6(payload: &[u8]) -> Result<Received<'_>, DecodeError> {
    Advertisement::decode(payload, ip("fe80::2"), MULTICAST_V6.into())
}

fn reason<T>(result: Result<T, DecodeError>) -> Option<DiscardReason> {
    result.err().map(|error| error.reason())
}

/// The checksum of an IPv6 message from fe80::2 to ff02::12 whose checksum field is zero.
fn checksum_v6(message: &[u8]) -> u16 {
    naive::checksum(&naive::with_pseudo_header(message, ip("fe80::2"), MULTICAST_V6.into()))
}

/// Writes the right checksum into a changed message, so that what lies behind it is reached.
fn repair(payload: &mut [u8]) {
    if payload.len() < HEADER_LEN {
        return;
    }
    payload[6..8].fill(0);
    let checksum = naive::checksum(payload);
    payload[6..8].copy_from_slice(&checksum.to_be_bytes());
}
