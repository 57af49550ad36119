//! One change of weight for each change of fact, and none without a fresh word of the primary.

use openproxy_core::discovery::{
    Address, AskFailure, AskPath, FileRole, Output, PatroniConfig, ProbeFailure, Server,
    ShardConfig,
};
use openproxy_core::vrrp::{Family, Vrid};

use super::*;

const HOSTS: [&str; 3] = ["10.0.0.1", "10.0.0.2", "db3"];

/// This node has one address.
struct Only(&'static str);

impl LocalHosts for Only {
    fn is_local(&self, ip: IpAddr) -> bool {
        ip.to_string() == self.0
    }
}

/// Discovery of three servers that answer at once, and a router that follows.
struct Bench {
    discovery: Discovery,
    tracking: Tracking<Only>,
    now: Instant,
    /// Who says that it is primary, if anybody.
    primary: Option<&'static str>,
    timeline: u32,
    /// Whether PostgreSQL's ports accept connections.
    is_open: bool,
    weights: Vec<i32>,
}

fn key() -> RouterKey {
    let vrid = Vrid::new(50).expect("in range");
    RouterKey { interface: "eth0".into(), vrid, family: Family::V4 }
}

fn shard() -> ShardId {
    ShardId { pool: "p".into(), shard: "0".into() }
}

impl Bench {
    fn new(track: Track, local: &'static str) -> Self {
        let server = |host| Server {
            address: Address { host: Host::new(host), port: 5432 },
            role: FileRole::Auto,
        };
        let patroni = PatroniConfig { watch_primary: true, ..PatroniConfig::plain(8008) };
        let config = ShardConfig {
            id: shard(),
            servers: HOSTS.map(server).into(),
            patroni: Some(patroni),
            renew_interval: Duration::from_secs(5),
        };
        let now = Instant::from_millis(1_000);
        let mut tracking = Tracking::new(Only(local));
        let router = TrackedRouter { key: key(), track, shards: vec![shard()] };
        assert_eq!(tracking.reconfigure(vec![router], BTreeSet::new()), [(key(), 0)]);
        let discovery = Discovery::new(&[config], now);
        let (primary, timeline) = (Some(HOSTS[0]), 1);
        Self { discovery, tracking, now, primary, timeline, is_open: true, weights: Vec::new() }
    }

    /// Another one is primary from now on, on the next timeline.
    fn promote(&mut self, host: &'static str) {
        (self.primary, self.timeline) = (Some(host), self.timeline + 1);
    }

    fn answer(&self, host: &str, path: AskPath) -> Result<String, AskFailure> {
        let primary = self.primary.ok_or(AskFailure::Refused)?;
        let timeline = self.timeline;
        Ok(match path {
            AskPath::Patroni | AskPath::Health => {
                let role = if host == primary { "primary" } else { "replica" };
                format!(
                    "{{\"state\": \"running\", \"role\": \"{role}\", \"timeline\": {timeline}, \
                     \"patroni\": {{\"name\": \"{host}\"}}}}"
                )
            }
            AskPath::Cluster => {
                let members = HOSTS.map(|host| {
                    let role = if host == primary { "leader" } else { "replica" };
                    format!(
                        "{{\"name\": \"{host}\", \"role\": \"{role}\", \"state\": \"running\", \
                         \"host\": \"{host}\", \"port\": 5432, \"timeline\": {timeline}}}"
                    )
                });
                format!("{{\"members\": [{}]}}", members.join(", "))
            }
        })
    }

    /// Lets time pass, and everybody answer.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            while let Some(output) = self.discovery.poll_output() {
                self.perform(output);
            }
            let looked = self.tracking.look(&self.discovery, self.now);
            self.weights.extend(looked.into_iter().map(|(_, weight)| weight));
            for host in self.tracking.names_wanted(self.now) {
                let found = Ok(vec![SocketAddr::from(([10, 0, 0, 3], 0))]);
                self.tracking.handle_resolved(self.now, host, found);
            }
            let next = self.discovery.poll_timeout().min(self.tracking.poll_timeout());
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            self.discovery.handle_timeout(self.now);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Ask { ticket, endpoint, path, .. } => {
                let answer = self.answer(endpoint.address.host.as_str(), path);
                let answer = answer.as_ref().map(String::as_bytes).map_err(Clone::clone);
                self.discovery.handle_answer(ticket, self.now, answer);
            }
            Output::Probe { ticket, .. } => {
                let result = if self.is_open { Ok(()) } else { Err(ProbeFailure::Refused) };
                self.discovery.handle_probe(ticket, self.now, result);
                self.tracking.has_probed();
            }
            Output::Event(_) | Output::TopologyChanged(_) => {}
        }
    }
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn the_primary_s_node_gets_its_bonus_once_and_loses_it_once() {
    let mut bench = Bench::new(Track::LocalPrimary, "10.0.0.2");
    bench.pass(LONG);
    assert_eq!(bench.weights, [0; 0], "it runs elsewhere");
    bench.promote(HOSTS[1]);
    bench.pass(LONG);
    assert_eq!(bench.weights, [100]);
    bench.promote(HOSTS[0]);
    bench.pass(LONG);
    assert_eq!(bench.weights, [100, 0]);
}

