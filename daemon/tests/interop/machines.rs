//! What a balancer and Prometheus are told of virtual routers, on real Linux.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::net::{Lan, Namespace, poll};
use crate::nodes::{End, Node, Router};
use crate::{BETTER, FAST, SLACK, V4, WORSE};

const ROUTER: Router = Router { version: 3, unicast: false, interval: FAST, vip: V4 };
const LISTENING: [&str; 2] = ["[general.status]\nlisten = \"127.0.0.1:9127\"\n", ""];
const IS_MASTER: &str = "/routers/eth0/50/master";

/// The answer of the node's daemon.
fn ask(inside: &Namespace, path: &str) -> String {
    let answer = inside.run(|| {
        let mut stream = TcpStream::connect("127.0.0.1:9127").ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    });
    answer.unwrap_or_default()
}

/// Waits until a check is answered so: a look may be a tenth of a second old.
fn until(inside: &Namespace, node: &Node, path: &str, status: &str) {
    let is_so = || ask(inside, path).starts_with(&format!("HTTP/1.0 {status}")).then_some(());
    assert!(poll(SLACK, is_so).is_some(), "{}\n{}", ask(inside, path), node.log());
}

/// The figure of a series.
fn figure(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    let line = line.unwrap_or_else(|| panic!("no {series} in {text}"));
    line.trim().parse().expect("a number")
}

#[test]
#[ignore = "needs namespaces; .ci/run runs it"]
fn checks_and_metrics_follow_the_master() {
    let lan = Lan::new();
    let better = Node::openproxy_with(&lan.ours, &ROUTER, BETTER, LISTENING);
    better.wait_for("BACKUP -> MASTER", 1);
    let worse = Node::openproxy_with(&lan.theirs, &ROUTER, WORSE, LISTENING);
    worse.wait_until_backup();
    until(&lan.ours, &better, IS_MASTER, "200");
    until(&lan.ours, &better, "/routers/eth0/50/IPv6/master", "404");
    until(&lan.theirs, &worse, IS_MASTER, "503");
    until(&lan.theirs, &worse, "/ready", "200");
    let labels = "interface=\"eth0\",router_id=\"50\",family=\"IPv4\"";
    let count = |name: &str| format!("openproxy_{name}{{{labels}}}");
    // Until a few of its timers were due.
    let sent = count("router_adverts_sent_total");
    let text = poll(SLACK, || {
        let text = ask(&lan.ours, "/metrics");
        (figure(&text, &sent) >= 5.0).then_some(text)
    });
    let text = text.unwrap_or_else(|| panic!("it sends nothing\n{}", better.log()));
    assert_eq!(figure(&text, &format!("openproxy_router_state{{{labels},state=\"MASTER\"}}")), 1.0);
    assert_eq!(figure(&text, &count("router_vips_held")), 1.0);
    assert_eq!(figure(&text, "openproxy_guard_watching"), 1.0);
    let lateness = |part: &str| figure(&text, &format!("openproxy_timer_lateness_seconds_{part}"));
    let (woken, sum) = (lateness("count"), lateness("sum"));
    assert!(woken >= 5.0 && woken == lateness("bucket{le=\"+Inf\"}"), "{text}");
    assert!(sum > 0.0 && sum / woken < SLACK.as_secs_f64(), "{text}");
    println!("{woken} wake-ups for timers, {:.0} us late on average", sum / woken * 1e6);
    better.end(End::Stop);
    worse.wait_for("BACKUP -> MASTER", 1);
    until(&lan.theirs, &worse, IS_MASTER, "200");
    let text = ask(&lan.theirs, "/metrics");
    assert_eq!(figure(&text, &count("router_promotions_total")), 1.0);
}
