//! Judging a cluster anew, and telling what has changed.

use std::sync::Arc;

use super::answer::{SystemIdentifier, Timeline};
use super::cluster::{Cluster, Endpoints, KeyStreak, LEARNT_MAX, get};
use super::config::{ASK_EVERY, Address, EndpointKey};
use super::endpoint::{Endpoint, EndpointIx};
use super::event::{Event, EventKind, Subject};
use super::seats::{Seat, address_of, learnt_endpoint};
use super::slots::{Pace, Speed, spread};
use super::suspicion::HASTE_FOR;
use super::topology::{NoneWhy, Primary, Rule, Topology};
use super::{Discovery, Job, Output, Ticket};
use crate::time::{Duration, Instant};

/// Every primary is asked this much less often for each endpoint that there is: 300 of them, once
/// a second.
const PRIMARY_SHARE: Duration = Duration::from_micros(3_333);
/// Between a primary's last word and its successor's first write lies a second and a half.
const PRIMARY_EVERY_MAX: Duration = Duration::from_secs(1);
/// Likewise for replicas: 300 endpoints, every five seconds.
const REPLICA_SHARE: Duration = Duration::from_micros(16_667);
/// A member that no `/cluster` lists is asked for so long.
const UNLISTED_FOR: Duration = Duration::from_secs(60);

impl Discovery {
    /// Judges a cluster anew.
    pub(super) fn review(&mut self, place: usize, now: Instant) {
        let Some(mut cluster) = self.clusters.get_mut(place).and_then(Option::take) else { return };
        let mut kinds = Vec::new();
        let primary = cluster.judge(&self.endpoints, now, &mut kinds);
        let haste = cluster.wants_haste(&self.endpoints, now, &primary);
        cluster.aim_probe(&self.endpoints, now, &primary);
        let topology = if cluster.ready {
            cluster.draw(&self.endpoints, now, primary)
        } else {
            Topology::unknown(NoneWhy::Starting)
        };
        cluster.note_conflict(&topology, &mut kinds);
        cluster.note_strangers(&self.endpoints, &topology, &mut kinds);
        let changed = !cluster.topology.is_like(&topology);
        let was = std::mem::replace(&mut cluster.topology, topology);
        if was.primary.is_news(&cluster.topology.primary) {
            let to = cluster.topology.primary.clone();
            kinds.push(EventKind::PrimaryChanged { from: was.primary, to });
        }
        self.ready.extend(kinds.into_iter().map(|kind| Output::Event(cluster.event(kind))));
        if changed {
            self.ready.extend(cluster.shards.iter().cloned().map(Output::TopologyChanged));
        }
        let sound = cluster.sound_primary();
        let turned = std::mem::replace(&mut cluster.haste, haste) != haste
            || std::mem::replace(&mut cluster.sound, sound) != sound;
        self.put_back(place, cluster);
        if turned || haste {
            self.set_paces(place, now);
        }
        self.relist_cluster(place, now);
    }

    /// Begins a probe that is due, and gives up one that hangs.
    pub(super) fn probe(&mut self, place: usize, now: Instant) {
        let serial = self.next_serial();
        let Some(cluster) = self.clusters.get_mut(place).and_then(Option::as_mut) else { return };
        if let Some((address, deadline)) = cluster.probing.handle_timeout(now, serial) {
            let ticket = Ticket { place, serial };
            self.ready.push_back(Output::Probe { ticket, address, deadline });
        }
        self.review(place, now);
    }

    /// Puts a cluster where it belongs in the list of due times.
    fn relist_cluster(&mut self, place: usize, now: Instant) {
        let Some(cluster) = self.clusters.get_mut(place).and_then(Option::as_mut) else { return };
        let haste_ends =
            Some(cluster.last_fact + HASTE_FOR).filter(|at| cluster.haste && *at > now);
        let review_at =
            cluster.judge_again_at(&self.endpoints, now).min(haste_ends.unwrap_or(Instant::MAX));
        let probe_at = cluster.probing.due_at();
        let review_was = std::mem::replace(&mut cluster.review_at, review_at);
        let probe_was = std::mem::replace(&mut cluster.probe_at, probe_at);
        self.due.remove(&(review_was, Job::Review(place)));
        self.due.remove(&(probe_was, Job::Probe(place)));
        self.due.insert((review_at, Job::Review(place)));
        self.due.insert((probe_at, Job::Probe(place)));
    }

