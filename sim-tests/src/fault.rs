//! What goes wrong in a scenario, and when: data, so that a run can be printed, cut down and replayed.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "few faults rule a process, and most have one node"
)]

mod apply;
mod text;

use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::kernel::RefusedOperation;
use openproxy_io_sim::lan::NoiseKind;
use openproxy_io_sim::{NODES_MAX, NodeId};
use serde::{Deserialize, Serialize};

pub use apply::{apply_to_host, apply_to_lan};

/// Something that goes wrong, from one moment to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins.
    pub at: SimTime,
    /// When it is over; what has no duration happens at `at`.
    pub until: SimTime,
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum FaultKind {
    /// Nothing of `from` reaches `to`.
    CutOneWay {
        /// The sender.
        from: NodeId,
        /// Who doesn't hear it.
        to: NodeId,
    },
    /// Two nodes don't hear each other; others hear both.
    CutPair {
        /// One.
        a: NodeId,
        /// The other.
        b: NodeId,
    },
    /// A node and the rest, clients included, don't hear each other.
    Isolate {
        /// The node.
        node: NodeId,
    },
    /// The nodes of a group and the others don't hear each other. Clients hear all.
    Split {
        /// One side.
        group: Vec<NodeId>,
    },
    /// Packets between two nodes take longer, both ways.
    Slow {
        /// One.
        a: NodeId,
        /// The other.
        b: NodeId,
        /// How much longer.
        extra: SimTime,
    },
    /// Something happens to packets on their way.
    Noise {
        /// The sender; every node if there is none.
        from: Option<NodeId>,
        /// What happens.
        noise: NoiseKind,
        /// To how many in a thousand.
        per_mille: u16,
    },
    /// Packets of somebody who isn't part of the virtual router arrive at every node.
    Stranger {
        /// What is wrong with them.
        wrong: Wrong,
        /// From one to the next.
        every: SimTime,
    },
    /// The process is asked to end (SIGTERM), and is started again when the fault is over.
    Stop {
        /// Where.
        node: NodeId,
    },
    /// The process is killed (SIGKILL), with its guard if it has one, and started again when the fault
    /// is over.
    Kill {
        /// Where.
        node: NodeId,
    },
    /// The process is killed (SIGKILL), its guard goes on in its place, and it is started again when
    /// the fault is over.
    Death {
        /// Where.
        node: NodeId,
    },
    /// The process stands still and executes another program in its place, which begins when the fault
    /// is over. The guard waits for that, but not for ever. Nothing where there is no guard.
    Upgrade {
        /// Where.
        node: NodeId,
    },
    /// The machine loses its power, and boots when the fault is over.
    PowerLoss {
        /// Which.
        node: NodeId,
    },
    /// The process is stopped (SIGSTOP), and goes on when the fault is over.
    Pause {
        /// Where.
        node: NodeId,
    },
    /// The cable is pulled.
    LinkDown {
        /// Where.
        node: NodeId,
    },
    /// The interface is deleted, and made anew when the fault is over.
    InterfaceGone {
        /// Where.
        node: NodeId,
    },
    /// The machine's own address is gone.
    NoAddress {
        /// Where.
        node: NodeId,
    },
    /// The kernel refuses an operation on addresses.
    Refuse {
        /// Where.
        node: NodeId,
        /// Which.
        operation: RefusedOperation,
    },
    /// The kernel takes longer for each operation on addresses.
    SlowKernel {
        /// Where.
        node: NodeId,
        /// How much longer.
        extra: SimTime,
    },
    /// Netlink events are lost.
    LostEvents {
        /// Where.
        node: NodeId,
    },
    /// Somebody on the machine removes the VIPs.
    VipTaken {
        /// Where.
        node: NodeId,
    },
    /// Somebody on the machine adds the first VIP for good.
    VipForeign {
        /// Where.
        node: NodeId,
    },
    /// Adverts can't be sent (a firewall).
    SendFails {
        /// Where.
        node: NodeId,
    },
    /// Sockets can't be opened.
    SocketFails {
        /// Where.
        node: NodeId,
    },
    /// The check fails, where the node has one.
    CheckFails {
        /// Where.
        node: NodeId,
    },
    /// Hooks take longer.
    HookHangs {
        /// Where.
        node: NodeId,
        /// How much longer.
        extra: SimTime,
    },
    /// The file is read again.
    Reload {
        /// Where.
        node: NodeId,
        /// What is different in it.
        change: Change,
    },
}

/// What is wrong with a stranger's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Another VRID: a neighbour's virtual router.
    Vrid,
    /// The other version.
    Version,
    /// The checksum.
    Checksum,
    /// The type: not an advertisement.
    Type,
    /// The way: to one node's own address, from one that is no peer.
    Way,
}

