//! Waiting for the program that takes the place of another, as a guard does.

use openproxy_core::vrrp::{HEIR_WITHIN, Inheritance, heir_until};
use openproxy_io_sim::clock::{Clock, SimTime};
use openproxy_io_sim::host::Host;

use crate::scenario::Scenario;

/// Whom the guard of a machine waits for, while no process runs.
#[derive(Clone, Debug)]
pub(crate) struct AwaitedHeir {
    /// Who hasn't come by then finds the guard at work.
    pub(crate) until: SimTime,
    /// What was served until now.
    pub(crate) estate: Vec<Inheritance>,
}

impl AwaitedHeir {
    /// The wait begins, before the process that runs on the machine ends.
    pub(crate) fn new(scenario: &Scenario, (host, clock): (&Host, Clock), now: SimTime) -> Self {
        let local = clock.local(now);
        let estate = host.estate_to_heir(local);
        let until = heir_until(&estate, local + HEIR_WITHIN);
        Self { until: scenario.timer(clock.global(until)), estate }
    }
}
