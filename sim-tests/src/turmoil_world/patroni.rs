//! A Patroni cluster beside the virtual routers: a member on each node's machine, in a host of
//! turmoil of its own, so that a process of ours can die without it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::rc::Rc;

use openproxy_core::time::Instant;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::patroni::{
    API_PORT, Cluster, Fault, POSTGRES_PORT, Setup, Shared, host, serve,
};
use openproxy_io_sim::platform::turmoil_address;

use super::TurmoilWorld;
use crate::observe::Observer;

/// The cluster's time when the simulation begins.
const ZERO: Instant = Instant::from_millis(1_000);

/// What happens to the cluster, or between it and the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// To the cluster.
    Cluster(Fault),
    /// A node no longer reaches a member, or does again.
    Cut {
        /// The node.
        node: NodeId,
        /// The member.
        member: NodeId,
        /// Whether it is cut.
        is_cut: bool,
    },
}

pub(super) struct Patroni {
    cluster: Rc<Shared>,
    turns: VecDeque<(SimTime, Turn)>,
    cut: Vec<(NodeId, NodeId)>,
}

fn instant(at: SimTime) -> Instant {
    ZERO + at.since(SimTime::ZERO)
}

fn address(member: NodeId) -> IpAddr {
    host(member.index()).parse().expect("an address")
}

impl<O: Observer> TurmoilWorld<'_, O> {
    /// Adds a cluster with a member beside each node, of which this becomes in time. `follows` is
    /// what the virtual routers make of it: further lines of their table in each node's file.
    ///
    /// # Panics
    /// If the simulation has begun.
    pub fn add_patroni(&mut self, setup: &Setup, follows: &str, turns: &[(SimTime, Turn)]) {
        assert_eq!(self.now, SimTime::ZERO, "before anything happens");
        let cluster = Shared::new(Cluster::new(setup, self.scenario.seed, ZERO));
        let members: Vec<_> = (0..setup.members).map(NodeId).collect();
        for member in members.iter().copied() {
            let shared = Rc::clone(&cluster);
            self.sim.host(address(member), move || serve(Rc::clone(&shared), member));
        }
        let server = |member: &NodeId| format!("[\"{}\", {POSTGRES_PORT}]", address(*member));
        let servers: Vec<_> = members.iter().map(server).collect();
        for node in self.scenario.ids() {
            let mut file = self.configured_file(node);
            write!(
                file,
                "{follows}\n[pools.p.shards.0]\nservers = [{}]\nuse_patroni = true\n\
                 patroni_port = {API_PORT}\n",
                servers.join(", ")
            )
            .expect("a string takes everything");
            self.write_file(node, file);
        }
        let turns = turns.iter().copied().collect();
        self.patroni = Some(Patroni { cluster, turns, cut: Vec::new() });
    }

    /// Who accepts writes now, if anybody does, and since when.
    #[must_use]
    pub fn primary(&self) -> Option<(NodeId, SimTime)> {
        let cluster = &self.patroni.as_ref()?.cluster;
        let (node, since) = cluster.look(Cluster::newest_writer)?;
        Some((node, SimTime::ZERO + since.since(ZERO)))
    }

    pub(super) fn befall_patroni(&mut self) {
        let Some(patroni) = &mut self.patroni else { return };
        let now = instant(self.now);
        patroni.advance(now);
        while let Some((at, turn)) = patroni.turns.pop_front() {
            if at > self.now {
                patroni.turns.push_front((at, turn));
                break;
            }
            match turn {
                Turn::Cluster(fault) => patroni.cluster.change(|cluster| {
                    cluster.advance(now);
                    cluster.suffer(fault);
                }),
                Turn::Cut { node, member, is_cut: true } => patroni.cut.push((node, member)),
                Turn::Cut { node, member, is_cut: false } => {
                    patroni.cut.retain(|cut| *cut != (node, member));
                }
            }
        }
        patroni.advance(now);
        let members = u8::try_from(self.stations.len()).map(|count| (0..count).map(NodeId));
        for member in members.into_iter().flatten() {
            let off = patroni.cluster.look(|cluster| cluster.listens(member).is_none());
            for node in self.scenario.ids() {
                let is_cut = off || patroni.cut.contains(&(node, member));
                let (from, to) = (turmoil_address(node), address(member));
                self.cuts.set(&mut self.sim, from, to, is_cut);
            }
        }
    }
}

impl Patroni {
    fn advance(&self, now: Instant) {
        while self.cluster.look(Cluster::next_at) <= now {
            self.cluster.change(|cluster| cluster.advance(now));
        }
    }
}
