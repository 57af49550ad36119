//! `vip_addresses`.

use std::net::IpAddr;

use openproxy_core::vrrp::{Family, Version, Vip};

use super::keys;
use super::report::{Report, Spot};
use super::table::Table;
use super::values;

/// An advert counts its addresses in one byte.
const VIPS_MAX: usize = 255;

/// The VIPs of a router, each with its place.
pub(super) fn read(
    report: &mut Report<'_>,
    table: &Table<'_>,
    version: Option<Version>,
) -> Vec<(Vip, Spot)> {
    let Some(found) = table.get(keys::VIP_ADDRESSES.name) else { return Vec::new() };
    let elements = found.elements().unwrap_or_default();
    if elements.is_empty() || elements.len() > VIPS_MAX {
        report.error(&found.spot, format!("must be {}", keys::VIP_ADDRESSES.allowed));
        return Vec::new();
    }
    let mut vips: Vec<(Vip, Spot)> = Vec::with_capacity(elements.len());
    for element in elements {
        let parsed = element.value.as_str().ok_or(NOT_A_VIP).and_then(parse);
        match parsed {
            Ok(vip) => {
                if version == Some(Version::V2) && Family::of(vip.ip) == Family::V6 {
                    report.error(&element.spot, "is an IPv6 address, which needs version = 3");
                }
                if let Some((_, first)) = vips.iter().find(|(other, _)| other.ip == vip.ip) {
                    let line = report.line(first.span.start);
                    report.error(&element.spot, format!("is in the list already, on line {line}"));
                } else {
                    vips.push((vip, element.spot));
                }
            }
            Err(message) => report.error(&element.spot, message),
        }
    }
    vips
}

const NOT_A_VIP: &str =
    "must be an address with a prefix length, such as \"192.0.2.10/24\" or \"2001:db8::10/64\"";

fn parse(text: &str) -> Result<Vip, &'static str> {
    let (address, prefix_len) = text.split_once('/').ok_or(NOT_A_VIP)?;
    let ip: IpAddr = address.parse().map_err(|_| NOT_A_VIP)?;
    let (prefix_len_max, range) = match ip {
        IpAddr::V4(_) => (32, "must have a prefix length from 1 to 32"),
        IpAddr::V6(_) => (128, "must have a prefix length from 1 to 128"),
    };
    let is_digits = prefix_len.bytes().all(|byte| byte.is_ascii_digit());
    let prefix_len: u8 = prefix_len.parse().ok().filter(|_| is_digits).ok_or(range)?;
    if !(1..=prefix_len_max).contains(&prefix_len) {
        return Err(range);
    }
    match values::host_address(address) {
        Some(ip) => Ok(Vip { ip, prefix_len }),
        None => Err("must be an address that a host can have on a network"),
    }
}
