//! Who is asked what, and what becomes of the answer.

use super::answer::{ClusterAnswer, NodeAnswer};
use super::cluster::{Cluster, Endpoints, get};
use super::config::ASK_EVERY;
use super::endpoint::{AskPath, Endpoint, EndpointIx, InFlight, Word};
use super::event::{Event, EventKind, Subject};
use super::failure::AskFailure;
use super::{Discovery, Job, Output, Ticket};
use crate::time::{Duration, Instant};

/// A `/cluster` that takes longer than this may be about to hang: no other is asked meanwhile.
const VIEW_SLOW_AFTER: Duration = Duration::from_millis(250);
/// So many may be asked for `/cluster` of one cluster at a time.
const VIEWS_AT_ONCE: usize = 2;
/// How long all of a cluster are spared `/cluster` after it has hung.
const VIEW_REST: Duration = Duration::from_secs(10);
/// While its Patroni says that the DCS is down, a node is asked for its view of it so often.
const VIEW_EVERY_FAILSAFE: Duration = Duration::from_secs(30);
/// How long a node that has answered `/health` with something else isn't asked for it.
const HEALTH_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// While everything hangs on the leader key, a replica is asked about itself so often.
const REPORT_EVERY: Duration = Duration::from_secs(2);

impl Discovery {
    /// A request may go out, or the one under way is overdue.
    pub(super) fn ask(&mut self, ix: EndpointIx, now: Instant) {
        let Some(endpoint) = get(&self.endpoints, ix) else { return };
        if let Some(flight) = endpoint.in_flight.filter(|_| !mutated!(AskedTwiceAtOnce)) {
            if flight.deadline <= now {
                if let Some(endpoint) = self.endpoint_mut(ix) {
                    endpoint.in_flight = None;
                }
                self.fail(ix, now, flight, AskFailure::TimedOut);
            }
            return self.relist(ix);
        }
        if endpoint.clusters.is_empty() {
            return self.forget_endpoint(ix);
        }
        let path = self.choose_path(ix, endpoint, now);
        let serial = self.next_serial();
        let Some(endpoint) = self.endpoint_mut(ix) else { return };
        let deadline = now + endpoint.timeout;
        endpoint.in_flight = Some(InFlight { serial, path, sent: now, deadline });
        endpoint.slots.note_sent(now, endpoint.pace);
        endpoint.last_path = path;
        endpoint.counters.asked += 1;
        let ticket = Ticket { place: ix, serial };
        let key = endpoint.key.clone();
        if path == AskPath::Cluster {
            endpoint.view_asked = now;
            self.note_view_asked(ix, now);
        }
        self.ready.push_back(Output::Ask { ticket, endpoint: key, path, deadline });
        self.relist(ix);
    }

    /// Puts an endpoint where it belongs in the list of due times.
    pub(super) fn relist(&mut self, ix: EndpointIx) {
        let Some(endpoint) = self.endpoints.get_mut(ix).and_then(Option::as_mut) else { return };
        let at = endpoint.next_due();
        let was = std::mem::replace(&mut endpoint.due_at, at);
        if was != at {
            self.due.remove(&(was, Job::Ask(ix)));
        }
        self.due.insert((at, Job::Ask(ix)));
    }

    fn note_view_asked(&mut self, ix: EndpointIx, now: Instant) {
        let clusters = get(&self.endpoints, ix).map(|endpoint| endpoint.clusters.clone());
        for cluster in clusters.unwrap_or_default() {
            let Some(cluster) = self.clusters.get_mut(cluster).and_then(Option::as_mut) else {
                continue;
            };
            cluster.view_due = now + cluster.renew;
            if let Some(seat) = cluster.seats.iter().position(|seat| seat.endpoint == ix) {
                cluster.cursor = seat + 1;
            }
        }
    }

