//! A machine, as this runner keeps it.

use openproxy_core::supervisor::Supervisor;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::{Clock, SimTime};
use openproxy_io_sim::host::Host;

use crate::scenario::{Changes, Scenario};

/// A machine and the process on it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) host: Host,
    pub(super) clock: Clock,
    pub(super) supervisor: Option<Supervisor>,
    /// It is the guard of a process that was killed.
    pub(super) is_guard: bool,
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
}
