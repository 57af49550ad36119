//! The cluster under test: its nodes, and the ways to wait for it and to measure it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::Pid;

use super::clock;
use super::error::LabError;
use super::judge::{self, Expected, Fate, Measure, Network, Terms};
use super::net::Lan;
use super::node::{Node, Spec};
use super::probe;
use super::record::{Fact, Record, Recorder, WaitEnd};
use super::report::Screen;
use super::tcp::Client;
use super::theory::{self, Timing};

/// How often a wait looks after the daemons and the screen.
const TICK: Duration = Duration::from_millis(200);
/// What a wait allows beyond what theory says; more than any scheduling delay.
const PATIENCE: Duration = Duration::from_secs(3);
/// A client whose last answer is older isn't being served.
const SERVED_WITHIN: Duration = Duration::from_millis(50);
/// A few answered probes before a fault belong to its window; what came before them doesn't.
const LEAD: Duration = Duration::from_millis(6);
/// How long the client is watched beyond what is needed, before it counts as one that waits.
const CONNECTED_WITHIN: Duration = Duration::from_secs(1);
/// By how much a settled cluster must outlast the longest master-down interval.
const SETTLE_MARGIN: Duration = Duration::from_millis(50);

/// A cluster on its LAN.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The network.
    pub(crate) lan: Lan,
    /// The nodes, best first.
    pub(crate) nodes: Vec<Node>,
    /// What was seen.
    pub(crate) recorder: Arc<Recorder>,
    /// Where progress is shown.
    pub(crate) screen: Screen,
    /// Interval and version.
    pub(crate) timing: Timing,
    /// Who waits on a TCP connection; to be started.
    pub(crate) client: Client,
    resets: bool,
}

impl Cluster {
    /// Lays out a cluster; starts nothing.
    pub(crate) fn new(
        lan: Lan,
        spec: &Spec,
        recorder: Arc<Recorder>,
        screen: Screen,
        dir: &Path,
    ) -> Result<Self, LabError> {
        let nodes = (0..lan.nodes.len())
            .map(|node| Node::new(node, theory::priority(node), spec.clone(), dir))
            .collect::<Result<_, _>>()?;
        let (timing, resets) = (spec.timing, spec.resets());
        Ok(Self { lan, nodes, recorder, screen, timing, client: Client::default(), resets })
    }

    /// What the daemons are held to.
    pub(crate) fn terms(&self) -> Terms {
        Terms { timing: self.timing, resets: self.resets }
    }

    /// Starts a node's daemon.
    pub(crate) fn start(&mut self, node: usize) -> Result<(), LabError> {
        self.nodes[node].start(&self.lan.nodes[node])
    }

    /// Stops a node's daemon, and starts it again with another file.
    pub(crate) fn restart(
        &mut self,
        node: usize,
        within: Duration,
        change: impl FnOnce(&mut Spec),
    ) -> Result<(), LabError> {
        self.nodes[node].signal(Signal::SIGTERM)?;
        self.nodes[node].reap(within)?;
        self.nodes[node].rewrite(change)?;
        self.start(node)
    }

    /// Sends a signal to a node's daemon, and tells when.
    pub(crate) fn signal(&self, node: usize, signal: Signal) -> Result<Duration, LabError> {
        let at = clock::now();
        self.nodes[node].signal(signal)?;
        Ok(at)
    }

    /// Kills a node's daemon and its guard together, and tells when.
    pub(crate) fn crash(&self, node: usize) -> Result<Duration, LabError> {
        let at = clock::now();
        self.nodes[node].kill_guard()?;
        self.nodes[node].signal(Signal::SIGKILL)?;
        Ok(at)
    }

    /// Pulls a node's cable or puts it back, and tells when.
    pub(crate) fn plug(&self, node: usize, plugged: bool) -> Result<Duration, LabError> {
        self.change(Fact::Plugged(node, plugged), plugged, || self.lan.plug(node, plugged))
    }

    /// Cuts or mends the cable between the LANs, and tells when.
    pub(crate) fn join(&self, joined: bool) -> Result<Duration, LabError> {
        self.change(Fact::Trunk(joined), joined, || self.lan.join(joined))
    }

    /// Changes the network. A link that comes up counts from before the change and one that goes
    /// down from after it, so that overlaps are never counted too short.
    fn change(
        &self,
        fact: Fact,
        up: bool,
        act: impl FnOnce() -> Result<(), LabError>,
    ) -> Result<Duration, LabError> {
        let at = clock::now();
        if up {
            self.recorder.note_fact(fact);
        }
        act()?;
        if !up {
            self.recorder.note_fact(fact);
        }
        Ok(at)
    }

