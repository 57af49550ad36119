//! The loop around discovery, the same in production and in simulation.
//!
//! Everything runs on one task: questions and probes are futures that it polls, so that what it
//! drops is over, and nothing needs to be locked. Only lookups of names leave it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::body::Bytes;
use openproxy_core::discovery::{
    Address, AskFailure, AskPath, Counters, Discovery, EndpointKey, Event, Host, Output,
    ProbeFailure, Scheme, ShardConfig, ShardId, Ticket, TlsId, Topology,
};
use openproxy_core::time::{Duration, Instant};
use openproxy_core::vrrp::RouterKey;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep_until, timeout_at};

use super::http::{self, AskError, Client, Dial, Endpoint, TlsError, TlsNews, TlsSettings};
use super::reason::{ask_failure, probe_failure};
use super::tracking::{LocalHosts, TrackedRouter, Tracking};

/// What is to be discovered, for whom, and how TLS is spoken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// All shards.
    pub shards: Vec<ShardConfig>,
    /// What each [`TlsId`] stands for: its place in this list.
    pub tls: Vec<TlsSettings>,
    /// The virtual routers that follow a primary.
    pub routers: Vec<TrackedRouter>,
    /// Addresses that move between nodes: a primary there runs on no node of its own.
    pub vips: BTreeSet<IpAddr>,
}

/// What others ask of a running discovery.
#[derive(Debug)]
pub enum Request {
    /// Discover exactly this from now on; what is the same goes on undisturbed.
    Reconfigure(Settings),
    /// Believe anew whoever says that it is primary of this shard. The answer: whether there was
    /// anything to forget.
    Forget(ShardId, oneshot::Sender<bool>),
    /// Tell all that is known.
    Look(oneshot::Sender<Snapshot>),
    /// Tell what is known of this shard, if there is one: cheap, however many there are.
    LookAt(ShardId, oneshot::Sender<Option<(Topology, Instant)>>),
}

/// What discovery tells others.
#[derive(Debug)]
pub enum News<'a> {
    /// For the log.
    Event(&'a Event),
    /// A shard's topology differs in something that matters.
    Topology(&'a ShardId, &'a Topology, Instant),
    /// What a router's priority is to be changed by from now on.
    Weight(RouterKey, i32),
    /// Certificate files were read again, or can't be used.
    Tls(TlsNews),
    /// TLS settings that can't be used at all: their endpoints aren't asked.
    TlsUnusable(&'a TlsError),
}

/// All that is known at a time.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When that is.
    pub at: Instant,
    /// Every shard, in order.
    pub shards: Vec<(ShardId, Topology)>,
    /// How often what matters of them has changed; one that never did isn't there.
    pub changes: BTreeMap<ShardId, u64>,
    /// Every endpoint, in order.
    pub endpoints: Vec<EndpointState>,
}

/// An endpoint, and how it answers.
#[derive(Clone, Debug)]
pub struct EndpointState {
    /// Which.
    pub key: EndpointKey,
    /// What it was asked, and how it answered, since the start.
    pub counters: Counters,
    /// How often it failed, by [`AskError::kind`].
    pub failures: BTreeMap<&'static str, u64>,
    /// How it fails now, if it does.
    pub failure: Option<AskFailure>,
}

impl EndpointState {
    /// How often it failed, by kind: what the client couldn't read, and what it could and the core
    /// couldn't. A kind that hasn't happened isn't there.
    #[must_use]
    pub fn failures_by_kind(&self) -> BTreeMap<&'static str, u64> {
        let by_core = [
            ("bad_answer", self.counters.bad_answers()),
            ("says_nothing", self.counters.failures(&AskFailure::SaysNothing)),
        ];
        let mut failures = self.failures.clone();
        failures.extend(by_core.into_iter().filter(|(_, count)| *count > 0));
        failures
    }
}

/// What is under way.
enum Done {
    Asked(Ticket, EndpointKey, Result<Bytes, AskError>),
    Unaskable(Ticket, AskFailure),
    Probed(Ticket, Result<(), ProbeFailure>),
    Resolved(Host, io::Result<Vec<SocketAddr>>),
}

type Running = FuturesUnordered<Pin<Box<dyn Future<Output = Done>>>>;

