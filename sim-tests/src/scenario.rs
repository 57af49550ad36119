//! One cluster, what goes wrong in it, and for how long it is watched. Both runners take it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use openproxy_core::vrrp::{
    AdverInterval, Check, Family, Handover, HookConfig, Preempt, Priority, RouterConfig, RouterKey,
    TrackConfig, Transport, Version, Vip, Vrid, Weight,
};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::draw::Draws;
use openproxy_io_sim::host::{HookPlan, Host};
use openproxy_io_sim::kernel::Kernel;
use openproxy_io_sim::lan::Lan;
use serde::{Deserialize, Serialize};

use crate::fault::{Change, Fault, NODES};

/// A cluster and its fate. A file with one of these replays a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// Decides the fate of every packet and the delay of every operation.
    pub seed: u64,
    /// 2 or 3.
    pub version: u8,
    /// IPv6 rather than IPv4.
    pub ipv6: bool,
    /// Adverts go to each peer rather than to the group.
    pub unicast: bool,
    /// How many VIPs, at most 3.
    pub vips: u8,
    /// Whether VIPs have leases.
    pub lease: bool,
    /// Whether a MASTER that is asked to end hands over, or lets go at once.
    #[serde(default)]
    pub hands_over: bool,
    /// Whether each process has a guard.
    #[serde(default)]
    pub guarded: bool,
    /// The interval of adverts, in hundredths of a second.
    pub interval_centis: u16,
    /// How long a packet travels at least.
    pub delay_min: SimTime,
    /// How long a packet travels at most, if nothing happens to it.
    pub delay_max: SimTime,
    /// How long a kernel takes at most for an operation on an address.
    pub kernel_takes_max: SimTime,
    /// Timers fire at whole milliseconds only, as tokio's do; `false` for nanoseconds.
    pub coarse_timers: bool,
    /// The nodes.
    pub nodes: Vec<NodeSpec>,
    /// From then on nothing new goes wrong; what is still wrong stays so.
    pub calm_at: SimTime,
    /// The end.
    pub end: SimTime,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// A node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Its priority, 1 to 255.
    pub priority: u8,
    /// How long it hears a lesser MASTER before it replaces it; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preempt_delay: Option<SimTime>,
    /// Its own interval, where it isn't the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_centis: Option<u16>,
    /// Its own version, where it isn't the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u8>,
    /// How much its clock gains, in microseconds a second.
    #[serde(default)]
    pub drift_ppm: i32,
    /// How long its hooks run; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks_take: Option<SimTime>,
    /// What a failed check does to its priority, 0 for fault; absent for no check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_weight: Option<i16>,
    /// When its process is first started.
    #[serde(default)]
    pub starts_at: SimTime,
}

/// The name of the interface on every node.
pub const INTERFACE: &str = "eth0";
/// The VRID of every scenario.
pub const VRID: u8 = 50;
/// How long a hook may run.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// From the start of one check to the start of the next.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Why a scenario can't be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Unrunnable {
    /// Which part.
    pub what: String,
    /// What is wrong with it, and what is allowed.
    pub why: String,
}

