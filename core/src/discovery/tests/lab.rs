//! A driver in a world that a test makes up.

use std::collections::BTreeMap;

use super::super::*;
use crate::time::{Duration, Instant};

/// How a server fares.
pub(super) type Answer = (Duration, Result<String, AskFailure>);

/// The outside world.
pub(super) trait World {
    /// What an endpoint answers to a request sent at `at`, and after how long.
    fn answer(&mut self, at: Instant, endpoint: &EndpointKey, path: AskPath) -> Answer;

    /// Whether a port accepts a connection.
    fn probe(&mut self, at: Instant, address: &Address) -> (Duration, Result<(), ProbeFailure>);
}

#[derive(Debug)]
enum Pending {
    Answer(Ticket, Result<String, AskFailure>, EndpointKey, Instant, AskPath),
    Probe(Ticket, Result<(), ProbeFailure>),
}

pub(super) struct Lab<W> {
    pub(super) world: W,
    pub(super) discovery: Discovery,
    pub(super) now: Instant,
    pending: BTreeMap<(Instant, u64), Pending>,
    count: u64,
    pub(super) asked: Vec<(Instant, EndpointKey, AskPath)>,
    pub(super) in_flight: BTreeMap<EndpointKey, u32>,
    pub(super) probes: Vec<(Instant, Address)>,
    pub(super) events: Vec<(Instant, Event)>,
    pub(super) changes: Vec<(Instant, ShardId)>,
    pub(super) print: bool,
    pub(super) last_ticket: Option<Ticket>,
    /// Each node's last word about itself, and when it was asked for.
    pub(super) delivered: BTreeMap<EndpointKey, (Instant, NodeAnswer)>,
}

pub(super) fn shard_id(shard: &str) -> ShardId {
    ShardId { pool: "pool".into(), shard: shard.into() }
}

pub(super) fn server(host: &str) -> Server {
    Server { address: Address { host: Host::new(host), port: 5432 }, role: FileRole::Auto }
}

pub(super) fn shard(hosts: &[&str]) -> ShardConfig {
    ShardConfig {
        id: shard_id("0"),
        servers: hosts.iter().map(|host| server(host)).collect(),
        patroni: Some(PatroniConfig::plain(8008)),
        renew_interval: Duration::from_secs(5),
    }
}

impl<W: World> Lab<W> {
    pub(super) fn new(world: W, configs: &[ShardConfig], now: Instant) -> Self {
        Self {
            world,
            discovery: Discovery::new(configs, now),
            now,
            pending: BTreeMap::new(),
            count: 0,
            asked: Vec::new(),
            in_flight: BTreeMap::new(),
            probes: Vec::new(),
            events: Vec::new(),
            changes: Vec::new(),
            print: false,
            last_ticket: None,
            delivered: BTreeMap::new(),
        }
    }

    pub(super) fn topology(&self) -> &Topology {
        self.discovery.topology(&shard_id("0")).expect("the shard")
    }

    pub(super) fn primary(&self) -> &Primary {
        &self.topology().primary
    }

    /// Runs until `end`, and calls `check` after everything that happens.
    pub(super) fn run(&mut self, end: Instant, mut check: impl FnMut(&mut Self)) {
        loop {
            self.drain();
            check(self);
            let next = self.pending.first_key_value().map(|((at, _), _)| *at);
            let next = next.unwrap_or(Instant::MAX).min(self.discovery.poll_timeout());
            if next > end {
                self.now = end;
                return;
            }
            assert!(next >= self.now || next == self.discovery.poll_timeout());
            self.now = self.now.max(next);
            self.step();
        }
    }

    /// The daemon is stopped for so long; what comes meanwhile it finds when it goes on.
    pub(super) fn stop(&mut self, span: Duration) {
        self.now = self.now + span;
        let pending = std::mem::take(&mut self.pending).into_iter();
        let later = pending.map(|((at, count), what)| ((at.max(self.now), count), what));
        self.pending = later.collect();
    }

