//! Discovery: which of a shard's servers is the primary, as Patroni's REST API tells it.
//!
//! Nothing here does IO. A driver asks what [`Discovery::poll_output`] tells it to ask, hands in
//! the answers, and wakes it at [`Discovery::poll_timeout`]. The rules, and why:
//!
//! * **No harm.** All shards that name the same endpoint share its poller; never more than one
//!   request is under way to it; it is asked at most twice a second, eight times while a change is
//!   suspected; and it rests after a hang. A `/cluster` that hangs holds one of five threads of its
//!   Patroni for ten seconds, and these threads are what keeps a primary primary without its DCS.
//! * **A primary is who says so itself**: its own fresh `/patroni` says role primary and state
//!   running, on no lower timeline than any primary before. `/cluster` alone proves nothing: a node
//!   that is cut off gives the key to the old leader for 12 s, and the key says nothing about
//!   PostgreSQL.
//! * **Silence alone drops nobody.** Who falls silent stays named while no view shows its key gone
//!   and its port accepts connections.
//! * **An answer is as old as its question**: a process that was stopped may answer later.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `answer`, `words` | reading `/patroni` and `/cluster` |
//! | `slots`, `asking` | when an endpoint is asked, and what |
//! | `seats` | which endpoint is which server and member |
//! | `claims`, `naming` | who is named, and how surely |
//! | `replicas` | the rest of a topology |
//! | [`coupling`] | what a virtual router makes of it |

mod answer;
mod asking;
mod claims;
mod cluster;
mod config;
pub mod coupling;
mod endpoint;
mod event;
mod failure;
mod naming;
mod probe;
mod reconfigure;
mod replicas;
mod review;
mod seats;
mod slots;
mod suspicion;
#[cfg(test)]
mod tests;
mod topology;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use answer::{
    AnswerError, BODY_BYTES_MAX, ClusterAnswer, MEMBERS_MAX, Member, NAME_BYTES_MAX, NodeAnswer,
    Odd, Positions, SystemIdentifier, Timeline,
};
use cluster::{Cluster, Endpoints};
pub use config::{
    Address, EndpointKey, FileRole, Host, PatroniConfig, Scheme, Server, ShardConfig, ShardId,
    TlsId,
};
pub use endpoint::AskPath;
use endpoint::EndpointIx;
pub use event::{Event, EventKind, RegressWhy, Subject};
pub use failure::{AskFailure, Counters, ProbeFailure};
pub use probe::Port;
pub use topology::{
    Evidence, KeptWhy, Named, NoneWhy, Primary, Replica, ReplicaKind, Rule, Topology,
};
pub use words::{Role, State};

use crate::time::Instant;

/// Tells the answers to one request, or probe, from all others; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    place: usize,
    serial: u64,
}

/// Something that discovery asks its driver to do, without waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask an endpoint: connect, send at once, read, close. Answered by
    /// [`Discovery::handle_answer`], at the deadline at the latest; what is under way then is to be
    /// broken off.
    Ask {
        /// To tell the answer by.
        ticket: Ticket,
        /// Whom.
        endpoint: EndpointKey,
        /// For what.
        path: AskPath,
        /// Until when, from the name's resolution to the end of the body.
        deadline: Instant,
    },
    /// Connect to a PostgreSQL port and close. Answered by [`Discovery::handle_probe`].
    Probe {
        /// To tell the result by.
        ticket: Ticket,
        /// Where.
        address: Address,
        /// Until when.
        deadline: Instant,
    },
    /// Something that people want to know.
    Event(Event),
    /// A shard's topology differs in something that matters.
    TopologyChanged(ShardId),
}

/// Something that is due at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    /// A request may go out, or the one under way is overdue.
    Ask(EndpointIx),
    /// Likewise, a probe.
    Probe(usize),
    /// Evidence ages.
    Review(usize),
}

/// Where a shard's roles come from.
#[derive(Clone, Debug)]
enum Home {
    /// This cluster.
    Cluster(usize),
    /// The file.
    File(Topology),
}

/// Discovery for all shards of a process.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// A place is never used twice.
    endpoints: Endpoints,
    places: BTreeMap<EndpointKey, EndpointIx>,
    clusters: Vec<Option<Box<Cluster>>>,
    shards: BTreeMap<ShardId, Home>,
    due: BTreeSet<(Instant, Job)>,
    ready: VecDeque<Output>,
    serial: u64,
    /// Different for each daemon: if the DCS goes, what hangs isn't all on one node.
    seed: u64,
}

impl Discovery {
    /// Discovery for these shards, from `now` on.
    #[must_use]
    pub fn new(configs: &[ShardConfig], now: Instant) -> Self {
        let mut discovery = Self::default();
        discovery.reconfigure(configs, now);
        discovery
    }

