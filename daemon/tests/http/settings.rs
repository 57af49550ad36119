//! Settings that can't be used say where, what, and what is allowed.

use openproxy::discovery::http::{Client, TlsError, TlsSettings};

use crate::certificates::{Authority, Folder, Pair, Valid};

#[track_caller]
fn assert_refused(settings: TlsSettings, texts: &[&str]) -> TlsError {
    let error = Client::new(settings).expect_err("settings that can't be used");
    for text in texts {
        assert!(error.to_string().contains(text), "{error} doesn't say {text:?}");
    }
    error
}

fn with_ca(folder: &Folder, content: &str) -> TlsSettings {
    TlsSettings { ca: Some(folder.write("ca.pem", content)), ..Default::default() }
}

/// A client that shows this.
fn showing(folder: &Folder, pair: &Pair) -> TlsSettings {
    TlsSettings {
        certificate: Some(folder.write("client.pem", &pair.certificate)),
        key: Some(folder.write("client.key", &pair.key)),
        ..with_ca(folder, &Authority::new("ours").pem())
    }
}

#[test]
fn a_file_that_is_not_there_or_too_long_is_refused() {
    let folder = Folder::new();
    let ca = Some(folder.path("none.pem"));
    let missing = TlsSettings { ca, ..Default::default() };
    assert_refused(missing, &["the CA file \"/", "none.pem\" can't be read: No such file"]);
    let ca = Some(folder.path("."));
    assert_refused(TlsSettings { ca, ..Default::default() }, &["can't be read: Is a directory"]);
    // Without end, too.
    let ca = Some("/dev/zero".into());
    assert_refused(TlsSettings { ca, ..Default::default() }, &["is longer than 1048576 bytes"]);
}

#[test]
fn a_ca_file_without_a_whole_certificate_is_refused() {
    let folder = Folder::new();
    let pem = Authority::new("ours").pem();
    let key = Authority::new("ours").server().key;
    let not_one = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let expected = "expected: one PEM block \"CERTIFICATE\" or several";
    for (content, problem) in [
        ("", "it has no such PEM block"),
        (key.as_str(), "it has no such PEM block"),
        (&pem[..pem.len() / 2], "a PEM block has no end"),
        (&pem.replace('M', "?"), "it isn't proper PEM"),
        (not_one, "it has no certificate that can be read"),
    ] {
        assert_refused(with_ca(&folder, content), &["the CA file", problem, expected]);
    }
}

#[test]
fn a_certificate_and_a_key_must_be_a_pair() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let pair = authority.issue(&["client"], Valid::Now);
    let key = authority.issue(&["client"], Valid::Now).key;
    let mixed = Pair { certificate: pair.certificate.clone(), key };
    assert_refused(showing(&folder, &mixed), &["client.key\" doesn't belong to the first"]);

    let mut half = showing(&folder, &pair);
    half.key = None;
    assert_refused(half, &["a client certificate file without a client key file; give both"]);
    let mut half = showing(&folder, &pair);
    half.certificate = None;
    assert_refused(half, &["a client key file without a client certificate file; give both"]);
    Client::new(showing(&folder, &pair)).expect("a pair");
}

#[test]
fn a_key_that_is_encrypted_or_none_is_refused_and_not_shown() {
    let folder = Folder::new();
    let pair = Authority::new("ours").issue(&["client"], Valid::Now);
    let encrypted = pair.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let broken = pair.key.replace("-----BEGIN PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----");
    for (key, problem) in [
        (encrypted, "it is encrypted"),
        (pair.certificate.clone(), "it has no such PEM block"),
        (broken, "it "),
        (pair.key.replacen("MI", "ME", 1), ""),
    ] {
        let pair = Pair { key, certificate: pair.certificate.clone() };
        let texts = ["the client key file", problem, "\"EC PRIVATE KEY\", not encrypted"];
        let error = assert_refused(showing(&folder, &pair), &texts);
        let secret = pair.key.lines().nth(1).expect("a second line");
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn a_server_name_that_is_none_is_refused() {
    let server_name = Some("not a name".to_owned());
    let settings = TlsSettings { server_name, ..Default::default() };
    assert_refused(settings, &["\"not a name\" is neither a DNS name nor an IP address"]);
}
