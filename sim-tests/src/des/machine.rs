//! A machine, as this runner keeps it.

use openproxy_core::supervisor::Supervisor;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::{Clock, SimTime};
use openproxy_io_sim::host::Host;

use crate::heir::AwaitedHeir;
use crate::scenario::{Changes, Scenario};

/// A machine and the process on it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) host: Host,
    pub(super) clock: Clock,
    pub(super) supervisor: Option<Supervisor>,
    /// It is the guard of a process that was killed.
    pub(super) is_guard: bool,
    pub(super) heir: Option<AwaitedHeir>,
    pub(super) changes: Changes,
    pub(super) paused: bool,
    /// The process's next turn.
    pub(super) turn_at: SimTime,
    /// The sooner of that and what the machine itself has to do.
    pub(super) due_at: SimTime,
}

impl Machine {
    pub(super) fn new(scenario: &Scenario, node: NodeId) -> Self {
        Self {
            host: scenario.host(node),
            clock: Clock::new(SimTime::ZERO, scenario.nodes[node.index()].drift_ppm),
            supervisor: None,
            is_guard: false,
            heir: None,
            changes: Changes::default(),
            paused: false,
            turn_at: SimTime::MAX,
            due_at: SimTime::MAX,
        }
    }

    /// Whether its process is one that people know of.
    pub(super) fn has_daemon(&self) -> bool {
        self.supervisor.is_some() && !self.is_guard
    }

    /// Whether another program can be executed in its place.
    pub(super) fn can_be_replaced(&self) -> bool {
        self.has_daemon() && !self.paused && !self.host.runs_hook()
    }

    /// Its process is gone, and its guard waits for another from `now` on.
    pub(super) fn await_heir(&mut self, scenario: &Scenario, now: SimTime) {
        let machine = (&self.host, self.clock);
        self.heir = Some(AwaitedHeir::new(scenario, machine, now));
        self.supervisor = None;
        self.host.kill_process();
    }

    /// When its guard waits no longer.
    pub(super) fn heir_until(&self) -> SimTime {
        self.heir.as_ref().map_or(SimTime::MAX, |heir| heir.until)
    }
}
