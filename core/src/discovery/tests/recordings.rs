//! Recorded faults, answered as they were, and held against who really accepted writes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::*;
use super::lab::{Answer, Lab, World, at, seconds, shard, shard_id};
use crate::time::{Duration, Instant};

/// How a node answers from some moment on.
#[derive(Clone, Debug)]
struct Change {
    from: Instant,
    after: Duration,
    answer: Result<String, AskFailure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sql {
    Writes,
    Reads,
    Closed,
}

#[derive(Debug, Default)]
struct Recording {
    answers: BTreeMap<(String, AskPath), Vec<Change>>,
    sql: BTreeMap<String, Vec<(Instant, Sql)>>,
    end: Instant,
}

fn host(node: &str) -> String {
    format!("10.77.0.1{}", node.trim_start_matches('n'))
}

impl Recording {
    fn load(name: &str) -> Self {
        let file =
            format!("{}/tests/patroni-bodies/faults/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(file).expect("a recording");
        let mut recording = Self::default();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            recording.add(&line);
        }
        recording
    }

    fn add(&mut self, line: &Value) {
        #[allow(clippy::cast_possible_truncation, reason = "a few minutes")]
        let instant = |seconds: f64| at((seconds * 1000.0).round() as i64);
        let text = |key: &str| line.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key: &str| line.get(key).and_then(Value::as_f64).unwrap_or_default();
        let host = host(&text("node").expect("a node"));
        let when = instant(number("at"));
        self.end = self.end.max(when);
        if let Some(sql) = text("sql") {
            let sql = match sql.as_str() {
                "writes" => Sql::Writes,
                "reads" => Sql::Reads,
                _ => Sql::Closed,
            };
            self.sql.entry(host).or_default().push((when, sql));
            return;
        }
        let path = match text("path").as_deref() {
            Some("/cluster") => AskPath::Cluster,
            _ => AskPath::Patroni,
        };
        let after = Duration::from_secs_f64(number("after"));
        let answer = match (text("body"), text("failure").as_deref()) {
            (Some(body), _) => Ok(body),
            (None, Some("ConnectionRefusedError")) => Err(AskFailure::Refused),
            (None, Some("ConnectionResetError")) => Err(AskFailure::Reset),
            (None, Some("RemoteDisconnected")) => Err(AskFailure::Closed),
            (None, Some("OSError")) => Err(AskFailure::Unreachable),
            (None, _) => Err(AskFailure::TimedOut),
        };
        let change = Change { from: when.before(after), after, answer };
        self.answers.entry((host, path)).or_default().push(change);
    }

    /// Who accepts writes, the one that began last.
    fn writer(&self, now: Instant) -> Option<(Instant, &str)> {
        let writing = self.sql.iter().filter_map(|(host, changes)| {
            let past = changes.iter().rev().skip_while(|(when, _)| *when > now);
            let run: Vec<_> = past.take_while(|(_, sql)| *sql == Sql::Writes).collect();
            run.last().map(|(since, _)| (*since, host.as_str()))
        });
        writing.max()
    }

    fn sql_at(&self, host: &str, now: Instant) -> Sql {
        let changes = self.sql.get(host).map(Vec::as_slice).unwrap_or_default();
        let past = changes.iter().rev().find(|(when, _)| *when <= now);
        past.or(changes.first()).map_or(Sql::Closed, |(_, sql)| *sql)
    }
}

impl World for Recording {
    fn answer(&mut self, now: Instant, endpoint: &EndpointKey, path: AskPath) -> Answer {
        let path = if path == AskPath::Health { AskPath::Patroni } else { path };
        let key = (endpoint.address.host.as_str().to_owned(), path);
        let changes = self.answers.get(&key).map(Vec::as_slice).unwrap_or_default();
        let past = changes.iter().rev().find(|change| change.from <= now);
        let Some(change) = past.or(changes.first()) else {
            return (Duration::ZERO, Err(AskFailure::Refused));
        };
        (change.after.max(Duration::from_millis(2)), change.answer.clone())
    }