/// Runs discovery until nobody can ask anything of it any more.
///
/// `clock` is what [`Instant`]s are of; it may run on while tokio's stands still, as when a machine
/// is suspended. `seed` is to be another one for each daemon. `publish` must not wait.
pub async fn run<D: Dial + Clone + 'static>(
    settings: Settings,
    seed: u64,
    dial: D,
    clock: impl Fn() -> Instant,
    local: impl LocalHosts,
    mut requests: mpsc::Receiver<Request>,
    publish: impl FnMut(News<'_>),
) {
    let mut driver = Driver {
        discovery: Discovery::seeded(seed),
        clients: Clients::default(),
        tracking: Tracking::new(local),
        failures: BTreeMap::new(),
        changes: BTreeMap::new(),
        running: Running::default(),
        dial,
        clock,
        publish,
    };
    driver.reconfigure(settings);
    loop {
        driver.hand_out();
        let now = (driver.clock)();
        let due = driver.discovery.poll_timeout().min(driver.tracking.poll_timeout());
        let due = tokio::time::Instant::now() + due.since(now);
        tokio::select! {
            biased;
            request = requests.recv() => match request {
                Some(request) => driver.handle_request(request),
                None => return,
            },
            Some(done) = driver.running.next() => driver.handle_done(done),
            () = sleep_until(due) => {
                let now = (driver.clock)();
                driver.discovery.handle_timeout(now);
            }
        }
    }
}

/// A client for each way to speak.
#[derive(Debug, Default)]
struct Clients {
    plain: Rc<Client>,
    tls: Vec<(TlsSettings, Option<Rc<Client>>)>,
}

impl Clients {
    fn get(&self, scheme: Scheme) -> Option<&Rc<Client>> {
        match scheme {
            Scheme::Http => Some(&self.plain),
            Scheme::Https(TlsId(id)) => self.tls.get(usize::try_from(id).ok()?)?.1.as_ref(),
        }
    }
}

struct Driver<D, C, L, P> {
    discovery: Discovery,
    clients: Clients,
    tracking: Tracking<L>,
    /// How often each endpoint failed, in the client's words.
    failures: BTreeMap<EndpointKey, BTreeMap<&'static str, u64>>,
    /// How often each shard's topology changed.
    changes: BTreeMap<ShardId, u64>,
    running: Running,
    dial: D,
    clock: C,
    publish: P,
}

