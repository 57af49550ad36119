//! The runner on turmoil: the daemon's own driver and HTTP client, in a host of its own, ask hyper
//! servers, each in another.
//!
//! The cluster's fate is the same as in the other runner, to the millisecond. What differs is how
//! long an answer takes: a connection, a question and an answer, each a tick there and a tick back.
//! Nothing is spoilt here: garbage is what the daemon's own tests feed to the client.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::UNIX_EPOCH;

use openproxy::discovery::driver::{self, News, Request, Settings};
use openproxy::discovery::http::Dial;
use openproxy::discovery::tracking::LocalHosts;
use openproxy_core::discovery::{Address, AskPath, EndpointKey, Host, Scheme, ShardId, Topology};
use openproxy_core::time::{Duration, Instant};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::gate::Gate;
use openproxy_io_sim::patroni::{API_PORT, Cluster, Shared, host, serve};
use openproxy_io_sim::platform::{TICK, time};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use turmoil::Sim;
use turmoil::net::TcpStream;

use super::judge::Judge;
use super::net::{Cuts, Dialer};
use super::scenario::{Mishap, Scenario};
use super::world::{self, Outcome};

/// Where the daemon runs.
const DAEMON: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));
/// The core's time when the simulation begins.
const ZERO: Instant = Instant::from_millis(1_000);
/// There and back for a connection, and there once more: a tick each.
const REACHES_AFTER: Duration = Duration::from_millis(3);
/// A question without an answer was given up after this.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a scenario to its end, or to the first promise that is broken.
///
/// # Panics
/// If a process of the simulation does.
#[must_use]
pub fn run_on_turmoil(scenario: &Scenario) -> Outcome {
    let mut world = World::new(scenario);
    loop {
        let now = world.now;
        let is_broken = world.daemon.judge.borrow().is_broken();
        if now > scenario.end || is_broken {
            return world.outcome();
        }
        world.befall(now);
        world.sim.step().expect("no process fails");
        world.look(now);
        world.now = now + TICK;
    }
}

struct World<'s> {
    scenario: &'s Scenario,
    sim: Sim<'static>,
    cluster: Rc<Shared>,
    daemon: Rc<Daemon>,
    steps_done: usize,
    cut: BTreeSet<NodeId>,
    cuts: Rc<Cuts>,
    stopped_until: Instant,
    now: Instant,
}

/// The daemon's process, and what is noted of it.
#[derive(Debug)]
struct Daemon {
    gate: Gate,
    judge: RefCell<Judge>,
    topology: RefCell<Option<Topology>>,
    has_news: Cell<bool>,
}

/// The core's time, inside a host.
fn now() -> Instant {
    ZERO + time().since(SimTime::ZERO)
}

fn at(node: NodeId) -> IpAddr {
    host(node.index()).parse().expect("an address")
}

impl<'s> World<'s> {
    fn new(scenario: &'s Scenario) -> Self {
        let mut sim = turmoil::Builder::new()
            .rng_seed(scenario.seed)
            .epoch(UNIX_EPOCH)
            .simulation_duration(Duration::MAX)
            .tick_duration(TICK)
            .min_message_latency(TICK)
            .max_message_latency(TICK)
            .build();
        let cluster = Shared::new(Cluster::new(&scenario.setup, scenario.seed, ZERO));
        for node in (0..scenario.setup.members).map(NodeId) {
            let shared = Rc::clone(&cluster);
            sim.host(at(node), move || serve(Rc::clone(&shared), node));
        }
        let daemon = Rc::new(Daemon {
            gate: Gate::default(),
            judge: RefCell::new(Judge::new(scenario.setup.members, REACHES_AFTER)),
            topology: RefCell::new(None),
            has_news: Cell::new(false),
        });
        let (process, settings) = (Rc::clone(&daemon), settings(scenario));
        let cuts = Rc::new(Cuts::default());
        let network = Dialer { from: DAEMON, cuts: Rc::clone(&cuts) };
        let (starts_at, seed) = (scenario.starts_at, scenario.seed);
        sim.host(DAEMON, move || {
            let process = Rc::clone(&process);
            let (settings, network) = (settings.clone(), network.clone());
            async move {
                tokio::time::sleep(starts_at.since(now())).await;
                process.live(settings, seed, network).await;
                Ok(())
            }
        });
        Self {
            scenario,
            sim,
            cluster,
            daemon,
            steps_done: 0,
            cut: BTreeSet::new(),
            cuts,
            stopped_until: Instant::ZERO,
            now: ZERO,
        }
    }

    /// What happens to the cluster and to the daemon at this time.
    fn befall(&mut self, now: Instant) {
        self.advance(now);
        let steps = self.scenario.steps.iter().skip(self.steps_done);
        let due: Vec<Mishap> =
            steps.take_while(|step| step.at <= now).map(|step| step.mishap).collect();
        self.steps_done += due.len();
        for mishap in due {
            self.cluster.change(|cluster| cluster.advance(now));
            self.suffer(mishap, now);
            self.daemon.has_news.set(true);
        }
        self.advance(now);
        self.partition();
        let gate = &self.daemon.gate;
        if now < self.stopped_until {
            gate.close();
        } else if !gate.is_open() {
            gate.open();
        }
    }

    fn advance(&self, now: Instant) {
        while self.cluster.look(Cluster::next_at) <= now {
            self.cluster.change(|cluster| cluster.advance(now));
            self.daemon.has_news.set(true);
        }
    }