    fn choose_path(&self, ix: EndpointIx, endpoint: &Endpoint, now: Instant) -> AskPath {
        // Whether it was the node or only its DCS that failed, `/patroni` tells.
        let in_doubt = endpoint.view_failed && endpoint.last_path == AskPath::Cluster;
        let in_doubt = in_doubt || endpoint.report.is_none() || endpoint.failure.is_some();
        let spared = in_doubt || is_spared(endpoint, now);
        let mut clusters = endpoint.clusters.iter().filter_map(|ix| self.cluster(*ix));
        if !spared && clusters.any(|cluster| cluster.wants_view(&self.endpoints, ix, now)) {
            AskPath::Cluster
        } else if self.is_incumbent(ix) && now >= endpoint.health_again_at {
            AskPath::Health
        } else {
            AskPath::Patroni
        }
    }

    /// Whether it was named last, as the primary of any cluster. When its DCS goes it restarts its
    /// PostgreSQL, without a warning, and what is asked meanwhile should be answered meanwhile.
    fn is_incumbent(&self, ix: EndpointIx) -> bool {
        let mut clusters = self.clusters_of(ix);
        clusters.any(|(_, cluster)| cluster.is_incumbent(ix))
    }

    /// A request failed.
    pub(super) fn fail(
        &mut self,
        ix: EndpointIx,
        now: Instant,
        flight: InFlight,
        failure: AskFailure,
    ) {
        let Some(endpoint) = self.endpoint_mut(ix) else { return };
        if flight.path == AskPath::Health && failure.is_of_answer() {
            // A stand-in for Patroni that knows `/patroni` alone, or something before it.
            endpoint.health_again_at = now + HEALTH_AGAIN_AFTER;
            endpoint.counters.count_failure(&failure);
            return self.relist(ix);
        }
        let hangs = flight.path == AskPath::Cluster && failure.is_like(&AskFailure::TimedOut);
        let is_new = endpoint.take_failure(now, flight, failure.clone());
        let tell_hang = hangs && !std::mem::replace(&mut endpoint.cluster_hangs, hangs);
        if is_new {
            self.tell(ix, EventKind::EndpointFailed(failure));
        } else if tell_hang {
            self.tell(ix, EventKind::ClusterHangs);
        }
        self.for_clusters(ix, now, |cluster, _| {
            if is_new {
                cluster.last_fact = now;
            }
            if hangs {
                cluster.note_view_hang(now);
            }
        });
        self.relist(ix);
    }

    /// An answer to `/patroni`, asked for at `sent`.
    pub(super) fn take_report(
        &mut self,
        ix: EndpointIx,
        now: Instant,
        sent: Instant,
        answer: NodeAnswer,
    ) {
        let Some(endpoint) = self.endpoint_mut(ix) else { return };
        let (odd, told_odd) = (answer.odd, endpoint.counters.odd_fields > 0);
        let had_failed = endpoint.failure.is_some();
        let unlocked = answer.cluster_unlocked && !answer.failsafe_active;
        let pause = answer.pause;
        let is_new = endpoint.take_report(sent, answer);
        if is_new {
            self.shorten_rests(ix);
        }
        if had_failed {
            self.tell(ix, EventKind::EndpointAnswers);
        }
        if odd.count > 0 && !told_odd {
            self.tell(ix, EventKind::OddAnswer(odd));
        }
        self.for_clusters(ix, now, |cluster, endpoints| {
            if is_new {
                cluster.last_fact = now;
            }
            if cluster.report(endpoints, ix).is_some() {
                cluster.paused = pause;
            }
            if unlocked && !cluster.is_incumbent(ix) {
                cluster.note_unlocked();
            }
            cluster.learn_name(endpoints, ix);
        });
        self.hurry_first_view(ix, now);
        self.relist(ix);
    }

    /// An answer to `/cluster`, asked for at `sent`.
    pub(super) fn take_view(
        &mut self,
        ix: EndpointIx,
        now: Instant,
        sent: Instant,
        answer: ClusterAnswer,
    ) {
        let Some(endpoint) = self.endpoint_mut(ix) else { return };
        let (odd, told_odd) = (answer.odd, endpoint.counters.odd_fields > 0);
        let is_new = endpoint.take_view(sent, answer);
        if odd.count > 0 && !told_odd {
            self.tell(ix, EventKind::OddAnswer(odd));
        }
        self.learn_members(ix, now);
        let mut events = Vec::new();
        if is_new {
            self.shorten_rests(ix);
        }
        self.for_clusters(ix, now, |cluster, endpoints| {
            let mut kinds = Vec::new();
            cluster.learn_addresses(endpoints, ix);
            cluster.note_view(endpoints, ix, &mut kinds);
            events.extend(kinds.into_iter().map(|kind| cluster.event(kind)));
            if is_new {
                cluster.last_fact = now;
            }
        });
        self.ready.extend(events.into_iter().map(Output::Event));
        self.relist(ix);
    }