impl<D, C, L, P> Driver<D, C, L, P>
where
    D: Dial + Clone + 'static,
    C: Fn() -> Instant,
    L: LocalHosts,
    P: FnMut(News<'_>),
{
    fn handle_request(&mut self, request: Request) {
        match request {
            Request::Reconfigure(settings) => self.reconfigure(settings),
            Request::Forget(shard, answer) => {
                let now = (self.clock)();
                // Who asked may have gone meanwhile; likewise below.
                let _ = answer.send(self.discovery.forget(&shard, now));
            }
            Request::Look(answer) => {
                let _ = answer.send(self.look());
            }
            Request::LookAt(shard, answer) => {
                let topology = self.discovery.topology(&shard).cloned();
                let _ = answer.send(topology.map(|topology| (topology, (self.clock)())));
            }
        }
    }

    fn reconfigure(&mut self, settings: Settings) {
        let mut old = std::mem::take(&mut self.clients.tls);
        for tls in settings.tls {
            let same = old.iter().position(|(settings, _)| *settings == tls);
            let client = match same.map(|position| old.swap_remove(position)) {
                Some((_, client)) => client,
                None => match Client::new(tls.clone()) {
                    Ok(client) => Some(Rc::new(client)),
                    Err(error) => {
                        (self.publish)(News::TlsUnusable(&error));
                        None
                    }
                },
            };
            self.clients.tls.push((tls, client));
        }
        let now = (self.clock)();
        self.discovery.reconfigure(&settings.shards, now);
        let keys: Vec<_> = self.discovery.endpoints().map(|(key, _, _)| key.clone()).collect();
        self.failures.retain(|key, _| keys.binary_search(key).is_ok());
        self.changes.retain(|shard, _| self.discovery.topology(shard).is_some());
        for (router, weight) in self.tracking.reconfigure(settings.routers, settings.vips) {
            (self.publish)(News::Weight(router, weight));
        }
    }

    fn handle_done(&mut self, done: Done) {
        let now = (self.clock)();
        match done {
            Done::Asked(ticket, _, Ok(body)) => {
                self.discovery.handle_answer(ticket, now, Ok(&body));
            }
            Done::Asked(ticket, key, Err(error)) => {
                *self.failures.entry(key).or_default().entry(error.kind()).or_default() += 1;
                self.discovery.handle_answer(ticket, now, Err(ask_failure(&error)));
            }
            Done::Unaskable(ticket, failure) => {
                self.discovery.handle_answer(ticket, now, Err(failure));
            }
            Done::Probed(ticket, result) => {
                self.discovery.handle_probe(ticket, now, result);
                self.tracking.has_probed();
            }
            Done::Resolved(host, found) => self.tracking.handle_resolved(now, host, found),
        }
    }

    /// Does all that the core asks for, and lets the routers look at what has come of it.
    fn hand_out(&mut self) {
        let now = (self.clock)();
        while let Some(output) = self.discovery.poll_output() {
            match output {
                Output::Ask { ticket, endpoint, path, deadline } => {
                    self.ask(ticket, endpoint, path, deadline.since(now));
                }
                Output::Probe { ticket, address, deadline } => {
                    self.probe(ticket, &address, deadline.since(now));
                }
                Output::Event(event) => (self.publish)(News::Event(&event)),
                Output::TopologyChanged(shard) => {
                    if let Some(topology) = self.discovery.topology(&shard) {
                        (self.publish)(News::Topology(&shard, topology, now));
                        *self.changes.entry(shard).or_default() += 1;
                    }
                }
            }
        }
        for news in self.clients.tls.iter().filter_map(|(_, client)| client.as_ref()?.poll_news()) {
            (self.publish)(News::Tls(news));
        }
        for (router, weight) in self.tracking.look(&self.discovery, now) {
            (self.publish)(News::Weight(router, weight));
        }
        for host in self.tracking.names_wanted(now) {
            let dial = self.dial.clone();
            self.running.push(Box::pin(async move {
                let found = dial.resolve(host.as_str(), 0).await;
                Done::Resolved(host, found)
            }));
        }
    }

    fn ask(&mut self, ticket: Ticket, key: EndpointKey, path: AskPath, left: Duration) {
        let deadline = tokio::time::Instant::now() + left;
        let client = self.clients.get(key.scheme).map(Rc::clone);
        let host = key.address.host.as_str().parse::<http::Host>();
        let (Some(client), Ok(host)) = (client, host) else {
            let failure = match key.scheme {
                Scheme::Http => AskFailure::NoSuchHost,
                Scheme::Https(_) => AskFailure::Tls("its settings can't be used".to_owned()),
            };
            self.running.push(Box::pin(async move { Done::Unaskable(ticket, failure) }));
            return;
        };
        let scheme = match key.scheme {
            Scheme::Http => http::Scheme::Http,
            Scheme::Https(_) => http::Scheme::Https,
        };
        let endpoint = Endpoint { scheme, host, port: key.address.port };
        let dial = self.dial.clone();
        self.running.push(Box::pin(async move {
            let answer = client.get_json(&dial, &endpoint, path.as_str(), deadline).await;
            Done::Asked(ticket, key, answer)
        }));
    }

    fn probe(&mut self, ticket: Ticket, address: &Address, left: Duration) {
        let deadline = tokio::time::Instant::now() + left;
        let dial = self.dial.clone();
        let (host, port) = (address.host.clone(), address.port);
        self.running.push(Box::pin(async move {
            let result = timeout_at(deadline, connect(&dial, host.as_str(), port)).await;
            let result = match result {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(probe_failure(error.kind())),
                Err(_) => Err(ProbeFailure::TimedOut),
            };
            Done::Probed(ticket, result)
        }));
    }

    fn look(&self) -> Snapshot {
        let shards = self.discovery.topologies();
        let endpoints = self.discovery.endpoints().map(|(key, counters, failure)| EndpointState {
            key: key.clone(),
            counters: *counters,
            failures: self.failures.get(key).cloned().unwrap_or_default(),
            failure: failure.cloned(),
        });
        Snapshot {
            at: (self.clock)(),
            shards: shards.map(|(shard, topology)| (shard.clone(), topology.clone())).collect(),
            changes: self.changes.clone(),
            endpoints: endpoints.collect(),
        }
    }
}

/// Connects to one of a host's addresses, and closes at once.
async fn connect<D: Dial>(dial: &D, host: &str, port: u16) -> io::Result<()> {
    let addresses = match host.parse() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => dial.resolve(host, port).await?,
    };
    let mut result = Err(io::ErrorKind::NotFound.into());
    for address in addresses.into_iter().take(http::ADDRESSES_MAX) {
        result = dial.connect(address).await.map(drop);
        if result.is_ok() {
            break;
        }
    }
    result
}