    fn probe(&mut self, now: Instant, address: &Address) -> (Duration, Result<(), ProbeFailure>) {
        match self.sql_at(address.host.as_str(), now) {
            Sql::Writes | Sql::Reads => (Duration::from_millis(1), Ok(())),
            Sql::Closed => (Duration::from_millis(1), Err(ProbeFailure::Refused)),
        }
    }
}

/// What became of a recording: spans of what was told, and the worst of the promises.
#[derive(Debug, Default)]
struct Outcome {
    /// When each thing was told for the first time in a row.
    told: Vec<(Instant, Primary)>,
    /// For how long somebody was confirmed while another had begun to accept writes later.
    stale: Duration,
}

fn run(name: &str, print: bool) -> (Lab<Recording>, Outcome) {
    run_among(name, 0, print)
}

/// The same for a daemon that has as many other endpoints to ask.
fn run_among(name: &str, others: usize, print: bool) -> (Lab<Recording>, Outcome) {
    let recording = Recording::load(name);
    let end = recording.end + Duration::from_secs(2);
    let hosts = ["10.77.0.11", "10.77.0.12", "10.77.0.13"];
    let hosts: Vec<&str> =
        hosts.into_iter().filter(|host| recording.sql.contains_key(*host)).collect();
    let mut shards = vec![shard(&hosts)];
    let names: Vec<String> = (0..others).map(|index| format!("10.99.0.{index}")).collect();
    let elsewhere: Vec<&str> = names.iter().map(String::as_str).collect();
    for (index, hosts) in elsewhere.chunks(99).enumerate() {
        shards.push(ShardConfig { id: shard_id(&format!("other {index}")), ..shard(hosts) });
    }
    let mut lab = Lab::new(recording, &shards, at(-4900));
    lab.print = print;
    let mut outcome = Outcome::default();
    let mut last = (at(-4900), None::<String>);
    lab.run(end, |lab| {
        let confirmed =
            lab.primary().confirmed().map(|named| named.address.host.as_str().to_owned());
        // From the last look to this one, that was confirmed which was then.
        if let (since, Some(host)) = &last
            && let Some((began, writer)) = lab.world.writer(lab.now)
            && writer != host
        {
            outcome.stale += lab.now.since(*since).min(lab.now.since(began));
        }
        if outcome.told.last().is_none_or(|(_, told)| told.is_news(lab.primary())) {
            outcome.told.push((lab.now, lab.primary().clone()));
        }
        last = (lab.now, confirmed);
    });
    lab.assert_budget(Instant::ZERO, 8);
    (lab, outcome)
}

impl Outcome {
    /// The first confirmation of this host from `from` on.
    fn confirmed(&self, host: &str, from: Instant) -> Option<Instant> {
        let is = |primary: &Primary| {
            primary.confirmed().is_some_and(|named| named.address.host.as_str() == host)
        };
        let mut told = self.told.iter().filter(|(_, primary)| is(primary)).map(|(at, _)| *at);
        told.find(|at| *at >= from)
    }
}

const ALL: [&str; 27] = [
    "cut_ttl30",
    "cutdcs_ttl30",
    "etcdstop_failsafe",
    "etcdstop_nofailsafe",
    "graceful_stop",
    "killnode_ttl30_a",
    "killnode_ttl30_b",
    "killnode_ttl30_c",
    "killpatroni_ttl30",
    "killpg_ttl30",
    "paused_killpg",
    "peers_killnode_a",
    "peers_killnode_b",
    "peers_killnode_c",
    "peers_killpatroni",
    "peers_killpg",
    "peers_stoppatroni",
    "peers_switchover_a",
    "peers_switchover_b",
    "peers_switchover_c",
    "reinit",
    "standby_cluster",
    "switchover_sync",
    "switchover_ttl20_a",
    "switchover_ttl30",
    "switchover_ttl30_b",
    "v405_switchover",
];

#[test]
#[ignore = "prints what is told in every recording, to be read"]
fn print_all() {
    for name in ALL {
        println!("--- {name}");
        let (lab, outcome) = run(name, true);
        for (host, changes) in &lab.world.sql {
            for (when, sql) in changes {
                println!("      {host} {sql:?} {:.3}", seconds(*when));
            }
        }
        println!("    stale {:?}, {} requests", outcome.stale, lab.asked.len());
    }
}

/// What was told of a fault. Who was primary at the beginning and at the end, and whether the
/// recording is one in which another took over.
struct Fault {
    name: &'static str,
    from: &'static str,
    to: Option<&'static str>,
}

const fn fault(name: &'static str, from: &'static str, to: Option<&'static str>) -> Fault {
    Fault { name, from, to }
}

const N1: &str = "10.77.0.11";
const N2: &str = "10.77.0.12";
const N3: &str = "10.77.0.13";

const FAULTS: [Fault; 22] = [
    fault("cut_ttl30", N3, Some(N1)),
    fault("cutdcs_ttl30", N1, Some(N3)),
    fault("graceful_stop", N3, Some(N2)),
    fault("killnode_ttl30_a", N2, Some(N1)),
    fault("killnode_ttl30_b", N1, Some(N2)),
    fault("killnode_ttl30_c", N2, Some(N1)),
    fault("killpatroni_ttl30", N1, Some(N2)),
    fault("peers_killnode_a", N1, Some(N2)),
    fault("peers_killnode_b", N2, Some(N3)),
    fault("peers_killnode_c", N3, Some(N1)),
    fault("peers_killpatroni", N3, Some(N2)),
    fault("peers_stoppatroni", N1, Some(N2)),
    fault("peers_switchover_a", N1, Some(N2)),
    fault("peers_switchover_b", N2, Some(N3)),
    fault("peers_switchover_c", N3, Some(N1)),
    fault("switchover_sync", N2, Some(N3)),
    fault("switchover_ttl20_a", N2, Some(N3)),
    fault("switchover_ttl30", N1, Some(N2)),
    fault("switchover_ttl30_b", N3, Some(N1)),
    fault("v405_switchover", N1, Some(N2)),
    fault("etcdstop_failsafe", N1, None),
    fault("reinit", N3, None),
];

#[test]
pub(super) fn the_old_primary_is_never_confirmed_once_a_new_one_accepts_writes() {
    for name in ALL {
        let (_, outcome) = run(name, false);
        // Here the recorder looked once a second, and missed the moment without a key.
        let allowed = if name == "peers_killpatroni" { 65 } else { 0 };
        assert!(outcome.stale <= Duration::from_millis(allowed), "{name}: {:?}", outcome.stale);
    }
}

#[test]
pub(super) fn a_new_primary_is_confirmed_within_300_ms_of_its_first_write() {
    for Fault { name, from, to } in FAULTS {
        let (lab, outcome) = run(name, false);
        assert!(outcome.confirmed(from, Instant::ZERO).is_some(), "{name}");
        let Some(to) = to else { continue };
        let changes = lab.world.sql.get(to).expect("its truth");
        let writes = changes.iter().find(|(_, sql)| *sql == Sql::Writes).expect("it writes").0;
        let confirmed = outcome.confirmed(to, Instant::ZERO);
        let late = confirmed.unwrap_or_else(|| panic!("{name}: never")).since(writes);
        assert!(late <= Duration::from_millis(300), "{name}: {late:?}");
        assert_eq!(lab.topology().primary.confirmed().map(|n| n.address.host.as_str()), Some(to));
    }
}

/// The words in which the primary was told of, in their order, doubled ones once.
fn words(outcome: &Outcome) -> Vec<&'static str> {
    let word = |primary: &Primary| match primary {
        Primary::Confirmed(named) if named.evidence.rule == Rule::OwnWord => "own word",
        Primary::Confirmed(_) => "key",
        Primary::Kept(_, KeptWhy::OwnSilent) => "kept",
        Primary::Kept(_, KeptWhy::Paused) => "paused",
        Primary::Kept(_, KeptWhy::AllSilent) => "silent",
        Primary::Hearsay(_) => "hearsay",
        Primary::None(NoneWhy::Starting) => "starting",
        Primary::None(NoneWhy::GaveUp(..)) => "gave up",
        Primary::None(NoneWhy::KeyGone | NoneWhy::KeyMoved(_)) => "key lost",
        Primary::None(NoneWhy::Unreachable) => "unreachable",
        Primary::None(NoneWhy::StandbyCluster) => "standby",
        Primary::None(_) => "none",
    };
    let mut words: Vec<_> = outcome.told.iter().map(|(_, primary)| word(primary)).collect();
    words.dedup();
    words
}

