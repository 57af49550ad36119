//! Single values.

use std::net::IpAddr;

use openproxy_core::vrrp::Family;

use super::note::{Notes, Place};
use super::tree::Statement;

/// A number of microseconds, read from seconds with a fraction; digits beyond six are cut off.
pub(super) fn micros(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let seconds: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    seconds.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)
}

/// The value of a statement, as `parse` reads it; keepalived takes its default for another.
pub(super) fn read<T>(
    statement: &Statement,
    notes: &mut Notes,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let value = statement.value().unwrap_or_default();
    let parsed = parse(value);
    if parsed.is_none() {
        let message = format!("{value:?} can't be used, and keepalived takes its default instead");
        notes.decide(&statement.place, statement.keyword(), message);
    }
    parsed
}

/// A number that a type has, from `least` on.
pub(super) fn from<T: std::str::FromStr + PartialOrd>(least: T, text: &str) -> Option<T> {
    text.parse().ok().filter(|number| *number >= least)
}

/// An address with its prefix length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) place: Place,
    pub(super) ip: IpAddr,
    /// A host's own without one, as keepalived has it.
    pub(super) prefix_len: u8,
    /// `dev`
    pub(super) interface: Option<String>,
}

impl Address {
    /// Reads `ADDRESS[/LENGTH] [dev INTERFACE]`, and whatever else may follow.
    pub(super) fn read(statement: &Statement) -> Option<Self> {
        let word = statement.keyword();
        let (ip, prefix_len) = word.split_once('/').map_or((word, None), |(ip, p)| (ip, Some(p)));
        let ip: IpAddr = ip.parse().ok()?;
        let longest = match Family::of(ip) {
            Family::V4 => 32,
            Family::V6 => 128,
        };
        let prefix_len = prefix_len.map_or(Some(longest), |text| text.parse().ok())?;
        let dev = statement.words.iter().skip_while(|word| *word != "dev").nth(1);
        let interface = dev.cloned();
        let place = statement.place.clone();
        (prefix_len <= longest).then_some(Self { place, ip, prefix_len, interface })
    }
}