    /// Sets how fast the endpoints of a cluster are asked. In haste, those that answer are spread
    /// evenly, so that some survivor is asked at least every 65 ms.
    fn set_paces(&mut self, place: usize, now: Instant) {
        let Some(cluster) = self.cluster(place) else { return };
        let seats: Vec<EndpointIx> = cluster.seats.iter().map(|seat| seat.endpoint).collect();
        let answers = |ix: &&EndpointIx| {
            get(&self.endpoints, **ix).is_some_and(|endpoint| endpoint.failure.is_none())
        };
        let answering: Vec<EndpointIx> = seats.iter().filter(answers).copied().collect();
        for ix in seats {
            let rank = answering.iter().position(|other| *other == ix);
            let even = rank.and_then(|rank| u16::try_from(rank * 0x1_0000 / answering.len()).ok());
            let hasty = self.clusters_of(ix).find(|(_, cluster)| cluster.haste);
            let pace = match hasty.map(|(first, _)| first) {
                Some(first) if first == place => {
                    Pace { speed: Speed::Haste, phase: even.unwrap_or_else(|| spread(ix)) }
                }
                Some(_) => continue,
                None => Pace { speed: self.speed_at_rest(ix), phase: spread(ix) },
            };
            let Some(endpoint) = self.endpoint_mut(ix) else { continue };
            endpoint.set_pace(now, pace);
            self.relist(ix);
        }
    }

    /// How often an endpoint is asked while nothing is suspected. The more there are, the less a
    /// replica of a cluster has to say that is sound; its primary would say first that it isn't.
    fn speed_at_rest(&self, ix: EndpointIx) -> Speed {
        let count = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let mut clusters = self.clusters_of(ix).map(|(_, cluster)| cluster);
        let is_sound = |cluster: &Cluster| cluster.sound.is_some();
        let is_primary = |cluster: &Cluster| cluster.sound == Some(ix);
        if clusters.all(is_sound) {
            let mut clusters = self.clusters_of(ix).map(|(_, cluster)| cluster);
            let renew = self.clusters_of(ix).map(|(_, cluster)| cluster.renew).min();
            let every = if clusters.any(is_primary) {
                (PRIMARY_SHARE * count).min(PRIMARY_EVERY_MAX)
            } else {
                (REPLICA_SHARE * count).min(renew.unwrap_or(ASK_EVERY))
            };
            if every > ASK_EVERY {
                return Speed::Sparse(every);
            }
        }
        Speed::Calm
    }

    /// The clusters that an endpoint is part of.
    pub(super) fn clusters_of(&self, ix: EndpointIx) -> impl Iterator<Item = (usize, &Cluster)> {
        let places = get(&self.endpoints, ix).map(|endpoint| &endpoint.clusters);
        let places = places.into_iter().flatten();
        places.filter_map(|place| Some((*place, self.cluster(*place)?)))
    }

    /// Finds members that aren't in the file, and drops those that are listed no longer.
    pub(super) fn learn_members(&mut self, ix: EndpointIx, now: Instant) {
        let Some(endpoint) = get(&self.endpoints, ix) else { return };
        let Some(view) = endpoint.view.clone() else { return };
        for place in endpoint.clusters.clone() {
            let Some(mut cluster) = self.clusters.get_mut(place).and_then(Option::take) else {
                continue;
            };
            for key in cluster.unseated(&self.endpoints, &view) {
                let learnt = cluster.seats.iter().filter(|seat| seat.configured.is_none()).count();
                if learnt < LEARNT_MAX {
                    let (key, address, name) = key;
                    let endpoint = self.place_of(key, cluster.patroni.timeout, now, now);
                    let listed = view.sent;
                    if cluster.seat(endpoint).is_none() {
                        let configured = None;
                        cluster.seats.push(Seat { endpoint, address, configured, name, listed });
                        self.join(endpoint, place);
                    }
                }
            }
            for gone in cluster.drop_unlisted(&self.endpoints, &view, now) {
                self.leave(gone, place);
            }
            self.put_back(place, cluster);
        }
    }