#[test]
pub(super) fn every_fault_is_told_in_its_own_words() {
    let told: [(&str, &[&str]); 15] = [
        // Both of the old node are dead: none until another is promoted.
        ("killnode_ttl30_a", &["own word", "unreachable", "key lost", "own word"]),
        // Its Patroni is dead and its PostgreSQL serves: named for all of the 29 s.
        ("killpatroni_ttl30", &["own word", "key", "key lost", "own word"]),
        // Likewise with a Patroni that hangs.
        ("peers_stoppatroni", &["own word", "key", "key lost", "own word"]),
        // PostgreSQL is dead, its Patroni says "unknown" after more than a second each time.
        ("killpg_ttl30", &["own word", "unreachable", "kept", "key", "own word"]),
        // The DCS is gone, and the primary goes on: nobody notices.
        ("etcdstop_failsafe", &["own word"]),
        ("etcdstop_nofailsafe", &["own word", "gave up", "own word"]),
        ("graceful_stop", &["own word", "key lost", "own word"]),
        // It demotes itself before it loses its key.
        ("cutdcs_ttl30", &["own word", "gave up", "own word"]),
        ("switchover_ttl30", &["own word", "gave up", "own word"]),
        ("switchover_sync", &["own word", "gave up", "own word"]),
        ("v405_switchover", &["own word", "gave up", "own word"]),
        ("switchover_ttl20_a", &["own word", "gave up", "own word"]),
        // A dead PostgreSQL in pause: nobody is promoted, and its port is closed.
        ("paused_killpg", &["own word", "unreachable"]),
        // A live cluster is turned into a standby cluster.
        ("standby_cluster", &["own word", "gave up", "standby"]),
        // A replica is built anew.
        ("reinit", &["own word"]),
    ];
    for (name, expected) in told {
        let (_, outcome) = run(name, false);
        let words = words(&outcome);
        assert_eq!(words.split_first(), Some((&"starting", expected)), "{name}");
    }
}

