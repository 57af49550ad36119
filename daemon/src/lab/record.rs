//! The record: everything the observers saw, and a way to wait for something to be seen.

use std::net::Ipv4Addr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::advert::Advert;
use super::clock;

/// How often a waiter looks by itself; answers to probes don't wake it.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Something that changed in the lab's network, in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The kernel of this node has, or no longer has, the VIP.
    Held(usize, bool),
    /// The cable of this node is in, or pulled.
    Plugged(usize, bool),
    /// The cable between the two LANs is in, or cut.
    Trunk(bool),
}

/// An advert on its way out of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    /// The kernel's stamp.
    pub(crate) at: Duration,
    /// Whose cable it came out of.
    pub(crate) node: usize,
    /// The LAN at the other end of that cable.
    pub(crate) lan: usize,
    /// What it said.
    pub(crate) advert: Advert,
}

/// The VIP of one of many routers came onto a node, or went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    /// When the node's kernel had told so.
    pub(crate) at: Duration,
    /// Which node.
    pub(crate) node: usize,
    /// Which VIP.
    pub(crate) vip: Ipv4Addr,
    /// Whether the node has it from now on.
    pub(crate) held: bool,
}

/// One question of the client to the VIP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    /// When it was sent.
    pub(crate) sent: Duration,
    /// The kernel's stamp of the answer, and the node that gave it.
    pub(crate) answer: Option<(Duration, usize)>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By a reset.
    Reset,
    /// The other side closed it, or the lab itself.
    Closed,
    /// In another way: the kernel gave up.
    Failed,
}

/// One connection of the client through the VIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// When it was answered first, which is when it counts as open.
    pub(crate) opened: Duration,
    /// Who is at its other end.
    pub(crate) node: usize,
    /// When it was answered last.
    pub(crate) answered: Duration,
    /// When it ended, and how.
    pub(crate) ended: Option<(Duration, End)>,
}

impl Connection {
    /// One that this node answers for the first time now.
    pub(crate) fn new(now: Duration, node: usize) -> Self {
        Self { opened: now, node, answered: now, ended: None }
    }
}

/// How much a node has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Adverts.
    pub(crate) adverts: usize,
    /// Announcements of the VIP.
    pub(crate) claims: usize,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} adverts, {} GARPs", self.adverts, self.claims)
    }
}

/// All observations of a run.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Who held the VIP and who could reach whom.
    pub(crate) facts: Vec<(Duration, Fact)>,
    /// Where the VIPs of many routers came and went.
    pub(crate) moves: Vec<Move>,
    /// Every advert of every node.
    pub(crate) adverts: Vec<Sighting>,
    /// ARP packets that claim the VIP, by node.
    pub(crate) claims: Vec<(Duration, usize)>,
    /// The client's probes; the index is the sequence number.
    pub(crate) probes: Vec<Probe>,
    /// The client's connections, one after the other.
    pub(crate) connections: Vec<Connection>,
    /// Packets or events that an observer failed to read in time: its figures are then void.
    pub(crate) lost: u64,
    /// The user wants the lab to end.
    pub(crate) interrupted: bool,
}

impl Record {
    /// The last advert of a node with a priority other than zero, at or before `by`.
    pub(crate) fn last_advert(&self, node: usize, by: Duration) -> Option<Duration> {
        let mut adverts = self.adverts.iter().rev();
        adverts
            .find(|seen| seen.node == node && seen.advert.priority > 0 && seen.at <= by)
            .map(|seen| seen.at)
    }

    /// The first advert of a node with a priority other than zero, after `after`.
    pub(crate) fn first_advert(&self, node: usize, after: Duration) -> Option<Duration> {
        self.adverts
            .iter()
            .rev()
            .take_while(|seen| seen.at > after)
            .filter(|seen| seen.node == node && seen.advert.priority > 0)
            .last()
            .map(|seen| seen.at)
    }

    /// When a node first claimed the VIP, after `after`.
    pub(crate) fn first_claim(&self, node: usize, after: Duration) -> Option<Duration> {
        let claims = self.claims.iter().rev().take_while(|(at, _)| *at > after);
        claims.filter(|(_, by)| *by == node).last().map(|(at, _)| *at)
    }

    /// What a node has said since a moment.
    pub(crate) fn said_since(&self, node: usize, from: Duration) -> Said {
        let adverts = self.adverts.iter().rev().take_while(|seen| seen.at >= from);
        let claims = self.claims.iter().rev().take_while(|(at, _)| *at >= from);
        Said {
            adverts: adverts.filter(|seen| seen.node == node).count(),
            claims: claims.filter(|(_, by)| *by == node).count(),
        }
    }

    /// The latest answer a probe got, and from whom.
    pub(crate) fn last_answer(&self) -> Option<(Duration, usize)> {
        // Two seconds of probes are enough to tell whether the client is being served.
        self.probes.iter().rev().take(1000).find_map(|probe| probe.answer)
    }
}

/// Why a wait ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    /// It didn't happen in time.
    Deadline,
    /// The user interrupted the lab.
    Interrupted,
}

/// The record, shared by the observers (who write) and the scenarios (who wait and read).
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    record: Mutex<Record>,
    changed: Condvar,
}

impl Recorder {
    /// Looks at the record, and may add to it without waking anybody.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Record> {
        // A panicking observer leaves at worst one half-told fact behind; the run is over anyway.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the record and wakes whoever waits for it.
    pub(crate) fn note(&self, add: impl FnOnce(&mut Record)) {
        add(&mut self.lock());
        self.changed.notify_all();
    }

    /// Adds a fact that happens now.
    pub(crate) fn note_fact(&self, fact: Fact) {
        // The stamp is taken under the lock, so that facts stay in order of time.
        self.note(|record| record.facts.push((clock::now(), fact)));
    }

    /// Adds that one of many VIPs comes or goes now.
    pub(crate) fn note_move(&self, node: usize, vip: Ipv4Addr, held: bool) {
        self.note(|record| record.moves.push(Move { at: clock::now(), node, vip, held }));
    }

    /// Adds that the client is answered now on the connection that it has.
    pub(crate) fn note_answer(&self) {
        self.note_connection(|connection| connection.answered = clock::now());
    }

    /// Adds that the client's connection ends now.
    pub(crate) fn note_end(&self, end: End) {
        self.note_connection(|connection| connection.ended = Some((clock::now(), end)));
    }

    fn note_connection(&self, change: impl Fn(&mut Connection)) {
        self.note(|record| record.connections.last_mut().into_iter().for_each(change));
    }

    /// Waits until `seen` finds what it looks for, `deadline` passes, or the user has enough.
    pub(crate) fn wait<T>(
        &self,
        deadline: Duration,
        mut seen: impl FnMut(&Record) -> Option<T>,
    ) -> Result<T, WaitEnd> {
        let mut record = self.lock();
        loop {
            if record.interrupted {
                return Err(WaitEnd::Interrupted);
            }
            if let Some(found) = seen(&record) {
                return Ok(found);
            }
            let left = deadline.saturating_sub(clock::now());
            if left.is_zero() {
                return Err(WaitEnd::Deadline);
            }
            record = match self.changed.wait_timeout(record, left.min(LOOK_AGAIN)) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}
