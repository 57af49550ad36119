//! Skew time and master-down interval, in exact integers.

use std::time::Duration;

use super::{AdverInterval, Priority, Version};

/// How long a BACKUP waits beyond the third missed advert, so that the best one is first.
///
/// Version 2: `(256 − priority) / 256` seconds, whatever the interval (RFC 3768 §6.1). Version 3:
/// `(256 − priority) × interval / 256` with the MASTER's interval (RFC 9568 §6.1). Half a
/// nanosecond is rounded up, so that no router is ever early.
#[must_use]
pub fn skew_time(version: Version, priority: Priority, interval: AdverInterval) -> Duration {
    if mutated!(SkewMissing) {
        return Duration::ZERO;
    }
    let unit_nanos = match version {
        Version::V2 => 1_000_000_000,
        Version::V3 if mutated!(SkewInSeconds) => 1_000_000_000,
        Version::V3 => interval.nanos(),
    };
    let steps = 256 - u64::from(priority.get());
    let steps = if mutated!(SkewReversed) { 256 - steps } else { steps };
    Duration::from_nanos((steps * unit_nanos).div_ceil(256))
}

/// How long a BACKUP waits for an advert before it becomes MASTER: three intervals and the skew.
#[must_use]
pub fn master_down_interval(
    version: Version,
    priority: Priority,
    interval: AdverInterval,
) -> Duration {
    let missed = if mutated!(TwoMissedAdverts) { 2 } else { 3 };
    interval.duration() * missed + skew_time(version, priority, interval)
}

#[cfg(test)]
mod tests;