    /// Waits for something to be seen; `None` when it isn't within this time.
    pub(crate) fn wait<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut seen: impl FnMut(&Record) -> Option<T>,
    ) -> Result<Option<T>, LabError> {
        let deadline = clock::now() + within;
        loop {
            let tick = (clock::now() + TICK).min(deadline);
            match self.recorder.wait(tick, &mut seen) {
                Ok(found) => return Ok(Some(found)),
                Err(WaitEnd::Interrupted) => return Err(LabError::Interrupted),
                Err(WaitEnd::Deadline) if clock::now() >= deadline => return Ok(None),
                Err(WaitEnd::Deadline) => {}
            }
            for node in &mut self.nodes {
                node.check_running()?;
            }
            self.reap_orphans();
            let view = View::of(&self.recorder.lock());
            self.screen.status(what, &view);
        }
    }

    /// Does what every process 1 must: lets go of the dead whose parent died before them. A
    /// daemon that starts again could take their numbers for living processes.
    fn reap_orphans(&self) {
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let ours: Vec<Pid> = self.nodes.iter().filter_map(Node::pid).collect();
        while let Some(dead) = waitid(Id::All, peek).ok().and_then(|status| status.pid()) {
            // The daemons themselves are waited for where their end is expected.
            if ours.contains(&dead) || waitpid(dead, Some(WaitPidFlag::WNOHANG)).is_err() {
                return;
            }
        }
    }

    /// Waits until a moment, unless interrupted.
    pub(crate) fn wait_until(&mut self, what: &str, at: Duration) -> Result<(), LabError> {
        let within = at.saturating_sub(clock::now());
        self.wait(what, within, |_| None::<()>).map(drop)
    }

    /// Waits until this node alone has held the VIP, and answered the client, for longer than any
    /// other could wait to take over. Gives the reason if that doesn't come to pass.
    pub(crate) fn settle(
        &mut self,
        node: usize,
        fault: Duration,
    ) -> Result<Option<String>, LabError> {
        let lowest = self.nodes.last().map_or(1, Node::priority);
        let window = self.timing.master_down(lowest) + SETTLE_MARGIN;
        let within = window + self.timing.settle() + PATIENCE;
        let what = format!("node {} must hold the VIP alone for a while", node + 1);
        let settled = self.wait(&what, within, |record| {
            let (holder, since) = judge::sole_holder_since(&record.facts)?;
            let (answered_at, server) = record.last_answer()?;
            let now = clock::now();
            let stable = now.saturating_sub(since.max(fault)) >= window;
            let served = now.saturating_sub(answered_at) < SERVED_WITHIN;
            (holder == node && server == node && stable && served).then_some(())
        })?;
        if settled.is_some() {
            return Ok(None);
        }
        let view = View::of(&self.recorder.lock());
        Ok(Some(format!("node {} should hold the VIP and serve the client; {view}", node + 1)))
    }

    /// Waits for this part of an interval after the MASTER's next advert, so that faults hit the
    /// protocol at chosen phases and not by luck.
    pub(crate) fn wait_phase(&mut self, master: usize, phase: f64) -> Result<(), LabError> {
        let now = clock::now();
        let within = self.timing.advert_int + PATIENCE;
        let advert = self
            .wait("the MASTER's next advert", within, |record| record.first_advert(master, now))?;
        let at = advert.unwrap_or(now) + self.timing.advert_int.mul_f64(phase);
        // Waits shorter than a tick are slept off: waking through the record costs precision.
        if at.saturating_sub(clock::now()) > TICK {
            self.wait_until("the chosen moment", at.saturating_sub(TICK / 2))?;
        }
        clock::sleep_until(at);
        Ok(())
    }

    /// Waits for a node's first advert after a fault.
    pub(crate) fn wait_takeover(&mut self, node: usize, fault: Duration) -> Result<bool, LabError> {
        let within = self.timing.master_down(theory::priority(node)) + PATIENCE;
        let what = format!("node {} must take over", node + 1);
        let seen = self.wait(&what, within, |record| record.first_advert(node, fault))?;
        Ok(seen.is_some())
    }

    /// Measures what followed a fault, up to now.
    pub(crate) fn measure(&self, fault: Duration) -> Measure {
        let now = clock::now();
        let record = self.recorder.lock();
        let from = fault.saturating_sub(LEAD);
        let service = judge::service(&record.probes, from, now, probe::INTERVAL);
        Measure {
            gap: service.gap,
            two_holders: judge::two_holders(&record.facts, fault, now),
            ..Measure::default()
        }
    }

    /// Adds to a measure when the successor's first advert came, and when it should have: its
    /// master-down interval after the last advert of the old MASTER, or its skew after a zero.
    pub(crate) fn measure_takeover(&self, measure: &mut Measure, old: usize, fault: Duration) {
        let successor = old + 1;
        let priority = theory::priority(successor);
        let record = self.recorder.lock();
        let first = record.first_advert(successor, fault);
        // Behind a cut cable the old MASTER goes on advertising, to nobody who could hear it.
        let last = record.last_advert(old, fault + self.timing.advert_int / 4);
        let zero = record.adverts.iter().rev().take_while(|seen| seen.at > fault);
        let zero = zero.filter(|seen| seen.node == old && seen.advert.priority == 0).last();
        let due = match (zero, last) {
            (Some(zero), _) => zero.at + self.timing.skew(priority),
            (None, Some(last)) => last + self.timing.master_down(priority),
            (None, None) => return,
        };
        measure.gap_theory = due.saturating_sub(fault);
        measure.takeover = first.map(|at| (at.saturating_sub(fault), measure.gap_theory));
    }

    /// Has the client wait on a new connection, to this node. One that doesn't get it is found waiting
    /// later.
    pub(crate) fn connect(&mut self, node: usize) -> Result<(), LabError> {
        let asked_at = clock::now();
        self.client.renew();
        self.wait("the client must connect", CONNECTED_WITHIN, |record| {
            let opened = record.connections.last()?;
            (opened.opened >= asked_at && opened.node == node).then_some(())
        })
        .map(drop)
    }

    /// What becomes of the client's connection when this node takes the VIP.
    pub(crate) fn fate_at_takeover(
        &mut self,
        fault: Duration,
        node: usize,
    ) -> Result<Fate, LabError> {
        // Without an announcement the takeover itself has failed.
        let announced_at = self.recorder.lock().first_claim(node, fault).unwrap_or(fault);
        self.fate(Expected { fault, node, announced_at, asked_at: None })
    }

    /// What becomes of the client's connection to a node that keeps the VIP.
    pub(crate) fn fate_of_kept(&mut self, fault: Duration, node: usize) -> Result<Fate, LabError> {
        let asked_at = Some(clock::now());
        self.client.ask();
        self.fate(Expected { fault, node, announced_at: fault, asked_at })
    }

    fn fate(&mut self, expected: Expected) -> Result<Fate, LabError> {
        let fate = |record: &Record| Fate::of(&record.connections, expected, clock::now());
        let settled = self.wait("the client must be answered", CONNECTED_WITHIN, |record| {
            Some(fate(record)).filter(|fate| fate.is_settled())
        })?;
        Ok(settled.unwrap_or_else(|| fate(&self.recorder.lock())))
    }

    /// When there was again one holder and the client was served for good, counted from a healing.
    pub(crate) fn healed_after(&self, healed: Duration) -> Option<Duration> {
        let now = clock::now();
        let record = self.recorder.lock();
        let (_, sole_since) = judge::sole_holder_since(&record.facts)?;
        let service = judge::service(&record.probes, healed, now, probe::INTERVAL);
        let done = service.served_since.map_or(sole_since, |served| served.max(sole_since));
        Some(done.saturating_sub(healed))
    }
}

/// The cluster at a glance, for the status line.
#[derive(Clone, Debug)]
pub(crate) struct View {
    holders: Vec<usize>,
    server: Option<usize>,
}

impl View {
    fn of(record: &Record) -> Self {
        let now = clock::now();
        let fresh = |(at, _): &(Duration, usize)| now.saturating_sub(*at) < SERVED_WITHIN;
        Self {
            holders: Network::after(&record.facts).holders(),
            server: record.last_answer().filter(fresh).map(|(_, node)| node),
        }
    }
}

impl std::fmt::Display for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.holders[..] {
            [] => write!(f, "nobody holds the VIP")?,
            [node] => write!(f, "node {} holds the VIP", node + 1)?,
            many => {
                let names: Vec<String> = many.iter().map(|node| (node + 1).to_string()).collect();
                write!(f, "nodes {} hold the VIP", names.join(" and "))?;
            }
        }
        match self.server {
            Some(node) => write!(f, ", the client is answered by node {}", node + 1),
            None => write!(f, ", the client is answered by nobody"),
        }
    }
}
