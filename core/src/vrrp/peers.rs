//! What is odd about the peers that are heard, so that each oddity is told of once.

use std::net::IpAddr;

/// How many peers are remembered; the one heard of first gives way.
const PEERS_MAX: usize = 16;

/// What a valid advert shows of its sender, beyond the election.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerTraits {
    /// Its VIPs are not ours.
    pub(crate) list_differs: bool,
    /// Its IPv6 list doesn't begin with a link-local address.
    pub(crate) global_first: bool,
    /// Its checksum is over the message alone.
    pub(crate) message_only_checksum: bool,
}

/// The peers of one router.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers(Vec<(IpAddr, PeerTraits)>);

impl Peers {
    /// Notes what a peer shows now; returns what it showed before.
    pub(super) fn put(&mut self, source: IpAddr, traits: PeerTraits) -> PeerTraits {
        if let Some((_, known)) = self.0.iter_mut().find(|(peer, _)| *peer == source) {
            return std::mem::replace(known, traits);
        }
        if self.0.len() >= PEERS_MAX {
            self.0.remove(0);
        }
        self.0.push((source, traits));
        PeerTraits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn sixteen_peers_are_remembered_and_the_first_gives_way() {
        let mut peers = Peers::default();
        let odd = PeerTraits { list_differs: true, ..PeerTraits::default() };
        for last in 1..=16 {
            assert_eq!(peers.put(peer(last), odd), PeerTraits::default());
        }
        for last in 1..=16 {
            assert_eq!(peers.put(peer(last), odd), odd);
        }
        assert_eq!(peers.put(peer(17), odd), PeerTraits::default());
        assert_eq!(peers.put(peer(2), odd), odd);
        assert_eq!(peers.put(peer(1), odd), PeerTraits::default(), "it has been forgotten");
    }

    #[test]
    fn what_a_peer_shows_now_is_what_it_showed_before_the_next_time() {
        let mut peers = Peers::default();
        let (odd, well) = (PeerTraits { global_first: true, ..well() }, well());
        assert_eq!([odd, well, odd, odd].map(|t| peers.put(peer(1), t)), [well, odd, well, odd]);
    }

    fn well() -> PeerTraits {
        PeerTraits::default()
    }
}
