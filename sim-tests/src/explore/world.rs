//! A small cluster that can be copied at any moment, and everything that can befall it.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use openproxy_core::io::{Command, Completion, Output, SendError};
use openproxy_core::time::Instant;
use openproxy_core::vrrp::StateName;

use super::action::Action;
use super::judge::Judge;
use super::key::{Relative, START_NANOS};
use super::machine::Machine;
use super::setup::{NODES_MAX, Packet, Setup};

/// So many turns in one moment mean that a process will never wait.
const TURNS_AT_ONCE_MAX: u32 = 100;

#[derive(Clone, Copy, Debug, Hash)]
struct Flight {
    at: u64,
    to: u8,
    packet: Packet,
}

/// A cluster at one moment.
#[derive(Clone, Debug)]
pub(super) struct World {
    setup: Rc<Setup>,
    now: u64,
    pub(super) machines: Vec<Machine>,
    flights: Vec<Flight>,
    /// A bit for each pair of which the second doesn't hear the first.
    cuts: u16,
    /// Since when the second of two MASTERs should have heard that the first is better.
    pub(super) dual_since: [Option<u64>; NODES_MAX * NODES_MAX],
    /// Each machine's part of the key, if it is known for this moment.
    digests: [Option<u64>; NODES_MAX],
}

/// What can be seen of a cluster: states, for how long the VIP stays, and what is on its way.
pub(super) type View = (Vec<(StateName, Option<u64>)>, Vec<(u64, u8, Packet)>);

impl World {
    /// All processes have just been started.
    pub(super) fn new(setup: Rc<Setup>, judge: &mut Judge) -> Self {
        let mut world = Self {
            now: START_NANOS,
            machines: vec![Machine::off(); setup.count],
            flights: Vec::new(),
            cuts: 0,
            dual_since: [None; NODES_MAX * NODES_MAX],
            digests: [None; NODES_MAX],
            setup,
        };
        for node in 0..u8::try_from(world.setup.count).unwrap_or(0) {
            world.apply(Action::Start(node), judge);
        }
        world
    }

