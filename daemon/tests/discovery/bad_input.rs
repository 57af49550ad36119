//! What an API may send instead of an answer: each is told, counted, and changes no role.

use std::fs;
use std::sync::Arc;

use crate::certificates::{Authority, VERSIONS, Valid, server_config};
use crate::daemon::Daemon;
use crate::patroni::{Manner, Patroni, api};
use crate::publishing::file;

/// An answer of more than 100 MiB, a mebibyte at a time.
fn huge() -> Manner {
    let mut bytes = b"HTTP/1.0 200 OK\r\n\r\n{\"state\": \"".to_vec();
    bytes.resize(1 << 20, b'x');
    Manner::Endless(bytes.into())
}

/// The primary's API answers like this: what is logged, and what is counted.
#[track_caller]
fn check(manner: Manner, said: &str, kind: &str) {
    let patroni = Patroni::start();
    let text = file(&patroni).replace("use_patroni", "patroni_timeout = 400\nuse_patroni");
    let daemon = Daemon::start(&text);
    let watch = daemon.watch();
    watch.until_primary("127.0.0.1");
    // A replica's, so that no role has a reason to change.
    patroni.set(1, manner);
    let url = format!("http://{}", api(patroni.port, 1));
    let line = daemon.log.until(said, |line| line.contains(&format!("{url}: Patroni doesn't")));
    assert!(line.contains(said), "{line}");
    let document = daemon.topology();
    let endpoints = document["endpoints"].as_array().expect("a list");
    let endpoint = endpoints.iter().find(|endpoint| endpoint["url"] == url).expect("its own");
    assert!(endpoint["failures"][kind].as_u64() >= Some(1), "{kind}: {endpoint}");
    assert!(endpoint["failure"].as_str().is_some_and(|text| text.contains(said)), "{endpoint}");
    let primary = &document["shards"][0]["primary"];
    assert_eq!((&primary["status"], &primary["host"]), (&"confirmed".into(), &"127.0.0.1".into()));
    assert_eq!(document["shards"][0]["replicas"].as_array().map(Vec::len), Some(2));
    patroni.set(1, Manner::Well);
    daemon.log.until("it answers", |line| line.contains(&format!("{url}: Patroni answers again")));
}

fn bytes(text: &str) -> Manner {
    Manner::Bytes(text.as_bytes().into())
}

#[test]
fn garbage() {
    check(bytes("\u{1}\u{2}what is this\r\n\r\n"), "isn't HTTP", "not_http");
}

#[test]
fn json_that_is_cut_off() {
    check(bytes("HTTP/1.0 200 OK\r\n\r\n{\"state\": \"runn"), "JSON", "bad_answer");
}

#[test]
fn json_without_role_and_state() {
    check(bytes("HTTP/1.0 200 OK\r\n\r\n{}"), "without role and state", "says_nothing");
}

#[test]
fn html() {
    let html = "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>It works!</html>";
    check(bytes(html), "isn't JSON", "not_json");
}

#[test]
fn an_error_page() {
    check(bytes("HTTP/1.0 502 Bad Gateway\r\n\r\n<html>502</html>"), "status 502", "status");
}

#[test]
fn a_redirect() {
    let redirect = "HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n";
    check(bytes(redirect), "redirect", "redirect");
}

#[test]
fn a_body_without_end() {
    check(huge(), "is longer than", "too_large");
}

#[test]
fn a_slow_drip() {
    check(Manner::Drip, "no answer in time", "timeout_reading");
}

#[test]
fn silence() {
    check(Manner::Silent, "no answer in time", "timeout_waiting");
}

#[test]
fn a_reset() {
    check(Manner::Reset, "connection reset", "reset");
}

#[test]
fn nothing() {
    check(bytes(""), "closed without an answer", "empty");
}

#[test]
fn a_wrong_certificate() {
    let patroni = Patroni::start();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    let good = server_config(&ours.issue(&hosts, Valid::Now), None, &VERSIONS);
    (0..3).for_each(|server| patroni.set(server, Manner::Tls(Arc::clone(&good))));
    let ca = tempfile::NamedTempFile::new().expect("a file");
    fs::write(ca.path(), ours.pem()).expect("written");
    let tls = format!("patroni_scheme = \"https\"\npatroni_ca = \"{}\"\n", ca.path().display());
    let daemon = Daemon::start(&(file(&patroni) + &tls));
    let watch = daemon.watch();
    watch.until_primary("127.0.0.1");
    let bad = server_config(&theirs.issue(&hosts, Valid::Now), None, &VERSIONS);
    patroni.set(2, Manner::Tls(bad));
    let url = format!("https://{}", api(patroni.port, 2));
    let line = daemon.log.until("it is told", |line| line.contains(&format!("{url}: Patroni")));
    assert!(line.contains("the server's certificate isn't accepted"), "{line}");
    let document = daemon.topology();
    assert_eq!(document["shards"][0]["primary"]["status"], "confirmed");
    let endpoints = document["endpoints"].as_array().expect("a list");
    let endpoint = endpoints.iter().find(|endpoint| endpoint["url"] == url).expect("its own");
    assert!(endpoint["failures"]["tls_certificate"].as_u64() >= Some(1), "{endpoint}");
}

#[test]
fn a_name_that_does_not_resolve() {
    let patroni = Patroni::start();
    let servers = patroni.servers().replace("127.0.0.2", "no-such-host.invalid");
    let daemon = Daemon::start(&file(&patroni).replace(&patroni.servers(), &servers));
    let watch = daemon.watch();
    watch.until_primary("127.0.0.1");
    let line = daemon.log.until("it is told", |line| line.contains("no-such-host.invalid"));
    assert!(line.contains("the name can't be resolved"), "{line}");
    let document = daemon.topology();
    let endpoints = document["endpoints"].as_array().expect("a list");
    assert!(
        endpoints.iter().any(|endpoint| endpoint["failures"]["unresolved"].as_u64() >= Some(1)),
        "{endpoints:?}"
    );
}