    /// A cluster that was taken out to be worked on.
    fn put_back(&mut self, place: usize, cluster: Box<Cluster>) {
        if let Some(seat) = self.clusters.get_mut(place) {
            *seat = Some(cluster);
        }
    }
}

impl Cluster {
    /// An event about all shards of the cluster.
    pub(super) fn event(&self, kind: EventKind) -> Event {
        let shards: Vec<_> = self.shards.iter().cloned().collect();
        Event { subject: Subject::Shards(shards.into()), kind }
    }

    /// The endpoint of a primary that says so itself, if all is as it should be.
    fn sound_primary(&self) -> Option<EndpointIx> {
        let named = self.topology.primary.confirmed()?;
        let incumbent = self.incumbent.as_ref()?;
        (named.evidence.rule == Rule::OwnWord && !self.haste).then_some(incumbent.endpoint)
    }

    /// Whether this endpoint was named last, or was to be.
    pub(super) fn is_incumbent(&self, ix: EndpointIx) -> bool {
        self.incumbent.as_ref().is_some_and(|incumbent| incumbent.endpoint == ix)
    }

    /// Forgets what binds it to the past; the fence that it had.
    pub(super) fn forget(&mut self) -> Option<Timeline> {
        self.system = None;
        (self.incumbent, self.former) = (None, None);
        self.regress = None;
        self.hearsay = None;
        self.stranger = None;
        self.streak = KeyStreak::default();
        self.fence.take().map(|fence| fence.timeline)
    }

    /// Takes a name that a node gives itself.
    pub(super) fn learn_name(&mut self, endpoints: &Endpoints, ix: EndpointIx) {
        let report = get(endpoints, ix).and_then(|endpoint| endpoint.report.as_ref());
        let Some(name) = report.and_then(|report| report.answer.name.clone()) else { return };
        for seat in self.seats.iter_mut().filter(|seat| seat.endpoint == ix) {
            seat.name = Some(Arc::clone(&name));
        }
    }

    /// Takes names and addresses of members from the view of this endpoint.
    pub(super) fn learn_addresses(&mut self, endpoints: &Endpoints, from: EndpointIx) {
        let Some(view) = get(endpoints, from).and_then(|endpoint| endpoint.view.as_ref()) else {
            return;
        };
        let foreign = get(endpoints, from).is_some_and(|endpoint| endpoint.report.is_some())
            && self.report(endpoints, from).is_none();
        if foreign {
            return;
        }
        for index in 0..self.seats.len() {
            let Some(seat) = self.seats.get(index) else { continue };
            let Some(member) = self.member(endpoints, seat, view) else { continue };
            let (name, address) = (member.name.clone(), address_of(member));
            let own_name = get(endpoints, seat.endpoint)
                .and_then(|endpoint| endpoint.report.as_ref()?.answer.name.clone());
            if let Some(seat) = self.seats.get_mut(index) {
                seat.name = own_name.or(name).or(seat.name.take());
                seat.listed = view.sent;
                if let Some(address) = address {
                    seat.address = address;
                }
            }
        }
    }

    fn unseated(
        &self,
        endpoints: &Endpoints,
        view: &super::endpoint::View,
    ) -> Vec<(EndpointKey, Address, Option<Arc<str>>)> {
        let seated: Vec<_> =
            self.seats.iter().filter_map(|seat| self.member(endpoints, seat, view)).collect();
        let members = view.answer.members.iter();
        let others = members.filter(|member| !seated.iter().any(|s| std::ptr::eq(*s, *member)));
        let learnt = others.filter_map(|member| {
            let key = learnt_endpoint(member, &self.servers, &self.patroni)?;
            Some((key, address_of(member)?, member.name.clone()))
        });
        learnt.collect()
    }

