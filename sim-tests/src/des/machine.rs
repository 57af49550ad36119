//! A machine, as this runner keeps it.

use openproxy_core::supervisor::Supervisor;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::{Clock, SimTime};
use openproxy_io_sim::draw::Draws;
use openproxy_io_sim::host::{HookPlan, Host};
use openproxy_io_sim::kernel::Kernel;

use crate::scenario::{Changes, INTERFACE, Scenario};

/// A machine and the process on it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) host: Host,
    pub(super) clock: Clock,
    pub(super) supervisor: Option<Supervisor>,
    pub(super) changes: Changes,
    pub(super) paused: bool,
    /// The process's next turn.
    pub(super) turn_at: SimTime,
    /// The sooner of that and what the machine itself has to do.
    pub(super) due_at: SimTime,
}

impl Machine {
    pub(super) fn new(scenario: &Scenario, node: NodeId, draws: Draws) -> Self {
        let spec = &scenario.nodes[node.index()];
        let own = scenario.own_address(node);
        let kernel = Kernel::new(node, draws, INTERFACE.into(), &[own]);
        let takes = scenario.kernel_takes_max.since(SimTime::ZERO);
        let mut host = Host::new(node, draws, kernel, takes);
        let takes = spec.hooks_take.map(|takes| takes.since(SimTime::ZERO)).unwrap_or_default();
        host.hook_plan = HookPlan { takes, fails: false };
        Self {
            host,
            clock: Clock::new(SimTime::ZERO, spec.drift_ppm),
            supervisor: None,
            changes: Changes::default(),
            paused: false,
            turn_at: SimTime::MAX,
            due_at: SimTime::MAX,
        }
    }
}