#[test]
fn without_a_fresh_word_nothing_moves() {
    let mut bench = Bench::new(Track::LocalPrimary, "10.0.0.1");
    bench.pass(LONG);
    assert_eq!(bench.weights, [100]);
    bench.primary = None;
    bench.pass(LONG);
    assert_eq!(bench.weights, [100], "all are silent");
}

#[test]
fn a_primary_with_a_name_is_found_by_its_addresses() {
    let mut bench = Bench::new(Track::LocalPrimary, "10.0.0.3");
    bench.promote(HOSTS[2]);
    bench.pass(LONG);
    assert_eq!(bench.weights, [100]);
}

#[test]
fn a_primary_behind_a_vip_is_nobody_s() {
    let mut bench = Bench::new(Track::LocalPrimary, "10.0.0.1");
    let router = TrackedRouter { key: key(), track: Track::LocalPrimary, shards: vec![shard()] };
    let vips = ["10.0.0.1".parse().expect("an address")].into();
    bench.tracking.reconfigure(vec![router], vips);
    bench.pass(LONG);
    assert_eq!(bench.weights, [0; 0]);
}

#[test]
fn a_node_that_reaches_no_primary_is_penalised_until_it_does() {
    let mut bench = Bench::new(Track::PrimaryReachable { penalty: 30 }, "10.0.0.9");
    bench.pass(LONG);
    assert_eq!(bench.weights, [0; 0]);
    bench.is_open = false;
    bench.pass(LONG);
    assert_eq!(bench.weights, [-30]);
    bench.is_open = true;
    bench.pass(LONG);
    assert_eq!(bench.weights, [-30, 0]);
}

#[test]
fn a_primary_with_a_name_can_be_out_of_reach_as_well() {
    let mut bench = Bench::new(Track::PrimaryReachable { penalty: 30 }, "10.0.0.9");
    bench.promote(HOSTS[2]);
    bench.pass(LONG);
    bench.is_open = false;
    bench.pass(LONG);
    assert_eq!(bench.weights, [-30]);
}

#[test]
fn a_router_that_goes_on_to_follow_keeps_its_weight_over_a_change() {
    let penalty = |penalty| Track::PrimaryReachable { penalty };
    let other = ShardId { pool: "p".into(), shard: "1".into() };
    let mut bench = Bench::new(penalty(30), "10.0.0.9");
    bench.is_open = false;
    bench.pass(LONG);
    let mut weigh = |track, shards| {
        let router = TrackedRouter { key: key(), track, shards };
        bench.tracking.reconfigure(vec![router], BTreeSet::new())
    };
    assert_eq!(weigh(penalty(40), vec![shard()]), [(key(), -40)]);
    assert_eq!(weigh(penalty(40), vec![shard(), other]), [(key(), -40)]);
    assert_eq!(weigh(Track::LocalPrimary, vec![shard()]), [(key(), 0)], "another question");
}

#[test]
fn a_router_that_no_longer_follows_has_no_weight() {
    let mut bench = Bench::new(Track::LocalPrimary, "10.0.0.1");
    bench.pass(LONG);
    let router = TrackedRouter { key: key(), track: Track::LocalPrimary, shards: vec![shard()] };
    let same = bench.tracking.reconfigure(vec![router], BTreeSet::new());
    assert_eq!(same, [(key(), 100)]);
    assert_eq!(bench.tracking.reconfigure(Vec::new(), BTreeSet::new()), [(key(), 0)]);
}