#[test]
pub(super) fn without_failsafe_no_primary_is_told_within_a_second_of_its_demotion() {
    let (lab, outcome) = run("etcdstop_nofailsafe", false);
    let closed = lab.world.sql.get(N1).expect("its truth");
    let closed = closed.iter().find(|(_, sql)| *sql == Sql::Closed).expect("it demotes").0;
    let mut told =
        outcome.told.iter().filter(|(at, _)| *at >= closed.before(Duration::from_secs(1)));
    let (at, primary) = told.next().expect("it is told");
    assert!(matches!(primary, Primary::None(NoneWhy::GaveUp(..))), "{primary}");
    assert!(at.since(closed) <= Duration::from_secs(1), "{:?}", at.since(closed));
}

#[test]
pub(super) fn a_cluster_that_hangs_is_asked_rarely() {
    let (lab, _) = run("etcdstop_failsafe", false);
    let hung = lab.asked.iter().filter(|(when, _, path)| {
        *path == AskPath::Cluster && *when >= at(5_000) && *when < at(55_000)
    });
    let hung = hung.count();
    assert!(hung <= 5, "{hung} requests hold a thread for ten seconds each");
}

#[test]
fn among_three_hundred_endpoints_each_is_asked_less_often_and_the_promises_hold() {
    // Where nothing but a look at the old primary in time tells that it goes.
    for Fault { name, from, to } in FAULTS.iter().filter(|fault| fault.name.contains("switch")) {
        let (lab, outcome) = run_among(name, 297, false);
        assert_eq!(outcome.stale, Duration::ZERO, "{name}");
        assert!(outcome.confirmed(from, Instant::ZERO).is_some(), "{name}");
        let to = to.expect("another takes over");
        let changes = lab.world.sql.get(to).expect("its truth");
        let writes = changes.iter().find(|(_, sql)| *sql == Sql::Writes).expect("it writes").0;
        let confirmed = outcome.confirmed(to, Instant::ZERO);
        let late = confirmed.unwrap_or_else(|| panic!("{name}: never")).since(writes);
        assert!(late <= Duration::from_millis(300), "{name}: {late:?}");
    }
}
