//! The virtual router identifier.

use std::fmt;
use std::num::NonZeroU8;

use super::error::OutOfRange;

/// A virtual router identifier, 1 to 255 (RFC 9568 §5.2.3).
///
/// Together with interface and address family it names one virtual router.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// Checks and wraps a number.
    ///
    /// # Errors
    /// [`OutOfRange`] for 0.
    pub fn new(number: u8) -> Result<Self, OutOfRange> {
        NonZeroU8::new(number).map(Self).ok_or(OutOfRange {
            what: "VRID",
            value: number.into(),
            min: 1,
            max: 255,
        })
    }

    /// The number, 1 to 255.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
