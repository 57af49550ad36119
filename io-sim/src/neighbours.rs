//! Who hears announcements: clients, whose neighbour caches then take another machine for the holder
//! of a VIP, and the other machines, to whom they are claims.

use std::net::IpAddr;

use openproxy_core::io::{Announcement, MacAddress};

use crate::NodeId;
use crate::clock::SimTime;
use crate::lan::Lan;

/// A claim of an address that a machine hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The machine.
    pub to: NodeId,
    /// The address.
    pub ip: IpAddr,
    /// Who claims it.
    pub mac: MacAddress,
}

/// The neighbour cache of the clients (one serves for all, since they hear the same), and what is on
/// its way to them and to machines.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    entries: Vec<(IpAddr, NodeId)>,
    /// Announcements that are still on their way to the clients.
    coming: Vec<(SimTime, IpAddr, NodeId)>,
    claims: Vec<(SimTime, Claim)>,
}

impl Neighbours {
    /// A machine announces addresses now, to everybody whom it reaches.
    pub fn announce(&mut self, now: SimTime, lan: &Lan, node: NodeId, announcement: &Announcement) {
        for ip in announcement.addresses.iter().copied() {
            for to in lan.others(node) {
                if let Some(at) = lan.arrival(now, node, to) {
                    self.claims.push((at, Claim { to, ip, mac: announcement.mac }));
                }
            }
            if let Some(at) = lan.arrival(now, node, Lan::CLIENTS) {
                self.coming.push((at, ip, node));
            }
        }
    }

    /// When the next announcement is heard.
    #[must_use]
    pub fn due_at(&self) -> SimTime {
        let clients = self.coming.iter().map(|(at, _, _)| *at);
        let machines = self.claims.iter().map(|(at, _)| *at);
        clients.chain(machines).min().unwrap_or(SimTime::MAX)
    }

    /// The next claim that a machine has heard by now.
    pub fn next_claim(&mut self, now: SimTime) -> Option<Claim> {
        let position = self.claims.iter().position(|(at, _)| *at <= now)?;
        Some(self.claims.remove(position).1)
    }

    /// What clients have heard by now; tells which entries changed, and to whom.
    pub fn hear(&mut self, now: SimTime, mut changed: impl FnMut(IpAddr, NodeId)) {
        self.coming.sort_by_key(|(at, _, _)| *at);
        while let Some((at, ip, holder)) = self.coming.first().copied()
            && at <= now
        {
            self.coming.remove(0);
            match self.entries.iter_mut().find(|(known, _)| *known == ip) {
                Some((_, known)) if *known == holder => continue,
                Some((_, known)) => *known = holder,
                None => self.entries.push((ip, holder)),
            }
            changed(ip, holder);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::draw::Draws;
    use crate::kernel::mac;

    fn announcement(node: NodeId) -> Announcement {
        let index = openproxy_core::io::InterfaceIndex(2);
        Announcement { index, mac: mac(node), addresses: vec![IpAddr::from([10, 0, 0, 200])] }
    }

    #[test]
    fn the_last_announcement_heard_wins_whatever_order_they_were_sent_in() {
        let mut lan =
            Lan::new(Draws::new(1), 2, Duration::from_nanos(10), Duration::from_nanos(10));
        lan.delay(NodeId(1), Lan::CLIENTS, Duration::from_nanos(10));
        let mut clients = Neighbours::default();
        clients.announce(SimTime(0), &lan, NodeId(1), &announcement(NodeId(1)));
        clients.announce(SimTime(0), &lan, NodeId(0), &announcement(NodeId(0)));
        assert_eq!(clients.due_at(), SimTime(10));
        let mut changes = Vec::new();
        clients.hear(SimTime(10), |_, holder| changes.push(holder));
        assert_eq!(changes, [NodeId(0)]);
        clients.hear(SimTime(30), |_, holder| changes.push(holder));
        assert_eq!(changes, [NodeId(0), NodeId(1)]);
    }

    #[test]
    fn a_claim_comes_to_the_others_whom_it_reaches() {
        let mut lan =
            Lan::new(Draws::new(1), 3, Duration::from_nanos(10), Duration::from_nanos(10));
        lan.cut(NodeId(0), NodeId(1));
        lan.cut(NodeId(0), Lan::CLIENTS);
        let mut neighbours = Neighbours::default();
        neighbours.announce(SimTime(0), &lan, NodeId(0), &announcement(NodeId(0)));
        assert_eq!(neighbours.next_claim(SimTime(9)), None);
        let claim = neighbours.next_claim(SimTime(10)).expect("a claim");
        assert_eq!((claim.to, claim.mac), (NodeId(2), mac(NodeId(0))));
        assert_eq!((neighbours.next_claim(SimTime(10)), neighbours.due_at()), (None, SimTime::MAX));
    }
}