impl Scenario {
    /// A cluster of these priorities in which nothing goes wrong: version 3, 1 s, one VIP.
    #[must_use]
    pub fn calm(priorities: &[u8]) -> Self {
        let node = |priority: &u8| NodeSpec {
            priority: *priority,
            preempt_delay: Some(SimTime::ZERO),
            interval_centis: None,
            version: None,
            drift_ppm: 0,
            hooks_take: None,
            check_weight: None,
            starts_at: SimTime::ZERO,
        };
        Self {
            seed: 1,
            version: 3,
            ipv6: false,
            unicast: false,
            vips: 1,
            lease: true,
            hands_over: true,
            guarded: false,
            interval_centis: 100,
            delay_min: SimTime(100_000),
            delay_max: SimTime(500_000),
            kernel_takes_max: SimTime(200_000),
            coarse_timers: false,
            nodes: priorities.iter().map(node).collect(),
            calm_at: SimTime::ZERO,
            end: SimTime::from_secs(60),
            faults: Vec::new(),
        }
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// The first thing that doesn't, and what is allowed there.
    pub fn check(&self) -> Result<(), Unrunnable> {
        let fail = |what: &str, why: String| Err(Unrunnable { what: what.to_owned(), why });
        if !(1..=usize::from(NODES)).contains(&self.nodes.len()) {
            return fail(
                "nodes",
                format!("{} of them; 1 to {NODES} are allowed", self.nodes.len()),
            );
        }
        if !(1..=3).contains(&self.vips) {
            return fail("vips", format!("{}; 1 to 3 are allowed", self.vips));
        }
        if self.ipv6 && self.version != 3 {
            return fail("ipv6", "version 2 has no IPv6; allowed with version = 3".to_owned());
        }
        if self.delay_min > self.delay_max {
            return fail("delay_min", format!("{}, above delay_max", self.delay_min));
        }
        for (position, node) in self.nodes.iter().enumerate() {
            let version = node.version.unwrap_or(self.version);
            let interval = node.interval_centis.unwrap_or(self.interval_centis);
            let what = format!("nodes[{position}]");
            if Priority::new(node.priority).is_err() {
                return fail(&what, "priority 0; 1 to 255 are allowed".to_owned());
            }
            if !matches!(version, 2 | 3) {
                return fail(&what, format!("version {version}; 2 and 3 are allowed"));
            }
            let writable = AdverInterval::from_centis(interval).is_ok()
                && (version == 3 && interval <= AdverInterval::CENTIS_MAX_V3
                    || version == 2 && interval % 100 == 0 && interval <= 25_500);
            if !writable {
                return fail(&what, format!("interval_centis {interval} can't be written"));
            }
            if node.drift_ppm.abs() > 50_000 {
                return fail(&what, format!("drift_ppm {}; ±50000 are allowed", node.drift_ppm));
            }
        }
        for (position, fault) in self.faults.iter().enumerate() {
            let count = u8::try_from(self.nodes.len()).unwrap_or(NODES);
            let nodes = fault.kind.nodes(count);
            let what = format!("faults[{position}]");
            if let Some(node) = nodes.iter().find(|node| node.0 >= count) {
                return fail(&what, format!("node {}; the cluster has {count}", node.0));
            }
            if fault.until < fault.at {
                return fail(&what, format!("it ends at {}, before {}", fault.until, fault.at));
            }
            let earlier = self.faults.iter().take(position);
            if let Some(clash) = earlier.enumerate().find(|(_, known)| known.clashes_with(fault)) {
                let why = "both rule the same process or machine at one time".to_owned();
                return fail(&format!("{what} and faults[{}]", clash.0), why);
            }
        }
        Ok(())
    }

    /// When a timer that is set to `at` fires.
    #[must_use]
    pub fn timer(&self, at: SimTime) -> SimTime {
        if !self.coarse_timers {
            return at;
        }
        SimTime(at.0.div_ceil(1_000_000).saturating_mul(1_000_000))
    }

    /// How many nodes.
    #[must_use]
    pub fn count(&self) -> u8 {
        u8::try_from(self.nodes.len()).unwrap_or(NODES)
    }

    /// All nodes.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.count()).map(NodeId)
    }

