//! What the HTTP client and the dialer say, in the words of the core.

use std::io::ErrorKind;

use openproxy_core::discovery::{AskFailure, ProbeFailure};

use super::http::{AskError, Reason};

/// Why a question came to nothing.
pub(super) fn ask_failure(error: &AskError) -> AskFailure {
    let reason = &error.reason;
    match reason {
        Reason::Unresolved { .. } => AskFailure::NoSuchHost,
        Reason::Refused => AskFailure::Refused,
        Reason::Unreachable { .. } => AskFailure::Unreachable,
        Reason::TimedOut { .. } => AskFailure::TimedOut,
        Reason::Reset { .. } => AskFailure::Reset,
        Reason::Empty => AskFailure::Closed,
        Reason::Status { status, .. } => AskFailure::Status(*status),
        Reason::Certificate { .. }
        | Reason::ClientCertificate { .. }
        | Reason::NotTls
        | Reason::Tls { .. }
        | Reason::TlsSetup { .. } => AskFailure::Tls(reason.to_string()),
        Reason::Truncated
        | Reason::TooLarge { .. }
        | Reason::NotHttp { .. }
        | Reason::Redirect { .. }
        | Reason::NotJson { .. }
        | Reason::Io { .. } => AskFailure::Other(reason.to_string()),
    }
}

/// Why a port accepted no connection.
pub(super) fn probe_failure(kind: ErrorKind) -> ProbeFailure {
    if kind == ErrorKind::ConnectionRefused {
        ProbeFailure::Refused
    } else if kind == ErrorKind::TimedOut {
        ProbeFailure::TimedOut
    } else {
        ProbeFailure::Unreachable
    }
}
