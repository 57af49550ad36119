//! Where a topology goes: JSON, the table, those who watch, the log, the script.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::patroni::{Manner, Patroni, api};

pub(crate) fn file(patroni: &Patroni) -> String {
    format!(
        "[general.status]\nsocket = \"FOLDER/o.sock\"\n\
         [pools.p.shards.0]\nuse_patroni = true\npatroni_port = {}\nservers = {}\n",
        patroni.port,
        patroni.servers()
    )
}

#[test]
fn a_new_primary_is_published_with_its_reason() {
    let patroni = Patroni::start();
    let daemon = Daemon::start(&file(&patroni));
    let watch = daemon.watch();
    let shard = watch.until_primary("127.0.0.1");
    assert_eq!((&shard["pool"], &shard["shard"]), (&json!("p"), &json!("0")));
    assert_eq!(shard["primary"]["timeline"], 4);
    patroni.promote(Some(2));
    let shard = watch.until("the new one and its replicas", |shard| {
        let replicas = shard["replicas"].as_array().expect("a list");
        let known = replicas.iter().filter(|replica| replica["kind"] == "async").count();
        shard["primary"]["status"] == "confirmed"
            && shard["primary"]["host"] == "127.0.0.3"
            && known == 2
    });
    assert_eq!(shard["primary"]["rule"], "own_word");
    assert_eq!(shard["primary"]["source"], format!("http://{}", api(patroni.port, 2)));
    let line = daemon.log.until("the change", |line| line.contains("n3 (127.0.0.3:5432)"));
    assert!(line.contains("p/0: primary: n3 (127.0.0.3:5432) on timeline 5, by its own word (was"));
}