    /// A node's own address.
    #[must_use]
    pub fn own_address(&self, node: NodeId) -> (IpAddr, u8) {
        let host = 11 + node.0;
        if self.ipv6 {
            (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host.into()).into(), 64)
        } else {
            (Ipv4Addr::new(10, 0, 0, host).into(), 24)
        }
    }

    /// The node with this address.
    #[must_use]
    pub fn node_at(&self, address: IpAddr) -> Option<NodeId> {
        self.ids().find(|node| self.own_address(*node).0 == address)
    }

    /// The VIPs.
    #[must_use]
    pub fn vips(&self) -> Vec<Vip> {
        let vip = |number: u8| match (self.ipv6, number) {
            (false, _) => Vip { ip: Ipv4Addr::new(10, 0, 0, 200 + number).into(), prefix_len: 24 },
            // RFC 9568 §5.2.9: the first is link-local.
            (true, 0) => {
                Vip { ip: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x200).into(), prefix_len: 64 }
            }
            (true, _) => {
                let ip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x200 + u16::from(number));
                Vip { ip: ip.into(), prefix_len: 64 }
            }
        };
        (0..self.vips).map(vip).collect()
    }

    /// The network between the nodes, before anything goes wrong.
    #[must_use]
    pub fn lan(&self) -> Lan {
        let span = |time: SimTime| time.since(SimTime::ZERO);
        let draws = Draws::new(self.seed);
        Lan::new(draws, self.count(), span(self.delay_min), span(self.delay_max))
    }

    /// A node's machine before its process is started.
    #[must_use]
    pub fn host(&self, node: NodeId) -> Host {
        let span = |time: SimTime| time.since(SimTime::ZERO);
        let draws = Draws::new(self.seed);
        let kernel = Kernel::new(node, draws, INTERFACE.into(), &[self.own_address(node)]);
        let mut host = Host::new(node, draws, kernel, span(self.kernel_takes_max));
        let takes = self.nodes[node.index()].hooks_take.map(span).unwrap_or_default();
        host.hook_plan = HookPlan { takes, fails: false };
        host
    }

    /// A node's configuration, as its file says after these changes.
    ///
    /// # Panics
    /// If [`Self::check`] would fail.
    #[must_use]
    pub fn config(&self, node: NodeId, changes: &Changes) -> RouterConfig {
        let spec = &self.nodes[node.index()];
        let version = match changes.version.or(spec.version).unwrap_or(self.version) {
            2 => Version::V2,
            _ => Version::V3,
        };
        let interval = spec.interval_centis.unwrap_or(self.interval_centis);
        let family = if self.ipv6 { Family::V6 } else { Family::V4 };
        let peers: Vec<IpAddr> = self.ids().map(|node| self.own_address(node).0).collect();
        let mut vips = self.vips();
        if changes.fewer_vips && vips.len() > 1 {
            vips.pop();
        }
        let hook: Option<Arc<[String]>> =
            spec.hooks_take.map(|_| Arc::from(["/usr/local/bin/hook".to_owned()]));
        let delay = spec.preempt_delay.map(|delay| delay.since(SimTime::ZERO));
        let preempt = match changes.preempt {
            Some(true) => Some(Duration::ZERO),
            Some(false) => None,
            None => delay,
        };
        let vrid = Vrid::new(VRID).expect("in range");
        let key = RouterKey { interface: INTERFACE.into(), vrid, family };
        let priority = Priority::new(changes.priority.unwrap_or(spec.priority)).expect("checked");
        let interval = AdverInterval::from_centis(interval).expect("checked");
        let plain = RouterConfig::plain(key, version, priority, interval, vips.into());
        RouterConfig {
            transport: if self.unicast {
                Transport::Unicast { source: None, peers: peers.into() }
            } else {
                Transport::Multicast
            },
            preempt: preempt.map_or(Preempt::Never, Preempt::After),
            lease: changes.lease.unwrap_or(self.lease),
            garp_refresh: changes.garp_refresh.or(plain.garp_refresh),
            handover: if self.hands_over { Handover::Planned } else { Handover::Strict },
            hooks: HookConfig {
                pre_promote: hook.clone(),
                pre_demote: hook,
                timeout: HOOK_TIMEOUT,
                ..plain.hooks
            },
            track: spec
                .check_weight
                .or(changes.checked.then_some(0))
                .map(check)
                .into_iter()
                .collect(),
            ..plain
        }
    }
}

fn check(weight: i16) -> TrackConfig {
    TrackConfig {
        check: Check::Tcp(([127, 0, 0, 1], 6432).into()),
        interval: CHECK_INTERVAL,
        timeout: CHECK_INTERVAL / 2,
        fall: 2,
        rise: 2,
        weight: if weight == 0 { Weight::Fault } else { Weight::Change(weight) },
    }
}

/// How a node's file differs now from what the scenario says at its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    priority: Option<u8>,
    preempt: Option<bool>,
    version: Option<u8>,
    fewer_vips: bool,
    lease: Option<bool>,
    garp_refresh: Option<Duration>,
    checked: bool,
}

impl Changes {
    /// The file is changed once more.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Nothing => {}
            Change::Priority { priority } => self.priority = Some(priority),
            Change::Preempt { preempt } => self.preempt = Some(preempt),
            Change::Version { version } => self.version = Some(version),
            Change::FewerVips { fewer } => self.fewer_vips = fewer,
            Change::Lease { lease } => self.lease = Some(lease),
            Change::GarpRefresh { secs } => {
                self.garp_refresh = Some(Duration::from_secs(secs.into()));
            }
            Change::Checked { checked } => self.checked = checked,
        }
    }
}
