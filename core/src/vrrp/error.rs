//! Errors of the value types.

/// A number outside the range that its type allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {value}; allowed is {min} to {max}")]
pub struct OutOfRange {
    /// What the number was to be.
    pub what: &'static str,
    /// The number.
    pub value: u64,
    /// The smallest number allowed.
    pub min: u64,
    /// The largest number allowed.
    pub max: u64,
}
