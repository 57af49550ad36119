//! The rest of a topology: replicas, their lag, and whether reads may go there.

use std::collections::BTreeMap;

use super::answer::{Member, NodeAnswer};
use super::cluster::{Cluster, Endpoints, get};
use super::endpoint::{Endpoint, View};
use super::seats::{Seat, address_of};
use super::topology::{Primary, Replica, ReplicaKind, Topology};
use super::words::{Role, State};
use crate::time::Instant;

/// So many looks in a row must agree before a replica is no longer eligible, and is again.
const FALL: u8 = 3;
const RISE: u8 = 2;

/// Whether reads may go to a replica, and how many looks have said otherwise since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Eligibility {
    eligible: bool,
    against: u8,
    /// The look that was counted last.
    seen: Instant,
}

impl Eligibility {
    /// Counts a look of that time, once.
    fn count(&mut self, fit: bool, seen: Instant) {
        if seen <= self.seen {
            return;
        }
        self.seen = seen;
        self.against = if fit == self.eligible { 0 } else { self.against + 1 };
        if self.against >= if self.eligible { FALL } else { RISE } {
            *self = Self { eligible: fit, against: 0, seen };
        }
    }
}

impl Cluster {
    /// The topology with this primary.
    pub(super) fn draw(
        &mut self,
        endpoints: &Endpoints,
        now: Instant,
        primary: Primary,
    ) -> Topology {
        let mut topology = Topology {
            primary,
            replicas: Vec::new(),
            foreign: Vec::new(),
            system: self.system,
            scope: None,
            paused: self.paused,
            standby_cluster: self.is_standby_cluster(endpoints, now),
            failsafe: false,
            primary_unconfigured: false,
        };
        let mut eligible = std::mem::take(&mut self.eligible);
        let view = self.views(endpoints).map(|(_, view)| view).max_by_key(|view| view.sent);
        let written = self.written(endpoints);
        let mut kept = BTreeMap::new();
        for seat in &self.seats {
            let Some(endpoint) = get(endpoints, seat.endpoint) else { continue };
            let is_primary = topology.primary.named().map(|n| &n.address) == Some(&seat.address);
            let own = endpoint.report.as_ref().map(|report| &report.answer);
            if own.is_some() && self.report(endpoints, seat.endpoint).is_none() {
                topology.foreign.push(seat.address.clone());
                continue;
            }
            topology.failsafe |= is_primary && own.is_some_and(|answer| answer.failsafe_active);
            if let Some(scope) = own.and_then(|answer| answer.scope.clone()) {
                topology.scope.get_or_insert(scope);
            }
            if is_primary {
                topology.primary_unconfigured = seat.configured.is_none();
                continue;
            }
            let member = view.and_then(|view| self.member(endpoints, seat, view));
            let replica = self.replica(seat, endpoint, member, written);
            let known = eligible.remove(&seat.address);
            let (fit, seen) = self.fitness(endpoint, &replica, known);
            let state = match known {
                None => Eligibility { eligible: fit, against: 0, seen },
                Some(mut known) => {
                    known.count(fit, seen);
                    known
                }
            };
            if endpoint.report.is_some() {
                kept.insert(seat.address.clone(), state);
            }
            topology.replicas.push(Replica { eligible: state.eligible, ..replica });
        }
        self.add_unseated(endpoints, view, &mut topology);
        self.eligible = kept;
        topology
    }

    /// How far the incumbent has written its log.
    fn written(&self, endpoints: &Endpoints) -> Option<u64> {
        let incumbent = self.incumbent.as_ref()?;
        self.report(endpoints, incumbent.endpoint)?.answer.positions.written
    }

