//! The advertisement interval, and the protocol version that says how it is written.

use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

use super::error::OutOfRange;

/// The protocol version of a virtual router.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Version {
    /// RFC 3768: IPv4, whole seconds.
    V2,
    /// RFC 5798 and RFC 9568: IPv4 and IPv6, hundredths of a second.
    V3,
}

impl Version {
    /// The version number, 2 or 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// The time between two adverts of a MASTER, in hundredths of a second, never zero.
///
/// Version 3 writes 1 to 4095 of them in 12 bits (RFC 9568 §5.2.7), version 2 whole seconds from 1
/// to 255 (RFC 3768 §5.3.7).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct AdverInterval(NonZeroU16);

impl AdverInterval {
    /// The longest interval that version 3 can write: 40.95 s.
    pub const CENTIS_MAX_V3: u16 = 4095;

    /// An interval of version 3, in hundredths of a second.
    ///
    /// # Errors
    /// [`OutOfRange`] unless 1 to 4095.
    pub fn from_centis(centis: u16) -> Result<Self, OutOfRange> {
        match NonZeroU16::new(centis) {
            Some(nonzero) if centis <= Self::CENTIS_MAX_V3 => Ok(Self(nonzero)),
            _ => Err(OutOfRange {
                what: "advertisement interval in hundredths of a second",
                value: centis.into(),
                min: 1,
                max: Self::CENTIS_MAX_V3.into(),
            }),
        }
    }

    /// An interval of version 2, in seconds.
    ///
    /// # Errors
    /// [`OutOfRange`] for 0.
    pub fn from_secs(secs: u8) -> Result<Self, OutOfRange> {
        NonZeroU16::new(u16::from(secs) * 100).map(Self).ok_or(OutOfRange {
            what: "advertisement interval in seconds",
            value: secs.into(),
            min: 1,
            max: 255,
        })
    }

    /// The interval in hundredths of a second.
    #[must_use]
    pub const fn centis(self) -> u16 {
        self.0.get()
    }

    /// The interval in nanoseconds; at most 255 s, so it always fits.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0.get() as u64 * 10_000_000
    }

    /// The interval as a span of time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_nanos(self.nanos())
    }
}

impl fmt::Display for AdverInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", f64::from(self.centis()) / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_hundredths_are_not_mixed_up() {
        let second = AdverInterval::from_secs(1).expect("in range");
        assert_eq!(second, AdverInterval::from_centis(100).expect("in range"));
        assert_eq!(second.duration(), Duration::from_secs(1));
        assert_eq!(second.to_string(), "1 s");
        assert_eq!((Version::V2.to_string(), Version::V3.to_string()), ("2".into(), "3".into()));
        assert_eq!(AdverInterval::from_centis(1).expect("in range").to_string(), "0.01 s");
    }

    #[test]
    fn intervals_that_a_version_cannot_write_do_not_exist() {
        assert!(AdverInterval::from_centis(0).is_err());
        assert!(AdverInterval::from_centis(4096).is_err());
        assert!(AdverInterval::from_secs(0).is_err());
        assert_eq!(AdverInterval::from_secs(255).expect("in range").centis(), 25_500);
    }
}
