//! The turmoil runner: the production driver with the production core, the daemon's file and reload,
//! on simulated machines in hosts of turmoil.
//!
//! It takes the same scenarios and faults as the discrete-event runner, gives every packet the same
//! fate, and tells the same observations but for [`Observation::Turning`] and
//! [`Observation::Turned`]: here the driver owns the supervisor. It is slower by a factor of ten
//! thousand, and sees what the other can't: awaits, cancelled futures, the order of a `select!`.
//!
//! Everything happens at whole milliseconds: turmoil's tick is one, and a shorter one makes its
//! clocks go wrong. So runs that are to be compared need `coarse_timers`, and delays of one
//! millisecond.
//!
//! A reload takes the daemon's way: the file is written, a SIGHUP makes the process read it, and
//! half a second later, once a second read has found the same, the core is told, unless nothing has
//! changed, or the file is wrong. The discrete-event runner tells the core at once.
//!
//! No build flag is needed for runs to be repeatable: nothing is spawned, every `select!` is
//! biased, no `watch` channel and no `HashMap` is used, and a panic in a process fails the step that
//! it happens in. `tokio_unstable` would only seed tokio's random numbers, which nothing draws.

mod faults;
mod file;
mod patroni;
mod process;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::{Clock, SimTime};
use openproxy_io_sim::platform::{Machine, TICK, Told, Wire, turmoil_address};
use turmoil::Sim;

use crate::observe::{End, Observation, Observer};
use crate::patroni::net::Cuts;
use crate::scenario::{Changes, Scenario};
use crate::timetable::Timetable;
use patroni::Patroni;
pub use patroni::Turn;
use process::{Signal, Station, live};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How far it got.
    pub until: SimTime,
    /// The panic or error in a process that ended it.
    pub failure: Option<String>,
}

/// Runs a scenario to its end, or until the observer has seen enough, or a process panics.
pub fn run<O: Observer>(scenario: &Scenario, observer: O) -> (Outcome, O) {
    let mut world = TurmoilWorld::new(scenario, observer);
    world.run_until(scenario.end);
    world.into_parts()
}

/// A run.
pub struct TurmoilWorld<'s, O> {
    scenario: &'s Scenario,
    observer: O,
    sim: Sim<'static>,
    wire: Rc<RefCell<Wire>>,
    stations: Vec<Rc<Station>>,
    /// What has been changed in each node's file.
    changes: Vec<Changes>,
    timetable: Timetable<'s>,
    now: SimTime,
    failure: Option<String>,
    cuts: Rc<Cuts>,
    patroni: Option<Patroni>,
}

impl<O: std::fmt::Debug> std::fmt::Debug for TurmoilWorld<'_, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TurmoilWorld")
            .field("now", &self.now)
            .field("stations", &self.stations)
            .field("observer", &self.observer)
            .finish_non_exhaustive()
    }
}

impl<'s, O: Observer> TurmoilWorld<'s, O> {
    /// A cluster at the start of its scenario.
    ///
    /// # Panics
    /// If the scenario is one that its check refuses.
    #[must_use]
    pub fn new(scenario: &'s Scenario, observer: O) -> Self {
        let addresses: Vec<_> = scenario.ids().map(|node| scenario.own_address(node).0).collect();
        let wire = Rc::new(RefCell::new(Wire::new(scenario.lan(), &addresses)));
        let mut sim = simulation(scenario);
        let cuts = Rc::new(Cuts::default());
        let station = |node| Rc::new(station(scenario, node, Rc::clone(&wire), Rc::clone(&cuts)));
        let stations: Vec<_> = scenario.ids().map(station).collect();
        for station in &stations {
            let resident = Rc::clone(station);
            let address = turmoil_address(station.machine.node);
            sim.host(address, move || live(Rc::clone(&resident)));
        }
        Self {
            scenario,
            observer,
            sim,
            wire,
            stations,
            changes: vec![Changes::default(); scenario.nodes.len()],
            timetable: Timetable::new(scenario),
            now: SimTime::ZERO,
            failure: None,
            cuts,
            patroni: None,
        }
    }

