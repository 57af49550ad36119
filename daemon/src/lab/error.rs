//! What can stop a lab from being built or run.

use std::io;

/// Why the lab couldn't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LabError {
    /// The kernel refuses the namespaces the lab lives in.
    #[error("this system does not let you make the namespaces the lab lives in: {0}")]
    Forbidden(#[source] nix::Error),
    /// A step of building the network or the observers failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// The step.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A netlink request was refused.
    #[error("cannot {what}: {source}")]
    Netlink {
        /// The request.
        what: String,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
    /// A daemon ended by itself.
    #[error("the daemon of node {node} ended ({status}); the end of its log:\n{tail}")]
    DaemonEnded {
        /// Its node, from 1.
        node: usize,
        /// How it ended.
        status: String,
        /// The log's last lines.
        tail: String,
    },
    /// A thread of the lab panicked.
    #[error("a thread of the lab panicked")]
    Panicked,
    /// The options contradict each other.
    #[error("{0}")]
    Usage(String),
    /// The user interrupted the lab.
    #[error("interrupted")]
    Interrupted,
}

/// Names the step that an I/O error stopped.
pub(crate) trait Context<T> {
    /// Turns the error into a [`LabError`] that says what was being done.
    fn context(self, what: impl Into<String>) -> Result<T, LabError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl Into<String>) -> Result<T, LabError> {
        self.map_err(|source| LabError::Io { what: what.into(), source })
    }
}

impl<T> Context<T> for nix::Result<T> {
    fn context(self, what: impl Into<String>) -> Result<T, LabError> {
        self.map_err(io::Error::from).context(what)
    }
}

impl<T> Context<T> for Result<T, rtnetlink::Error> {
    fn context(self, what: impl Into<String>) -> Result<T, LabError> {
        self.map_err(|source| LabError::Netlink { what: what.into(), source })
    }
}
