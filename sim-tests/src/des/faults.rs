//! What befalls the cluster: faults, strangers, and the life of processes.

#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::collapsible_match,
    reason = "few faults concern the process"
)]

use openproxy_core::io::Command;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::Clock;

use super::Des;
use crate::fault::{Fault, FaultKind, apply_to_host, apply_to_lan};
use crate::observe::{End, Observation, Observer};
use crate::timetable::Entry;

impl<'s, O: Observer> Des<'s, O> {
    pub(super) fn befall(&mut self, entry: Entry<'s>) {
        match entry {
            Entry::Start(node) => self.start(node),
            Entry::Edge(fault, begins) => self.turn_fault(fault, begins),
            Entry::Stranger(packet) => {
                for (to, frame) in packet.frames(self.scenario) {
                    self.net.fly(packet.at, to, None, frame);
                }
            }
        }
    }

    fn turn_fault(&mut self, fault: &'s Fault, begins: bool) {
        let count = self.scenario.count();
        let first = fault.kind.nodes(count).first().copied().unwrap_or(NodeId(0));
        self.net.observer.observe(self.net.now, first, Observation::Fault(fault, begins));
        apply_to_lan(&mut self.net.lan, count, &fault.kind, begins);
        let Some(node) = fault.kind.node() else { return };
        let machine = &mut self.machines[node.index()];
        apply_to_host(&mut machine.host, self.scenario, &fault.kind, begins);
        machine.host.tell_changes(&mut self.net);
        self.turn_process(node, &fault.kind, begins);
        self.schedule(node.index());
    }

    /// What a fault does to a process.
    fn turn_process(&mut self, node: NodeId, kind: &FaultKind, begins: bool) {
        let now = self.net.now;
        let machine = &mut self.machines[node.index()];
        match kind {
            FaultKind::Kill { .. } if begins => self.end(node, End::Killed),
            FaultKind::Death { .. } if begins => self.die(node),
            FaultKind::Upgrade { .. } if begins => self.replace(node),
            FaultKind::PowerLoss { .. } if begins => {
                self.end(node, End::PowerLost);
                let own = self.scenario.own_address(node);
                let machine = &mut self.machines[node.index()];
                machine.host.kernel.reboot(&[own]);
                machine.host.kernel.set_running(false);
                machine.host.tell_changes(&mut self.net);
            }
            FaultKind::PowerLoss { .. } => {
                let drift = self.scenario.nodes[node.index()].drift_ppm;
                machine.clock = Clock::new(now, drift);
                machine.host.kernel.set_running(true);
                self.start(node);
            }
            FaultKind::Stop { .. } if begins => {
                if machine.has_daemon() {
                    machine.host.command(Command::Shutdown);
                    self.net.observer.observe(now, node, Observation::Asked);
                }
            }
            FaultKind::Kill { .. } | FaultKind::Death { .. } | FaultKind::Upgrade { .. } => {
                self.start(node);
            }
            FaultKind::Stop { .. } => {
                // Whoever hasn't ended by now is killed, as a service manager would.
                self.end(node, End::Killed);
                self.start(node);
            }
            FaultKind::Pause { .. } => {
                if machine.has_daemon() && machine.paused != begins {
                    machine.paused = begins;
                    let told = if begins { Observation::Paused } else { Observation::Resumed };
                    self.net.observer.observe(now, node, told);
                    if !begins {
                        self.turns(node.index());
                    }
                }
            }
            FaultKind::Reload { change, .. } if begins => {
                machine.changes.apply(*change);
                if machine.has_daemon() {
                    let config = self.scenario.config(node, &machine.changes);
                    self.net.observer.observe(now, node, Observation::Reloaded(&config));
                    machine.host.command(Command::Reload(vec![config]));
                }
            }
            _ => {}
        }
    }
}