    fn step(&mut self) {
        let due = self.pending.first_key_value().filter(|((at, _), _)| *at <= self.now);
        let Some(key) = due.map(|(key, _)| *key) else {
            self.discovery.handle_timeout(self.now);
            return;
        };
        match self.pending.remove(&key).expect("it is there") {
            Pending::Answer(ticket, answer, endpoint, sent, path) => {
                self.last_ticket = Some(ticket);
                let read = answer.as_ref().ok().and_then(|b| NodeAnswer::parse(b.as_bytes()).ok());
                if let Some(said) = read.filter(|a| a.role.is_some() && a.state.is_some())
                    && path != AskPath::Cluster
                {
                    self.delivered.insert(endpoint.clone(), (sent, said));
                }
                *self.in_flight.get_mut(&endpoint).expect("asked") -= 1;
                let answer = answer.as_ref().map(String::as_bytes).map_err(Clone::clone);
                self.discovery.handle_answer(ticket, self.now, answer);
            }
            Pending::Probe(ticket, result) => {
                self.discovery.handle_probe(ticket, self.now, result);
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.discovery.poll_output() {
            self.count += 1;
            match output {
                Output::Ask { ticket, endpoint, path, deadline } => {
                    let in_flight = self.in_flight.entry(endpoint.clone()).or_default();
                    *in_flight += 1;
                    assert_eq!(*in_flight, 1, "{endpoint} is asked twice at once");
                    self.asked.push((self.now, endpoint.clone(), path));
                    let sent = self.now;
                    let (after, mut answer) = self.world.answer(self.now, &endpoint, path);
                    let mut at = self.now + after;
                    if at >= deadline {
                        (at, answer) = (deadline, Err(AskFailure::TimedOut));
                    }
                    self.pending.insert(
                        (at, self.count),
                        Pending::Answer(ticket, answer, endpoint, sent, path),
                    );
                }
                Output::Probe { ticket, address, deadline } => {
                    self.probes.push((self.now, address.clone()));
                    let (after, mut result) = self.world.probe(self.now, &address);
                    let mut at = self.now + after;
                    if at >= deadline {
                        (at, result) = (deadline, Err(ProbeFailure::TimedOut));
                    }
                    self.pending.insert((at, self.count), Pending::Probe(ticket, result));
                }
                Output::Event(event) => {
                    if self.print {
                        println!("{:>9.3} {event}", seconds(self.now));
                    }
                    self.events.push((self.now, event));
                }
                Output::TopologyChanged(id) => self.changes.push((self.now, id)),
            }
        }
    }

    /// What a host was asked, from the `from`th of all requests on.
    pub(super) fn asked_of_host(&self, host: &str, from: usize) -> Vec<(Instant, AskPath)> {
        let asked = self.asked[from..].iter();
        let asked = asked.filter(|(_, key, _)| key.address.host.as_str() == host);
        asked.map(|(at, _, path)| (*at, *path)).collect()
    }

    /// No endpoint was asked more often than this in any second since `from`.
    pub(super) fn assert_budget(&self, from: Instant, per_second: usize) {
        let mut times: BTreeMap<&EndpointKey, Vec<Instant>> = BTreeMap::new();
        for (at, endpoint, _) in self.asked.iter().filter(|(at, ..)| *at >= from) {
            times.entry(endpoint).or_default().push(*at);
        }
        for (endpoint, times) in times {
            for window in times.windows(per_second + 1) {
                let span = window[per_second].since(window[0]);
                assert!(
                    span >= Duration::from_secs(1),
                    "{endpoint}: {} in {span:?}",
                    per_second + 1
                );
            }
        }
    }
}

/// Seconds since the zero of a recording.
pub(super) fn seconds(at: Instant) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let nanos = at.as_nanos() as f64;
    nanos / 1e9 - 10.0
}

/// The instant of so many milliseconds in a recording, whose beginning is before its zero.
pub(super) fn at(millis: i64) -> Instant {
    Instant::from_millis(u64::try_from(millis + 10_000).expect("not too early"))
}