    /// Discovery without shards. `seed` decides who is asked for `/cluster` first: daemons with
    /// different ones don't hang all on the same node when its DCS goes.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// When [`Self::handle_timeout`] is due, if nothing happens before; [`Instant::MAX`] for never.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.due.first().map_or(Instant::MAX, |(at, _)| *at)
    }

    /// The next thing to do for the driver.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.ready.pop_front()
    }

    /// What is known of a shard; `None` if there is no such shard.
    #[must_use]
    pub fn topology(&self, shard: &ShardId) -> Option<&Topology> {
        match self.shards.get(shard)? {
            Home::Cluster(ix) => self.cluster(*ix).map(|cluster| &cluster.topology),
            Home::File(topology) => Some(topology),
        }
    }

    /// All shards, in order, and what is known of them.
    pub fn topologies(&self) -> impl Iterator<Item = (&ShardId, &Topology)> {
        self.shards.keys().filter_map(|shard| Some((shard, self.topology(shard)?)))
    }

    /// All endpoints in order, what they were asked, and how they fail if they do.
    pub fn endpoints(
        &self,
    ) -> impl Iterator<Item = (&EndpointKey, &Counters, Option<&AskFailure>)> {
        self.places.values().filter_map(|ix| {
            let endpoint = cluster::get(&self.endpoints, *ix)?;
            let is_asked = !endpoint.clusters.is_empty();
            is_asked.then_some((&endpoint.key, &endpoint.counters, endpoint.failure.as_ref()))
        })
    }

    /// What is known of the port of the primary that a shard names. It is tried all the time where
    /// the shard is configured so, else only in doubt.
    #[must_use]
    pub fn primary_port(&self, shard: &ShardId, now: Instant) -> Port {
        match self.shards.get(shard) {
            Some(Home::Cluster(ix)) => {
                self.cluster(*ix).map_or(Port::Unknown, |cluster| cluster.probing.port(now))
            }
            Some(Home::File(_)) | None => Port::Unknown,
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Every job is due later once it is done; what is due again at once can wait a turn.
        for _ in 0..self.due.len() {
            let Some((_, job)) = self.due.first().copied().filter(|(at, _)| *at <= now) else {
                return;
            };
            match job {
                Job::Ask(ix) => self.ask(ix, now),
                Job::Probe(ix) => self.probe(ix, now),
                Job::Review(ix) => self.review(ix, now),
            }
        }
    }

    /// Takes the answer to a request: its body, whatever its status, or why there is none.
    ///
    /// One that comes after its deadline changes nothing.
    pub fn handle_answer(
        &mut self,
        ticket: Ticket,
        now: Instant,
        answer: Result<&[u8], AskFailure>,
    ) {
        let Some(endpoint) = self.endpoint_mut(ticket.place) else { return };
        let awaited = endpoint.in_flight.filter(|flight| flight.serial == ticket.serial);
        let Some(flight) = awaited else {
            endpoint.counters.late += 1;
            return;
        };
        endpoint.in_flight = None;
        if now > flight.deadline {
            endpoint.counters.late += 1;
            return self.fail(ticket.place, now, flight, AskFailure::TimedOut);
        }
        let sent = if mutated!(AnswerTimeCounts) { now } else { flight.sent };
        match (flight.path, answer) {
            (_, Err(failure)) => self.fail(ticket.place, now, flight, failure),
            (AskPath::Patroni | AskPath::Health, Ok(body)) => match NodeAnswer::parse(body) {
                Err(error) => {
                    self.fail(ticket.place, now, flight, AskFailure::BadAnswer(error));
                }
                Ok(NodeAnswer { role: None, .. } | NodeAnswer { state: None, .. }) => {
                    self.fail(ticket.place, now, flight, AskFailure::SaysNothing);
                }
                Ok(answer) => self.take_report(ticket.place, now, sent, answer),
            },
            (AskPath::Cluster, Ok(body)) => match ClusterAnswer::parse(body) {
                Err(error) => {
                    self.fail(ticket.place, now, flight, AskFailure::BadAnswer(error));
                }
                Ok(answer) => self.take_view(ticket.place, now, sent, answer),
            },
        }
    }

    /// Takes the result of a probe.
    pub fn handle_probe(&mut self, ticket: Ticket, now: Instant, result: Result<(), ProbeFailure>) {
        let cluster = self.clusters.get_mut(ticket.place).and_then(Option::as_mut);
        if cluster.is_some_and(|cluster| cluster.probing.take(now, ticket.serial, result)) {
            self.review(ticket.place, now);
        }
    }

    /// Forgets the fence, the last primary and the database of a shard, and of all others on the
    /// same servers: whoever says that it is primary is believed anew. Whether there was anything.
    pub fn forget(&mut self, shard: &ShardId, now: Instant) -> bool {
        let Some(Home::Cluster(ix)) = self.shards.get(shard) else { return false };
        let ix = *ix;
        let Some(cluster) = self.clusters.get_mut(ix).and_then(Option::as_mut) else {
            return false;
        };
        let fence = cluster.forget();
        let event = cluster.event(EventKind::Forgotten(fence));
        self.ready.push_back(Output::Event(event));
        self.review(ix, now);
        true
    }

    fn cluster(&self, ix: usize) -> Option<&Cluster> {
        self.clusters.get(ix).and_then(Option::as_deref)
    }

    fn endpoint_mut(&mut self, ix: EndpointIx) -> Option<&mut endpoint::Endpoint> {
        self.endpoints.get_mut(ix).and_then(Option::as_deref_mut)
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}
