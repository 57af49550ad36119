//! A thousand virtual routers on each of two machines with four networks: what one supervisor does for
//! one router, it does for all of them, each by its own timers.
//!
//! A scenario has one router and one interface for each node; here, a machine is one supervisor on four
//! of the simulator's hosts, one for each interface.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use openproxy_core::event::EventKind;
use openproxy_core::io::{
    AddressChange, Announcement, Arrival, Command, Completion, Inbox, InterfaceIndex, KernelEvent,
    KernelSnapshot, MacAddress, Output, ResetConnections, SendAdvert, SocketId,
};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::time::Instant;
use openproxy_core::vrrp::{
    AdverInterval, AdvertPriority, Family, Priority, RouterConfig, RouterKey, StateName, Version,
    Vip, Vrid,
};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::{Clock, SimTime};
use openproxy_io_sim::draw::Draws;
use openproxy_io_sim::frame::Frame;
use openproxy_io_sim::host::{Host, Surroundings};
use openproxy_io_sim::kernel::{Cause, Kernel};
use openproxy_io_sim::lan::{Delivery, Lan};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);
const NETWORKS: u8 = 4;
const ROUTERS: u8 = 250;
const ALL: usize = NETWORKS as usize * ROUTERS as usize;
const INTERVAL: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_micros(500);
/// For each operation on an address.
const KERNEL_TAKES_MAX: Duration = Duration::from_micros(100);
/// Of priorities 150 and 100.
const SKEWS: [Duration; 2] = [Duration::from_nanos(414_062_500), Duration::from_nanos(609_375_000)];

/// A virtual router: its network and its VRID.
type Router = (u8, u8);

fn vip((network, vrid): Router) -> Vip {
    Vip { ip: Ipv4Addr::new(10, network, 1, vrid).into(), prefix_len: 16 }
}

fn own(network: u8, node: NodeId) -> (IpAddr, u8) {
    (Ipv4Addr::new(10, network, 0, 1 + node.0).into(), 16)
}

fn routers() -> impl Iterator<Item = Router> {
    (0..NETWORKS).flat_map(|network| (1..=ROUTERS).map(move |vrid| (network, vrid)))
}

fn config((network, vrid): Router, node: NodeId) -> RouterConfig {
    let key = RouterKey {
        interface: format!("eth{network}").as_str().into(),
        vrid: Vrid::new(vrid).expect("in range"),
        family: Family::V4,
    };
    let priority = Priority::new(if node == A { 150 } else { 100 }).expect("in range");
    let interval = AdverInterval::from_centis(100).expect("in range");
    RouterConfig::plain(key, Version::V3, priority, interval, [vip((network, vrid))].into())
}

/// What is between the machines on one network.
#[derive(Debug)]
struct Net {
    network: u8,
    now: SimTime,
    lan: Lan,
    flights: BTreeMap<(SimTime, u64), (NodeId, Frame)>,
    flown: u64,
    /// When somebody last said that he is MASTER, by VRID.
    advertised: BTreeMap<u8, SimTime>,
}

impl Surroundings for Net {
    fn send(&mut self, node: NodeId, send: &SendAdvert) {
        if let AdvertPriority::Of(_) = send.advert.priority {
            self.advertised.insert(send.advert.vrid.get(), self.now);
        }
        let owners = [A, B].map(|node| (own(self.network, node).0, node));
        let mut deliveries = Vec::new();
        let deliver = |delivery| deliveries.push(delivery);
        self.lan.send(self.now, node, send, &owners, deliver, |_| {});
        for Delivery { to, at, frame } in deliveries {
            self.flown += 1;
            self.flights.insert((at, self.flown), (to, frame));
        }
    }

    fn announce(&mut self, _: NodeId, _: &Announcement) {}

    fn connections_reset(&mut self, _: NodeId, _: &ResetConnections) {}

    fn address_changed(&mut self, _: NodeId, _: &AddressChange, _: Cause) {}
}

/// What a process on a machine has open, one host for each interface.
#[derive(Debug)]
struct Ports {
    hosts: Vec<Host>,
    sockets: BTreeMap<SocketId, usize>,
    current: Option<Frame>,
    /// Of the interfaces that have answered so far.
    dumped: Vec<KernelSnapshot>,
}

impl Ports {
    fn position(index: InterfaceIndex) -> usize {
        usize::try_from(index.0).expect("few") - 1
    }

