//! Reading Patroni's answers.

use std::fmt::Write as _;

use divan::{Bencher, black_box};
use openproxy_core::discovery::{
    Address, AskPath, ClusterAnswer, Discovery, FileRole, Host, NodeAnswer, Output, PatroniConfig,
    Server, ShardConfig, ShardId,
};
use openproxy_core::time::{Duration, Instant};

fn main() {
    divan::main();
}

/// A `/cluster` of this many members, as Patroni 4.1 writes it.
fn cluster(members: usize) -> String {
    let mut body = String::from(r#"{"members": ["#);
    for i in 0..members {
        let (comma, role, state, rest) = match i {
            0 => ("", "leader", "running", ""),
            _ => (
                ", ",
                "replica",
                "streaming",
                r#", "receive_lag": 0, "receive_lsn": "0/4045620", "replay_lag": 0, "replay_lsn": "0/4045620", "lag": 0, "lsn": "0/4045620""#,
            ),
        };
        write!(
            body,
            r#"{comma}{{"name": "pg-{i}", "role": "{role}", "state": "{state}", "api_url": "http://10.77.0.{i}:8008/patroni", "host": "10.77.0.{i}", "port": 5432, "timeline": 3{rest}}}"#
        )
        .expect("a string takes all");
    }
    body + r#"], "scope": "bench"}"#
}

#[divan::bench(args = [3, 100, 1000])]
fn cluster_answer(bencher: Bencher<'_, '_>, members: usize) {
    let body = cluster(members);
    bencher.bench_local(|| ClusterAnswer::parse(black_box(body.as_bytes())).expect("an answer"));
}

#[divan::bench]
fn node_answer(bencher: Bencher<'_, '_>) {
    let body = br#"{"state": "running", "postmaster_start_time": "2026-11-24 12:27:21.993211+00:00", "role": "replica", "server_version": 150018, "xlog": {"received_location": 67556704, "replayed_location": 67556704, "replayed_timestamp": "2026-11-24 12:28:54.544074+00:00", "paused": false}, "timeline": 1, "replication_state": "streaming", "dcs_last_seen": 1795523349, "database_system_identifier": "7711713585392945889", "patroni": {"version": "4.1.5", "scope": "lab", "name": "n2"}}"#;
    bencher.bench_local(|| NodeAnswer::parse(black_box(body)).expect("an answer"));
}

/// A thousand shards on a hundred clusters of three.
fn shards() -> Vec<ShardConfig> {
    let server = |cluster: usize, node: usize| Server {
        address: Address { host: Host::new(&format!("10.0.{cluster}.{node}")), port: 5432 },
        role: FileRole::Auto,
    };
    let shard = |index: usize| ShardConfig {
        id: ShardId { pool: "bench".into(), shard: index.to_string().into() },
        servers: (1..=3).map(|node| server(index % 100, node)).collect(),
        patroni: Some(PatroniConfig::plain(8008)),
        renew_interval: Duration::from_secs(5),
    };
    (0..1000).map(shard).collect()
}

fn answer(host: &str, path: AskPath) -> String {
    let (cluster, node) = host["10.0.".len()..].split_once('.').expect("four numbers");
    match path {
        AskPath::Patroni | AskPath::Health => {
            let (role, xlog) = match node {
                "1" => ("primary", r#""location": 67582592"#),
                _ => ("replica", r#""replayed_location": 67582500"#),
            };
            format!(
                r#"{{"state": "running", "role": "{role}", "server_version": 150018, "xlog": {{{xlog}}}, "timeline": 3, "replication_state": "streaming", "database_system_identifier": "{cluster}1", "patroni": {{"version": "4.1.5", "scope": "c{cluster}", "name": "n{node}"}}}}"#
            )
        }
        AskPath::Cluster => {
            let member = |node: usize| {
                let role = if node == 1 { "leader" } else { "replica" };
                format!(
                    r#"{{"name": "n{node}", "role": "{role}", "state": "running", "api_url": "http://10.0.{cluster}.{node}:8008/patroni", "host": "10.0.{cluster}.{node}", "port": 5432, "timeline": 3, "lag": 0}}"#
                )
            };
            let members: Vec<_> = (1..=3).map(member).collect();
            format!(r#"{{"members": [{}], "scope": "c{cluster}"}}"#, members.join(", "))
        }
    }
}

/// Lets this much time pass; every request is answered at once.
fn pass(discovery: &mut Discovery, now: &mut Instant, span: Duration) {
    let end = *now + span;
    while discovery.poll_timeout() <= end {
        *now = discovery.poll_timeout().max(*now);
        discovery.handle_timeout(*now);
        while let Some(output) = discovery.poll_output() {
            if let Output::Ask { ticket, endpoint, path, .. } = output {
                let body = answer(endpoint.address.host.as_str(), path);
                discovery.handle_answer(ticket, *now, Ok(body.as_bytes()));
            }
        }
    }
    *now = end;
}

/// One second of steady polling, answers and their parsing included.
#[divan::bench(sample_count = 20)]
fn a_second_of_1000_shards_on_300_endpoints(bencher: Bencher<'_, '_>) {
    let mut now = Instant::ZERO;
    let mut discovery = Discovery::new(&shards(), now);
    pass(&mut discovery, &mut now, Duration::from_secs(10));
    let confirmed = discovery.topologies().filter(|(_, t)| t.primary.confirmed().is_some());
    assert_eq!(confirmed.count(), 1000);
    bencher.bench_local(move || pass(&mut discovery, &mut now, Duration::from_secs(1)));
}
