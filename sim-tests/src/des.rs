//! The discrete-event runner: the production core on simulated machines, from event to event, without
//! tokio and without waiting.

#![expect(clippy::wildcard_enum_match_arm, reason = "all outputs but events go to the machine")]

mod faults;
mod machine;
mod net;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use openproxy_core::io::Output;
use openproxy_core::supervisor::Supervisor;
use openproxy_core::vrrp::Inheritance;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::host::{Agenda, TURNS_AT_ONCE_MAX};
use openproxy_io_sim::neighbours::{Claim, Neighbours};

use crate::observe::{End, Observation, Observer};
use crate::scenario::Scenario;
use crate::timetable::Timetable;
use machine::Machine;
use net::Net;

/// How much happened in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Turns taken.
    pub turns: u64,
    /// Packets that arrived.
    pub arrivals: u64,
    /// Everything else: operations, expiries, faults, announcements heard.
    pub others: u64,
}

impl Tally {
    /// All of it.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.turns + self.arrivals + self.others
    }
}

/// A run.
#[derive(Debug)]
pub struct Des<'s, O> {
    scenario: &'s Scenario,
    net: Net<O>,
    machines: Vec<Machine>,
    timetable: Timetable<'s>,
    tally: Tally,
}

impl<'s, O: Observer> Des<'s, O> {
    /// A cluster at the start of its scenario.
    #[must_use]
    pub fn new(scenario: &'s Scenario, observer: O) -> Self {
        let owners = scenario.ids().map(|node| (scenario.own_address(node).0, node)).collect();
        Self {
            scenario,
            net: Net {
                now: SimTime::ZERO,
                lan: scenario.lan(),
                neighbours: Neighbours::default(),
                flights: BinaryHeap::with_capacity(32),
                frames: Vec::with_capacity(32),
                free: Vec::with_capacity(32),
                flown: 0,
                deliveries: Vec::with_capacity(32),
                owners,
                observer,
            },
            machines: scenario.ids().map(|node| Machine::new(scenario, node)).collect(),
            timetable: Timetable::new(scenario),
            tally: Tally::default(),
        }
    }

    /// Runs to the scenario's end, or until the observer has seen enough.
    pub fn run(&mut self) {
        while !self.net.observer.is_satisfied() && self.step(self.scenario.end) {}
        if !self.net.observer.is_satisfied() {
            self.net.now = self.scenario.end;
        }
    }

    /// How far it got, how much happened, and the observer.
    #[must_use]
    pub fn into_parts(self) -> (SimTime, Tally, O) {
        (self.net.now, self.tally, self.net.observer)
    }

    /// Does what is due next, if that is not after `end`.
    fn step(&mut self, end: SimTime) -> bool {
        let mut node = usize::MAX;
        let mut next = SimTime::MAX;
        for (position, machine) in self.machines.iter().enumerate() {
            if machine.due_at < next {
                (next, node) = (machine.due_at, position);
            }
        }
        let flight = self.net.flights.peek().map_or(SimTime::MAX, |Reverse(flight)| flight.at);
        let rare = self.rare_at();
        if next.min(flight).min(rare) > end {
            return false;
        }
        // In one moment: what befalls the cluster, then what arrives, then what the nodes do.
        if rare <= flight && rare <= next {
            self.net.now = rare;
            self.rare();
        } else if flight <= next {
            self.net.now = flight;
            self.arrive();
        } else {
            self.net.now = next;
            self.wake(node);
        }
        true
    }

    /// When something of the seldom kinds is due.
    fn rare_at(&self) -> SimTime {
        self.timetable.due_at().min(self.net.neighbours.due_at())
    }

    fn rare(&mut self) {
        let now = self.net.now;
        self.tally.others += 1;
        if let Some(entry) = self.timetable.next(now) {
            return self.befall(entry);
        }
        if let Some(Claim { to, ip, mac }) = self.net.neighbours.next_claim(now) {
            self.machines[to.index()].host.hear_claim(ip, mac);
            return self.schedule(to.index());
        }
        let Net { neighbours, observer, .. } = &mut self.net;
        neighbours.hear(now, |ip, holder| observer.observe(now, holder, Observation::Client(ip)));
    }

    fn arrive(&mut self) {
        let Some(Reverse(flight)) = self.net.flights.pop() else { return };
        let Net { frames, free, now, observer, .. } = &mut self.net;
        let frame = &frames[flight.slot];
        free.push(flight.slot);
        self.tally.arrivals += 1;
        let machine = &mut self.machines[flight.to.index()];
        let local = machine.clock.local(*now);
        if machine.host.receive(local, frame) {
            let heard = Observation::Heard { from: flight.from, frame };
            observer.observe(*now, flight.to, heard);
            if !machine.paused && machine.supervisor.is_some() {
                machine.turn_at = machine.turn_at.min(*now);
                machine.due_at = machine.due_at.min(*now);
            }
        }
    }

