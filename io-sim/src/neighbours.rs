//! Clients on the network, and whom their neighbour caches take for the holder of a VIP.

use std::net::IpAddr;

use crate::NodeId;
use crate::clock::SimTime;

/// The neighbour cache of the clients; one serves for all, since they hear the same.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    entries: Vec<(IpAddr, NodeId)>,
    /// Announcements that are still on their way.
    coming: Vec<(SimTime, IpAddr, NodeId)>,
}

impl Neighbours {
    /// An announcement that will be heard at `at`.
    pub fn announce(&mut self, at: SimTime, ip: IpAddr, holder: NodeId) {
        self.coming.push((at, ip, holder));
    }

    /// When the next announcement is heard.
    #[must_use]
    pub fn due_at(&self) -> SimTime {
        self.coming.iter().map(|(at, _, _)| *at).min().unwrap_or(SimTime::MAX)
    }

    /// Hears what has arrived; tells which entries changed, and to whom.
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

    /// Where a packet for `ip` goes.
    #[must_use]
    pub fn holder(&self, ip: IpAddr) -> Option<NodeId> {
        self.entries.iter().find(|(known, _)| *known == ip).map(|(_, holder)| *holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_announcement_heard_wins_whatever_order_they_were_sent_in() {
        let vip = IpAddr::from([10, 0, 0, 200]);
        let mut clients = Neighbours::default();
        clients.announce(SimTime(20), vip, NodeId(1));
        clients.announce(SimTime(10), vip, NodeId(0));
        assert_eq!(clients.due_at(), SimTime(10));
        let mut changes = Vec::new();
        clients.hear(SimTime(10), |_, holder| changes.push(holder));
        assert_eq!(clients.holder(vip), Some(NodeId(0)));
        clients.hear(SimTime(30), |_, holder| changes.push(holder));
        assert_eq!(changes, [NodeId(0), NodeId(1)]);
        assert_eq!(clients.due_at(), SimTime::MAX);
    }
}
