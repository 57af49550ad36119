//! Why a question has no answer.

use std::fmt;
use std::io;
use std::time::Duration;

use thiserror::Error;

use super::endpoint::Endpoint;
use super::exchange::{BODY_LEN_MAX, HEAD_LEN_MAX, HEADERS_MAX};
use super::tls::TlsError;

/// How much of what was answered is shown, in characters.
const EXCERPT_LEN_MAX: usize = 80;

/// A question that has no answer; reads as one line for a log.
#[derive(Debug, Error)]
#[error("{endpoint}{path}: {reason} ({} ms)", elapsed.as_millis())]
pub struct AskError {
    /// Who was asked.
    pub endpoint: Endpoint,
    /// For what.
    pub path: &'static str,
    /// How long it took to find out: of one that timed out, how long it hung.
    pub elapsed: Duration,
    /// What went wrong.
    pub reason: Reason,
}

/// What went wrong.
#[derive(Debug, Error)]
pub enum Reason {
    /// The name has no address.
    #[error("the name can't be resolved: {source}")]
    Unresolved {
        /// What the resolver says.
        source: io::Error,
    },
    /// Nobody listens there.
    #[error("the connection was refused")]
    Refused,
    /// There is no way there.
    #[error("can't connect: {source}")]
    Unreachable {
        /// What the system says.
        source: io::Error,
    },
    /// The deadline came first.
    #[error("timed out while {stage}")]
    TimedOut {
        /// What took so long.
        stage: Stage,
    },
    /// The connection was reset.
    #[error("the connection was reset while {stage}")]
    Reset {
        /// When.
        stage: Stage,
    },
    /// The connection was closed before a byte of an answer. What a TLS port does to plain HTTP,
    /// and Patroni to a question that its DCS doesn't answer.
    #[error("the connection was closed without an answer")]
    Empty,
    /// The connection was closed within an answer.
    #[error("the connection was closed in the middle of the answer")]
    Truncated,
    /// More than anybody may send.
    #[error("the {part} of the answer is longer than {}", part.limit())]
    TooLarge {
        /// Of what.
        part: Part,
    },
    /// Not HTTP.
    #[error("the answer isn't HTTP: {detail}; it begins with {beginning}")]
    NotHttp {
        /// What is wrong with it.
        detail: String,
        /// What it is instead.
        beginning: Excerpt,
    },
    /// A redirect. Following one would mean to ask whom nobody configured.
    #[error("the answer is a redirect ({status}) to {location}, which isn't followed")]
    Redirect {
        /// The status code.
        status: u16,
        /// Where to.
        location: Excerpt,
    },
    /// Something other than 200, where only that counts.
    #[error("the status is {status} instead of 200; the body begins with {beginning}")]
    Status {
        /// The status code.
        status: u16,
        /// The body.
        beginning: Excerpt,
    },
    /// Something other than JSON, where only that counts.
    #[error("the body isn't JSON; it begins with {beginning}")]
    NotJson {
        /// The body.
        beginning: Excerpt,
    },
    /// The server's certificate isn't good.
    #[error("the server's certificate isn't accepted: {detail}")]
    Certificate {
        /// Why.
        detail: String,
    },
    /// The server doesn't like ours, or that there is none.
    #[error("the server demands another client certificate: {detail}")]
    ClientCertificate {
        /// What it says.
        detail: String,
    },
    /// Plain HTTP, for instance, where TLS should be.
    #[error("the answer isn't TLS; is this a plain HTTP port?")]
    NotTls,
    /// Anything else about TLS.
    #[error("TLS failed: {detail}")]
    Tls {
        /// What.
        detail: String,
    },
    /// The roots that the system trusts can't be used.
    #[error("TLS can't be set up: {source}")]
    TlsSetup {
        /// Why.
        source: TlsError,
    },
    /// Anything else about the connection.
    #[error("the connection failed while {stage}: {source}")]
    Io {
        /// When.
        stage: Stage,
        /// What the system says.
        source: io::Error,
    },
}