/// What is different in a file that is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum Change {
    /// Nothing.
    Nothing,
    /// The priority.
    Priority {
        /// The new one.
        priority: u8,
    },
    /// Whether a better node replaces a lesser one.
    Preempt {
        /// Whether it does.
        preempt: bool,
    },
    /// The protocol version.
    Version {
        /// 2 or 3.
        version: u8,
    },
    /// The last VIP is left out, or there again.
    FewerVips {
        /// Whether it is left out.
        fewer: bool,
    },
    /// Whether VIPs have leases.
    Lease {
        /// Whether they have.
        lease: bool,
    },
    /// How often a MASTER repeats its announcements.
    GarpRefresh {
        /// In seconds.
        secs: u16,
    },
    /// A check that must be well, where the scenario has none.
    Checked {
        /// Whether it is there.
        checked: bool,
    },
}

impl FaultKind {
    /// The node that it happens to, if it is one.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Self::CutOneWay { .. }
            | Self::CutPair { .. }
            | Self::Split { .. }
            | Self::Slow { .. }
            | Self::Noise { .. }
            | Self::Stranger { .. } => None,
            Self::Isolate { node }
            | Self::Stop { node }
            | Self::Kill { node }
            | Self::Death { node }
            | Self::Upgrade { node }
            | Self::PowerLoss { node }
            | Self::Pause { node }
            | Self::LinkDown { node }
            | Self::InterfaceGone { node }
            | Self::NoAddress { node }
            | Self::Refuse { node, .. }
            | Self::SlowKernel { node, .. }
            | Self::LostEvents { node }
            | Self::VipTaken { node }
            | Self::VipForeign { node }
            | Self::SendFails { node }
            | Self::SocketFails { node }
            | Self::CheckFails { node }
            | Self::HookHangs { node, .. }
            | Self::Reload { node, .. } => Some(*node),
        }
    }

    /// All nodes that it names, to be changed.
    pub fn nodes_mut(&mut self) -> Vec<&mut NodeId> {
        match self {
            Self::CutOneWay { from: a, to: b }
            | Self::CutPair { a, b }
            | Self::Slow { a, b, .. } => {
                vec![a, b]
            }
            Self::Split { group } => group.iter_mut().collect(),
            Self::Noise { from, .. } => from.iter_mut().collect(),
            Self::Stranger { .. } => Vec::new(),
            Self::Isolate { node }
            | Self::Stop { node }
            | Self::Kill { node }
            | Self::Death { node }
            | Self::Upgrade { node }
            | Self::PowerLoss { node }
            | Self::Pause { node }
            | Self::LinkDown { node }
            | Self::InterfaceGone { node }
            | Self::NoAddress { node }
            | Self::Refuse { node, .. }
            | Self::SlowKernel { node, .. }
            | Self::LostEvents { node }
            | Self::VipTaken { node }
            | Self::VipForeign { node }
            | Self::SendFails { node }
            | Self::SocketFails { node }
            | Self::CheckFails { node }
            | Self::HookHangs { node, .. }
            | Self::Reload { node, .. } => vec![node],
        }
    }

    /// Lets it happen to another node, if it happens to one.
    pub fn move_to(&mut self, place: NodeId) {
        if self.node().is_some() {
            self.nodes_mut().into_iter().for_each(|node| *node = place);
        }
    }

    /// All nodes that it concerns.
    #[must_use]
    pub fn nodes(&self, count: u8) -> Vec<NodeId> {
        match self {
            Self::CutOneWay { from, to } => vec![*from, *to],
            Self::CutPair { a, b } | Self::Slow { a, b, .. } => vec![*a, *b],
            Self::Split { group } => group.clone(),
            Self::Noise { from: Some(from), .. } => vec![*from],
            Self::Noise { from: None, .. } | Self::Stranger { .. } => {
                (0..count).map(NodeId).collect()
            }
            other => other.node().into_iter().collect(),
        }
    }
}

impl Fault {
    /// Whether both would rule the same machine or process at the same time.
    #[must_use]
    pub fn clashes_with(&self, other: &Self) -> bool {
        let rules = |fault: &Self| match &fault.kind {
            kind @ (FaultKind::Stop { .. }
            | FaultKind::Kill { .. }
            | FaultKind::Death { .. }
            | FaultKind::Upgrade { .. }
            | FaultKind::PowerLoss { .. }
            | FaultKind::Pause { .. }
            | FaultKind::LinkDown { .. }
            | FaultKind::InterfaceGone { .. }
            | FaultKind::NoAddress { .. }) => kind.node(),
            _ => None,
        };
        // Who is stopped can be killed.
        let kills = |a: &Self, b: &Self| {
            let is_pair =
                matches!((&a.kind, &b.kind), (FaultKind::Pause { .. }, FaultKind::Death { .. }));
            is_pair && a.at < b.at
        };
        rules(self).is_some()
            && !kills(self, other)
            && !kills(other, self)
            && rules(self) == rules(other)
            && self.at <= other.until
            && other.at <= self.until
    }
}

/// The most nodes, as a number.
pub const NODES: u8 = {
    assert!(NODES_MAX == 7, "Lan::CLIENTS is the place after the last node");
    7
};
