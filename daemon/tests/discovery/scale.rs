//! A thousand shards over three hundred APIs: what that costs, and that it begins gently.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use crate::patroni::{all, own};

const CLUSTERS: usize = 100;
const SHARDS_EACH: usize = 10;
/// How long it is watched.
const SPAN: Duration = Duration::from_secs(10);
const PORT: u16 = 18_008;

/// 127.0.CLUSTER.1 to 127.0.CLUSTER.3, and questions as they come in.
fn serve(asked: &Arc<Mutex<Vec<Instant>>>) {
    for cluster in 0..CLUSTERS {
        for place in 0..3 {
            let host = host(cluster, place);
            let listener = TcpListener::bind((host.as_str(), PORT)).expect("a port");
            let asked = Arc::clone(asked);
            thread::spawn(move || {
                let network = format!("127.0.{cluster}.");
                for mut stream in listener.incoming().flatten() {
                    asked.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                    let mut head = [0; 1024];
                    let len = stream.read(&mut head).unwrap_or_default();
                    let body = if head[..len].starts_with(b"GET /patroni") {
                        own(place, place == 0, 4)
                    } else {
                        all(Some(0), 4)
                    };
                    let body = body.replace("127.0.0.", &network);
                    let _ = write!(
                        stream,
                        "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}"
                    );
                }
            });
        }
    }
}

fn host(cluster: usize, place: usize) -> String {
    format!("127.0.{cluster}.{}", place + 1)
}

fn file() -> String {
    let mut text = "[general.status]\nsocket = \"FOLDER/o.sock\"\n".to_owned();
    for cluster in 0..CLUSTERS {
        let server = |place| format!("[ \"{}\", 5432 ]", host(cluster, place));
        let servers = format!("[ {}, {}, {} ]", server(0), server(1), server(2));
        for shard in 0..SHARDS_EACH {
            write!(
                text,
                "[pools.p{cluster}.shards.{shard}]\nuse_patroni = true\npatroni_port = {PORT}\n\
                 servers = {servers}\n"
            )
            .expect("a string takes it");
        }
    }
    text
}

/// Processor time that a process has used, in ticks of 10 ms.
fn ticks(id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
    let (_, rest) = stat.rsplit_once(") ").expect("a name in parentheses");
    let fields: Vec<&str> = rest.split(' ').collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
}

fn pss_kib(id: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).expect("it runs");
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// `cargo test --release -p openproxy --test discovery -- --ignored --exact --nocapture \
/// scale::a_thousand_shards_over_three_hundred_apis`
#[test]
#[ignore = "takes a while, and its figures are for reading"]
fn a_thousand_shards_over_three_hundred_apis() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    serve(&asked);
    let began = Instant::now();
    let daemon = Daemon::start(&file());
    let questions = || asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    while questions().len() < 3 * CLUSTERS {
        thread::sleep(Duration::from_millis(10));
    }
    let first = questions();
    let in_any_100_ms = |at: &Instant| {
        first
            .iter()
            .filter(|other| **other >= *at && **other - *at < Duration::from_millis(100))
            .count()
    };
    let most = first.iter().map(in_any_100_ms).max().unwrap_or_default();
    println!(
        "{} questions in the first {:.2} s, {most} in any 100 ms",
        first.len(),
        began.elapsed().as_secs_f64()
    );
    let confirmed = || {
        let shards = daemon.topology()["shards"].as_array().cloned().unwrap_or_default();
        shards.iter().filter(|shard| shard["primary"]["status"] == "confirmed").count()
    };
    while confirmed() < CLUSTERS * SHARDS_EACH {
        thread::sleep(Duration::from_millis(100));
    }
    let (ticks_before, asked_before, since) =
        (ticks(daemon.id()), questions().len(), Instant::now());
    // A rate is over a time.
    thread::sleep(SPAN);
    let span = since.elapsed().as_secs_f64();
    let used = (ticks(daemon.id()) - ticks_before) as f64 / 100.0;
    let rate = (questions().len() - asked_before) as f64 / span;
    println!(
        "{:.1} questions/s, {:.2} % of a core, {:.0} µs each, {} KiB PSS",
        rate,
        100.0 * used / span,
        1e6 * used / span / rate,
        pss_kib(daemon.id())
    );
    assert!(pss_kib(daemon.id()) < 64 << 10, "more than 64 MiB");
    assert_eq!(confirmed(), CLUSTERS * SHARDS_EACH);
}