    /// A machine does what is due on it: its kernel first, then its process.
    fn wake(&mut self, position: usize) {
        let machine = &mut self.machines[position];
        let now = self.net.now;
        let local = machine.clock.local(now);
        if machine.host.due_at() <= local {
            self.tally.others += 1;
            machine.host.advance(local, &mut self.net);
        }
        if machine.heir_until() <= now
            && let Some(heir) = machine.heir.take()
        {
            let node = machine.host.node;
            return self.guard(node, &heir.estate);
        }
        if machine.turn_at <= now || machine.host.has_news() {
            self.turns(position);
        }
        self.schedule(position);
    }

    fn turns(&mut self, position: usize) {
        let machine = &mut self.machines[position];
        let Some(supervisor) = &mut machine.supervisor else { return };
        if machine.paused {
            return;
        }
        let (node, now) = (machine.host.node, self.net.now);
        let local = machine.clock.local(now);
        for taken in 1.. {
            self.tally.turns += 1;
            let agenda = if supervisor.poll_timeout() <= local {
                Agenda::Anything
            } else {
                machine.host.agenda()
            };
            self.net.observer.observe(now, node, Observation::Turning(supervisor, agenda));
            supervisor.turn(local, &mut machine.host);
            while let Some(output) = supervisor.poll_output() {
                match &output {
                    Output::Event(event) => {
                        self.net.observer.observe(now, node, Observation::Event(event));
                    }
                    _ => machine.host.perform(local, output, &mut self.net),
                }
            }
            machine.host.tell_changes(&mut self.net);
            let again = machine.host.has_news();
            let wait = supervisor.poll_timeout().since(local);
            let turned = Observation::Turned { supervisor, again, wait };
            self.net.observer.observe(now, node, turned);
            if !again || taken == TURNS_AT_ONCE_MAX {
                break;
            }
        }
        if supervisor.is_finished() {
            machine.supervisor = None;
            machine.is_guard = false;
            machine.host.kill_process();
            self.net.observer.observe(now, node, Observation::Ended(End::Finished));
        }
    }

    /// Finds out when a machine is due next.
    fn schedule(&mut self, position: usize) {
        let machine = &mut self.machines[position];
        machine.turn_at = match &machine.supervisor {
            Some(supervisor) if !machine.paused => {
                if machine.host.has_news() {
                    self.net.now
                } else {
                    let at = machine.clock.global(supervisor.poll_timeout());
                    self.scenario.timer(at).max(self.net.now)
                }
            }
            Some(_) | None => SimTime::MAX,
        };
        let own = machine.host.due_at();
        // Most often nothing is due on the machine itself for a while; its lease is still far off.
        machine.due_at = machine.turn_at.min(machine.clock.global(own)).min(machine.heir_until());
    }

    fn start(&mut self, node: NodeId) {
        let machine = &mut self.machines[node.index()];
        let estate = match &machine.supervisor {
            None => machine.heir.take().map(|heir| heir.estate).unwrap_or_default(),
            Some(guard) if machine.is_guard => guard.estate(machine.clock.local(self.net.now)),
            Some(_) => return,
        };
        machine.host.kill_process();
        let config = self.scenario.config(node, &machine.changes);
        self.net.observer.observe(self.net.now, node, Observation::Started(&config));
        let process = Supervisor::new(vec![config]).inheriting(&estate);
        let process = if self.scenario.guarded { process.guarded() } else { process };
        machine.supervisor = Some(process);
        (machine.is_guard, machine.paused) = (false, false);
        self.wake_process(node);
    }

    /// A process takes its first turn now.
    fn wake_process(&mut self, node: NodeId) {
        self.schedule(node.index());
        let machine = &mut self.machines[node.index()];
        (machine.due_at, machine.turn_at) = (self.net.now, self.net.now);
    }

    /// A process is killed, and its guard goes on.
    fn die(&mut self, node: NodeId) {
        let machine = &mut self.machines[node.index()];
        if machine.has_daemon() {
            let estate = machine.host.estate();
            machine.host.kill_process();
            self.guard(node, &estate);
        }
    }

    /// Where a process was, its guard begins to hand over.
    fn guard(&mut self, node: NodeId, estate: &[Inheritance]) {
        let machine = &mut self.machines[node.index()];
        machine.supervisor = Some(Supervisor::guard(estate));
        (machine.is_guard, machine.paused) = (true, false);
        self.net.observer.observe(self.net.now, node, Observation::Guarded);
        self.wake_process(node);
    }

    /// Another program is executed in place of a process.
    fn replace(&mut self, node: NodeId) {
        let (now, machine) = (self.net.now, &mut self.machines[node.index()]);
        if self.scenario.guarded && machine.can_be_replaced() {
            machine.await_heir(self.scenario, now);
            self.net.observer.observe(now, node, Observation::Ended(End::Replaced));
        }
    }

    fn end(&mut self, node: NodeId, end: End) {
        let machine = &mut self.machines[node.index()];
        machine.host.kill_process();
        (machine.is_guard, machine.heir) = (false, None);
        if machine.supervisor.take().is_some() {
            self.net.observer.observe(self.net.now, node, Observation::Ended(end));
        }
    }
}
