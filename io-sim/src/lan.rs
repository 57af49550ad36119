//! The network between the machines: who reaches whom, how late, and what goes wrong on the way.
//!
//! Each ordered pair of machines is a link of its own, so that cuts can be one-way and need not be
//! transitive. The clients are one more machine, at [`Lan::CLIENTS`].

use std::net::IpAddr;
use std::time::Duration;

use openproxy_core::io::{Destinations, SendAdvert};
use openproxy_core::vrrp::{AdvertBuffer, MULTICAST_V4, MULTICAST_V6};
use serde::{Deserialize, Serialize};

use crate::clock::SimTime;
use crate::draw::{Draws, Stream};
use crate::frame::{Frame, Truth, frame_of};
use crate::{NODES_MAX, NodeId};

const PLACES: usize = NODES_MAX + 1;

/// What can happen to a packet on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseKind {
    /// It is lost.
    Loss,
    /// It comes twice.
    Duplicate,
    /// It is late by up to the link's `reorder_by`, and overtaken by others.
    Reorder,
    /// One bit is flipped.
    Corrupt,
    /// It is cut short.
    Truncate,
    /// Its TTL is not 255.
    Ttl,
    /// Its sender gets it back.
    Reflect,
}

impl NoiseKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Loss,
        Self::Duplicate,
        Self::Reorder,
        Self::Corrupt,
        Self::Truncate,
        Self::Ttl,
        Self::Reflect,
    ];

    /// The questions that decide about it.
    const fn stream(self) -> Stream {
        match self {
            Self::Loss => Stream::Loss,
            Self::Duplicate => Stream::Duplicate,
            Self::Reorder => Stream::Reorder,
            Self::Corrupt => Stream::Corrupt,
            Self::Truncate => Stream::Truncate,
            Self::Ttl => Stream::Ttl,
            Self::Reflect => Stream::Reflect,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Link {
    /// How many faults cut it now.
    cuts: u8,
    extra: Duration,
    /// In parts of a thousand, by [`NoiseKind`].
    noise: [u16; NoiseKind::ALL.len()],
    noisy: bool,
}

/// A packet, or a copy of it, that will arrive.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Where.
    pub to: NodeId,
    /// When.
    pub at: SimTime,
    /// As it arrives.
    pub frame: Frame,
}

/// The network.
#[derive(Debug)]
pub struct Lan {
    draws: Draws,
    nodes: u8,
    delay_min: Duration,
    delay_max: Duration,
    /// How late a reordered packet is at most.
    reorder_by: Duration,
    links: [[Link; PLACES]; PLACES],
    /// Packets that each machine has sent: the counter in every draw.
    sent: [u64; PLACES],
    /// Room for the advert that is being sent.
    buffer: AdvertBuffer,
}

impl Lan {
    /// Where the clients are.
    pub const CLIENTS: NodeId = NodeId(7);

    /// A network of `nodes` machines whose packets travel between `delay_min` and `delay_max`.
    #[must_use]
    pub fn new(draws: Draws, nodes: u8, delay_min: Duration, delay_max: Duration) -> Self {
        let reorder_by = delay_max * 4;
        let (links, sent) = ([[Link::default(); PLACES]; PLACES], [0; PLACES]);
        let buffer = AdvertBuffer::new();
        Self { draws, nodes, delay_min, delay_max, reorder_by, links, sent, buffer }
    }

    /// Cuts a link, once more.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.links[from.index()][to.index()].cuts += 1;
    }

    /// Takes back one cut.
    pub fn mend(&mut self, from: NodeId, to: NodeId) {
        let link = &mut self.links[from.index()][to.index()];
        link.cuts = link.cuts.saturating_sub(1);
    }

    /// Whether a packet could come through now.
    #[must_use]
    pub fn is_open(&self, from: NodeId, to: NodeId) -> bool {
        self.links[from.index()][to.index()].cuts == 0
    }

    /// Makes a link slower by `extra`; zero ends it.
    pub fn delay(&mut self, from: NodeId, to: NodeId, extra: Duration) {
        self.links[from.index()][to.index()].extra = extra;
    }

    /// Sets how often, in a thousand, something happens to packets of a link; zero ends it.
    pub fn noise(&mut self, from: NodeId, to: NodeId, kind: NoiseKind, per_mille: u16) {
        let link = &mut self.links[from.index()][to.index()];
        link.noise[kind as usize] = per_mille;
        link.noisy = link.noise.iter().any(|rate| *rate > 0);
    }

    /// Sends an advert to its group, or to each peer that is a machine of this network; for `deliver`
    /// and `lose`, see [`Self::transmit`]. `owners` has the machines' addresses.
    pub fn send(
        &mut self,
        now: SimTime,
        from: NodeId,
        send: &SendAdvert,
        owners: &[(IpAddr, NodeId)],
        mut deliver: impl FnMut(Delivery),
        mut lose: impl FnMut(NodeId),
    ) {
        match &send.destinations {
            Destinations::Multicast => {
                let group = match send.source {
                    IpAddr::V4(_) => MULTICAST_V4.into(),
                    IpAddr::V6(_) => MULTICAST_V6.into(),
                };
                let frame = frame_of(send, group, &mut self.buffer);
                self.transmit(now, from, None, &frame, deliver, lose);
            }
            Destinations::Unicast(peers) => {
                for peer in peers.iter() {
                    let owner = owners.iter().find(|(address, _)| address == peer);
                    if let Some((_, to)) = owner.copied() {
                        let frame = frame_of(send, *peer, &mut self.buffer);
                        self.transmit(now, from, Some(to), &frame, &mut deliver, &mut lose);
                    }
                }
            }
        }
    }

    /// All machines but one.
    pub(crate) fn others(&self, node: NodeId) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes).map(NodeId).filter(move |other| *other != node)
    }

    /// Sends a packet to `to`, or to everybody else; what becomes of it is handed to `deliver`,
    /// and where it was lost, to `lose`.
    pub fn transmit(
        &mut self,
        now: SimTime,
        from: NodeId,
        to: Option<NodeId>,
        frame: &Frame,
        mut deliver: impl FnMut(Delivery),
        mut lose: impl FnMut(NodeId),
    ) {
        let counter = self.sent[from.index()];
        self.sent[from.index()] += 1;
        for position in 0..self.nodes {
            let target = NodeId(position);
            if target == from || to.is_some_and(|to| to != target) {
                continue;
            }
            if self.links[from.index()][target.index()].cuts > 0 {
                lose(target);
            } else if self.links[from.index()][target.index()].noisy {
                self.send_noisy(now, from, target, counter, frame, &mut deliver, &mut lose);
            } else {
                let at = now + self.travel(from, target, counter);
                deliver(Delivery { to: target, at, frame: frame.clone() });
            }
        }
    }

    /// When something other than an advert, sent now, arrives; `None` if the link is cut.
    ///
    /// Announcements and their like are spared the noise: the clients' traffic is no part of what is
    /// examined here.
    #[must_use]
    pub fn arrival(&self, now: SimTime, from: NodeId, to: NodeId) -> Option<SimTime> {
        let link = &self.links[from.index()][to.index()];
        (link.cuts == 0).then(|| now + self.delay_min + link.extra)
    }

    fn travel(&self, from: NodeId, to: NodeId, counter: u64) -> Duration {
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let (low, high) = (nanos(self.delay_min), nanos(self.delay_max));
        let drawn = self.draws.between(Stream::Latency, key(from, to), counter, low, high);
        Duration::from_nanos(drawn) + self.links[from.index()][to.index()].extra
    }

    #[expect(clippy::too_many_arguments, reason = "the same packet, link and sinks as transmit")]
    fn send_noisy(
        &self,
        now: SimTime,
        from: NodeId,
        to: NodeId,
        counter: u64,
        frame: &Frame,
        deliver: &mut impl FnMut(Delivery),
        lose: &mut impl FnMut(NodeId),
    ) {
        let link = &self.links[from.index()][to.index()];
        let key = key(from, to);
        let happens = |kind: NoiseKind| {
            self.draws.chance(kind.stream(), key, counter, link.noise[kind as usize])
        };
        // The drawn number's low digits decided whether; its high bits decide where.
        let chosen = |kind: NoiseKind| self.draws.draw(kind.stream(), key, counter) >> 32;
        let travel = self.travel(from, to, counter);
        if happens(NoiseKind::Reflect) {
            let mut frame = frame.clone();
            frame.truth = Truth::Reflected;
            deliver(Delivery { to: from, at: now + travel, frame });
        }
        if happens(NoiseKind::Loss) {
            return lose(to);
        }
        let mut frame = frame.clone();
        if happens(NoiseKind::Corrupt) {
            frame = frame.corrupted(chosen(NoiseKind::Corrupt));
        } else if happens(NoiseKind::Truncate) {
            frame = frame.truncated(chosen(NoiseKind::Truncate));
        } else if happens(NoiseKind::Ttl) {
            frame = frame.forwarded(chosen(NoiseKind::Ttl));
        }
        let late = if happens(NoiseKind::Reorder) {
            let most = u64::try_from(self.reorder_by.as_nanos()).unwrap_or(u64::MAX);
            Duration::from_nanos(chosen(NoiseKind::Reorder).wrapping_mul(most >> 32).min(most))
        } else {
            Duration::ZERO
        };
        if happens(NoiseKind::Duplicate) {
            let at = now + travel + late + self.delay_max;
            deliver(Delivery { to, at, frame: frame.clone() });
        }
        deliver(Delivery { to, at: now + travel + late, frame });
    }
}

