//! One Patroni cluster: all shards that name the same servers share it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::answer::{Member, SystemIdentifier, Timeline};
use super::config::{ASK_EVERY, Address, PatroniConfig, Server, ShardId};
use super::endpoint::{Endpoint, EndpointIx, Report, View};
use super::probe::Probing;
use super::seats::{Seat, member_at};
use super::slots::HASTE_EVERY;
use super::topology::{NoneWhy, Topology};
use super::words::{Role, State};
use crate::time::{Duration, Instant};

/// The most members that are asked beside those in the file.
pub(super) const LEARNT_MAX: usize = 64;

/// All endpoints; a place that is free is empty.
pub(super) type Endpoints = Vec<Option<Box<Endpoint>>>;

pub(super) fn get(endpoints: &Endpoints, ix: EndpointIx) -> Option<&Endpoint> {
    endpoints.get(ix).and_then(Option::as_deref)
}

/// The highest timeline on which anybody claimed to be a running primary, and who did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) timeline: Timeline,
    pub(super) holder: EndpointIx,
}

/// The last that was named, or was to be.
#[derive(Clone, Debug)]
pub(super) struct Incumbent {
    pub(super) endpoint: EndpointIx,
    pub(super) timeline: Timeline,
    /// When the first and the last of its claims were asked for.
    pub(super) since: Instant,
    pub(super) claimed: Instant,
    pub(super) disowned: Option<Disowned>,
}

impl Incumbent {
    /// What speaks against its own word, if that doesn't count now.
    pub(super) fn disowned(&self) -> Option<&Disowned> {
        let counts = |disowned: &&Disowned| disowned.insistence != Insistence::Believed;
        self.disowned.as_ref().filter(counts)
    }
}

/// A `/cluster` didn't give the incumbent the key any more.
#[derive(Clone, Debug)]
pub(super) struct Disowned {
    /// When the first such was asked for.
    pub(super) since: Instant,
    /// When the last was.
    pub(super) at: Instant,
    /// Who said so.
    pub(super) by: EndpointIx,
    /// Whose the key is instead.
    pub(super) to: Option<Arc<str>>,
    pub(super) insistence: Insistence,
}

/// Whether one that has lost the key goes on saying that it is primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Insistence {
    Not,
    Since(Instant),
    /// For so long that it is believed, until somebody else is given the key.
    Believed,
}

/// A claim below the fence that everybody agrees with, but for a holder that is silent.
#[derive(Clone, Debug)]
pub(super) struct Regress {
    pub(super) endpoint: EndpointIx,
    pub(super) timeline: Timeline,
    pub(super) since: Instant,
}

/// A leader whose own Patroni has never answered.
#[derive(Clone, Debug)]
pub(super) struct Hearsay {
    pub(super) name: Arc<str>,
    pub(super) address: Address,
    pub(super) timeline: Timeline,
    pub(super) source: EndpointIx,
    pub(super) since: Instant,
    pub(super) last: Instant,
}

/// A primary of another database, that has said so.
#[derive(Clone, Debug)]
pub(super) struct Stranger {
    pub(super) system: SystemIdentifier,
    pub(super) endpoint: EndpointIx,
    pub(super) first: Instant,
}

/// Timely answers by which the key is the incumbent's, in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyStreak {
    pub(super) count: u32,
    pub(super) last: Instant,
}

#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) shards: BTreeSet<ShardId>,
    pub(super) servers: Vec<Server>,
    pub(super) patroni: PatroniConfig,
    pub(super) renew: Duration,
    pub(super) renew_as_written: Duration,
    pub(super) started: Instant,
    /// The configured ones first.
    pub(super) seats: Vec<Seat>,
    pub(super) ready: bool,
    pub(super) system: Option<SystemIdentifier>,
    pub(super) fence: Option<Fence>,
    pub(super) incumbent: Option<Incumbent>,
    /// Who was named before the incumbent.
    pub(super) former: Option<EndpointIx>,
    pub(super) regress: Option<Regress>,
    pub(super) hearsay: Option<Hearsay>,
    pub(super) stranger: Option<Stranger>,
    pub(super) streak: KeyStreak,
    /// Patroni's pause, as last known.
    pub(super) paused: bool,
    pub(super) probing: Probing,
    /// When `/cluster` is to be asked again, and of whom first.
    pub(super) view_due: Instant,
    pub(super) cursor: usize,
    pub(super) view_rest_until: Instant,
    pub(super) view_hangs: u32,
    pub(super) last_fact: Instant,
    pub(super) haste: bool,
    /// The endpoint of a primary that says so itself, if nothing is suspected.
    pub(super) sound: Option<EndpointIx>,
    /// As they stand in the list of due times.
    pub(super) review_at: Instant,
    pub(super) probe_at: Instant,
    pub(super) eligible: BTreeMap<Address, super::replicas::Eligibility>,
    /// What has been told of already.
    pub(super) told: Told,
    pub(super) topology: Topology,
}

/// Facts that are told of once, while they last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) conflict: bool,
    pub(super) systems: Vec<SystemIdentifier>,
    pub(super) scopes: Vec<Arc<str>>,
    pub(super) unconfigured: bool,
    pub(super) stale_views: BTreeSet<EndpointIx>,
}

