//! What is between the machines: packets on their way, and announcements.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use openproxy_core::io::{AddressChange, Announcement, ResetConnections, SendAdvert};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::frame::Frame;
use openproxy_io_sim::host::Surroundings;
use openproxy_io_sim::kernel::Cause;
use openproxy_io_sim::lan::{Delivery, Lan};
use openproxy_io_sim::neighbours::Neighbours;

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
    pub(super) neighbours: Neighbours,
    pub(super) flights: BinaryHeap<Reverse<Flight>>,
    pub(super) frames: Vec<Frame>,
    pub(super) free: Vec<usize>,
    pub(super) flown: u64,
    /// Empty between two sends; kept for its room.
    pub(super) deliveries: Vec<Delivery>,
    pub(super) owners: Vec<(IpAddr, NodeId)>,
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
}

impl<O: Observer> Surroundings for Net<O> {
    fn send(&mut self, node: NodeId, send: &SendAdvert) {
        let now = self.now;
        self.observer.observe(now, node, Observation::Sent(send));
        let mut deliveries = std::mem::take(&mut self.deliveries);
        let Self { lan, observer, owners, .. } = self;
        lan.send(
            now,
            node,
            send,
            owners,
            |delivery| deliveries.push(delivery),
            |to| observer.observe(now, node, Observation::Lost { to }),
        );
        for Delivery { to, at, frame } in deliveries.drain(..) {
            self.fly(at, to, Some(node), frame);
        }
        self.deliveries = deliveries;
    }

    fn announce(&mut self, node: NodeId, announcement: &Announcement) {
        self.observer.observe(self.now, node, Observation::Announced(announcement));
        self.neighbours.announce(self.now, &self.lan, node, announcement);
    }

    fn connections_reset(&mut self, node: NodeId, reset: &ResetConnections) {
        self.observer.observe(self.now, node, Observation::Reset(reset));
    }

    fn address_changed(&mut self, node: NodeId, change: &AddressChange, cause: Cause) {
        self.observer.observe(self.now, node, Observation::Address(change, cause));
    }
}
