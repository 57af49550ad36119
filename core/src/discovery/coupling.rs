//! What a virtual router makes of where the primary is (`track_patroni`).
//!
//! Only a confirmed primary moves anything; where none is, all stays as it was. Two looks in a row
//! must agree before something changes, so one change of fact makes one change of priority.

use super::probe::Port;
use super::topology::Topology;

/// So many looks in a row must say the same.
const AGREEING: u8 = 2;
/// What the primary's own node gets.
pub const LOCAL_BONUS: u8 = 100;

/// What a virtual router tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// A node that can't reach any primary gets this much less priority.
    PrimaryReachable {
        /// How much less.
        penalty: u8,
    },
    /// The node on which the primary runs gets 100 more.
    LocalPrimary,
}

/// One look at all shards that a router tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    /// Nothing that a decision may be based on.
    Nothing,
    /// A confirmed primary's port accepts connections; or it runs on this node.
    Yes,
    /// Every confirmed primary's port is closed; or all run elsewhere.
    No,
}

/// The coupling of one router.
#[derive(Clone, Copy, Debug)]
pub struct Coupling {
    track: Track,
    /// What is acted upon.
    fact: Option<bool>,
    /// What the last looks said instead, and how many of them in a row.
    pending: Option<(bool, u8)>,
}

impl Track {
    /// Looks at the shards: their topologies, what is known of their primaries' ports, and which
    /// addresses are this node's.
    pub fn look<'a>(
        self,
        shards: impl IntoIterator<Item = (&'a Topology, Port)>,
        is_local: impl Fn(&super::Host) -> bool,
    ) -> Look {
        let mut look = Look::Nothing;
        for (topology, port) in shards {
            let named = topology.primary.confirmed();
            let named = if mutated!(KeptDecides) { topology.primary.named() } else { named };
            let Some(named) = named else { continue };
            let yes = match (self, port) {
                (Self::LocalPrimary, _) => is_local(&named.address.host),
                (Self::PrimaryReachable { .. }, Port::Open) => true,
                (Self::PrimaryReachable { .. }, Port::Closed) => false,
                (Self::PrimaryReachable { .. }, Port::Unknown) => continue,
            };
            if yes {
                return Look::Yes;
            }
            look = Look::No;
        }
        look
    }
}

impl Coupling {
    /// One that has seen nothing yet.
    #[must_use]
    pub const fn new(track: Track) -> Self {
        Self { track, fact: None, pending: None }
    }

    /// What is tracked.
    #[must_use]
    pub const fn track(&self) -> Track {
        self.track
    }

    /// What to add to the router's priority.
    #[must_use]
    pub fn weight(&self) -> i32 {
        match (self.track, self.fact) {
            (Track::PrimaryReachable { penalty }, Some(false)) => -i32::from(penalty),
            (Track::LocalPrimary, Some(true)) => LOCAL_BONUS.into(),
            (Track::PrimaryReachable { .. }, Some(true) | None)
            | (Track::LocalPrimary, Some(false) | None) => 0,
        }
    }

    /// Takes a look: at a new probe, or a new confirmation. Whether the weight has changed.
    pub fn take(&mut self, look: Look) -> bool {
        let yes = match look {
            // What is between two looks that agree is no agreement.
            Look::Nothing => None,
            Look::Yes => Some(true),
            Look::No => Some(false),
        };
        let Some(yes) = yes.filter(|yes| self.fact != Some(*yes)) else {
            self.pending = None;
            return false;
        };
        let count = match self.pending {
            Some((same, count)) if same == yes => count + 1,
            Some(_) | None => 1,
        };
        self.pending = Some((yes, count));
        if count < AGREEING && !mutated!(OneLookMoves) {
            return false;
        }
        let was = self.weight();
        (self.fact, self.pending) = (Some(yes), None);
        self.weight() != was
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{Address, Host};
    use super::super::topology::{Evidence, KeptWhy, Named, NoneWhy, Primary, Rule};
    use super::*;
    use crate::time::Instant;

    fn named() -> Named {
        let evidence =
            Evidence { rule: Rule::OwnWord, source: None, at: Instant::ZERO, timeline: None };
        let address = Address { host: Host::new("db1"), port: 5432 };
        Named { name: None, address, evidence }
    }

    fn topology(primary: Primary) -> Topology {
        Topology { primary, ..Topology::unknown(NoneWhy::Starting) }
    }

    #[test]
    fn the_primary_s_node_gets_a_hundred_after_two_looks_and_one_change() {
        let mut coupling = Coupling::new(Track::LocalPrimary);
        let shard = topology(Primary::Confirmed(named()));
        let look = |local: &str| coupling_look(Track::LocalPrimary, &shard, Port::Unknown, local);
        assert!(!coupling.take(look("db1")));
        assert!(coupling.take(look("db1")) && coupling.weight() == 100);
        assert!(!coupling.take(look("db2")) && coupling.weight() == 100);
        assert!(!coupling.take(look("db1")) && !coupling.take(look("db2")));
        assert!(coupling.take(look("db2")) && coupling.weight() == 0);
    }

    fn coupling_look(track: Track, shard: &Topology, port: Port, local: &str) -> Look {
        track.look([(shard, port)], |host| *host == Host::new(local))
    }

    #[test]
    fn only_a_confirmed_primary_decides() {
        let others = [
            Primary::Kept(named(), KeptWhy::AllSilent),
            Primary::Hearsay(named()),
            Primary::None(NoneWhy::KeyGone),
        ];
        for primary in others {
            let shard = topology(primary);
            for track in [Track::LocalPrimary, Track::PrimaryReachable { penalty: 20 }] {
                assert_eq!(coupling_look(track, &shard, Port::Closed, "db1"), Look::Nothing);
            }
        }
    }

    #[test]
    fn a_node_that_reaches_no_primary_is_penalised_and_one_that_reaches_any_is_not() {
        let track = Track::PrimaryReachable { penalty: 20 };
        let mut coupling = Coupling::new(track);
        let shard = topology(Primary::Confirmed(named()));
        let looks = |ports: &[Port]| track.look(ports.iter().map(|port| (&shard, *port)), |_| true);
        assert_eq!(looks(&[Port::Closed, Port::Open]), Look::Yes);
        assert_eq!(looks(&[Port::Closed, Port::Unknown]), Look::No);
        assert_eq!(looks(&[Port::Unknown]), Look::Nothing);
        assert!(!coupling.take(Look::No) && !coupling.take(Look::Nothing));
        assert!(!coupling.take(Look::No) && coupling.weight() == 0);
        assert!(coupling.take(Look::No) && coupling.weight() == -20);
        assert!(!coupling.take(Look::Yes) && coupling.take(Look::Yes) && coupling.weight() == 0);
    }
}