impl Cluster {
    pub(super) fn new(
        now: Instant,
        servers: Vec<Server>,
        patroni: PatroniConfig,
        renew: Duration,
    ) -> Self {
        Self {
            shards: BTreeSet::new(),
            servers,
            patroni,
            renew: renew.max(ASK_EVERY),
            renew_as_written: renew,
            started: now,
            seats: Vec::new(),
            ready: false,
            system: None,
            fence: None,
            incumbent: None,
            former: None,
            regress: None,
            hearsay: None,
            stranger: None,
            streak: KeyStreak::default(),
            paused: false,
            probing: Probing::default(),
            view_due: now,
            cursor: 0,
            view_rest_until: Instant::ZERO,
            view_hangs: 0,
            last_fact: now,
            haste: false,
            sound: None,
            review_at: Instant::MAX,
            probe_at: Instant::MAX,
            eligible: BTreeMap::new(),
            told: Told::default(),
            topology: Topology::unknown(NoneWhy::Starting),
        }
    }

    pub(super) fn seat(&self, endpoint: EndpointIx) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.endpoint == endpoint)
    }

    pub(super) fn configured(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.configured.is_some())
    }

    /// The last report of an endpoint, if its database is this cluster's.
    pub(super) fn report<'a>(
        &self,
        endpoints: &'a Endpoints,
        ix: EndpointIx,
    ) -> Option<&'a Report> {
        let report = get(endpoints, ix)?.report.as_ref()?;
        let foreign = matches!((self.system, report.answer.system), (Some(a), Some(b)) if a != b);
        (!foreign || mutated!(SystemsMerged)).then_some(report)
    }

    /// The views of all endpoints whose database is this cluster's.
    pub(super) fn views<'a>(
        &'a self,
        endpoints: &'a Endpoints,
    ) -> impl Iterator<Item = (EndpointIx, &'a View)> {
        self.seats.iter().filter_map(|seat| {
            let endpoint = get(endpoints, seat.endpoint)?;
            let foreign =
                endpoint.report.is_some() && self.report(endpoints, seat.endpoint).is_none();
            endpoint.view.as_ref().filter(|_| !foreign).map(|view| (seat.endpoint, view))
        })
    }

    /// The member that sits on a seat, as a view has it.
    pub(super) fn member<'a>(
        &self,
        endpoints: &Endpoints,
        seat: &Seat,
        view: &'a View,
    ) -> Option<&'a Member> {
        let server = seat.configured.and_then(|index| self.servers.get(index));
        member_at(seat, server, get(endpoints, seat.endpoint)?, &view.answer)
    }

    /// Whether a view gives the key to the member on this seat.
    pub(super) fn gives_key(&self, endpoints: &Endpoints, view: &View, to: EndpointIx) -> bool {
        let leader = view.answer.leader();
        let seat = self.seat(to);
        let (Some(leader), Some(seat)) = (leader, seat) else { return false };
        self.member(endpoints, seat, view).is_some_and(|member| std::ptr::eq(member, leader))
    }

    /// For how long what an endpoint says counts as fresh.
    pub(super) fn fresh_for(&self, endpoint: &Endpoint) -> Duration {
        if mutated!(EvidenceNeverAges) {
            return Duration::from_secs(3600);
        }
        let every = if self.haste { HASTE_EVERY } else { endpoint.pace.speed.every() };
        // One request that hung keeps its endpoint from being asked for as long again.
        let every = if endpoint.slots.has_hung_once() { endpoint.timeout } else { every };
        every * 2 + endpoint.timeout
    }

    pub(super) fn is_fresh(&self, endpoint: &Endpoint, sent: Instant, now: Instant) -> bool {
        now < sent + self.fresh_for(endpoint)
    }

    /// Whether no server of the cluster answers.
    pub(super) fn all_silent(&self, endpoints: &Endpoints, now: Instant) -> bool {
        self.seats.iter().filter_map(|seat| get(endpoints, seat.endpoint)).all(|endpoint| {
            let report = endpoint.report.as_ref().map(|report| report.sent);
            let last = report.max(endpoint.view.as_ref().map(|view| view.sent));
            let fresh = last.is_some_and(|sent| self.is_fresh(endpoint, sent, now));
            endpoint.tried && endpoint.failure.is_some() && !fresh
        })
    }

    /// Whether a standby cluster is what its members say it is.
    pub(super) fn is_standby_cluster(&self, endpoints: &Endpoints, now: Instant) -> bool {
        let mut seats = self.seats.iter().filter_map(|seat| get(endpoints, seat.endpoint));
        seats.any(|endpoint| {
            endpoint.report.as_ref().is_some_and(|report| {
                let standby = report.answer.role == Some(Role::StandbyLeader);
                standby && self.is_fresh(endpoint, report.sent, now)
            })
        })
    }

    /// When the cluster's last incumbent said by itself that it isn't primary, or doesn't run.
    pub(super) fn denial(&self, endpoints: &Endpoints) -> Option<(Option<Role>, Option<State>)> {
        let incumbent = self.incumbent.as_ref()?;
        let report = get(endpoints, incumbent.endpoint)?.report.as_ref()?;
        let denies = report.word() == super::endpoint::Word::Denies;
        denies.then(|| (report.answer.role.clone(), report.answer.state.clone()))
    }
}
