//! The runner: a cluster, a network, and a daemon's discovery, event by event.

use std::collections::{BTreeMap, BTreeSet};

use openproxy_core::discovery::{
    Address, AskFailure, AskPath, Discovery, EndpointKey, FileRole, Host, Output, PatroniConfig,
    ProbeFailure, Server, ShardConfig, ShardId, Ticket,
};
use openproxy_core::time::{Duration, Instant};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::draw::{Draws, Stream};
use openproxy_io_sim::patroni::{Cluster, Path, Reply, host};

use super::judge::{Finding, Judge, Tally};
use super::scenario::{Mishap, Scenario};
use super::told::{Told, Writing};

/// The kernel gives up on a host that is off.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(3);
/// Late by this much at most, where an answer is spoilt so.
const LATE_MAX_MILLIS: u64 = 3_000;

/// What came of a scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first promise that was broken.
    pub finding: Option<Finding>,
    /// What was seen.
    pub tally: Tally,
    /// A number that is the same for the same run.
    pub hash: u64,
    /// What was told of the primary, in order.
    pub told: Vec<Told>,
    /// Who accepted writes meanwhile.
    pub writing: Writing,
}

/// What is on its way.
#[derive(Debug)]
enum Pending {
    Answer(Ticket, EndpointKey, Result<String, AskFailure>),
    Probe(Ticket, Result<(), ProbeFailure>),
}

struct World<'s> {
    scenario: &'s Scenario,
    cluster: Cluster,
    discovery: Discovery,
    draws: Draws,
    asked: u64,
    now: Instant,
    pending: BTreeMap<(Instant, u64), Pending>,
    cut: BTreeSet<NodeId>,
    /// Until when the daemon is stopped.
    stopped_until: Instant,
    judge: Judge,
}

/// Runs a scenario to its end, or to the first promise that is broken.
#[must_use]
pub fn run(scenario: &Scenario) -> Outcome {
    let zero = Instant::from_millis(1_000);
    let mut world = World {
        scenario,
        cluster: Cluster::new(&scenario.setup, scenario.seed, zero),
        discovery: Discovery::seeded(scenario.seed),
        draws: Draws::new(scenario.seed),
        asked: 0,
        now: zero,
        pending: BTreeMap::new(),
        cut: BTreeSet::new(),
        stopped_until: Instant::ZERO,
        judge: Judge::new(scenario.setup.members, Duration::ZERO),
    };
    let mut steps = scenario.steps.iter().peekable();
    let mut has_started = false;
    loop {
        let step_at = steps.peek().map_or(Instant::MAX, |step| step.at);
        let start_at = if has_started { Instant::MAX } else { scenario.starts_at };
        let next = world.next_at().min(step_at).min(start_at);
        if next > scenario.end || world.judge.is_broken() {
            if let Some(topology) = world.discovery.topology(&id()) {
                world.judge.end(world.now, &world.cluster, topology);
            }
            return world.judge.outcome();
        }
        world.now = world.now.max(next);
        world.cluster.advance(world.now);
        if start_at <= world.now {
            has_started = true;
            world.discovery.reconfigure(&[shard(scenario)], world.now);
        }
        while let Some(step) = steps.next_if(|step| step.at <= world.now) {
            world.suffer(step.mishap);
        }
        if has_started {
            world.turn();
        }
    }
}

pub(super) fn shard(scenario: &Scenario) -> ShardConfig {
    let address = |place| Address { host: Host::new(&host(place)), port: 5432 };
    let servers = (0..usize::from(scenario.setup.members))
        .map(|place| Server { address: address(place), role: FileRole::Auto });
    ShardConfig {
        id: id(),
        servers: servers.collect(),
        patroni: Some(PatroniConfig::plain(8008)),
        renew_interval: Duration::from_secs(5),
    }
}

/// The only shard.
pub(super) fn id() -> ShardId {
    ShardId { pool: "p".into(), shard: "0".into() }
}

/// The member of a host.
pub(super) fn member(host: &Host) -> Option<NodeId> {
    let last = host.as_str().rsplit('.').next()?.parse::<u8>().ok()?;
    last.checked_sub(1).map(NodeId)
}

