//! What is between the machines: packets on their way, and announcements.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use openproxy_core::io::{AddressChange, Announcement, Destinations, MacAddress, SendAdvert};
use openproxy_core::vrrp::{MULTICAST_V4, MULTICAST_V6};
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::frame::{Frame, frame_of};
use openproxy_io_sim::host::Surroundings;
use openproxy_io_sim::kernel::Cause;
use openproxy_io_sim::lan::Lan;
use openproxy_io_sim::neighbours::Neighbours;
use openproxy_io_sim::{NODES_MAX, NodeId};

use crate::observe::{Observation, Observer};

/// A packet on its way. The order of the fields is the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flight {
    pub(super) at: SimTime,
    pub(super) number: u64,
    pub(super) to: NodeId,
    pub(super) from: Option<NodeId>,
    pub(super) slot: usize,
}

/// What is between the machines.
#[derive(Debug)]
pub(super) struct Net<O> {
    pub(super) now: SimTime,
    pub(super) lan: Lan,
    pub(super) clients: Neighbours,
    pub(super) flights: BinaryHeap<Reverse<Flight>>,
    pub(super) frames: Vec<Frame>,
    pub(super) free: Vec<usize>,
    pub(super) flown: u64,
    pub(super) claims: Vec<(SimTime, NodeId, IpAddr, MacAddress)>,
    pub(super) owners: Vec<(IpAddr, NodeId)>,
    pub(super) count: u8,
    pub(super) observer: O,
}

impl<O: Observer> Net<O> {
    pub(super) fn fly(&mut self, at: SimTime, to: NodeId, from: Option<NodeId>, frame: Frame) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.frames[slot] = frame;
                slot
            }
            None => {
                self.frames.push(frame);
                self.frames.len() - 1
            }
        };
        self.flown += 1;
        self.flights.push(Reverse(Flight { at, number: self.flown, to, from, slot }));
    }

    fn transmit(&mut self, from: NodeId, to: Option<NodeId>, frame: &Frame) {
        let now = self.now;
        let mut arriving = [None; NODES_MAX * 3];
        let mut count = 0;
        let Self { lan, observer, .. } = self;
        lan.transmit(
            now,
            from,
            to,
            frame,
            |delivery| {
                if let Some(place) = arriving.get_mut(count) {
                    *place = Some(delivery);
                    count += 1;
                }
            },
            |to| observer.observe(now, from, Observation::Lost { to }),
        );
        for delivery in arriving.into_iter().flatten() {
            self.fly(delivery.at, delivery.to, Some(from), delivery.frame);
        }
    }
}

impl<O: Observer> Surroundings for Net<O> {
    fn send(&mut self, node: NodeId, send: &SendAdvert) {
        self.observer.observe(self.now, node, Observation::Sent(send));
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
        self.observer.observe(self.now, node, Observation::Announced(announcement));
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
        self.observer.observe(self.now, node, Observation::Address(change, cause));
    }
}
