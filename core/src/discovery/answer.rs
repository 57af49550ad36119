//! What Patroni answers, read field by field.
//!
//! Whatever one field says, the rest of the answer counts: unknown keys are skipped, unknown roles
//! and states are kept as such, and a field of another type than expected counts as absent and is
//! noted in [`Odd`]. Only what isn't such an answer at all is an error.

// What comes from outside is counted with here.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod cluster;
mod lenient;
mod node;
#[cfg(test)]
mod tests;

use std::fmt;

pub use cluster::{ClusterAnswer, Member};
pub use node::{NodeAnswer, Positions};

/// The longest body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// The most members that a cluster may have.
pub const MEMBERS_MAX: usize = 1000;
/// The longest name, host or scope that is taken, in bytes: what a DNS name may have.
pub const NAME_BYTES_MAX: usize = 253;

/// A timeline of PostgreSQL's history; every promotion begins a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeline(pub u32);

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timeline {}", self.0)
    }
}

/// What tells one database cluster from all others: all copies of one have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemIdentifier(pub u64);

impl fmt::Display for SystemIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Fields that were not of the type that Patroni gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odd {
    /// How many there were.
    pub count: u32,
    /// The first one's key.
    pub first: Option<&'static str>,
}

impl Odd {
    fn note(&mut self, key: &'static str) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert(key);
    }
}

/// Why a body is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is longer than [`BODY_BYTES_MAX`].
    #[error("a body of {bytes} bytes, more than the {BODY_BYTES_MAX} that are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It isn't JSON; a truncated body is seen as this.
    #[error("not JSON at line {line}, column {column}: {what}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, in bytes.
        column: usize,
        /// The parser's words.
        what: String,
    },
    /// It is JSON, but no object.
    #[error("not an object")]
    NotAnObject,
    /// There is no `members` in an answer to `/cluster`.
    #[error("no `members`")]
    NoMembers,
    /// `members` isn't a list.
    #[error("`members` is not a list")]
    MembersNotAList,
    /// There are more members than [`MEMBERS_MAX`].
    #[error("{count} members, more than the {MEMBERS_MAX} that are taken")]
    TooManyMembers {
        /// How many.
        count: usize,
    },
}

impl From<serde_json::Error> for AnswerError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let what = error.to_string();
        let end = what.rfind(" at line ").unwrap_or(what.len());
        let what = what.get(..end).unwrap_or_default().to_owned();
        Self::NotJson { line, column, what }
    }
}

fn check_length(body: &[u8]) -> Result<(), AnswerError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(AnswerError::TooLong { bytes: body.len() });
    }
    Ok(())
}
