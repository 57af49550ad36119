//! What a virtual router makes of where the primary is (`track_patroni`).
//!
//! Only a confirmed primary moves anything, or one that this node alone may not reach; where neither
//! is, all stays as it was. Two looks in a row must agree before something changes, so one change of
//! fact makes one change of priority; but for a port that is open, which needs no second look.
//!
//! When a primary's machine dies, no node reaches it, and none knows of the others that they don't.
//! So all give way at the same time, and stop doing so at the same time, or one that finds out later
//! would take the VIP for a moment: each counts from when the port was last open, not from when it
//! found out, and the first connection to the next primary decides.

use super::probe::Port;
use super::topology::{NoneWhy, Primary, Topology};
use crate::time::{Duration, Instant};

/// So many looks in a row must say the same, as a rule.
const AGREEING: u8 = 2;
/// A port is closed for so long before anything follows from it: longer than it takes any node to
/// find out, two probes that hang.
const UNREACHABLE_FOR: Duration = Duration::from_secs(4);
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
    /// Every known primary's port is closed; or all confirmed ones run elsewhere.
    No {
        /// Before this, nothing follows from it.
        counts_from: Instant,
    },
}

/// The coupling of one router.
#[derive(Clone, Copy, Debug)]
pub struct Coupling {
    track: Track,
    /// What is acted upon.
    fact: Option<bool>,
    /// What the last looks said instead, and how many of them in a row.
    pending: Option<Pending>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    says: bool,
    count: u8,
    counts_from: Instant,
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
            let found = match self {
                Self::LocalPrimary => named.map(|named| match is_local(&named.address.host) {
                    true => Look::Yes,
                    false => Look::No { counts_from: Instant::ZERO },
                }),
                Self::PrimaryReachable { .. } => reach(&topology.primary, port),
            };
            look = match (look, found) {
                (_, Some(Look::Yes)) => return Look::Yes,
                // With several, from when the last of them was out of reach.
                (Look::No { counts_from: one }, Some(Look::No { counts_from: other })) => {
                    Look::No { counts_from: one.max(other) }
                }
                (Look::Nothing, Some(found)) => found,
                (look, None | Some(Look::Nothing | Look::No { .. })) => look,
            };
        }
        look
    }
}

/// Whether the primary is within this node's reach. One whose Patroni is silent, too, isn't
/// confirmed, though others may reach both.
fn reach(primary: &Primary, port: Port) -> Option<Look> {
    let counts = match primary {
        Primary::Confirmed(_) | Primary::None(NoneWhy::Unreachable) => true,
        Primary::Kept(..) => mutated!(KeptDecides),
        Primary::Hearsay(_) | Primary::None(_) => false,
    };
    match port {
        Port::Open if primary.named().is_some() => Some(Look::Yes),
        Port::Closed { since } => Some(Look::No { counts_from: since + UNREACHABLE_FOR }),
        Port::Open | Port::Unknown => None,
    }
    .filter(|_| counts)
}

impl Coupling {
    /// One that has seen nothing yet.
    #[must_use]
    pub const fn new(track: Track) -> Self {
        Self { track, fact: None, pending: None }
    }

