//! The core's IO traits on a simulated network, for simulations of whole clusters.
//!
//! | module | what it simulates |
//! | --- | --- |
//! | [`draw`] | chance: a number for each question, a function of the seed and of the question alone |
//! | [`clock`] | the time of the simulation, and each node's own view of it |
//! | [`frame`] | VRRP packets with their IP headers, byte for byte |
//! | [`lan`] | who reaches whom, how late, and what happens to a packet on the way |
//! | [`kernel`] | interfaces and addresses with leases; it outlives the process that uses it |
//! | [`host`] | one machine: kernel, netlink worker, sockets and hooks of the process on it |
//! | [`neighbours`] | clients, and which machine they take for the holder of a VIP |
//! | [`gate`] | what a stopped process (SIGSTOP) waits at |
//! | [`patroni`] | a Patroni cluster: who accepts writes, what its APIs say, and hyper to say it |
//! | [`platform`] | the core's `Platform` on such a machine, in a host of turmoil |
//!
//! All of it is plain data, driven by calls that carry the time: the discrete-event runner calls it
//! directly, and the turmoil runner puts the same machines on turmoil's network for the
//! production driver.

#![forbid(unsafe_code)]

pub mod clock;
pub mod draw;
pub mod frame;
pub mod gate;
pub mod host;
pub mod kernel;
pub mod lan;
pub mod neighbours;
pub mod patroni;
pub mod platform;

/// The most nodes that a simulated network has.
pub const NODES_MAX: usize = 7;

/// A machine of the cluster, by its position in the scenario.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct NodeId(pub u8);

impl NodeId {
    /// Its position in lists of nodes.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "n{}", self.0)
    }
}