/// What a question was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading our own certificate files.
    Preparing,
    /// Looking up the name.
    Resolving,
    /// Connecting.
    Connecting,
    /// Shaking hands for TLS.
    Handshaking,
    /// Waiting for the answer's head.
    Waiting,
    /// Reading its body.
    Reading,
}

/// A part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Status line and headers.
    Head,
    /// The rest.
    Body,
}

/// The beginning of what a stranger sent, on one line, and harmless in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(Box<str>);

impl AskError {
    /// A short label, for counters.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.reason.kind()
    }

    /// How long it hung, if it did; as long should it be left alone.
    #[must_use]
    pub fn hung(&self) -> Option<Duration> {
        matches!(self.reason, Reason::TimedOut { .. }).then_some(self.elapsed)
    }
}

impl Reason {
    /// All labels there are, for counters that are to begin at 0.
    pub const KINDS: [&'static str; 22] = [
        "unresolved",
        "refused",
        "unreachable",
        "timeout_preparing",
        "timeout_resolving",
        "timeout_connecting",
        "timeout_handshaking",
        "timeout_waiting",
        "timeout_reading",
        "reset",
        "empty",
        "truncated",
        "too_large",
        "not_http",
        "redirect",
        "status",
        "not_json",
        "tls_certificate",
        "tls_client_certificate",
        "tls_other",
        "tls_setup",
        "io",
    ];

    /// A short label, for counters.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unresolved { .. } => "unresolved",
            Self::Refused => "refused",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { stage } => match stage {
                Stage::Preparing => "timeout_preparing",
                Stage::Resolving => "timeout_resolving",
                Stage::Connecting => "timeout_connecting",
                Stage::Handshaking => "timeout_handshaking",
                Stage::Waiting => "timeout_waiting",
                Stage::Reading => "timeout_reading",
            },
            Self::Reset { .. } => "reset",
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::TooLarge { .. } => "too_large",
            Self::NotHttp { .. } => "not_http",
            Self::Redirect { .. } => "redirect",
            Self::Status { .. } => "status",
            Self::NotJson { .. } => "not_json",
            Self::Certificate { .. } => "tls_certificate",
            Self::ClientCertificate { .. } => "tls_client_certificate",
            Self::NotTls | Self::Tls { .. } => "tls_other",
            Self::TlsSetup { .. } => "tls_setup",
            Self::Io { .. } => "io",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preparing => "reading our certificate files",
            Self::Resolving => "resolving the name",
            Self::Connecting => "connecting",
            Self::Handshaking => "shaking hands for TLS",
            Self::Waiting => "waiting for an answer",
            Self::Reading => "reading the answer's body",
        })
    }
}

impl Part {
    fn limit(self) -> String {
        match self {
            Self::Head => format!("{HEAD_LEN_MAX} bytes or {HEADERS_MAX} lines"),
            Self::Body => format!("{BODY_LEN_MAX} bytes"),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head => "head",
            Self::Body => "body",
        })
    }
}

impl Excerpt {
    pub(super) fn new(bytes: &[u8]) -> Self {
        // No character is longer than four bytes; one that is cut off lies behind what is shown.
        let head = bytes.get(..4 * EXCERPT_LEN_MAX).unwrap_or(bytes);
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start();
        let mut shown: String = text.chars().take(EXCERPT_LEN_MAX).collect();
        if shown.len() < text.len() || head.len() < bytes.len() {
            shown.push('…');
        }
        Self(shown.into())
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("nothing") } else { fmt::Debug::fmt(&*self.0, f) }
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_has_no_control_characters() {
        assert_eq!(Excerpt::new(b"").to_string(), "nothing");
        assert_eq!(Excerpt::new(b" \r\n<html>\x1b[2J\n").to_string(), "\"<html>\\u{1b}[2J\\n\"");
        let long = Excerpt::new("ä".repeat(500).as_bytes()).to_string();
        assert_eq!(long, format!("\"{}…\"", "ä".repeat(80)));
        assert_eq!(Excerpt::new(&[0xff, b'a']).to_string(), "\"\u{fffd}a\"");
    }
}