#[test]
fn the_table_and_its_status_say_how_it_is() {
    let patroni = Patroni::start();
    let daemon = Daemon::start(&file(&patroni));
    let watch = daemon.watch();
    watch.until("all three", |shard| {
        let replicas = shard["replicas"].as_array().expect("a list");
        let eligible = replicas.iter().filter(|replica| replica["eligible"] == true);
        shard["primary"]["status"] == "confirmed" && eligible.count() == 2
    });
    let output = daemon.run(&["status"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("openproxy ") && lines[0].contains("guard off"), "{text}");
    assert_eq!(lines[3], "p/0    n1 (127.0.0.1:5432) on timeline 4, by its own word");
    assert!(lines[4].starts_with("       n2 (127.0.0.2:5432): async replica, streaming"), "{text}");
    patroni.promote(None);
    watch.until("none", |shard| shard["primary"]["status"] == "none");
    let output = daemon.run(&["status"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.starts_with("CRITICAL: p/0: no primary"), "{text}");
    (0..3).for_each(|server| patroni.set(server, Manner::Reset));
    daemon.log.until("silence", |line| line.contains("Patroni doesn't answer"));
    assert_eq!(daemon.run(&["status"]).status.code(), Some(2));
}

#[test]
fn without_a_daemon_status_says_so() {
    let patroni = Patroni::start();
    let daemon = Daemon::start(&file(&patroni));
    let other = file(&patroni).replace("o.sock", "other.sock");
    fs::write(daemon.path("other.toml"), other.replace("FOLDER", "/nowhere")).expect("a file");
    let output = daemon.run(&["status", "other.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(text.contains("/nowhere/other.sock: no daemon runs with this file"), "{text}");
}

#[test]
fn all_silent_means_kept_and_at_the_start_none() {
    let patroni = Patroni::start();
    let daemon = Daemon::start(&file(&patroni));
    let watch = daemon.watch();
    watch.until_primary("127.0.0.1");
    // The primary last: nobody is left then who could say that only it is gone.
    (0..3).rev().for_each(|server| patroni.set(server, Manner::Reset));
    let shard = watch.until("kept", |shard| shard["primary"]["why"] == "all_silent");
    assert_eq!(shard["primary"]["status"], "kept");
    assert_eq!(shard["primary"]["host"], "127.0.0.1");
    let first = daemon.topology()["shards"][0]["primary"]["age_ms"].as_u64().expect("an age");
    let later = loop {
        let age = daemon.topology()["shards"][0]["primary"]["age_ms"].as_u64().expect("an age");
        if age > first {
            break age;
        }
    };
    assert!(later > first);
    let late = Daemon::start(&file(&patroni));
    let shard = late.watch().until("none", |shard| shard["primary"]["why"] == "none_answered");
    assert_eq!(shard["primary"]["status"], "none");
    (0..3).for_each(|server| patroni.set(server, Manner::Well));
    watch.until_primary("127.0.0.1");
}

#[test]
fn the_script_is_told_of_every_change_in_order() {
    let patroni = Patroni::start();
    let script = "topology_script = \"/bin/sh -c 'cat >> FOLDER/told; echo heard'\"\n";
    let daemon = Daemon::start(&format!("[general]\n{script}{}", file(&patroni)));
    let watch = daemon.watch();
    watch.until_primary("127.0.0.1");
    patroni.promote(Some(1));
    watch.until_primary("127.0.0.2");
    let is_told = || {
        let told = fs::read_to_string(daemon.path("told")).unwrap_or_default();
        let told = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let hosts = told.map(|shard| shard["primary"]["host"].clone());
        let mut hosts: Vec<_> = hosts.filter(|host| !host.is_null()).collect();
        hosts.dedup();
        hosts
    };
    while is_told().last() != Some(&json!("127.0.0.2")) {
        daemon.log.until("another run", |line| line.contains("p/0: /bin/sh: heard"));
    }
    assert_eq!(is_told(), ["127.0.0.1", "127.0.0.2"]);
}

#[test]
fn a_reload_changes_shards_the_socket_and_the_port_and_forget_forgets() {
    let patroni = Patroni::start();
    let daemon = Daemon::start(&file(&patroni));
    daemon.watch().until_primary("127.0.0.1");
    let port = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let moved = file(&patroni)
        .replace("[pools.p.", "[pools.q.")
        .replace("o.sock\"", &format!("o2.sock\"\nlisten = \"127.0.0.1:{port}\""));
    daemon.reload(&moved);
    daemon.log.until("the reload", |line| line.contains("has changed"));
    while !daemon.path("o2.sock").exists() {
        std::thread::yield_now();
    }
    assert!(!daemon.path("o.sock").exists());
    let document = daemon.topology();
    assert_eq!(document["shards"][0]["pool"], "q");
    for path in ["/forget/q/0", "/stepdown?for=60", "/maintenance/on", "/maintenance/off"] {
        let mut stream = loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
                break stream;
            }
        };
        write!(stream, "POST {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.starts_with("HTTP/1.1 405 "), "{path}: {text}");
    }
    let output = daemon.run(&["maintenance", "on"]);
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(
        (output.status.code(), text.contains("there are no virtual routers")),
        (Some(2), true)
    );
    assert_eq!(daemon.run(&["forget", "q/0"]).status.code(), Some(0));
    daemon.log.until("forgotten", |line| line.contains("q/0: timeline 4 is forgotten"));
    assert_eq!(daemon.run(&["forget", "p/0"]).status.code(), Some(2));
}

#[test]
fn two_daemons_do_not_share_a_socket_and_a_dead_one_s_is_taken_over() {
    let patroni = Patroni::start();
    let first = Daemon::start(&file(&patroni));
    first.watch().until_primary("127.0.0.1");
    let text = file(&patroni).replace("FOLDER", first.path("").to_str().expect("UTF-8"));
    let second = Daemon::start(&text);
    second.log.until("it is taken", |line| line.contains("another daemon serves there"));
    let socket = first.path("o.sock");
    assert!(UnixStream::connect(&socket).is_ok());
    let third = Daemon::start(&file(&patroni));
    drop(std::os::unix::net::UnixListener::bind(third.path("dead.sock")).expect("a socket"));
    third.reload(&file(&patroni).replace("o.sock", "dead.sock"));
    while UnixStream::connect(third.path("dead.sock")).is_err() {
        std::thread::yield_now();
    }
}