    fn drop_unlisted(
        &mut self,
        endpoints: &Endpoints,
        view: &super::endpoint::View,
        now: Instant,
    ) -> Vec<EndpointIx> {
        let holds = |ix: EndpointIx| {
            self.fence.as_ref().is_some_and(|fence| fence.holder == ix) || self.is_incumbent(ix)
        };
        let gone = |seat: &&Seat| {
            seat.configured.is_none()
                && seat.listed + UNLISTED_FOR <= now
                && !holds(seat.endpoint)
                && self.member(endpoints, seat, view).is_none()
        };
        let gone: Vec<_> = self.seats.iter().filter(gone).map(|seat| seat.endpoint).collect();
        self.seats.retain(|seat| !gone.contains(&seat.endpoint));
        gone
    }

    /// Aims the probes at the port that matters, if any does.
    fn aim_probe(&mut self, endpoints: &Endpoints, now: Instant, primary: &Primary) {
        let incumbent = self
            .incumbent
            .as_ref()
            .filter(|incumbent| incumbent.disowned().is_none() && self.denial(endpoints).is_none());
        let silent = |ix| get(endpoints, ix).is_none_or(|e: &Endpoint| e.failure.is_some());
        let wanted = match primary {
            Primary::Confirmed(named) => {
                let by_own_word = named.evidence.rule == Rule::OwnWord;
                let in_doubt = incumbent.is_none_or(|incumbent| silent(incumbent.endpoint));
                (self.patroni.watch_primary || !by_own_word || in_doubt)
                    .then(|| named.address.clone())
            }
            Primary::Kept(named, _) | Primary::Hearsay(named) => Some(named.address.clone()),
            Primary::None(_) => incumbent
                .and_then(|incumbent| self.seat(incumbent.endpoint))
                .map(|seat| seat.address.clone())
                .or_else(|| self.hearsay.as_ref().map(|hearsay| hearsay.address.clone())),
        };
        self.probing.aim(now, wanted.as_ref());
    }

    fn note_conflict(&mut self, topology: &Topology, kinds: &mut Vec<EventKind>) {
        let conflict = match &topology.primary {
            Primary::None(NoneWhy::Conflict(addresses)) => Some(addresses.clone()),
            Primary::None(_) | Primary::Confirmed(_) | Primary::Kept(..) | Primary::Hearsay(_) => {
                None
            }
        };
        let was = std::mem::replace(&mut self.told.conflict, conflict.is_some());
        match (was, conflict) {
            (false, Some(addresses)) => kinds.push(EventKind::Conflict(addresses)),
            (true, None) => kinds.push(EventKind::ConflictEnded),
            (false, None) | (true, Some(_)) => {}
        }
    }

    /// Tells once of servers that don't belong together.
    fn note_strangers(
        &mut self,
        endpoints: &Endpoints,
        topology: &Topology,
        kinds: &mut Vec<EventKind>,
    ) {
        let answers = self.seats.iter().filter_map(|seat| {
            let endpoint = get(endpoints, seat.endpoint)?;
            endpoint.report.as_ref().map(|report| &report.answer)
        });
        let (mut systems, mut scopes): (Vec<SystemIdentifier>, Vec<Arc<str>>) = answers
            .map(|answer| (answer.system, answer.scope.clone()))
            .fold(Default::default(), |(mut systems, mut scopes), (system, scope)| {
                systems.extend(system);
                scopes.extend(scope);
                (systems, scopes)
            });
        systems.sort();
        systems.dedup();
        scopes.sort();
        scopes.dedup();
        if systems.len() > 1 && self.told.systems != systems {
            kinds.push(EventKind::MixedSystems(systems.clone()));
        }
        if scopes.len() > 1 && self.told.scopes != scopes {
            kinds.push(EventKind::MixedScopes(scopes.clone()));
        }
        (self.told.systems, self.told.scopes) = (systems, scopes);
        let unconfigured = topology.primary_unconfigured;
        let was = std::mem::replace(&mut self.told.unconfigured, unconfigured);
        if unconfigured
            && !was
            && let Some(named) = topology.primary.named()
        {
            kinds.push(EventKind::UnconfiguredPrimary(named.address.clone()));
        }
    }
}
