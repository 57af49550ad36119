//! Priorities: what a router has, and what an advert carries.

use std::fmt;
use std::num::NonZeroU8;

use super::error::OutOfRange;

/// The priority of a virtual router on one node, 1 to 255 (RFC 9568 §5.2.4).
///
/// 255 is the address owner's. 0 is never a router's own priority; see [`AdvertPriority`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Priority(NonZeroU8);

impl Priority {
    /// The address owner's priority: starts as MASTER, is never lowered.
    pub const OWNER: Self = Self(NonZeroU8::MAX);
    /// The lowest priority that can still be elected.
    pub const MIN: Self = Self(NonZeroU8::MIN);

    /// Checks and wraps a number.
    ///
    /// # Errors
    /// [`OutOfRange`] for 0.
    pub fn new(number: u8) -> Result<Self, OutOfRange> {
        NonZeroU8::new(number).map(Self).ok_or(OutOfRange {
            what: "priority",
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

    /// Whether this is the address owner's priority.
    #[must_use]
    pub fn is_owner(self) -> bool {
        self == Self::OWNER
    }

    /// This priority changed by the weights of failed checks: within 1 to 254, the owner's never.
    #[must_use]
    pub fn weighted(self, weight: i32) -> Self {
        if self.is_owner() {
            return self;
        }
        let number = i32::from(self.get()).saturating_add(weight).clamp(1, 254);
        u8::try_from(number).ok().and_then(NonZeroU8::new).map_or(Self::MIN, Self)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The priority field of an advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdvertPriority {
    /// 0: the sender stops being MASTER (RFC 9568 §5.2.4).
    Zero,
    /// The sender's priority.
    Of(Priority),
}

impl AdvertPriority {
    /// Reads the field.
    #[must_use]
    pub fn from_wire(byte: u8) -> Self {
        NonZeroU8::new(byte).map_or(Self::Zero, |number| Self::Of(Priority(number)))
    }

    /// The field's value, 0 to 255.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        match self {
            Self::Zero => 0,
            Self::Of(priority) => priority.get(),
        }
    }
}

impl fmt::Display for AdvertPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_wire().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_never_reach_zero_nor_the_owner() {
        let priority = |number| Priority::new(number).expect("in range");
        assert_eq!(priority(100).weighted(-100), Priority::MIN);
        assert_eq!(priority(100).weighted(i32::MIN), Priority::MIN);
        assert_eq!(priority(200).weighted(100).get(), 254);
        assert_eq!(Priority::OWNER.weighted(-254), Priority::OWNER);
    }

    #[test]
    fn zero_exists_only_on_the_wire() {
        assert!(Priority::new(0).is_err());
        assert_eq!(AdvertPriority::from_wire(0), AdvertPriority::Zero);
        for byte in 0..=255 {
            assert_eq!(AdvertPriority::from_wire(byte).to_wire(), byte);
        }
    }
}
