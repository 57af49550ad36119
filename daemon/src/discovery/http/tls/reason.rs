//! What an error of TLS means to the person who has to mend it.

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

use super::super::error::Reason;

/// What went wrong.
pub(in super::super) fn reason(error: &Error) -> Reason {
    if let Error::InvalidCertificate(error) = error {
        return Reason::Certificate { detail: certificate_detail(error) };
    }
    if let Error::AlertReceived(alert) = error {
        return alert_reason(*alert);
    }
    if matches!(error, Error::InvalidMessage(_)) {
        return Reason::NotTls;
    }
    Reason::Tls { detail: error.to_string() }
}

fn certificate_detail(error: &CertificateError) -> String {
    if let CertificateError::ExpiredContext { time, not_after } = error {
        let ago = time.as_secs().saturating_sub(not_after.as_secs());
        return format!("it expired {} ago", span(ago));
    }
    if let CertificateError::NotValidYetContext { time, not_before } = error {
        let ahead = not_before.as_secs().saturating_sub(time.as_secs());
        return format!("it begins to be valid in {}; are the clocks right?", span(ahead));
    }
    if let CertificateError::NotValidForNameContext { expected, presented } = error {
        let expected = expected.to_str();
        return if presented.is_empty() {
            format!("it isn't for {expected:?}, but names nobody (a common name doesn't count)")
        } else {
            format!("it isn't for {expected:?}, but for {}", presented.join(", "))
        };
    }
    if matches!(error, CertificateError::UnknownIssuer) {
        return "its issuer isn't among the trusted certificates".to_owned();
    }
    let text = error.to_string();
    if text.contains("CaUsedAsEndEntity") {
        return "it is a CA's own (CA:TRUE); a server needs one that is signed by the CA"
            .to_owned();
    }
    text
}

/// As people say it, rounded down.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        172_800.. => format!("{} days", seconds / 86_400),
    }
}

fn alert_reason(alert: AlertDescription) -> Reason {
    if let Some((_, detail)) = CLIENT_CERTIFICATE.iter().find(|(known, _)| *known == alert) {
        return Reason::ClientCertificate { detail: (*detail).to_owned() };
    }
    // TLS 1.2 has no alert of its own for a missing certificate.
    let hint = if alert == AlertDescription::HandshakeFailure {
        "; it may demand a client certificate, or speak no cipher of ours"
    } else {
        ""
    };
    Reason::Tls { detail: format!("the server sent the alert {alert:?}{hint}") }
}

/// What a server says of ours.
const CLIENT_CERTIFICATE: [(AlertDescription, &str); 9] = [
    (AlertDescription::CertificateRequired, "it wants one, and there is none"),
    (AlertDescription::NoCertificate, "it wants one, and there is none"),
    (AlertDescription::BadCertificate, "it can't use ours"),
    (AlertDescription::UnsupportedCertificate, "it can't use ours"),
    (AlertDescription::CertificateUnknown, "it can't use ours"),
    (AlertDescription::CertificateExpired, "ours has expired"),
    (AlertDescription::CertificateRevoked, "ours has been revoked"),
    (AlertDescription::UnknownCA, "it doesn't know the issuer of ours"),
    (AlertDescription::AccessDenied, "ours gives no access"),
];
