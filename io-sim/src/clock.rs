//! The time of the simulation, and each node's own.

use std::fmt;
use std::ops::Add;
use std::str::FromStr;
use std::time::Duration;

use openproxy_core::time::Instant;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in the time of a simulation, in nanoseconds since its start; in files as `"12.5s"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(pub u64);

impl SimTime {
    /// The start.
    pub const ZERO: Self = Self(0);
    /// Never.
    pub const MAX: Self = Self(u64::MAX);

    /// So many milliseconds after the start.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// So many seconds after the start.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000_000_000)
    }

    /// How long after `earlier` it is; zero if it isn't after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for SimTime {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let fraction = format!("{nanos:09}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{secs}s"),
            fraction => write!(f, "{secs}.{fraction}s"),
        }
    }
}

/// Why a text is not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotATime;

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected seconds with at most nine decimals and an s, such as \"12.5s\"")
    }
}

impl std::error::Error for NotATime {}

impl FromStr for SimTime {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let number = text.strip_suffix('s').ok_or(NotATime)?;
        let (secs, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotATime);
        }
        let secs: u64 = secs.parse().map_err(|_| NotATime)?;
        let nanos: u64 = format!("{fraction:0<9}").parse().map_err(|_| NotATime)?;
        secs.checked_mul(1_000_000_000).and_then(|n| n.checked_add(nanos)).map(Self).ok_or(NotATime)
    }
}

impl Serialize for SimTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SimTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A node's monotonic clock: it runs a little fast or slow, and starts again at each boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    booted_at: SimTime,
    /// Parts of 2^64 by which it is fast.
    fast: u64,
    /// Parts of 2^64 by which it is slow.
    slow: u64,
}

impl Clock {
    /// A clock that gains `drift_ppm` microseconds each second, and was started at `booted_at`.
    #[must_use]
    pub fn new(booted_at: SimTime, drift_ppm: i32) -> Self {
        let parts = |ppm: u32| u64::from(ppm) * (u64::MAX / 1_000_000);
        let magnitude = parts(drift_ppm.unsigned_abs());
        let (fast, slow) = if drift_ppm < 0 { (0, magnitude) } else { (magnitude, 0) };
        Self { booted_at, fast, slow }
    }

    /// What it shows at `time`.
    #[must_use]
    pub fn local(&self, time: SimTime) -> Instant {
        Instant::from_nanos(self.scale(time.0.saturating_sub(self.booted_at.0)))
    }

    /// The first moment at which it shows `instant` or more.
    #[must_use]
    pub fn global(&self, instant: Instant) -> SimTime {
        let local = instant.as_nanos();
        if local == u64::MAX {
            return SimTime::MAX;
        }
        if self.fast == 0 && self.slow == 0 {
            return SimTime(self.booted_at.0.saturating_add(local));
        }
        // Each step leaves a part of the error as large as the drift.
        let mut span = local;
        loop {
            let shown = self.scale(span);
            if shown == local {
                break;
            }
            let next =
                span.saturating_add(local.saturating_sub(shown)) - shown.saturating_sub(local);
            if next == span || shown.abs_diff(local) == 1 {
                break;
            }
            span = next;
        }
        while self.scale(span) < local {
            span += 1;
        }
        while span > 0 && self.scale(span - 1) >= local {
            span -= 1;
        }
        SimTime(self.booted_at.0.saturating_add(span))
    }

    fn scale(&self, span: u64) -> u64 {
        span.saturating_add(high(span, self.fast)) - high(span, self.slow)
    }
}

/// The upper half of the product: `number` times `parts` / 2^64.
fn high(number: u64, parts: u64) -> u64 {
    let product = (u128::from(number) * u128::from(parts)) >> 64;
    u64::try_from(product).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_written_in_seconds_without_loss() {
        for (time, text) in [(0, "0s"), (12_500_000_000, "12.5s"), (1, "0.000000001s")] {
            assert_eq!(SimTime(time).to_string(), text);
            assert_eq!(text.parse(), Ok(SimTime(time)));
        }
        for wrong in ["", "s", "1", "1.s.", "-1s", "1.0000000001s", "1.5", "99999999999999s"] {
            assert_eq!(wrong.parse::<SimTime>(), Err(NotATime), "{wrong:?}");
        }
    }

    #[test]
    fn five_hundred_ppm_gain_half_a_millisecond_each_second() {
        let clock = Clock::new(SimTime::from_secs(10), 500);
        let shown = clock.local(SimTime::from_secs(11)).as_nanos();
        assert!(shown.abs_diff(1_000_500_000) <= 1, "{shown}");
        let slow = Clock::new(SimTime::ZERO, -500).local(SimTime::from_secs(1)).as_nanos();
        assert!(slow.abs_diff(999_500_000) <= 1, "{slow}");
    }

    proptest! {
        #[test]
        fn a_deadline_is_reached_at_the_first_moment_that_shows_it(
            drift in -100_000..100_000i32,
            booted in 0..1_000_000_000_000u64,
            deadline in 0..40_000_000_000_000_000u64,
        ) {
            let clock = Clock::new(SimTime(booted), drift);
            let instant = Instant::from_nanos(deadline);
            let reached = clock.global(instant);
            prop_assert!(clock.local(reached) >= instant);
            if reached.0 > booted {
                prop_assert!(clock.local(SimTime(reached.0 - 1)) < instant);
            }
        }
    }
}