    fn perform(&mut self, now: Instant, output: Output, nets: &mut [Net]) {
        let position = match &output {
            Output::Address(request) => Self::position(request.index),
            Output::Announce(announcement) => Self::position(announcement.index),
            Output::WatchClaims(watch) => Self::position(watch.index),
            Output::ResetConnections(reset) => Self::position(reset.index),
            Output::SendAdvert(send) => self.sockets[&send.socket],
            Output::CloseSocket(id) => self.sockets[id],
            Output::OpenSocket(id, spec) => {
                let position = Self::position(spec.index);
                self.sockets.insert(*id, position);
                position
            }
            Output::PromoteSecondaries(name) => {
                let is_it = |host: &Host| host.kernel.link().name == *name;
                self.hosts.iter().position(is_it).expect("one of these")
            }
            Output::Dump => {
                for (host, net) in self.hosts.iter_mut().zip(nets) {
                    host.perform(now, Output::Dump, net);
                }
                return;
            }
            Output::RunHook(_)
            | Output::KillHook(_)
            | Output::RunCheck(..)
            | Output::CancelCheck(_)
            | Output::Guard(_)
            | Output::Event(_) => return,
        };
        self.hosts[position].perform(now, output, &mut nets[position]);
        self.hosts[position].tell_changes(&mut nets[position]);
    }

    fn due_at(&self) -> Instant {
        self.hosts.iter().map(Host::due_at).min().expect("some")
    }

    fn has_news(&self) -> bool {
        self.hosts.iter().any(Host::has_news)
    }
}

impl Inbox for Ports {
    fn next_kernel_event(&mut self) -> Option<KernelEvent> {
        self.hosts.iter_mut().find_map(Inbox::next_kernel_event)
    }

    fn next_arrival(&mut self) -> Option<Arrival<'_>> {
        let (socket, at, frame) = self.hosts.iter_mut().find_map(Host::take_arrival)?;
        let datagram = self.current.insert(frame).datagram();
        Some(Arrival { socket, at, datagram })
    }

    fn next_completion(&mut self) -> Option<Completion> {
        loop {
            let completion = self.hosts.iter_mut().find_map(Inbox::next_completion)?;
            let Completion::Dump(snapshot) = completion else { return Some(completion) };
            self.dumped.extend(snapshot);
            if self.dumped.len() == self.hosts.len() {
                let dumped = std::mem::take(&mut self.dumped);
                let links = dumped.iter().flat_map(|dump| dump.links.clone()).collect();
                let addresses = dumped.into_iter().flat_map(|dump| dump.addresses).collect();
                return Some(Completion::Dump(Some(KernelSnapshot { links, addresses })));
            }
        }
    }

    fn next_claim(&mut self) -> Option<(InterfaceIndex, IpAddr, MacAddress)> {
        None
    }

    fn next_command(&mut self) -> Option<Command> {
        None
    }
}

#[derive(Debug)]
struct Machine {
    node: NodeId,
    ports: Ports,
    supervisor: Option<Supervisor>,
}

impl Machine {
    fn new(node: NodeId) -> Self {
        let draws = Draws::new(1);
        let host = |network: u8| {
            let name = format!("eth{network}").as_str().into();
            let index = InterfaceIndex(u32::from(network) + 1);
            let kernel = Kernel::new(node, draws, name, &[own(network, node)]).numbered(index);
            Host::new(node, draws, kernel, KERNEL_TAKES_MAX)
        };
        let ports = Ports {
            hosts: (0..NETWORKS).map(host).collect(),
            sockets: BTreeMap::new(),
            current: None,
            dumped: Vec::new(),
        };
        Self { node, ports, supervisor: None }
    }

    fn start(&mut self) {
        let configs = routers().map(|router| config(router, self.node)).collect();
        self.supervisor = Some(Supervisor::new(configs));
    }

    fn kill(&mut self) {
        self.supervisor = None;
        self.ports.hosts.iter_mut().for_each(Host::kill_process);
        self.ports.dumped.clear();
    }

    fn due_at(&self) -> Instant {
        let turn = self.supervisor.as_ref().map_or(Instant::MAX, |supervisor| {
            if self.ports.has_news() { Instant::ZERO } else { supervisor.poll_timeout() }
        });
        turn.min(self.ports.due_at())
    }

    /// How many VIPs its kernel has.
    fn held(&self) -> usize {
        let kernel = |network: u8| &self.ports.hosts[usize::from(network)].kernel;
        routers().filter(|router| kernel(router.0).has_ours(vip(*router).ip)).count()
    }
}

/// Two machines, and who entered which state when.
#[derive(Debug)]
struct Fleet {
    now: SimTime,
    nets: Vec<Net>,
    machines: [Machine; 2],
    entered: Vec<(SimTime, NodeId, Router, StateName)>,
}

impl Fleet {
    fn new() -> Self {
        let net = |network: u8| {
            let draws = Draws::new(u64::from(network));
            let lan = Lan::new(draws, 2, DELAY_MAX / 5, DELAY_MAX);
            let (flights, advertised) = (BTreeMap::new(), BTreeMap::new());
            Net { network, now: SimTime::ZERO, lan, flights, flown: 0, advertised }
        };
        Self {
            now: SimTime::ZERO,
            nets: (0..NETWORKS).map(net).collect(),
            machines: [A, B].map(Machine::new),
            entered: Vec::new(),
        }
    }

