//! What stays the same through all that befalls a cluster.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use openproxy_core::io::SendAdvert;
use openproxy_core::vrrp::{
    AdvertBuffer, AdvertPriority, Advertisement, KERNEL_LATENESS_MAX, Lease, MULTICAST_V4, Preempt,
    RouterConfig, Version, Vip,
};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::frame::Frame;

use super::machine::nanos;
use super::process::Process;
use super::settings::Configuration;
use crate::scenario::{Changes, Scenario};

/// How long a packet travels.
const TRAVEL: Duration = Duration::from_millis(1);
/// How far the machines' clocks are ahead of the world's: their adverts must not go out together.
const CLOCKS_AHEAD_MILLIS: [u64; NODES_MAX] = [0, 130, 290, 470];
/// The most machines of a cluster that is explored.
pub(super) const NODES_MAX: usize = 4;

/// An advert on its way: every other field is the same in all adverts of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Packet {
    pub(super) from: u8,
    pub(super) releases: bool,
}

/// What stays the same.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) count: usize,
    pub(super) preempt: bool,
    pub(super) vip: Vip,
    pub(super) lease_secs: u32,
    /// All in nanoseconds.
    pub(super) interval: u64,
    pub(super) quantum: u64,
    pub(super) travel: u64,
    pub(super) kernel_late: u64,
    /// Whoever has missed its turn for so long has missed everything: its lease, if it had one, and
    /// all that a BACKUP waits for.
    pub(super) pause_max: u64,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    config: RouterConfig,
    fresh: Rc<Process>,
    own: (IpAddr, u8),
    clock_ahead: u64,
    down: u64,
    adverts: [(Advertisement<Arc<[Vip]>>, Frame); 2],
}

impl Setup {
    pub(super) fn new(configuration: &Configuration) -> Self {
        let mut scenario = Scenario::calm(&configuration.priorities);
        scenario.version = configuration.version;
        scenario.interval_centis = configuration.interval_centis;
        if !configuration.preempt {
            for node in &mut scenario.nodes {
                node.preempt_delay = None;
            }
        }
        assert!(usize::from(scenario.count()) <= NODES_MAX, "so many routers can't be explored");
        let nodes: Vec<_> = scenario.ids().map(|id| Node::new(&scenario, id)).collect();
        let config = &nodes.first().expect("a router").config;
        let lease = Lease::of(config.interval);
        let interval = config.interval.nanos();
        let moments = u64::from(configuration.moments);
        assert!(interval.is_multiple_of(moments), "moments must divide the interval");
        let quantum = interval / moments;
        let longest = nodes.iter().map(|node| node.down).max().unwrap_or(0);
        let gone = nanos(lease.duration() + KERNEL_LATENESS_MAX);
        Self {
            count: nodes.len(),
            preempt: configuration.preempt,
            vip: scenario.vips()[0],
            lease_secs: lease.secs,
            interval,
            quantum,
            travel: nanos(TRAVEL),
            kernel_late: nanos(KERNEL_LATENESS_MAX),
            pause_max: longest.max(gone).next_multiple_of(quantum),
            nodes,
        }
    }

    /// The own address of a machine.
    pub(super) fn own(&self, node: usize) -> (IpAddr, u8) {
        self.nodes[node].own
    }

    /// A process that has just started.
    pub(super) fn fresh(&self, node: usize) -> Rc<Process> {
        Rc::clone(&self.nodes[node].fresh)
    }

    /// How far a machine's clock is ahead.
    pub(super) fn ahead(&self, node: usize) -> u64 {
        self.nodes[node].clock_ahead
    }

    /// A router's master-down interval.
    pub(super) fn down(&self, node: usize) -> u64 {
        self.nodes[node].down
    }

    /// How long the VIP may outlive the last renewal.
    pub(super) fn lease(&self) -> u64 {
        u64::from(self.lease_secs) * 1_000_000_000 + self.kernel_late
    }

    /// How long it may do so at most: from 1.5 s on for less than any BACKUP waits, at 1 s for
    /// 3.25 s, and below for as long as the shortest lease.
    pub(super) fn promised_lease(&self) -> u64 {
        match self.interval {
            1_500_000_000.. => self.interval * 3,
            1_000_000_000.. => 3_250_000_000,
            _ => 2_250_000_000,
        }
    }

    /// Whether `a` wins against `b` in an election.
    pub(super) fn is_better(&self, a: usize, b: usize) -> bool {
        let rank = |node: usize| (self.nodes[node].config.priority, self.nodes[node].own.0);
        rank(a) > rank(b)
    }

    /// Whether `a` has at least the priority of `b`.
    pub(super) fn is_no_lesser(&self, a: usize, b: usize) -> bool {
        self.nodes[a].config.priority >= self.nodes[b].config.priority
    }

    /// The packet of an advert that was sent.
    pub(super) fn packet(&self, node: usize, send: &SendAdvert) -> Packet {
        let adverts = &self.nodes[node].adverts;
        let position = adverts.iter().position(|(advert, _)| *advert == send.advert);
        let position = position.expect("an advert with our priority, or with priority 0");
        Packet { from: u8::try_from(node).unwrap_or(u8::MAX), releases: position == 1 }
    }

    /// A packet byte for byte.
    pub(super) fn frame(&self, packet: Packet) -> &Frame {
        &self.nodes[usize::from(packet.from)].adverts[usize::from(packet.releases)].1
    }
}

impl Node {
    fn new(scenario: &Scenario, id: NodeId) -> Self {
        let config = scenario.config(id, &Changes::default());
        assert!(matches!(config.preempt, Preempt::Never | Preempt::After(Duration::ZERO)));
        let own = scenario.own_address(id);
        let advert = |priority| {
            let advert = Advertisement {
                version: config.version,
                vrid: config.key.vrid,
                priority,
                interval: config.interval,
                checksum: config.checksum,
                addresses: Arc::clone(&config.vips),
            };
            let mut buffer = AdvertBuffer::new();
            let payload = advert.encode(own.0, MULTICAST_V4.into(), &mut buffer);
            let frame = Frame::new(own.0, MULTICAST_V4.into(), payload);
            (advert, frame)
        };
        // RFC 3768 §6.1 and RFC 9568 §6.1. The core's own function is part of what is examined.
        let interval = config.interval.nanos();
        let unit = if config.version == Version::V2 { 1_000_000_000 } else { interval };
        let down = interval * 3 + (unit * (256 - u64::from(config.priority.get()))).div_ceil(256);
        Self {
            adverts: [advert(AdvertPriority::Of(config.priority)), advert(AdvertPriority::Zero)],
            fresh: Rc::new(Process::new(config.clone())),
            own,
            clock_ahead: CLOCKS_AHEAD_MILLIS[id.index()] * 1_000_000,
            down,
            config,
        }
    }
}