    fn suffer(&mut self, mishap: Mishap, now: Instant) {
        match mishap {
            Mishap::Cluster(fault) => self.cluster.change(|cluster| cluster.suffer(fault)),
            Mishap::CutDaemon(node) => {
                self.cut.insert(node);
            }
            Mishap::MendDaemon(node) => {
                self.cut.remove(&node);
            }
            Mishap::StopDaemon(span) => {
                self.stopped_until = self.stopped_until.max(now + span);
            }
            Mishap::RestartDaemon => {
                self.stopped_until = now;
                self.daemon.topology.replace(None);
                self.sim.bounce(DAEMON);
            }
        }
        self.daemon.judge.borrow_mut().note_mishap(now, mishap);
    }

    /// Whoever is cut off or without power gets no packets.
    fn partition(&mut self) {
        for node in (0..self.scenario.setup.members).map(NodeId) {
            let off = self.cluster.look(|cluster| cluster.listens(node).is_none());
            let is_cut = off || self.cut.contains(&node);
            self.cuts.set(&mut self.sim, DAEMON, at(node), is_cut);
        }
    }

    fn look(&self, now: Instant) {
        let mut judge = self.daemon.judge.borrow_mut();
        if self.daemon.has_news.take() || judge.due_at() <= now {
            let topology = self.daemon.topology.borrow();
            let Some(topology) = topology.as_ref() else { return };
            let is_stopped = now < self.stopped_until;
            self.cluster.look(|cluster| judge.look(now, cluster, topology, &self.cut, is_stopped));
        }
    }

    fn outcome(self) -> Outcome {
        let Self { sim, cluster, daemon, now, .. } = self;
        // Its connections end with it, which is noted.
        drop(sim);
        let daemon = Rc::into_inner(daemon).expect("nobody else is left");
        let mut judge = daemon.judge.into_inner();
        if let Some(topology) = daemon.topology.into_inner() {
            cluster.look(|cluster| judge.end(now, cluster, &topology));
        }
        judge.outcome()
    }
}

fn settings(scenario: &Scenario) -> Settings {
    Settings { shards: vec![world::shard(scenario)], ..Settings::default() }
}

impl Daemon {
    async fn live(self: Rc<Self>, settings: Settings, seed: u64, network: Dialer) {
        let (_requests, asked) = mpsc::channel::<Request>(1);
        let publish = |news: News<'_>| self.publish(&news);
        let dial = WatchedDialer { network, daemon: Rc::clone(&self) };
        let running = driver::run(settings, seed, dial, now, NoneIsLocal, asked, publish);
        self.gate.hold(running).await;
    }

    fn publish(&self, news: &News<'_>) {
        match news {
            News::Event(event) => self.judge.borrow_mut().note_event(event),
            News::Topology(id, topology, _) => self.take_topology(id, topology),
            News::Weight(..) | News::Tls(_) | News::TlsUnusable(_) => {}
        }
    }

    fn take_topology(&self, id: &ShardId, topology: &Topology) {
        assert_eq!(*id, world::id());
        self.topology.replace(Some(topology.clone()));
        self.has_news.set(true);
    }
}

#[derive(Debug)]
struct NoneIsLocal;

impl LocalHosts for NoneIsLocal {
    fn is_local(&self, _: IpAddr) -> bool {
        false
    }
}

/// The network, that notes who is asked what.
#[derive(Clone, Debug)]
struct WatchedDialer {
    network: Dialer,
    daemon: Rc<Daemon>,
}

impl Dial for WatchedDialer {
    type Stream = Watched;

    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.network.resolve(name, port).await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Watched> {
        let question = (address.port() == API_PORT).then(|| Question::new(&self.daemon, address));
        let stream = self.network.connect(address).await?;
        Ok(Watched { stream, question })
    }
}

/// A question from its connection on; over when it is dropped.
#[derive(Debug)]
struct Question {
    daemon: Rc<Daemon>,
    endpoint: EndpointKey,
    begun: Instant,
    is_put: bool,
    is_answered: bool,
}

impl Question {
    fn new(daemon: &Rc<Daemon>, address: SocketAddr) -> Self {
        let host = Host::new(&address.ip().to_string());
        let address = Address { host, port: address.port() };
        let endpoint = EndpointKey { scheme: Scheme::Http, address };
        let begun = now();
        daemon.judge.borrow_mut().note_asked(begun, &endpoint);
        let daemon = Rc::clone(daemon);
        Self { daemon, endpoint, begun, is_put: false, is_answered: false }
    }

    fn note_put(&mut self, request: &[u8]) {
        if !std::mem::replace(&mut self.is_put, true) {
            let is_view = request.starts_with(b"GET /cluster ");
            let path = if is_view { AskPath::Cluster } else { AskPath::Patroni };
            self.daemon.judge.borrow_mut().note_path(self.begun, &self.endpoint, path);
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        // When the simulation ends, it is outside of every host.
        if turmoil::sim_elapsed().is_none() {
            return;
        }
        let hung = !self.is_answered && now() >= self.begun + TIMEOUT;
        self.daemon.judge.borrow_mut().note_answer(now(), &self.endpoint, hung);
    }
}

/// A connection, that notes what goes over it.
#[derive(Debug)]
struct Watched {
    stream: TcpStream,
    question: Option<Question>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buf);
        if let Some(question) = &mut self.question {
            question.is_answered |= buf.filled().len() > before;
        }
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(question) = &mut self.question {
            question.note_put(bytes);
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
