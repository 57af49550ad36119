//! What is known of a cluster at a moment of a run.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each fault changes a few facts, and leaves the others alone"
)]

mod node;

use std::net::IpAddr;
use std::time::Duration;

use openproxy_core::event::Reason;
use openproxy_core::vrrp::{Preempt, Priority, StateName, Version};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::kernel::RefusedOperation;
use openproxy_io_sim::lan::Lan;

use crate::fault::{FaultKind, apply_to_lan};
use crate::scenario::{CHECK_INTERVAL, HOOK_TIMEOUT, Scenario};
pub use node::{Exchange, Heard, Node};

/// How long a router that stepped down, or a socket that failed, may take to come back: the longest
/// back-off, and a little.
const BACK_OFF_MAX: Duration = Duration::from_secs(62);

/// How long after it couldn't be read the kernel's table is read again.
const DUMP_RETRY: Duration = Duration::from_secs(1);

/// How late a kernel may remove what has no lease any more.
const LATENESS: Duration = Duration::from_millis(1_250);

/// All of it.
#[derive(Debug)]
pub struct Facts<'s> {
    /// The scenario.
    pub scenario: &'s Scenario,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The network's cuts, as the faults make them.
    pub lan: Lan,
    /// How many faults disturb packets now.
    pub noise: u32,
    /// How many of all kinds are active.
    pub active: u32,
    /// When a fault last began or ended.
    pub edge_at: SimTime,
    /// How often one did.
    pub edges: u32,
    /// When a cut, noise or slowness last began or ended.
    pub links_since: SimTime,
    /// Whom the clients take for the holder, by VIP.
    pub clients: Vec<(IpAddr, NodeId)>,
    /// The VIPs.
    pub vips: Vec<IpAddr>,
    /// The longest that a packet may be on its way.
    pub delay_max: Duration,
    /// When a router of the cluster last changed its state.
    pub transition_at: SimTime,
    /// The longest interval of any node.
    pub interval_max: Duration,
    /// Computed once, from all faults: see the methods of these names.
    kernel_bound: Duration,
    settling: Duration,
    /// When the last master's crash has to be made good, and since when it is gone.
    pub crash: Option<Crash>,
}

/// The end of a MASTER in a cluster where all was well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// When.
    pub at: SimTime,
    /// When another must be MASTER.
    pub by: SimTime,
}

impl<'s> Facts<'s> {
    pub(super) fn new(scenario: &'s Scenario) -> Self {
        let span = |time: SimTime| time.since(SimTime::ZERO);
        let extra = scenario.faults.iter().map(|fault| match &fault.kind {
            FaultKind::Slow { extra, .. } => span(*extra),
            _ => Duration::ZERO,
        });
        let extra = extra.max().unwrap_or_default();
        let draws = openproxy_io_sim::draw::Draws::new(scenario.seed);
        let default = scenario.interval_centis;
        let centis = |node: &crate::scenario::NodeSpec| node.interval_centis.unwrap_or(default);
        let longest = scenario.nodes.iter().map(centis).max().unwrap_or(default);
        let slack = if scenario.coarse_timers { Duration::from_millis(3) } else { Duration::ZERO };
        let mut facts = Self {
            scenario,
            nodes: scenario.ids().map(|_| Node::new()).collect(),
            lan: Lan::new(draws, scenario.count(), Duration::ZERO, Duration::ZERO),
            noise: 0,
            active: 0,
            edge_at: SimTime::ZERO,
            edges: 0,
            links_since: SimTime::ZERO,
            clients: Vec::new(),
            vips: scenario.vips().iter().map(|vip| vip.ip).collect(),
            delay_max: span(scenario.delay_max) + extra + slack,
            transition_at: SimTime::ZERO,
            interval_max: Duration::from_millis(u64::from(longest) * 10),
            crash: None,
            kernel_bound: Duration::ZERO,
            settling: Duration::ZERO,
        };
        facts.kernel_bound = facts.compute_kernel_bound();
        facts.settling = facts.compute_settling();
        facts
    }