    /// Something is new in the clusters of an endpoint: who hung may have come back.
    fn shorten_rests(&mut self, ix: EndpointIx) {
        let clusters = get(&self.endpoints, ix).map(|endpoint| endpoint.clusters.clone());
        let seats: Vec<EndpointIx> = clusters
            .unwrap_or_default()
            .iter()
            .filter_map(|place| self.cluster(*place))
            .flat_map(|cluster| cluster.seats.iter().map(|seat| seat.endpoint))
            .collect();
        for ix in seats {
            if let Some(endpoint) = self.endpoint_mut(ix) {
                endpoint.slots.shorten_rest();
            }
            self.relist(ix);
        }
    }

    /// Lets every cluster of an endpoint take note of something, then judges it anew.
    fn for_clusters(
        &mut self,
        ix: EndpointIx,
        now: Instant,
        mut act: impl FnMut(&mut Cluster, &Endpoints),
    ) {
        let clusters = get(&self.endpoints, ix).map(|endpoint| endpoint.clusters.clone());
        for place in clusters.unwrap_or_default() {
            if let Some(cluster) = self.clusters.get_mut(place).and_then(Option::as_mut) {
                act(cluster, &self.endpoints);
            }
            self.review(place, now);
        }
    }

    /// At the start, one node is asked for its members soon after it has spoken of itself.
    fn hurry_first_view(&mut self, ix: EndpointIx, now: Instant) {
        let Some(endpoint) = get(&self.endpoints, ix) else { return };
        let mut clusters = endpoint.clusters.iter().filter_map(|place| self.cluster(*place));
        let wanted =
            clusters.any(|cluster| !cluster.ready && cluster.wants_view(&self.endpoints, ix, now));
        if wanted && let Some(endpoint) = self.endpoint_mut(ix) {
            endpoint.slots.hurry_once();
        }
    }

    fn tell(&mut self, ix: EndpointIx, kind: EventKind) {
        let Some(endpoint) = get(&self.endpoints, ix) else { return };
        let subject = Subject::Endpoint(endpoint.key.clone());
        self.ready.push_back(Output::Event(Event { subject, kind }));
    }
}

/// Whether a node is to be spared `/cluster` by what it says or how it fared.
fn is_spared(endpoint: &Endpoint, now: Instant) -> bool {
    let failsafe = endpoint.report.as_ref().is_some_and(|r| r.answer.failsafe_active);
    let lately = endpoint.view_tried && now < endpoint.view_asked + VIEW_EVERY_FAILSAFE;
    endpoint.slots.views_rest(now) || (failsafe && lately && !mutated!(FailsafeNotSpared))
}

impl Cluster {
    fn note_view_hang(&mut self, now: Instant) {
        self.view_hangs = self.view_hangs.saturating_add(1);
        // In haste, one that is cut off must not keep the others from being asked.
        if self.view_hangs > 1 || !self.haste {
            self.view_rest_until = now + VIEW_REST;
        }
    }

    /// Whether this endpoint is to be asked for `/cluster` now rather than for `/patroni`.
    fn wants_view(&self, endpoints: &Endpoints, ix: EndpointIx, now: Instant) -> bool {
        let spared = self.lives_without_dcs(endpoints) && !mutated!(FailsafeNotSpared);
        if now < self.view_rest_until || spared {
            return false;
        }
        let asked = |seat: &super::seats::Seat| {
            let flight = get(endpoints, seat.endpoint)?.in_flight?;
            (flight.path == AskPath::Cluster).then_some(flight.sent)
        };
        let mut under_way = 0;
        for sent in self.seats.iter().filter_map(asked) {
            under_way += 1;
            if sent + VIEW_SLOW_AFTER <= now {
                return false;
            }
        }
        if self.haste && under_way < VIEWS_AT_ONCE {
            self.wants_view_in_haste(endpoints, ix, now)
        } else {
            under_way == 0 && self.view_due <= now && self.picks(endpoints, now) == Some(ix)
        }
    }

