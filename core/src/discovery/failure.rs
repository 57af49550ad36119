//! Why a request or a probe came to nothing, and how often.

use super::answer::AnswerError;

/// Why a request wasn't answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskFailure {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// The connection was broken off.
    #[error("connection reset")]
    Reset,
    /// The deadline passed, wherever the request was by then.
    #[error("no answer in time")]
    TimedOut,
    /// No way there.
    #[error("no route to the host")]
    Unreachable,
    /// The name can't be resolved.
    #[error("the name can't be resolved")]
    NoSuchHost,
    /// The connection was closed without an answer, as Patroni does when its DCS is gone.
    #[error("closed without an answer")]
    Closed,
    /// TLS failed, in the library's words.
    #[error("TLS: {0}")]
    Tls(String),
    /// A status that no answer comes with: an error page, a redirect.
    #[error("status {0}")]
    Status(u16),
    /// Not HTTP, or another failure, in the library's words.
    #[error("{0}")]
    Other(String),
    /// The body isn't what was asked for.
    #[error("{0}")]
    BadAnswer(AnswerError),
    /// An answer to `/patroni` that says neither role nor state.
    #[error("an answer without role and state")]
    SaysNothing,
}

impl AskFailure {
    const KINDS: usize = 11;

    const fn index(&self) -> usize {
        match self {
            Self::Refused => 0,
            Self::Reset => 1,
            Self::TimedOut => 2,
            Self::Unreachable => 3,
            Self::NoSuchHost => 4,
            Self::Closed => 5,
            Self::Tls(_) => 6,
            Self::Status(_) => 7,
            Self::Other(_) => 8,
            Self::BadAnswer(_) => 9,
            Self::SaysNothing => 10,
        }
    }

    /// Whether something answered, but not what was asked for.
    pub(super) const fn is_of_answer(&self) -> bool {
        match self {
            Self::Status(_) | Self::Other(_) | Self::BadAnswer(_) | Self::SaysNothing => true,
            Self::Refused
            | Self::Reset
            | Self::TimedOut
            | Self::Unreachable
            | Self::NoSuchHost
            | Self::Closed
            | Self::Tls(_) => false,
        }
    }

    /// Whether it is the same kind of failure, whatever the words.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.index() == other.index()
    }
}

/// Why a PostgreSQL port accepted no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeFailure {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// The deadline passed.
    #[error("no connection in time")]
    TimedOut,
    /// No way there, or any other failure.
    #[error("unreachable")]
    Unreachable,
}

/// What an endpoint was asked and how it answered, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests.
    pub asked: u64,
    /// Answers that could be read.
    pub answers: u64,
    /// Fields of a wrong type in them.
    pub odd_fields: u64,
    /// Answers to requests that were given up before.
    pub late: u64,
    failures: [u64; AskFailure::KINDS],
}

impl Counters {
    pub(super) fn count_failure(&mut self, failure: &AskFailure) {
        if let Some(count) = self.failures.get_mut(failure.index()) {
            *count += 1;
        }
    }

    /// How many answers weren't what was asked for.
    #[must_use]
    pub fn bad_answers(&self) -> u64 {
        self.failures(&AskFailure::BadAnswer(AnswerError::NotAnObject))
    }

    /// How many requests failed, for whatever reason.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.iter().sum()
    }

    /// How many requests failed like this one.
    #[must_use]
    pub fn failures(&self, like: &AskFailure) -> u64 {
        self.failures.get(like.index()).copied().unwrap_or_default()
    }
}