    pub(super) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Nanoseconds since the start.
    pub(super) fn elapsed(&self) -> u64 {
        self.now - START_NANOS
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// Whether a packet of `from` reaches `to`, if both machines are linked.
    pub(super) fn is_open(&self, from: usize, to: usize) -> bool {
        self.cuts & link(from, to) == 0
    }

    /// A number for everything that decides the future of this cluster.
    pub(super) fn key(&mut self) -> u64 {
        let Self { setup, now, machines, flights, cuts, dual_since, digests } = self;
        for (node, machine) in machines.iter().enumerate() {
            digests[node].get_or_insert_with(|| {
                let mut hasher = Relative::to(*now);
                machine.digest(*now, setup.ahead(node), &mut hasher);
                hasher.finish()
            });
        }
        let mut hasher = Relative::to(*now);
        (now.wrapping_rem(setup.interval), *cuts, flights, dual_since).hash(&mut hasher);
        digests.hash(&mut hasher);
        hasher.finish()
    }

    /// What can be seen of it.
    pub(super) fn view(&self) -> View {
        let machine = |machine: &Machine| (machine.state(), machine.vip.map(|at| at - self.now));
        let flight = |flight: &Flight| (flight.at - self.now, flight.to, flight.packet);
        (self.machines.iter().map(machine).collect(), self.flights.iter().map(flight).collect())
    }

    /// What can go wrong now.
    pub(super) fn faults(&self) -> Vec<Action> {
        let mut list = Vec::new();
        for (position, machine) in self.machines.iter().enumerate() {
            let node = u8::try_from(position).unwrap_or(0);
            if machine.process.is_some() {
                list.push(Action::Kill(node));
            }
            if machine.is_running() {
                list.extend([Action::Stop(node), Action::Pause(node)]);
            }
            if machine.powered {
                list.push(Action::PowerLoss(node));
            }
            if machine.plugged {
                list.push(Action::Unplug(node));
            }
            for to in (0..self.machines.len()).filter(|to| *to != position) {
                if self.is_open(position, to) {
                    list.push(Action::Cut(node, u8::try_from(to).unwrap_or(0)));
                }
            }
        }
        list
    }

    /// What can be over now.
    pub(super) fn ends(&self) -> Vec<Action> {
        let mut list = Vec::new();
        for (position, machine) in self.machines.iter().enumerate() {
            let node = u8::try_from(position).unwrap_or(0);
            if machine.process.is_none() {
                list.push(if machine.powered { Action::Start(node) } else { Action::Boot(node) });
            }
            if machine.missed_at.is_some() {
                list.push(Action::Resume(node));
            }
            if !machine.plugged {
                list.push(Action::Plug(node));
            }
            for to in (0..self.machines.len()).filter(|to| *to != position) {
                if !self.is_open(position, to) {
                    list.push(Action::Mend(node, u8::try_from(to).unwrap_or(0)));
                }
            }
        }
        list
    }

    /// Does something to the cluster; whoever notices at once acts at once.
    pub(super) fn apply(&mut self, action: Action, judge: &mut Judge) {
        let (Action::Kill(node)
        | Action::Stop(node)
        | Action::PowerLoss(node)
        | Action::Pause(node)
        | Action::Unplug(node)
        | Action::Cut(node, _)
        | Action::Start(node)
        | Action::Boot(node)
        | Action::Resume(node)
        | Action::Plug(node)
        | Action::Mend(node, _)) = action;
        let node = usize::from(node);
        let now = self.now;
        let setup = Rc::clone(&self.setup);
        if let Action::Cut(_, to) | Action::Mend(_, to) = action {
            self.cuts ^= link(node, usize::from(to));
            return judge.look(self);
        }
        self.digests[node] = None;
        let next_turn = self.next_turn(node);
        let machine = &mut self.machines[node];
        match action {
            Action::Kill(_) => machine.end_process(),
            Action::Stop(_) => {
                machine.queue(now, |queues| queues.command = Some(Command::Shutdown));
            }
            Action::PowerLoss(_) => {
                machine.end_process();
                machine.vip = None;
                machine.powered = false;
            }
            Action::Pause(_) => machine.missed_at = Some(next_turn),
            Action::Resume(_) => machine.missed_at = None,
            Action::Unplug(_) | Action::Plug(_) => {
                machine.plugged = matches!(action, Action::Plug(_));
                machine.tell_link(now, node);
            }
            Action::Start(_) | Action::Boot(_) => {
                machine.powered = true;
                machine.process = Some(setup.fresh(node));
            }
            Action::Cut(..) | Action::Mend(..) => {}
        }
        self.turns(node, judge);
        judge.look(self);
    }

    /// Lets a quantum of time pass in which nothing befalls the cluster.
    pub(super) fn pass(&mut self, judge: &mut Judge) {
        let end = self.now + self.setup.quantum;
        self.digests = [None; NODES_MAX];
        judge.begin(self);
        loop {
            let next = self.next_at();
            if next > end {
                break;
            }
            self.now = next;
            judge.tick(self.now);
            self.happen(judge);
            judge.look(self);
        }
        self.now = end;
        judge.tick(end);
        for machine in &mut self.machines {
            if machine.missed_at.is_some_and(|at| at.saturating_add(self.setup.pause_max) <= end) {
                // Pauses end here, as if by a kill: whoever goes on even later finds the same, with
                // more adverts unread.
                judge.assert(machine.vip.is_none(), || "a lease outlives a long pause".to_owned());
                machine.end_process();
            }
        }
    }

    fn next_at(&self) -> u64 {
        let mut next = self.flights.iter().map(|flight| flight.at).min().unwrap_or(u64::MAX);
        for (node, machine) in self.machines.iter().enumerate() {
            next = next.min(machine.vip.unwrap_or(u64::MAX)).min(self.turn_at(node));
        }
        next
    }

    fn turn_at(&self, node: usize) -> u64 {
        let due = match &self.machines[node].process {
            Some(process) if self.machines[node].is_running() => process.supervisor.poll_timeout(),
            Some(_) | None => Instant::MAX,
        };
        if due == Instant::MAX { u64::MAX } else { due.as_nanos() - self.setup.ahead(node) }
    }

    /// When a process takes its next turn at the latest. It is known of a MASTER from its lease,
    /// since the core also wakes to tell its neighbours, which is no part of a state.
    fn next_turn(&self, node: usize) -> u64 {
        let renewed_at = self.machines[node].vip.map(|gone_at| gone_at - self.setup.lease());
        renewed_at.map_or_else(|| self.turn_at(node), |at| at + self.setup.interval)
    }

    /// Does what is due now: first what arrives, then what kernels do, then what processes do.
    fn happen(&mut self, judge: &mut Judge) {
        let now = self.now;
        let Self { setup, flights, machines, .. } = self;
        flights.retain(|flight| {
            if flight.at <= now {
                deliver(setup, machines, now, flight);
            }
            flight.at > now
        });
        let setup = Rc::clone(&self.setup);
        for node in 0..setup.count {
            let machine = &mut self.machines[node];
            if machine.vip.is_some_and(|gone_at| gone_at <= now) {
                machine.remove_vip(now, &setup);
            }
            if machine.is_running() && (machine.has_news() || self.turn_at(node) <= now) {
                self.turns(node, judge);
            }
        }
    }

    /// A process takes turns until it has nothing more to do.
    fn turns(&mut self, node: usize, judge: &mut Judge) {
        if !self.machines[node].is_running() {
            return;
        }
        let (setup, now) = (Rc::clone(&self.setup), self.now);
        judge.before_turns(&self.machines[node]);
        for taken in 1.. {
            assert!(taken < TURNS_AT_ONCE_MAX, "n{node} never waits");
            let Some(process) = self.machines[node].process_mut() else { break };
            process.turn(now, setup.ahead(node), &setup);
            while let Some(process) = self.machines[node].process_mut()
                && let Some(output) = process.supervisor.poll_output()
            {
                self.perform(node, output, &setup, judge);
            }
            let machine = &mut self.machines[node];
            if machine.process.as_ref().is_some_and(|process| process.supervisor.is_finished()) {
                machine.end_process();
            }
            if !machine.has_news() {
                break;
            }
        }
        judge.after_turns(self, node);
    }

    fn perform(&mut self, node: usize, output: Output, setup: &Setup, judge: &mut Judge) {
        let now = self.now;
        let machine = &mut self.machines[node];
        let completion = match output {
            Output::Dump => Completion::Dump(Some(machine.snapshot(setup, node))),
            Output::OpenSocket(id, _) => {
                machine.queue(now, |queues| queues.socket = Some(id));
                Completion::Socket(id, Ok(()))
            }
            Output::CloseSocket(_) => {
                return machine.queue(now, |queues| {
                    queues.socket = None;
                    queues.arrivals.clear();
                });
            }
            Output::Address(request) => {
                assert!(request.vip == setup.vip, "an address that isn't the VIP");
                let result = machine.operate(now, setup, request.operation);
                Completion::Address(request.router, request.generation, result)
            }
            Output::SendAdvert(send) => {
                let packet = setup.packet(node, &send);
                judge.sent(packet);
                let result = self.send(node, packet);
                Completion::AdvertSent(send.router, send.generation, result)
            }
            Output::Event(event) => return judge.told(&event),
            // Neighbours, clients and guards aren't part of this world.
            Output::Announce(_)
            | Output::ResetConnections(_)
            | Output::WatchClaims(_)
            | Output::PromoteSecondaries(_)
            | Output::Guard(_) => return,
            Output::RunHook(_)
            | Output::KillHook(_)
            | Output::RunCheck(..)
            | Output::CancelCheck(_) => unreachable!("no hooks and no checks are configured"),
        };
        self.machines[node].queue(now, |queues| queues.completions.push_back(completion));
    }

    fn send(&mut self, node: usize, packet: Packet) -> Result<(), SendError> {
        if !self.machines[node].is_linked() {
            return Err(SendError::Down);
        }
        for to in (0..self.setup.count).filter(|to| *to != node) {
            if self.is_open(node, to) {
                let (at, to) = (self.now + self.setup.travel, u8::try_from(to).unwrap_or(0));
                self.flights.push(Flight { at, to, packet });
            }
        }
        Ok(())
    }
}

/// A packet arrives. If it is the one that went out with the last renewal, that is noted.
fn deliver(setup: &Setup, machines: &mut [Machine], now: u64, flight: &Flight) {
    let (from, to) = (usize::from(flight.packet.from), usize::from(flight.to));
    if !machines[to].hears() {
        return;
    }
    machines[to].queue(now, |queues| queues.arrivals.push_back((now, flight.packet)));
    let renewed_at = machines[from].vip.map(|gone_at| gone_at - setup.lease());
    // Priority 0 makes nobody wait for the lease.
    if !flight.packet.releases && renewed_at.is_some_and(|at| at + setup.travel == now) {
        machines[from].renewal_heard |= 1 << to;
    }
}

fn link(from: usize, to: usize) -> u16 {
    1 << (from * NODES_MAX + to)
}
