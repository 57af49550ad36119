//! The network between the machines of a turmoil simulation, and the news of what happens on it.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use openproxy_core::event::Event;
use openproxy_core::io::{AddressChange, Announcement, Destinations, MacAddress, SendAdvert};
use openproxy_core::vrrp::{MULTICAST_V4, MULTICAST_V6, RouterConfig};

use super::TICK;
use super::datagram::Parcel;
use crate::NodeId;
use crate::clock::SimTime;
use crate::frame::{Frame, frame_of};
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
    /// An address of the machine's kernel changed.
    Address(AddressChange, Cause),
}

/// A packet that waits for its time.
#[derive(Clone, Copy, Debug)]
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
    /// The clients.
    pub clients: Neighbours,
    now: SimTime,
    count: u8,
    owners: Vec<(IpAddr, NodeId)>,
    outgoing: VecDeque<(NodeId, Parcel)>,
    held: BTreeMap<(SimTime, u64), Held>,
    ever_held: u64,
    claims: Vec<(SimTime, NodeId, IpAddr, MacAddress)>,
    told: Vec<(SimTime, NodeId, Told)>,
}

impl Wire {
    /// A network of machines with these addresses, in their order.
    #[must_use]
    pub fn new(lan: Lan, addresses: &[IpAddr]) -> Self {
        let owners = (0..).map(NodeId).zip(addresses).map(|(node, ip)| (*ip, node)).collect();
        Self {
            lan,
            clients: Neighbours::default(),
            now: SimTime::ZERO,
            count: u8::try_from(addresses.len()).unwrap_or(u8::MAX),
            owners,
            outgoing: VecDeque::new(),
            held: BTreeMap::new(),
            ever_held: 0,
            claims: Vec::new(),
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

    /// An announcement that a machine hears by now: which machine, the address, and who claims it.
    pub fn next_claim(&mut self, now: SimTime) -> Option<(NodeId, IpAddr, MacAddress)> {
        let position = self.claims.iter().position(|(at, _, _, _)| *at <= now)?;
        let (_, to, ip, mac) = self.claims.remove(position);
        Some((to, ip, mac))
    }

    /// The next packet for turmoil.
    pub(super) fn next_outgoing(&mut self) -> Option<(NodeId, Parcel)> {
        self.outgoing.pop_front()
    }

    fn transmit(&mut self, from: NodeId, to: Option<NodeId>, frame: &Frame) {
        let Self { lan, told, now, .. } = self;
        let mut deliveries = Vec::new();
        lan.transmit(
            *now,
            from,
            to,
            frame,
            |delivery| deliveries.push(delivery),
            |to| told.push((*now, from, Told::Lost { to })),
        );
        for Delivery { to, at, frame } in deliveries {
            // Turmoil's loopback has a delay of its own.
            if at <= self.now + TICK && to != from {
                self.outgoing.push_back((to, Parcel { from, at, frame }));
            } else {
                self.hold(at, Held { to, from: Some(from), frame });
            }
        }
    }
}

impl Surroundings for Wire {
    fn send(&mut self, node: NodeId, send: &SendAdvert) {
        self.tell(node, Told::Sent(send.clone()));
        match &send.destinations {
            Destinations::Multicast => {
                let group = match send.source {
                    IpAddr::V4(_) => MULTICAST_V4.into(),
                    IpAddr::V6(_) => MULTICAST_V6.into(),
                };
                self.transmit(node, None, &frame_of(send, group));
            }
            Destinations::Unicast(peers) => {
                for peer in peers.iter() {
                    let owner = self.owners.iter().find(|(address, _)| address == peer);
                    if let Some((_, to)) = owner.copied() {
                        self.transmit(node, Some(to), &frame_of(send, *peer));
                    }
                }
            }
        }
    }

    fn announce(&mut self, node: NodeId, announcement: &Announcement) {
        self.tell(node, Told::Announced(announcement.clone()));
        for ip in &announcement.addresses {
            for to in (0..self.count).map(NodeId).filter(|to| *to != node) {
                if let Some(at) = self.lan.arrival(self.now, node, to) {
                    self.claims.push((at, to, *ip, announcement.mac));
                }
            }
            if let Some(at) = self.lan.arrival(self.now, node, Lan::CLIENTS) {
                self.clients.announce(at, *ip, node);
            }
        }
    }

    fn address_changed(&mut self, node: NodeId, change: &AddressChange, cause: Cause) {
        self.tell(node, Told::Address(*change, cause));
    }
}
