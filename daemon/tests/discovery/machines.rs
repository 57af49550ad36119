//! What balancers, probes and Prometheus ask, over TCP.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::daemon::{Daemon, Watch};
use crate::patroni::{Manner, Patroni};
use crate::publishing::file;

/// The file of a daemon that listens on a port too, and that port.
pub(crate) fn listening(patroni: &Patroni) -> (String, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (file(patroni).replace("o.sock\"", &format!("o.sock\"\nlisten = \"127.0.0.1:{port}\"")), port)
}

/// Waits until all three servers are what they are to be.
pub(crate) fn until_settled(watch: &Watch, primary: &str) -> Value {
    watch.until("a primary and two replicas", |shard| {
        let replicas = shard["replicas"].as_array().expect("a list");
        let eligible = replicas.iter().filter(|replica| replica["eligible"] == true);
        shard["primary"]["status"] == "confirmed"
            && shard["primary"]["host"] == primary
            && eligible.count() == 2
    })
}

/// The status, the head and the body of an answer.
fn ask(port: u16, request: &str) -> (u16, String, String) {
    let mut stream = loop {
        // Its listener may open a moment after its log says that it runs.
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            break stream;
        }
        std::thread::yield_now();
    };
    stream.write_all(format!("{request}\r\n\r\n").as_bytes()).expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), head.to_ascii_lowercase(), body.to_owned())
}

fn get(port: u16, path: &str) -> u16 {
    ask(port, &format!("GET {path} HTTP/1.0")).0
}

#[test]
fn checks_follow_a_switchover_and_tell_what_is_stale() {
    let patroni = Patroni::start();
    let (file, port) = listening(&patroni);
    let daemon = Daemon::start(&file);
    let watch = daemon.watch();
    until_settled(&watch, "127.0.0.1");
    let primary = "/pools/p/shards/0/primary";
    let checks = [("primary?host=127.0.0.1", 200), ("primary?host=127.0.0.2", 503)]
        .into_iter()
        .chain([("replica?host=127.0.0.1", 503), ("replica?host=127.0.0.2&lag=100", 200)])
        .chain([("replica?host=127.0.0.2&lag=99", 503), ("any?host=127.0.0.3", 200)])
        .chain([("primary?hots=127.0.0.2", 400), ("leader", 404)]);
    for (check, expected) in checks {
        assert_eq!(get(port, &format!("/pools/p/shards/0/{check}")), expected, "{check}");
    }
    for (path, expected) in [
        ("/pools/%70/shards/%30/primary?host=127%2E0.0.1&port=5432", 200),
        ("/pools/q/shards/0/primary", 404),
        ("/pools/p/shards/1/primary", 404),
        ("/routers/eth0/50/master", 404),
        ("/health", 200),
        ("/ready", 200),
        ("/nothing", 404),
    ] {
        assert_eq!(get(port, path), expected, "{path}");
    }
    patroni.promote(Some(1));
    watch.until_primary("127.0.0.2");
    let statuses = ["127.0.0.1", "127.0.0.2"].map(|h| get(port, &format!("{primary}?host={h}")));
    assert_eq!(statuses, [503, 200]);
    // The primary last: nobody is left then who could say that only it is gone.
    [0, 2, 1].into_iter().for_each(|server| patroni.set(server, Manner::Reset));
    watch.until("kept", |shard| shard["primary"]["status"] == "kept");
    let (status, _, body) = ask(port, &format!("GET {primary} HTTP/1.0"));
    assert!(status == 503 && body.contains("127.0.0.2:5432: primary, kept"), "{body}");
    assert_eq!(get(port, &format!("{primary}?host=127.0.0.2&stale=ok")), 200);
    assert_eq!(get(port, "/ready"), 200, "it needs a look, and no more");
    patroni.promote(None);
    (0..3).for_each(|server| patroni.set(server, Manner::Well));
    watch.until("none", |shard| shard["primary"]["status"] == "none");
    let (status, _, body) = ask(port, "GET /ready HTTP/1.0");
    assert!(status == 503 && body.starts_with("p/0: no primary"), "{body}");
    assert_eq!(get(port, "/health"), 200);
}

#[test]
fn head_and_options_say_the_same_without_a_body() {
    let patroni = Patroni::start();
    let (file, port) = listening(&patroni);
    let daemon = Daemon::start(&file);
    until_settled(&daemon.watch(), "127.0.0.1");
    for method in ["HEAD", "OPTIONS"] {
        for (path, expected) in [
            ("/pools/p/shards/0/primary?host=127.0.0.1", 200),
            ("/pools/p/shards/0/primary?host=127.0.0.2", 503),
            ("/pools/q/shards/0/primary", 404),
            ("/health", 200),
            ("/ready", 200),
            ("/metrics", 200),
        ] {
            let (status, head, body) = ask(port, &format!("{method} {path} HTTP/1.0"));
            assert_eq!((status, &*body), (expected, ""), "{method} {path}");
            assert_eq!(head.contains("allow: get, head, options"), method == "OPTIONS", "{head}");
        }
    }
    assert_eq!(ask(port, "POST /metrics HTTP/1.0\r\nContent-Length: 0").0, 405);
}

#[test]
fn a_scrape_tells_of_shards_and_apis_in_both_formats() {
    let patroni = Patroni::start();
    let (file, port) = listening(&patroni);
    let daemon = Daemon::start(&file);
    let watch = daemon.watch();
    until_settled(&watch, "127.0.0.1");
    patroni.set(2, Manner::Reset);
    daemon.log.until("silence", |line| line.contains("Patroni doesn't answer"));
    let (status, head, text) = ask(port, "GET /metrics HTTP/1.0");
    assert!(status == 200 && head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let third = format!("url=\"http://127.0.0.3:{}\"", patroni.port);
    for line in [
        "openproxy_shard_primary_status{pool=\"p\",shard=\"0\",status=\"confirmed\"} 1".to_owned(),
        "openproxy_shard_replica_lag_bytes{pool=\"p\",shard=\"0\",host=\"127.0.0.2\",port=\"5432\"} 100"
            .to_owned(),
        "openproxy_thread_answers{thread=\"vrrp\"} 1".to_owned(),
        "openproxy_log_lines_dropped_total 0".to_owned(),
        format!("openproxy_patroni_failing{{{third}}} 1"),
    ] {
        assert!(text.lines().any(|there| there == line), "{line}\n{text}");
    }
    assert!(!text.contains("openproxy_router_") && !text.contains("guard"), "{text}");
    let accept = "GET /metrics HTTP/1.0\r\nAccept: application/openmetrics-text; version=1.0.0";
    let (_, head, text) = ask(port, accept);
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}
