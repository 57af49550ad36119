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