impl World<'_> {
    fn next_at(&self) -> Instant {
        let answer = self.pending.first_key_value().map_or(Instant::MAX, |((at, _), _)| *at);
        // A process that is stopped finds everything when it goes on.
        let daemon = answer.min(self.discovery.poll_timeout()).max(self.stopped_until);
        let judge = self.judge.due_at();
        self.cluster.next_at().min(daemon).min(judge)
    }

    fn suffer(&mut self, mishap: Mishap) {
        match mishap {
            Mishap::Cluster(fault) => self.cluster.suffer(fault),
            Mishap::CutDaemon(node) => {
                self.cut.insert(node);
            }
            Mishap::MendDaemon(node) => {
                self.cut.remove(&node);
            }
            Mishap::StopDaemon(span) => {
                self.stopped_until = self.stopped_until.max(self.now + span);
            }
            Mishap::RestartDaemon => self.restart(),
        }
        self.judge.note_mishap(self.now, mishap);
    }

    fn restart(&mut self) {
        self.pending.clear();
        self.stopped_until = Instant::ZERO;
        self.discovery = Discovery::seeded(self.scenario.seed);
        self.discovery.reconfigure(&[shard(self.scenario)], self.now);
    }

    /// Hands in what has come, does what is due, and looks at what is told.
    fn turn(&mut self) {
        if self.now >= self.stopped_until {
            while let Some(((at, count), pending)) = self.pending.pop_first() {
                if at > self.now {
                    self.pending.insert((at, count), pending);
                    break;
                }
                self.hand_in(pending);
                self.drain();
            }
            if self.discovery.poll_timeout() <= self.now {
                self.discovery.handle_timeout(self.now);
            }
            self.drain();
        }
        let is_stopped = self.now < self.stopped_until;
        if let Some(topology) = self.discovery.topology(&id()) {
            self.judge.look(self.now, &self.cluster, topology, &self.cut, is_stopped);
        }
    }

    fn hand_in(&mut self, pending: Pending) {
        match pending {
            Pending::Answer(ticket, key, answer) => {
                let hung = answer == Err(AskFailure::TimedOut);
                self.judge.note_answer(self.now, &key, hung);
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
            self.asked += 1;
            match output {
                Output::Ask { ticket, endpoint, path, deadline } => {
                    self.judge.note_asked(self.now, &endpoint);
                    self.judge.note_path(self.now, &endpoint, path);
                    let (after, answer) = self.answer(&endpoint, path);
                    let at = self.now + after;
                    let late = at >= deadline;
                    let answer = if late { Err(AskFailure::TimedOut) } else { answer };
                    let pending = Pending::Answer(ticket, endpoint, answer);
                    self.pending.insert((at.min(deadline), self.asked), pending);
                }
                Output::Probe { ticket, address, deadline } => {
                    let (after, result) = self.probe(&address);
                    let at = self.now + after;
                    let late = at >= deadline;
                    let result = if late { Err(ProbeFailure::TimedOut) } else { result };
                    let pending = Pending::Probe(ticket, result);
                    self.pending.insert((at.min(deadline), self.asked), pending);
                }
                Output::Event(event) => self.judge.note_event(&event),
                Output::TopologyChanged(_) => {}
            }
        }
    }

    /// What a question comes to, as the cluster is now, and after how long.
    fn answer(
        &self,
        endpoint: &EndpointKey,
        path: AskPath,
    ) -> (Duration, Result<String, AskFailure>) {
        let Some(node) = member(&endpoint.address.host) else {
            return (Duration::ZERO, Err(AskFailure::NoSuchHost));
        };
        if self.cut.contains(&node) {
            return (UNREACHABLE_AFTER, Err(AskFailure::Unreachable));
        }
        let delay = self.delay();
        if self.draw(1_000) < u64::from(self.scenario.spoilt_per_mille) {
            return self.spoil(delay);
        }
        let path = match path {
            AskPath::Patroni | AskPath::Health => Path::Patroni,
            AskPath::Cluster => Path::Cluster,
        };
        match self.cluster.reply(node, path) {
            Reply::Body(body) => (delay, Ok(body)),
            Reply::Refused => (delay, Err(AskFailure::Refused)),
            Reply::Closed => (delay, Err(AskFailure::Closed)),
            Reply::Silence => (UNREACHABLE_AFTER, Err(AskFailure::Unreachable)),
        }
    }

    fn spoil(&self, delay: Duration) -> (Duration, Result<String, AskFailure>) {
        match self.draw(4) {
            0 => (delay, Err(AskFailure::Reset)),
            1 => (delay, Ok("{\"state\": \"runni".to_owned())),
            2 => (delay, Ok("<html>502</html>".to_owned())),
            _ => (Duration::from_millis(self.draw(LATE_MAX_MILLIS)), Err(AskFailure::Closed)),
        }
    }

    fn probe(&self, address: &Address) -> (Duration, Result<(), ProbeFailure>) {
        let node = member(&address.host).filter(|node| !self.cut.contains(node));
        match node.and_then(|node| self.cluster.listens(node)) {
            None => (UNREACHABLE_AFTER, Err(ProbeFailure::Unreachable)),
            Some(true) => (self.delay(), Ok(())),
            Some(false) => (self.delay(), Err(ProbeFailure::Refused)),
        }
    }

    fn delay(&self) -> Duration {
        let micros = u64::try_from(self.scenario.delay_max.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.draws.between(Stream::Latency, 2, self.asked, 100, micros))
    }

    fn draw(&self, below: u64) -> u64 {
        self.draws.between(Stream::Question, below, self.asked, 0, below - 1)
    }
}