    /// A node.
    #[must_use]
    pub fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node.index()]
    }

    /// All VIPs of a node's configuration, one bit each.
    #[must_use]
    pub fn wanted(&self, node: NodeId) -> u8 {
        let vips = self.node(node).config.as_ref().map_or(0, |config| config.vips.len());
        u8::try_from((1_u32 << vips) - 1).unwrap_or(u8::MAX)
    }

    /// R: how long a kernel may take for everything that a change asks of it.
    #[must_use]
    pub fn kernel_bound(&self) -> Duration {
        self.kernel_bound
    }

    fn compute_kernel_bound(&self) -> Duration {
        let slow = self.scenario.faults.iter().map(|fault| match &fault.kind {
            FaultKind::SlowKernel { extra, .. } => extra.since(SimTime::ZERO),
            _ => Duration::ZERO,
        });
        let each =
            self.scenario.kernel_takes_max.since(SimTime::ZERO) + slow.max().unwrap_or_default();
        // Removing and adding each VIP, a renewal of each before that, and a dump.
        each * (3 * u32::from(self.scenario.vips) + 2) + Duration::from_millis(2)
    }

    /// How far clocks may lie apart after `span`.
    #[must_use]
    pub fn drift(&self, span: Duration) -> Duration {
        let ppm = self.scenario.nodes.iter().map(|node| node.drift_ppm.unsigned_abs()).max();
        span / 1_000_000 * (2 * ppm.unwrap_or(0)) + Duration::from_micros(2)
    }

    /// How long a promotion may wait for its hook.
    #[must_use]
    pub fn hook_bound(&self, node: NodeId) -> Duration {
        let has_hooks = self.scenario.nodes[node.index()].hooks_take.is_some();
        if has_hooks { HOOK_TIMEOUT * 2 + Duration::from_millis(10) } else { Duration::ZERO }
    }

    /// Whether a node takes part: up, not stopped, not asked to end, its machine well.
    #[must_use]
    pub fn takes_part(&self, node: NodeId) -> bool {
        let node = self.node(node);
        node.up
            && node.paused_at.is_none()
            && node.asked_at.is_none()
            && node.cut_off == 0
            && node.ailments == 0
    }

    /// Whether packets of one node reach another, whole.
    #[must_use]
    pub fn is_clean(&self, from: NodeId, to: NodeId) -> bool {
        self.noise == 0 && self.lan.is_open(from, to)
    }

    /// Whether two nodes' configurations let them hear each other.
    #[must_use]
    pub fn are_compatible(&self, a: NodeId, b: NodeId) -> bool {
        match (&self.node(a).config, &self.node(b).config) {
            (Some(a), Some(b)) => {
                a.version == b.version && (a.version == Version::V3 || a.interval == b.interval)
            }
            (_, None) | (None, _) => false,
        }
    }

    /// The nodes that take part, are connected with `node` in whatever way, and whether they are a
    /// clique: each hears each, and nobody else hears some of them only.
    #[must_use]
    pub fn clique(&self, node: NodeId) -> (Vec<NodeId>, bool) {
        let part: Vec<NodeId> =
            self.scenario.ids().filter(|other| self.takes_part(*other)).collect();
        let mut members = vec![node];
        loop {
            let next = part.iter().find(|other| {
                !members.contains(other)
                    && members.iter().any(|member| {
                        self.lan.is_open(*member, **other) || self.lan.is_open(**other, *member)
                    })
            });
            match next {
                Some(next) => members.push(*next),
                None => break,
            }
        }
        let whole = members.iter().all(|a| {
            members.iter().all(|b| a == b || self.is_clean(*a, *b) && self.are_compatible(*a, *b))
        });
        members.sort();
        (members, whole)
    }

    /// What decides between two MASTERs.
    #[must_use]
    pub fn rank(&self, node: NodeId) -> (Priority, IpAddr) {
        (self.node(node).priority, self.scenario.own_address(node).0)
    }

    /// Whether a node is MASTER and its process runs.
    #[must_use]
    pub fn is_master(&self, node: NodeId) -> bool {
        let node = self.node(node);
        node.up && node.state == StateName::Master
    }

    /// The skew time of a node for an interval.
    #[must_use]
    pub fn skew(&self, node: NodeId, interval: Duration) -> Duration {
        let unit = self.skew_unit(node, interval);
        unit * (256 - u32::from(self.node(node).priority.get())) / 256
    }

    /// What skews are parts of.
    #[must_use]
    pub fn skew_unit(&self, node: NodeId, interval: Duration) -> Duration {
        // Written out once more: the judge must not share a mistake with the core.
        match self.node(node).config.as_ref().map(|config| config.version) {
            Some(Version::V2) => Duration::from_secs(1),
            Some(Version::V3) => interval,
            None => Duration::ZERO,
        }
    }

    /// How long a handover of a node takes at most: two longest skews with their margins, and what
    /// whoever follows has from its first advert to its announcement.
    #[must_use]
    pub fn handover_max(&self, node: NodeId) -> Duration {
        let Some(config) = &self.node(node).config else { return Duration::ZERO };
        if !self.scenario.hands_over {
            return Duration::ZERO;
        }
        let interval = config.interval.duration();
        let margin = (interval / 10).max(Duration::from_millis(50));
        let hooked = config.hooks.pre_promote.is_some();
        let hook = if hooked { HOOK_TIMEOUT } else { Duration::ZERO };
        (self.skew_unit(node, interval) + margin) * 2 + hook + Duration::from_millis(20)
    }

    /// The longest skew of any node.
    #[must_use]
    pub fn skew_max(&self) -> Duration {
        match self.scenario.version {
            2 => Duration::from_secs(1),
            _ => self.interval_max,
        }
    }

    /// The lease of a node's VIPs, if they have one.
    #[must_use]
    pub fn lease(&self, node: NodeId) -> Option<Duration> {
        let config = self.node(node).config.as_ref().filter(|config| config.lease)?;
        // The kernel removes up to 1.25 s late, so a lease ends that much before the third
        // interval; no shorter than it needs to outlive the next renewal.
        let interval = config.interval.duration();
        let lease = if interval < Duration::from_secs(1) {
            1
        } else {
            (interval * 3).saturating_sub(LATENESS).as_secs().max(2)
        };
        Some(Duration::from_secs(lease))
    }

    /// The same, and how late its kernel may be.
    #[must_use]
    pub fn lease_bound(&self, node: NodeId) -> Option<Duration> {
        Some(self.lease(node)? + LATENESS + self.kernel_bound())
    }

    /// From the end of the last fault until there is one MASTER, whatever the faults were (L1).
    #[must_use]
    pub fn settling(&self) -> Duration {
        self.settling
    }

    fn compute_settling(&self) -> Duration {
        let mut bound = self.interval_max * 3 + self.skew_max() + self.delay_max * 2;
        bound += self.kernel_bound();
        let recoveries = self.scenario.faults.iter().filter_map(|fault| recovery(&fault.kind));
        bound += recoveries.max().unwrap_or_default();
        if self.scenario.nodes.iter().any(|node| node.check_weight.is_some()) {
            bound += CHECK_INTERVAL * 5;
        }
        let hooks = self.scenario.nodes.iter().any(|node| node.hooks_take.is_some());
        if hooks {
            bound += HOOK_TIMEOUT * 2;
        }
        // A capped interval of a slow MASTER: one needless takeover, and the way back.
        let own = self.scenario.nodes.iter().filter_map(|node| node.interval_centis).min();
        let own = own.unwrap_or(self.scenario.interval_centis).min(self.scenario.interval_centis);
        let shortest = Duration::from_millis(u64::from(own) * 10);
        if self.interval_max > shortest {
            bound += self.interval_max * 4;
        }
        let delay = self.scenario.nodes.iter().filter_map(|node| node.preempt_delay).max();
        bound += delay.map_or(Duration::ZERO, |delay| delay.since(SimTime::ZERO));
        if delay.is_some_and(|delay| delay > SimTime::ZERO) {
            bound += self.interval_max * 4 + self.skew_max();
        }
        bound + self.drift(bound)
    }

    /// Whether a node replaces a lesser MASTER at once.
    #[must_use]
    pub fn preempts(&self, node: NodeId) -> bool {
        let Some(config) = &self.node(node).config else { return false };
        config.priority.is_owner() || matches!(config.preempt, Preempt::After(_))
    }

    /// A node can read its kernel again, or goes on after it could.
    pub(super) fn sight(&mut self, at: SimTime, id: NodeId) {
        let bound = DUMP_RETRY + self.kernel_bound;
        let bound = bound + self.drift(bound);
        self.nodes[id.index()].sighted_at = at + bound;
    }

    pub(super) fn turn_fault(&mut self, at: SimTime, kind: &FaultKind, begins: bool) {
        self.edge_at = at;
        self.edges += 1;
        self.active = if begins { self.active + 1 } else { self.active.saturating_sub(1) };
        let count = self.scenario.count();
        apply_to_lan(&mut self.lan, count, kind, begins);
        let step =
            |count: &mut u32| *count = if begins { *count + 1 } else { count.saturating_sub(1) };
        match kind {
            FaultKind::Noise { .. } => {
                step(&mut self.noise);
                self.links_since = at;
            }
            FaultKind::CutOneWay { .. }
            | FaultKind::CutPair { .. }
            | FaultKind::Isolate { .. }
            | FaultKind::Split { .. }
            | FaultKind::Slow { .. } => self.links_since = at,
            _ => {}
        }
        let Some(node) = kind.node() else { return };
        if let FaultKind::LostEvents { .. } = kind {
            self.sight(at, node);
        }
        let node = &mut self.nodes[node.index()];
        if let Some(recovery) = recovery(kind) {
            step(&mut node.ailments);
            node.ailed_until = node.ailed_until.max(at + recovery);
        }
        match kind {
            FaultKind::LostEvents { .. } => step(&mut node.blind),
            FaultKind::SendFails { .. } => node.mute_since = begins.then_some(at),
            FaultKind::CheckFails { .. } => node.check_fails_since = begins.then_some(at),
            FaultKind::PowerLoss { .. } => node.booted_at = at,
            _ => {}
        }
        if let FaultKind::LinkDown { .. }
        | FaultKind::InterfaceGone { .. }
        | FaultKind::NoAddress { .. }
        | FaultKind::PowerLoss { .. } = kind
        {
            step(&mut node.cut_off);
            self.links_since = at;
        }
    }
}

/// What makes a machine's kernel or sockets fail: how long its router may be out of step afterwards.
pub(super) fn recovery(kind: &FaultKind) -> Option<Duration> {
    match kind {
        FaultKind::Refuse { operation: RefusedOperation::Remove, .. } => {
            Some(Duration::from_millis(1_500))
        }
        FaultKind::Refuse { .. } => Some(BACK_OFF_MAX),
        FaultKind::LostEvents { .. }
        | FaultKind::SendFails { .. }
        | FaultKind::SocketFails { .. }
        | FaultKind::VipForeign { .. } => Some(Duration::from_secs(3)),
        FaultKind::HookHangs { .. } => Some(HOOK_TIMEOUT * 3),
        _ => None,
    }
}

/// Whether a MASTER gave up because its own lease had passed.
pub(super) fn is_lapse(reason: &Reason) -> bool {
    matches!(reason, Reason::LeaseLapsed(_) | Reason::CannotSend)
}

/// The reasons that say "nobody is MASTER".
#[must_use]
pub(super) fn is_takeover(reason: &Reason) -> bool {
    matches!(reason, Reason::MasterDown | Reason::MasterReleased)
}