fn key(from: NodeId, to: NodeId) -> u64 {
    (u64::from(from.0) << 8) | u64::from(to.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);
    const C: NodeId = NodeId(2);

    fn lan() -> Lan {
        Lan::new(Draws::new(3), 3, Duration::from_micros(100), Duration::from_micros(900))
    }

    fn frame() -> Frame {
        Frame::new([10, 0, 0, 1].into(), MULTICAST_V4.into(), &[0; 20])
    }

    /// Fates of the packets `0..count` from A: where, when, and what was done to each.
    fn fates(lan: &mut Lan, count: u64) -> Vec<(u64, NodeId, SimTime, Truth)> {
        let mut fates = Vec::new();
        for number in 0..count {
            let now = SimTime::from_secs(number);
            let deliver = |d: Delivery| fates.push((number, d.to, d.at, d.frame.truth));
            lan.transmit(now, A, None, &frame(), deliver, |_| {});
        }
        fates
    }

    #[test]
    fn everybody_else_gets_a_packet_within_the_delay() {
        for (number, to, at, truth) in fates(&mut lan(), 100) {
            assert!(to == B || to == C);
            let travel = at.since(SimTime::from_secs(number));
            assert!((100_000..=900_000).contains(&travel.as_nanos()), "{travel:?}");
            assert_eq!(truth, Truth::Whole);
        }
    }

    #[test]
    fn a_cut_is_one_way_and_counts() {
        let mut lan = lan();
        lan.cut(A, B);
        lan.cut(A, B);
        lan.mend(A, B);
        assert!(!lan.is_open(A, B) && lan.is_open(B, A));
        assert!(fates(&mut lan, 10).iter().all(|fate| fate.1 == C));
        lan.mend(A, B);
        assert!(lan.is_open(A, B));
    }

    #[test]
    fn noise_on_one_link_leaves_the_fates_on_the_other_in_place() {
        let quiet = fates(&mut lan(), 1_000);
        let mut noisy = lan();
        for kind in NoiseKind::ALL {
            noisy.noise(A, B, kind, 200);
        }
        let noisy = fates(&mut noisy, 1_000);
        let to_c = |fates: &[(u64, NodeId, SimTime, Truth)]| -> Vec<_> {
            fates.iter().filter(|fate| fate.1 == C).copied().collect()
        };
        assert_eq!(to_c(&quiet), to_c(&noisy));
        for truth in [Truth::Corrupted, Truth::Truncated, Truth::Forwarded, Truth::Reflected] {
            assert!(noisy.iter().any(|fate| fate.3 == truth), "{truth:?}");
        }
    }

    #[test]
    fn one_kind_of_noise_leaves_the_others_in_place() {
        let lost = |with_duplicates: bool| {
            let mut lan = lan();
            lan.noise(A, B, NoiseKind::Loss, 300);
            lan.noise(A, B, NoiseKind::Duplicate, if with_duplicates { 500 } else { 0 });
            let mut lost = Vec::new();
            for number in 0..500 {
                lan.transmit(SimTime::ZERO, A, Some(B), &frame(), |_| {}, |_| lost.push(number));
            }
            lost
        };
        assert_eq!(lost(false), lost(true));
        assert!(lost(false).len() > 100);
    }
}