    /// In haste, who holds the key is asked about itself, and the others about the key.
    fn wants_view_in_haste(&self, endpoints: &Endpoints, ix: EndpointIx, now: Instant) -> bool {
        let Some(endpoint) = get(endpoints, ix) else { return false };
        let answering = |other: &EndpointIx| {
            *other != ix && get(endpoints, *other).is_some_and(|e| e.failure.is_none())
        };
        let others = self.seats.iter().map(|seat| seat.endpoint).filter(answering).count();
        let replaced = self.incumbent.as_ref().is_none_or(|i| i.disowned().is_some());
        if replaced || self.denial(endpoints).is_some() {
            // Whoever is promoted next says so itself; the key matters less now.
            return endpoint.view_asked + ASK_EVERY <= now
                && endpoint.last_path != AskPath::Cluster;
        }
        let holder = self.key_holder(endpoints);
        if holder == Some(ix) && others > 0 {
            return false;
        }
        let holder_silent = holder
            .and_then(|holder| get(endpoints, holder))
            .is_some_and(|holder| holder.failure.is_some());
        if holder_silent {
            let overdue = endpoint.report.as_ref().is_none_or(|report| {
                // Who claims to be primary as well must be able to go on claiming it.
                report.word() == Word::Claims || report.sent + REPORT_EVERY <= now
            });
            return !(overdue && others > 0 && endpoint.last_path == AskPath::Cluster);
        }
        endpoint.last_path != AskPath::Cluster
    }

    /// Who holds the leader key, by the latest view, or else who last was named.
    fn key_holder(&self, endpoints: &Endpoints) -> Option<EndpointIx> {
        let (_, view) = self.views(endpoints).max_by_key(|(_, view)| view.sent)?;
        let by_view = || {
            let mut seats = self.seats.iter().map(|seat| seat.endpoint);
            seats.find(|seat| self.gives_key(endpoints, view, *seat))
        };
        let incumbent = self.incumbent.as_ref().filter(|i| i.disowned().is_none());
        incumbent.map(|incumbent| incumbent.endpoint).or_else(by_view)
    }

    /// Whose turn it is to be asked for `/cluster`: one after the other, the primary only if there
    /// is no other.
    fn picks(&self, endpoints: &Endpoints, now: Instant) -> Option<EndpointIx> {
        let incumbent = self.incumbent.as_ref().map(|incumbent| incumbent.endpoint);
        let answers = |ix: EndpointIx| {
            get(endpoints, ix).is_some_and(|e| e.failure.is_none() && e.report.is_some())
        };
        let count = self.seats.len();
        let turn = (0..count).filter_map(|step| self.seats.get((self.cursor + step) % count));
        let mut turn = turn.map(|seat| seat.endpoint).filter(|ix| answers(*ix)).peekable();
        let first = turn.peek().copied()?;
        let mut others = turn.filter(|ix| Some(*ix) != incumbent).peekable();
        if others.peek().is_none() {
            return get(endpoints, first).filter(|e| !is_spared(e, now)).map(|_| first);
        }
        others.find(|ix| get(endpoints, *ix).is_some_and(|e| !is_spared(e, now)))
    }

    /// Whether the primary goes on without its DCS, by its own word: `/cluster` would hang.
    fn lives_without_dcs(&self, endpoints: &Endpoints) -> bool {
        let own = self.incumbent.as_ref().and_then(|i| get(endpoints, i.endpoint));
        own.filter(|endpoint| endpoint.failure.is_none())
            .and_then(|endpoint| endpoint.report.as_ref())
            .is_some_and(|report| report.word() == Word::Claims && report.answer.failsafe_active)
    }
}
