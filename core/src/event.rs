//! Facts for logs, metrics and tests.

use std::fmt;

use crate::vrrp::RouterKey;

/// How loud an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Of interest when looking for something.
    Debug,
    /// What a person wants to have in the log.
    Info,
    /// Something is wrong, and service goes on.
    Warn,
    /// Something is wrong that takes service away, or soon will.
    Error,
}

/// Something that happened, and to which router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The router; `None` for what concerns the whole daemon.
    pub router: Option<RouterKey>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The daemon's routers have all been released.
    Released,
}

impl Event {
    /// How loud it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self.kind {
            EventKind::Released => Level::Info,
        }
    }
}

impl fmt::Display for Event {
    /// One line: what happened and why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            EventKind::Released => f.write_str("all virtual routers are released"),
        }
    }
}