    fn replica(
        &self,
        seat: &Seat,
        endpoint: &Endpoint,
        member: Option<&Member>,
        written: Option<u64>,
    ) -> Replica {
        let own = endpoint.report.as_ref().map(|report| &report.answer);
        let silent = endpoint.failure.is_some();
        let replayed = own.and_then(|answer| answer.positions.replayed);
        let lag = written.zip(replayed).map(|(written, at)| written.saturating_sub(at));
        let tagged = own.is_some_and(|answer| answer.no_load_balance)
            || member.is_some_and(|member| member.no_load_balance);
        Replica {
            name: seat.name.clone(),
            address: seat.address.clone(),
            kind: kind_of(own, member),
            state: own
                .filter(|_| !silent)
                .and_then(|answer| answer.replication.clone().or_else(|| answer.state.clone())),
            lag_bytes: lag,
            no_load_balance: tagged,
            eligible: false,
            configured: seat.configured.is_some(),
        }
    }

    /// Whether a look at a replica says that reads may go there, and of when that look is.
    fn fitness(
        &self,
        endpoint: &Endpoint,
        replica: &Replica,
        known: Option<Eligibility>,
    ) -> (bool, Instant) {
        let Some(report) = &endpoint.report else { return (false, endpoint.failed_at) };
        let answer = &report.answer;
        let is_replica = !matches!(
            answer.role,
            None | Some(Role::Primary | Role::Master | Role::Demoted | Role::Uninitialized)
        );
        // Once eligible, it stays so up to the bound; once not, it must come well below it.
        let bound = match known {
            Some(Eligibility { eligible: false, .. }) => self.patroni.lag_bytes_max / 2,
            Some(Eligibility { eligible: true, .. }) | None => self.patroni.lag_bytes_max,
        };
        let near = replica.lag_bytes.is_none_or(|lag| lag <= bound);
        let runs = answer.state == Some(State::Running);
        let fit = runs && is_replica && near && !replica.no_load_balance;
        let silent = endpoint.failure.is_some();
        (fit && !silent, if silent { endpoint.failed_at } else { report.sent })
    }

    /// Members that no endpoint is known of.
    fn add_unseated(&self, endpoints: &Endpoints, view: Option<&View>, topology: &mut Topology) {
        let Some(view) = view else { return };
        let seated: Vec<&Member> =
            self.seats.iter().filter_map(|seat| self.member(endpoints, seat, view)).collect();
        for member in &view.answer.members {
            let Some(address) = address_of(member) else { continue };
            let named = topology.primary.named().is_some_and(|named| named.address == address);
            topology.primary_unconfigured |=
                named && !seated.iter().any(|seated| std::ptr::eq(*seated, member));
            if named || seated.iter().any(|seated| std::ptr::eq(*seated, member)) {
                continue;
            }
            topology.replicas.push(Replica {
                name: member.name.clone(),
                address,
                kind: kind_of(None, Some(member)),
                state: None,
                lag_bytes: None,
                no_load_balance: member.no_load_balance,
                eligible: false,
                configured: false,
            });
        }
    }
}

fn kind_of(own: Option<&NodeAnswer>, member: Option<&Member>) -> ReplicaKind {
    if let Some(own) = own {
        if own.sync_standby {
            return ReplicaKind::Sync;
        }
        if own.quorum_standby {
            return ReplicaKind::Quorum;
        }
        if own.role == Some(Role::StandbyLeader) {
            return ReplicaKind::StandbyLeader;
        }
    }
    match (own.and_then(|own| own.role.as_ref()), member.and_then(|member| member.role.as_ref())) {
        (_, Some(Role::SyncStandby)) => ReplicaKind::Sync,
        (_, Some(Role::QuorumStandby)) => ReplicaKind::Quorum,
        (None, Some(Role::StandbyLeader)) => ReplicaKind::StandbyLeader,
        (Some(Role::Replica), _) | (None, Some(Role::Replica)) => ReplicaKind::Async,
        (
            Some(
                Role::Leader
                | Role::StandbyLeader
                | Role::SyncStandby
                | Role::QuorumStandby
                | Role::Master
                | Role::Primary
                | Role::Demoted
                | Role::Uninitialized
                | Role::Promoted
                | Role::Other(_),
            )
            | None,
            _,
        ) => ReplicaKind::Other,
    }
}