    fn run_until(&mut self, end: SimTime) {
        let clock = Clock::new(SimTime::ZERO, 0);
        loop {
            let due = self.machines.iter().map(|machine| clock.global(machine.due_at())).min();
            let arrival = |net: &Net| net.flights.first_key_value().map(|((at, _), _)| *at);
            let arrives = self.nets.iter().filter_map(arrival).min();
            let next = due.into_iter().chain(arrives).min().unwrap_or(end).max(self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            self.arrive(clock.local(next));
            for position in 0..self.machines.len() {
                if clock.global(self.machines[position].due_at()) <= next {
                    self.turn(position, clock.local(next));
                }
            }
        }
    }

    fn arrive(&mut self, local: Instant) {
        for net in &mut self.nets {
            net.now = self.now;
            while let Some(entry) = net.flights.first_entry()
                && entry.key().0 <= self.now
            {
                let (to, frame) = entry.remove();
                let host = &mut self.machines[to.index()].ports.hosts[usize::from(net.network)];
                host.receive(local, &frame);
            }
        }
    }

    fn turn(&mut self, position: usize, local: Instant) {
        let Machine { node, ports, supervisor } = &mut self.machines[position];
        for (host, net) in ports.hosts.iter_mut().zip(&mut self.nets) {
            host.advance(local, net);
        }
        let Some(supervisor) = supervisor else { return };
        supervisor.turn(local, ports);
        while let Some(output) = supervisor.poll_output() {
            if let Output::Event(event) = &output
                && let (Some(key), EventKind::StateChanged { to, .. }) =
                    (&event.router, &event.kind)
            {
                let network = key.interface.trim_start_matches("eth").parse().expect("a number");
                self.entered.push((self.now, *node, (network, key.vrid.get()), *to));
            }
            ports.perform(local, output, &mut self.nets);
        }
    }

    /// Each router that became MASTER, on which node, and when; since `since`.
    fn promoted(&self, since: SimTime) -> Vec<(SimTime, NodeId, Router)> {
        let entered =
            self.entered.iter().filter(|(at, _, _, to)| *at >= since && *to == StateName::Master);
        entered.map(|(at, node, router, _)| (*at, *node, *router)).collect()
    }

    fn masters(&self) -> [usize; 2] {
        [A, B].map(|node| {
            let supervisor = self.machines[node.index()].supervisor.as_ref();
            let routers = supervisor.into_iter().flat_map(Supervisor::routers);
            routers.filter(|router| router.state() == StateName::Master).count()
        })
    }

    fn held(&self) -> [usize; 2] {
        [A, B].map(|node| self.machines[node.index()].held())
    }
}

#[test]
fn a_thousand_routers_start_cold_fail_over_and_return_each_in_time() {
    let mut fleet = Fleet::new();
    // Dumps, and then 250 VIPs on each interface, one after the other.
    let settles = KERNEL_TAKES_MAX * 2 + DELAY_MAX;
    let moves = KERNEL_TAKES_MAX * 2 * u32::from(ROUTERS);
    fleet.machines.iter_mut().for_each(Machine::start);
    fleet.run_until(SimTime::from_millis(9_500));
    let promoted = fleet.promoted(SimTime::ZERO);
    assert_eq!(promoted.len(), ALL, "each of them once");
    let by = SimTime::ZERO + INTERVAL * 3 + SKEWS[0] + settles;
    for (at, node, router) in promoted {
        assert!(node == A && at <= by, "{router:?} on {node} at {at}");
    }
    assert_eq!((fleet.masters(), fleet.held()), ([ALL, 0], [ALL, 0]));

    let died_at = fleet.now;
    let advertised: Vec<_> = fleet.nets.iter().map(|net| net.advertised.clone()).collect();
    fleet.machines[A.index()].kill();
    fleet.run_until(SimTime::from_millis(19_500));
    let promoted = fleet.promoted(died_at);
    assert_eq!(promoted.len(), ALL, "each of them once");
    for (at, node, router) in promoted {
        let since = at.since(advertised[usize::from(router.0)][&router.1]);
        let down = INTERVAL * 3 + SKEWS[1];
        assert!(node == B && since >= down && since <= down + DELAY_MAX, "{router:?}: {since:?}");
    }
    assert_eq!((fleet.masters(), fleet.held()), ([0, ALL], [0, ALL]), "leases are over, too");

    let back_at = fleet.now;
    fleet.machines[A.index()].start();
    fleet.run_until(back_at + INTERVAL * 3 + SKEWS[0] + settles + moves);
    assert_eq!((fleet.masters(), fleet.held()), ([ALL, 0], [ALL, 0]), "the better one is back");
    assert_eq!(fleet.promoted(back_at).len(), ALL, "each of them once");
    fleet.run_until(back_at + INTERVAL * 20);
    assert_eq!(fleet.promoted(back_at).len(), ALL, "and for good");
}
