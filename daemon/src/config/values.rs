//! Single values: `Some` if they are what a key allows.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::ops::RangeInclusive;
use std::time::Duration;

use openproxy_core::vrrp::{AdverInterval, CommandLine, InterfaceName, Version};
use toml::de::DeValue;

/// The kernel's `IFNAMSIZ`, without the closing zero.
const INTERFACE_NAME_BYTES_MAX: usize = 15;
/// As useradd has it.
const USER_NAME_BYTES_MAX: usize = 32;
const GROUP_NAME_BYTES_MAX: usize = 64;

/// A whole number within a range.
pub(super) fn whole<T: TryFrom<i64> + PartialOrd>(
    value: &DeValue<'_>,
    range: RangeInclusive<T>,
) -> Option<T> {
    let integer = value.as_integer()?;
    let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
    T::try_from(number).ok().filter(|number| range.contains(number))
}

/// A whole number of milliseconds within a range.
pub(super) fn millis(value: &DeValue<'_>, range: RangeInclusive<u64>) -> Option<Duration> {
    whole(value, range).map(Duration::from_millis)
}

/// A whole number from 1 to 255.
pub(super) fn octet(value: &DeValue<'_>) -> Option<NonZeroU8> {
    whole(value, 1..=u8::MAX).and_then(NonZeroU8::new)
}

/// A number that has at most `DECIMALS` of them, times ten to that power.
///
/// Exact: 0.07 is 7 hundredths, although no binary fraction is 0.07.
fn decimal<const DECIMALS: usize>(value: &DeValue<'_>) -> Option<u64> {
    if value.is_integer() {
        let whole = whole(value, 0..=u64::from(u32::MAX))?;
        return whole.checked_mul(10_u64.pow(u32::try_from(DECIMALS).ok()?));
    }
    let number: f64 = value.as_float()?.as_str().parse().ok()?;
    let rounded = format!("{number:.DECIMALS$}");
    let is_exact = rounded.parse() == Ok(number);
    is_exact.then(|| rounded.replace('.', "").parse().ok()).flatten()
}

/// Seconds, in steps of a millisecond, from 0 to `secs_max`.
pub(super) fn seconds(value: &DeValue<'_>, secs_max: u64) -> Option<Duration> {
    let span = Duration::from_millis(decimal::<3>(value)?);
    (span <= Duration::from_secs(secs_max)).then_some(span)
}

/// An interval that `version` can write.
pub(super) fn interval(value: &DeValue<'_>, version: Version) -> Option<AdverInterval> {
    match version {
        Version::V2 => octet(value).and_then(|secs| AdverInterval::from_secs(secs.get()).ok()),
        Version::V3 => {
            let centis = u16::try_from(decimal::<2>(value)?).ok()?;
            AdverInterval::from_centis(centis).ok()
        }
    }
}

/// What the kernel accepts as the name of an interface.
pub(super) fn interface_name(value: &DeValue<'_>) -> Option<InterfaceName> {
    let name = value.as_str()?;
    let is_allowed = |c: char| !c.is_whitespace() && !c.is_control() && c != '/' && c != ':';
    let fits = (1..=INTERFACE_NAME_BYTES_MAX).contains(&name.len());
    (fits && name != "." && name != ".." && name.chars().all(is_allowed)).then(|| name.into())
}

/// The name of a group.
pub(super) fn group_name(value: &DeValue<'_>) -> Option<std::sync::Arc<str>> {
    let name = value.as_str()?;
    let fits = (1..=GROUP_NAME_BYTES_MAX).contains(&name.len());
    (fits && !name.chars().any(char::is_control)).then(|| name.into())
}

/// `true` or `false`.
pub(super) fn boolean(value: &DeValue<'_>) -> Option<bool> {
    value.as_bool()
}

/// The name of a user; whether there is one is the machine's to know.
pub(super) fn user_name(value: &DeValue<'_>) -> Option<Box<str>> {
    let name = value.as_str()?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_graphic() && !b":/".contains(&byte));
    let fits = (1..=USER_NAME_BYTES_MAX).contains(&name.len());
    (is_name && fits && name != "root").then(|| name.into())
}

/// A command line, split as a shell would, without a shell's expansions.
pub(super) fn command_line(value: &DeValue<'_>) -> Option<CommandLine> {
    let text = value.as_str().filter(|text| !text.contains('\0'))?;
    let words = shlex::split(text)?;
    words.first().is_some_and(|program| !program.is_empty()).then(|| words.into())
}

/// An address that one host can have.
pub(super) fn host_address(text: &str) -> Option<IpAddr> {
    let ip: IpAddr = text.parse().ok()?;
    let is_host = match ip {
        IpAddr::V4(v4) => !v4.is_broadcast() && v4.octets()[0] != 0,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_none(),
    };
    let is_usable = is_host && !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback();
    is_usable.then_some(ip)
}

/// An absolute path: what a relative one is relative to, differs between a shell and a service.
pub(super) fn absolute_path<'d>(value: &'d DeValue<'_>) -> Option<&'d str> {
    value.as_str().filter(|path| path.starts_with('/') && !path.contains('\0'))
}

/// One of several words.
pub(super) fn choice<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Option<T> {
    let word = value.as_str()?;
    words.iter().find(|(name, _)| *name == word).map(|(_, meaning)| *meaning)
}
