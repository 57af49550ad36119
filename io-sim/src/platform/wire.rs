//! The network between the machines of a turmoil simulation, and the news of what happens on it.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use openproxy_core::event::Event;
use openproxy_core::io::{AddressChange, Announcement, ResetConnections, SendAdvert};
use openproxy_core::vrrp::RouterConfig;

use super::TICK;
use super::datagram::Parcel;
use crate::NodeId;
use crate::clock::SimTime;
use crate::frame::Frame;
use crate::host::Surroundings;
use crate::kernel::Cause;
use crate::lan::{Delivery, Lan};
use crate::neighbours::Neighbours;

/// Something that happened on a machine.
#[derive(Clone, Debug)]
pub enum Told {
    /// A process began, with this configuration.
    Started(RouterConfig),
    /// A process gave its core this configuration.
    Reloaded(RouterConfig),
    /// A process ended of its own accord.
    Finished,
    /// The core told an event.
    Event(Event),
    /// An advert was handed to the network.
    Sent(SendAdvert),
    /// A packet came to a socket; `from` is absent for a stranger's.
    Heard {
        /// Who sent it.
        from: Option<NodeId>,
        /// The packet.
        frame: Frame,
    },
    /// A packet of this node did not reach another.
    Lost {
        /// Which.
        to: NodeId,
    },
    /// Addresses were announced.
    Announced(Announcement),
    /// Connections of addresses that are about to come off were reset.
    Reset(ResetConnections),
    /// An address of the machine's kernel changed.
    Address(AddressChange, Cause),
}

/// A packet that waits for its time.
#[derive(Clone, Debug)]
pub struct Held {
    /// Where it goes.
    pub to: NodeId,
    /// Who sent it.
    pub from: Option<NodeId>,
    /// The packet.
    pub frame: Frame,
}

/// What is between the machines.
///
/// The fate of every packet is the [`Lan`]'s to decide, which has the same answer in the
/// discrete-event runner. What is due within a tick, turmoil carries; what is later waits here.
/// Cuts are the `Lan`'s alone, too: turmoil's partitions also destroy what is under way, and
/// don't count, so that mending one of two would mend both.
#[derive(Debug)]
pub struct Wire {
    /// Who reaches whom.
    pub lan: Lan,
    /// Clients, and announcements on their way.
    pub neighbours: Neighbours,
    now: SimTime,
    owners: Vec<(IpAddr, NodeId)>,
    outgoing: VecDeque<(NodeId, Parcel)>,
    held: BTreeMap<(SimTime, u64), Held>,
    ever_held: u64,
    told: Vec<(SimTime, NodeId, Told)>,
}

impl Wire {
    /// A network of machines with these addresses, in their order.
    #[must_use]
    pub fn new(lan: Lan, addresses: &[IpAddr]) -> Self {
        let owners = (0..).map(NodeId).zip(addresses).map(|(node, ip)| (*ip, node)).collect();
        Self {
            lan,
            neighbours: Neighbours::default(),
            now: SimTime::ZERO,
            owners,
            outgoing: VecDeque::new(),
            held: BTreeMap::new(),
            ever_held: 0,
            told: Vec::new(),
        }
    }

    /// Says what time it is for what happens next.
    pub fn set_time(&mut self, now: SimTime) {
        self.now = now;
    }

    /// Notes that something happened now.
    pub fn tell(&mut self, node: NodeId, told: Told) {
        self.told.push((self.now, node, told));
    }

    /// What happened since the last call, in the order of time.
    pub fn take_told(&mut self) -> Vec<(SimTime, NodeId, Told)> {
        let mut told = std::mem::take(&mut self.told);
        // A step runs one machine after the other.
        told.sort_by_key(|(at, _, _)| *at);
        told
    }

    /// Keeps a packet until `at`.
    pub fn hold(&mut self, at: SimTime, held: Held) {
        self.ever_held += 1;
        self.held.insert((at, self.ever_held), held);
    }

    /// A packet whose time has come.
    pub fn next_held(&mut self, now: SimTime) -> Option<Held> {
        let entry = self.held.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// The next packet for turmoil.
    pub(super) fn next_outgoing(&mut self) -> Option<(NodeId, Parcel)> {
        self.outgoing.pop_front()
    }
}

impl Surroundings for Wire {
    fn send(&mut self, node: NodeId, send: &SendAdvert) {
        self.tell(node, Told::Sent(send.clone()));
        let Self { lan, told, now, owners, .. } = self;
        let mut deliveries = Vec::new();
        lan.send(
            *now,
            node,
            send,
            owners,
            |delivery| deliveries.push(delivery),
            |to| told.push((*now, node, Told::Lost { to })),
        );
        for Delivery { to, at, frame } in deliveries {
            // Turmoil's loopback has a delay of its own.
            if at <= self.now + TICK && to != node {
                self.outgoing.push_back((to, Parcel { from: node, at, frame }));
            } else {
                self.hold(at, Held { to, from: Some(node), frame });
            }
        }
    }

    fn announce(&mut self, node: NodeId, announcement: &Announcement) {
        self.tell(node, Told::Announced(announcement.clone()));
        self.neighbours.announce(self.now, &self.lan, node, announcement);
    }

    fn connections_reset(&mut self, node: NodeId, reset: &ResetConnections) {
        self.tell(node, Told::Reset(reset.clone()));
    }

    fn address_changed(&mut self, node: NodeId, change: &AddressChange, cause: Cause) {
        self.tell(node, Told::Address(*change, cause));
    }
}
