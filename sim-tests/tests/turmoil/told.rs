//! What is asked of a run afterwards.

#![expect(clippy::wildcard_enum_match_arm, reason = "what nobody asks for is kept as text")]

use std::net::{IpAddr, Ipv4Addr};

use openproxy_core::event::EventKind;
use openproxy_core::io::AddressChange;
use openproxy_core::vrrp::StateName;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_sim_tests::observe::{End, Observation, Observer};

/// The first VIP of every scenario.
const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 200));

/// So many seconds after the start.
pub(crate) fn secs(secs: u64) -> SimTime {
    SimTime::from_secs(secs)
}

/// So many milliseconds after the start.
pub(crate) fn ms(millis: u64) -> SimTime {
    SimTime::from_millis(millis)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Entered(StateName),
    Ended(End),
    Holds(bool),
    Sent,
    Announced,
    Client,
    Reloaded(u8),
    Other(String),
}

/// A run, told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Story(Vec<(SimTime, NodeId, What)>);

impl Observer for Story {
    fn observe(&mut self, at: SimTime, node: NodeId, observation: Observation<'_>) {
        let what = match observation {
            Observation::Event(event) => match &event.kind {
                EventKind::StateChanged { to, .. } => What::Entered(*to),
                other => What::Other(format!("{other:?}")),
            },
            Observation::Ended(end) => What::Ended(end),
            Observation::Address(AddressChange::Present(address), _) if address.ip == VIP => {
                What::Holds(true)
            }
            Observation::Address(AddressChange::Gone(address), _) if address.ip == VIP => {
                What::Holds(false)
            }
            Observation::Sent(_) => What::Sent,
            Observation::Announced(_) => What::Announced,
            Observation::Client(ip) if ip == VIP => What::Client,
            Observation::Reloaded(config) => What::Reloaded(config.priority.get()),
            Observation::Fault(..) => return,
            other => What::Other(format!("{other:?}")),
        };
        self.0.push((at, node, what));
    }
}

impl Story {
    /// Whether nothing happened between two of turmoil's ticks.
    pub(crate) fn is_at_whole_millis(&self) -> bool {
        self.0.iter().all(|(at, _, _)| at.0.is_multiple_of(1_000_000))
    }

    fn between(&self, from: SimTime, to: SimTime) -> Vec<&(SimTime, NodeId, What)> {
        self.0.iter().filter(|(at, _, _)| (from..=to).contains(at)).collect()
    }

    fn of(&self, node: NodeId, from: SimTime, to: SimTime) -> Vec<(SimTime, &What)> {
        let told = self.between(from, to).into_iter();
        told.filter(|(_, who, _)| *who == node).map(|(at, _, what)| (*at, what)).collect()
    }

    /// The nodes of which the last of some news is this.
    fn whose_last(
        &self,
        at: SimTime,
        news: impl Fn(&What) -> bool,
        wanted: impl Fn(&What) -> bool,
    ) -> Vec<NodeId> {
        let is_so = |node: &NodeId| {
            let told = self.of(*node, SimTime::ZERO, at);
            told.into_iter().rfind(|(_, what)| news(what)).is_some_and(|(_, what)| wanted(what))
        };
        (0..7).map(NodeId).filter(is_so).collect()
    }

    fn count(&self, node: NodeId, from: SimTime, to: SimTime, wanted: &What) -> usize {
        self.of(node, from, to).into_iter().filter(|(_, what)| *what == wanted).count()
    }

    fn first(&self, node: NodeId, from: SimTime, wanted: &What) -> Option<SimTime> {
        let told = self.of(node, from, SimTime::MAX);
        told.into_iter().find(|(_, what)| *what == wanted).map(|(at, _)| at)
    }

    /// Who was MASTER.
    pub(crate) fn masters(&self, at: SimTime) -> Vec<NodeId> {
        let news = |what: &What| matches!(what, What::Entered(_) | What::Ended(_));
        self.whose_last(at, news, |what| *what == What::Entered(StateName::Master))
    }

    /// Whose kernel had the VIP.
    pub(crate) fn holders(&self, at: SimTime) -> Vec<NodeId> {
        let news = |what: &What| matches!(what, What::Holds(_));
        self.whose_last(at, news, |what| *what == What::Holds(true))
    }

    /// Where the clients sent their packets for the VIP.
    pub(crate) fn client(&self, at: SimTime) -> Option<NodeId> {
        let told = self.between(SimTime::ZERO, at);
        told.into_iter().rfind(|(_, _, what)| *what == What::Client).map(|(_, node, _)| *node)
    }

    /// When a node next entered a state.
    pub(crate) fn became(&self, node: NodeId, state: StateName, from: SimTime) -> Option<SimTime> {
        self.first(node, from, &What::Entered(state))
    }

    /// When a node's kernel next lost the VIP.
    pub(crate) fn lost_vip(&self, node: NodeId, from: SimTime) -> Option<SimTime> {
        self.first(node, from, &What::Holds(false))
    }

    /// All changes of state.
    pub(crate) fn changes_between(&self, from: SimTime, to: SimTime) -> Vec<(SimTime, NodeId)> {
        let told = self.between(from, to).into_iter();
        told.filter(|(_, _, what)| matches!(what, What::Entered(_)))
            .map(|(at, node, _)| (*at, *node))
            .collect()
    }

    /// How many adverts a node sent.
    pub(crate) fn sent_between(&self, node: NodeId, from: SimTime, to: SimTime) -> usize {
        self.count(node, from, to, &What::Sent)
    }

    /// How often a node announced itself.
    pub(crate) fn announced_between(&self, node: NodeId, from: SimTime, to: SimTime) -> usize {
        self.count(node, from, to, &What::Announced)
    }

    /// How and when a node's processes ended.
    pub(crate) fn ended(&self, node: NodeId) -> Vec<(SimTime, End)> {
        let told = self.of(node, SimTime::ZERO, SimTime::MAX).into_iter();
        told.filter_map(|(at, what)| match what {
            What::Ended(end) => Some((at, *end)),
            _ => None,
        })
        .collect()
    }

    /// When a node's process was given another file, and the priority in it.
    pub(crate) fn reloaded(&self, node: NodeId) -> Vec<(SimTime, u8)> {
        let told = self.of(node, SimTime::ZERO, SimTime::MAX).into_iter();
        told.filter_map(|(at, what)| match what {
            What::Reloaded(priority) => Some((at, *priority)),
            _ => None,
        })
        .collect()
    }
}
