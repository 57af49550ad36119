//! Begins and ends of faults, applied between two of turmoil's steps.

use std::rc::Rc;

use openproxy_core::vrrp::Inheritance;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::Clock;
use openproxy_io_sim::neighbours::Claim;
use openproxy_io_sim::platform::{Held, turmoil_address};

use super::TurmoilWorld;
use super::process::Signal;
use crate::fault::{Fault, FaultKind, apply_to_host, apply_to_lan};
use crate::heir::AwaitedHeir;
use crate::observe::{End, Observation, Observer};
use crate::timetable::Entry;

impl<O: Observer> TurmoilWorld<'_, O> {
    /// What befalls the cluster by now, in the order of the discrete-event runner.
    pub(super) fn befall(&mut self) {
        let now = self.now;
        while let Some(entry) = self.timetable.next(now) {
            match entry {
                Entry::Start(node) => self.start(node),
                Entry::Edge(fault, begins) => self.turn_fault(fault, begins),
                // A stranger has no host: its packets come out of the wire.
                Entry::Stranger(packet) => {
                    for (to, frame) in packet.frames(self.scenario) {
                        self.wire.borrow_mut().hold(packet.at, Held { to, from: None, frame });
                    }
                }
            }
        }
        let mut wire = self.wire.borrow_mut();
        while let Some(Claim { to, ip, mac }) = wire.neighbours.next_claim(now) {
            let machine = &self.stations[to.index()].machine;
            machine.host.borrow_mut().hear_claim(ip, mac);
            machine.wake();
        }
        let observer = &mut self.observer;
        let changed = |ip, holder| observer.observe(now, holder, Observation::Client(ip));
        wire.neighbours.hear(now, changed);
    }

    fn turn_fault(&mut self, fault: &Fault, begins: bool) {
        let scenario = self.scenario;
        let count = scenario.count();
        let first = fault.kind.nodes(count).first().copied().unwrap_or(NodeId(0));
        self.observer.observe(self.now, first, Observation::Fault(fault, begins));
        apply_to_lan(&mut self.wire.borrow_mut().lan, count, &fault.kind, begins);
        let Some(node) = fault.kind.node() else { return };
        let machine = &self.stations[node.index()].machine;
        apply_to_host(&mut machine.host.borrow_mut(), scenario, &fault.kind, begins);
        machine.wake();
        self.tell_changes(node);
        if begins {
            self.strike(node, &fault.kind);
        } else {
            self.relieve(node, &fault.kind);
        }
        self.tell_changes(node);
    }

    /// Tells of what was done to a kernel from outside.
    fn tell_changes(&mut self, node: NodeId) {
        let mut wire = self.wire.borrow_mut();
        wire.set_time(self.now);
        self.stations[node.index()].machine.host.borrow_mut().tell_changes(&mut *wire);
        drop(wire);
        self.pass_on();
    }

    /// What a fault does to a process when it begins.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others do nothing to it")]
    fn strike(&mut self, node: NodeId, kind: &FaultKind) {
        let now = self.now;
        let station = Rc::clone(&self.stations[node.index()]);
        let machine = &station.machine;
        let runs = station.has_daemon();
        match kind {
            FaultKind::Kill { .. } => self.end(node, End::Killed),
            FaultKind::Death { .. } if runs => {
                let estate = machine.host.borrow().estate();
                machine.end_process();
                self.guard(node, estate);
            }
            FaultKind::Upgrade { .. } if runs && machine.gate.is_open() => self.replace(node),
            FaultKind::PowerLoss { .. } => {
                self.end(node, End::PowerLost);
                let kernel = &mut machine.host.borrow_mut().kernel;
                kernel.reboot(&[self.scenario.own_address(node)]);
                kernel.set_running(false);
            }
            FaultKind::Stop { .. } if runs => {
                station.signal(Signal::Terminate);
                self.observer.observe(now, node, Observation::Asked);
            }
            FaultKind::Pause { .. } if runs && machine.gate.is_open() => {
                machine.gate.close();
                self.observer.observe(now, node, Observation::Paused);
            }
            FaultKind::Reload { change, .. } => {
                self.changes[node.index()].apply(*change);
                self.write_file(node, self.configured_file(node));
                self.hang_up(node);
            }
            _ => {}
        }
    }

    /// What the end of a fault does to a process.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others do nothing to it")]
    fn relieve(&mut self, node: NodeId, kind: &FaultKind) {
        let now = self.now;
        let station = Rc::clone(&self.stations[node.index()]);
        let machine = &station.machine;
        match kind {
            FaultKind::Kill { .. } | FaultKind::Death { .. } | FaultKind::Upgrade { .. } => {
                self.start(node);
            }
            FaultKind::PowerLoss { .. } => {
                let drift = self.scenario.nodes[node.index()].drift_ppm;
                machine.set_clock(Clock::new(now, drift));
                machine.host.borrow_mut().kernel.set_running(true);
                self.start(node);
            }
            FaultKind::Stop { .. } => {
                // Whoever hasn't ended by now is killed, as a service manager would.
                self.end(node, End::Killed);
                self.start(node);
            }
            FaultKind::Pause { .. } if station.has_daemon() && !machine.gate.is_open() => {
                machine.gate.open();
                self.observer.observe(now, node, Observation::Resumed);
            }
            _ => {}
        }
    }

    /// Starts a daemon, if none runs; where a guard does, in its place.
    fn start(&mut self, node: NodeId) {
        let station = &self.stations[node.index()];
        if station.has_guard() {
            station.succeed_guard();
        } else if !station.has_daemon() {
            let heir = station.heir.take();
            station.begin_daemon(heir.map(|heir| heir.estate).unwrap_or_default());
            self.sim.bounce(turmoil_address(node));
        }
    }

    /// Where a process was, its guard begins to hand over.
    fn guard(&mut self, node: NodeId, estate: Vec<Inheritance>) {
        self.stations[node.index()].begin_guard(estate);
        self.sim.bounce(turmoil_address(node));
        self.observer.observe(self.now, node, Observation::Guarded);
    }

    /// Another program is executed in place of a process.
    fn replace(&mut self, node: NodeId) {
        let station = &self.stations[node.index()];
        let machine = &station.machine;
        if !self.scenario.guarded || machine.host.borrow().runs_hook() {
            return;
        }
        let host = machine.host.borrow();
        let heir = AwaitedHeir::new(self.scenario, (&host, machine.clock()), self.now);
        drop(host);
        station.heir.replace(Some(heir));
        machine.end_process();
        self.sim.crash(turmoil_address(node));
        self.observer.observe(self.now, node, Observation::Ended(End::Replaced));
    }

    /// Guards that have waited long enough for another program begin.
    pub(super) fn wait_no_longer(&mut self) {
        for node in self.scenario.ids() {
            let station = &self.stations[node.index()];
            let heir = station.heir.borrow_mut().take_if(|heir| heir.until <= self.now);
            if let Some(heir) = heir {
                self.guard(node, heir.estate);
            }
        }
    }

    /// Ends a process without a word to it.
    fn end(&mut self, node: NodeId, end: End) {
        let station = &self.stations[node.index()];
        let machine = &station.machine;
        station.heir.take();
        let was_running = machine.is_running();
        // Before its future is dropped: what that does must change nothing.
        machine.end_process();
        if was_running {
            self.sim.crash(turmoil_address(node));
            self.observer.observe(self.now, node, Observation::Ended(end));
        }
    }
}