    /// Runs until `end`, included, or until the observer has seen enough, or a process panics.
    pub fn run_until(&mut self, end: SimTime) {
        while self.now <= end && self.failure.is_none() && !self.observer.is_satisfied() {
            self.step();
        }
    }

    /// Writes a node's file. Nobody tells its process.
    pub fn write_file(&self, node: NodeId, bytes: impl Into<Vec<u8>>) {
        self.stations[node.index()].write_file(bytes.into());
    }

    /// The file that the scenario and its reloads so far give a node.
    #[must_use]
    pub fn configured_file(&self, node: NodeId) -> String {
        file::text(self.scenario, &self.scenario.config(node, &self.changes[node.index()]))
    }

    /// Sends SIGHUP to a node's process, if it has one.
    pub fn hang_up(&self, node: NodeId) {
        let station = &self.stations[node.index()];
        if station.has_daemon() {
            station.signal(Signal::HangUp);
        }
    }

    /// How it ended, and the observer.
    #[must_use]
    pub fn into_parts(self) -> (Outcome, O) {
        let until = self.now.min(self.scenario.end);
        (Outcome { until, failure: self.failure }, self.observer)
    }

    /// One tick: what befalls the cluster, then what arrives, then what the nodes do.
    fn step(&mut self) {
        let now = self.now;
        self.befall();
        self.wait_no_longer();
        self.befall_patroni();
        while let Some(held) = {
            let mut wire = self.wire.borrow_mut();
            wire.next_held(now)
        } {
            let machine = &self.stations[held.to.index()].machine;
            machine.receive(now, held.from, &held.frame, &self.wire);
        }
        for station in &self.stations {
            station.machine.advance(now, &self.wire);
        }
        if let Err(error) = self.sim.step() {
            self.failure = Some(error.to_string());
        }
        self.pass_on();
        self.now = now + TICK;
    }

    /// Tells the observer what happened on the machines.
    fn pass_on(&mut self) {
        let told = self.wire.borrow_mut().take_told();
        for (at, node, told) in told {
            let observation = match &told {
                Told::Started(config) => Observation::Started(config),
                Told::Reloaded(config) => Observation::Reloaded(config),
                Told::Finished => Observation::Ended(End::Finished),
                Told::Event(event) => Observation::Event(event),
                Told::Sent(send) => Observation::Sent(send),
                Told::Heard { from, frame } => Observation::Heard { from: *from, frame },
                Told::Lost { to } => Observation::Lost { to: *to },
                Told::Announced(announcement) => Observation::Announced(announcement),
                Told::Reset(reset) => Observation::Reset(reset),
                Told::Address(change, cause) => Observation::Address(change, *cause),
            };
            self.observer.observe(at, node, observation);
        }
    }
}

fn simulation(scenario: &Scenario) -> Sim<'static> {
    turmoil::Builder::new()
        .rng_seed(scenario.seed)
        // It would be the wall clock's.
        .epoch(UNIX_EPOCH)
        .simulation_duration(Duration::MAX)
        .tick_duration(TICK)
        // Below the tick, packets arrive before they are sent. Losses are the wire's to make:
        // turmoil's heal its own partitions and empty whole links.
        .min_message_latency(TICK)
        .max_message_latency(TICK)
        .build()
}

fn station(scenario: &Scenario, node: NodeId, wire: Rc<RefCell<Wire>>, cuts: Rc<Cuts>) -> Station {
    let clock = Clock::new(SimTime::ZERO, scenario.nodes[node.index()].drift_ppm);
    let machine = Rc::new(Machine::new(scenario.host(node), clock));
    let file = file::text(scenario, &scenario.config(node, &Changes::default()));
    Station::new(machine, wire, file.into_bytes(), cuts)
}
