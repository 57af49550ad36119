//! What people see: the table in a terminal, and the page in a browser, in each state of a cluster.
//!
//! The tests with a browser need Debian's `chromium`. With `SCREENSHOTS=folder` they leave their
//! pictures there.

#[path = "looks/browser.rs"]
mod browser;
#[path = "looks/states.rs"]
mod states;

use browser::{Answers, dump, screenshot};
use openproxy::api::table;
use serde_json::json;

#[test]
fn the_table_says_first_what_is_wrong() {
    let table = [
        ("healthy", ""),
        ("failover", "CRITICAL: my_pool/0: no primary: nobody: pg-2 is silent"),
        ("split-brain", "CRITICAL: eth0/50/IPv4: two MASTERs: a lesser one doesn't hear"),
        ("no-primary", "CRITICAL: my_pool/0: no primary: nobody: all that answer say"),
        ("conflict", "CRITICAL: my_pool/0: no primary: nobody: 10.0.0.11:5432 and"),
        ("stale", "WARNING: my_pool/0: 10.0.0.11:5432 is kept, last confirmed 95.3 s ago"),
        ("misconfigured", "WARNING: /etc/openproxy/openproxy.toml can't be used as it is now"),
    ];
    for (name, first) in table {
        let text = table::render(&states::named(name));
        println!("{name}\n\n{text}");
        let begins = if first.is_empty() { "openproxy 0.1.0 on pg-1" } else { first };
        assert!(text.starts_with(begins), "{name}:\n{text}");
        assert!(text.lines().all(|line| line.trim_end() == line), "{name}:\n{text}");
    }
}

#[test]
fn the_table_has_routers_shards_and_what_happened_last() {
    let text = table::render(&states::named("healthy"));
    let has = |words: &[&str]| text.lines().any(|line| words.iter().all(|w| line.contains(w)));
    assert!(has(&["eth0/50/IPv4", "MASTER", "3days 4h", "150", "this node", "10.0.0.249/24"]));
    assert!(has(&["eth0/51/IPv4", "BACKUP", "100", "10.0.0.12 (140)", "-"]));
    assert!(has(&["2026-11-27T12:58:11.710Z", "BACKUP -> MASTER", "no advert"]));
    assert!(has(&["my_pool/0", "pg-1 (10.0.0.11:5432) on timeline 7"]));
    assert!(has(&["pg-3 ([2001:db8::13]:5432)", "48000000 bytes behind"]));
}

#[test]
#[ignore = "needs Chromium"]
fn the_page_shows_each_state_in_words() {
    let table = [
        ("healthy", "✔ all is well", vec!["● MASTER", "○ BACKUP", "● confirmed", "● eligible"]),
        ("failover", "✖ critical", vec!["✖ no primary", "○ not eligible", "1 s"]),
        ("split-brain", "✖ critical", vec!["✖ two MASTERs"]),
        ("no-primary", "✖ critical", vec!["✖ no primary"]),
        ("conflict", "✖ critical", vec!["both claim it on timeline 7"]),
        ("stale", "▲ warning", vec!["◐ kept", "95.3 s old"]),
        ("misconfigured", "▲ warning", vec!["✖ INITIALIZE", "the interface doesn't exist"]),
    ];
    for (name, status, words) in table {
        let dom = dump(&Answers::Always(states::named(name)));
        let badge = format!("{status}</span>");
        assert!(dom.contains(&badge), "{name}: {badge}");
        for word in words {
            assert!(dom.contains(word), "{name}: {word}");
        }
        for width in [1200, 390] {
            screenshot(name, width, &Answers::Always(states::named(name)));
        }
    }
}

#[test]
#[ignore = "needs Chromium"]
fn text_from_elsewhere_is_shown_and_not_run() {
    let dom = dump(&Answers::Always(states::named("misconfigured")));
    assert!(dom.contains("&lt;/script&gt;&lt;img src=x onerror="), "it is shown");
    assert!(!dom.contains("<img"), "as what it is");
    assert!(!dom.contains("<title>boom"));
}

#[test]
#[ignore = "needs Chromium"]
fn a_daemon_that_falls_silent_is_told_of() {
    let answers = Answers::Once(states::named("healthy"));
    let dom = dump(&answers);
    assert!(dom.contains("<body class=\"silent\">"), "{dom}");
    assert!(dom.contains("The daemon hasn't answered for"));
    assert!(dom.contains("● MASTER"), "what was known stays");
    assert!(dom.contains("? no answer</span>"), "{dom}");
    screenshot("silent", 1200, &answers);
}

#[test]
fn every_state_is_a_document() {
    for (name, document) in states::all() {
        let json = serde_json::to_value(&document).expect("it can be written");
        assert_ne!(json["process"], json!(null), "{name}");
    }
}