    /// Tracks the same with another weight, and keeps what was found; anything else begins anew.
    pub fn retrack(&mut self, track: Track) {
        if std::mem::discriminant(&self.track) == std::mem::discriminant(&track) {
            self.track = track;
        } else {
            *self = Self::new(track);
        }
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

    /// When a look is due though nothing new was learnt; [`Instant::MAX`] for never.
    #[must_use]
    pub fn due_at(&self) -> Instant {
        let waits = self.pending.filter(|pending| pending.count >= AGREEING);
        waits.map_or(Instant::MAX, |pending| pending.counts_from)
    }

    /// Takes a look: at a new probe, or a new confirmation, or since it is due. Whether the weight
    /// has changed.
    pub fn take(&mut self, now: Instant, look: Look) -> bool {
        let (says, counts_from) = match look {
            // What is between two looks that agree is no agreement.
            Look::Nothing => {
                self.pending = None;
                return false;
            }
            Look::Yes => (true, Instant::ZERO),
            Look::No { counts_from } => (false, counts_from),
        };
        if self.fact == Some(says) {
            self.pending = None;
            return false;
        }
        let before = self.pending.filter(|pending| pending.says == says);
        let count = before.map_or(1, |pending| pending.count.saturating_add(1));
        self.pending = Some(Pending { says, count, counts_from });
        let enough = match (self.track, says) {
            (Track::PrimaryReachable { .. }, true) => 1,
            (Track::PrimaryReachable { .. }, false) | (Track::LocalPrimary, _) => AGREEING,
        };
        if (count < enough || now < counts_from) && !mutated!(OneLookMoves) {
            return false;
        }
        let was = self.weight();
        (self.fact, self.pending) = (Some(says), None);
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

    fn look(track: Track, shard: &Topology, port: Port, local: &str) -> Look {
        track.look([(shard, port)], |host| *host == Host::new(local))
    }

    const NOW: Instant = Instant::from_millis(60_000);
    const CLOSED: Port = Port::Closed { since: NOW };
    const REACHABLE: Track = Track::PrimaryReachable { penalty: 20 };

    #[test]
    fn the_primary_s_node_gets_a_hundred_after_two_looks_and_one_change() {
        let mut coupling = Coupling::new(Track::LocalPrimary);
        let shard = topology(Primary::Confirmed(named()));
        let look = |local: &str| look(Track::LocalPrimary, &shard, Port::Unknown, local);
        let mut take = |local| {
            let moved = coupling.take(NOW, look(local));
            (moved, coupling.weight())
        };
        assert_eq!([take("db1"), take("db1")], [(false, 0), (true, 100)]);
        assert_eq!([take("db2"), take("db1"), take("db2")], [(false, 100); 3]);
        assert_eq!(take("db2"), (true, 0));
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
            for track in [Track::LocalPrimary, REACHABLE] {
                assert_eq!(look(track, &shard, CLOSED, "db1"), Look::Nothing);
                assert_eq!(look(track, &shard, Port::Unknown, "db2"), Look::Nothing);
            }
        }
    }

    #[test]
    fn a_node_that_reaches_no_primary_is_penalised_and_one_that_reaches_any_is_not() {
        let no = Look::No { counts_from: NOW + UNREACHABLE_FOR };
        for primary in [Primary::Confirmed(named()), Primary::None(NoneWhy::Unreachable)] {
            let shard = topology(primary);
            assert_eq!(look(REACHABLE, &shard, CLOSED, "db1"), no);
            assert_eq!(look(REACHABLE, &shard, Port::Unknown, "db1"), Look::Nothing);
        }
        let shard = topology(Primary::Confirmed(named()));
        let looks =
            |ports: &[Port]| REACHABLE.look(ports.iter().map(|port| (&shard, *port)), |_| true);
        assert_eq!(looks(&[CLOSED, Port::Open]), Look::Yes);
        assert_eq!(looks(&[CLOSED, Port::Unknown]), no);
        assert_eq!(looks(&[Port::Closed { since: Instant::ZERO }, CLOSED]), no);
        assert_eq!(looks(&[Port::Unknown]), Look::Nothing);
    }

    #[test]
    fn a_penalty_waits_until_every_node_has_found_out_and_ends_at_once() {
        let mut coupling = Coupling::new(REACHABLE);
        let counts_from = NOW + UNREACHABLE_FOR;
        let no = Look::No { counts_from };
        assert!(!coupling.take(NOW, no) && coupling.due_at() == Instant::MAX);
        assert!(!coupling.take(NOW, Look::Nothing) && !coupling.take(NOW, no));
        assert!(!coupling.take(NOW, no) && coupling.due_at() == counts_from);
        assert!(coupling.take(counts_from, no) && coupling.weight() == -20);
        assert_eq!(coupling.due_at(), Instant::MAX);
        assert!(coupling.take(counts_from, Look::Yes) && coupling.weight() == 0);
    }
}
