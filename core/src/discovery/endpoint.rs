//! One REST API: what is under way to it, and the last that it said.

use std::sync::Arc;

use super::answer::{ClusterAnswer, Member, NodeAnswer};
use super::config::EndpointKey;
use super::failure::{AskFailure, Counters};
use super::slots::{Pace, Slots};
use super::words::{Role, State};
use crate::time::{Duration, Instant};

/// Where an endpoint is in the list of all.
pub(super) type EndpointIx = usize;

/// Which resource is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AskPath {
    /// `/patroni`: the node about itself, from no further than its PostgreSQL.
    Patroni,
    /// `/health`: the same answer as to `/patroni`, but at once, where `/patroni` waits a second for a
    /// PostgreSQL that restarts, and tries again. Of who is named as primary.
    Health,
    /// `/cluster`: the node about the DCS. It may hang for ten seconds.
    Cluster,
}

impl AskPath {
    /// The path of the request.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patroni => "/patroni",
            Self::Health => "/health",
            Self::Cluster => "/cluster",
        }
    }
}

/// A request that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) serial: u64,
    pub(super) path: AskPath,
    pub(super) sent: Instant,
    pub(super) deadline: Instant,
}

/// An answer to `/patroni`, and when it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) sent: Instant,
    pub(super) answer: NodeAnswer,
}

/// An answer to `/cluster`.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) sent: Instant,
    /// Since when this endpoint has shown the same holder of the key; as far back as is known.
    pub(super) since: Instant,
    pub(super) answer: Arc<ClusterAnswer>,
}

/// What an endpoint's own PostgreSQL is, by the last that its Patroni said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Primary, and running.
    Claims,
    /// Not primary, or not running.
    Denies,
    /// Primary, but PostgreSQL didn't answer Patroni: neither.
    Unsure,
}

impl Report {
    pub(super) fn word(&self) -> Word {
        let primary = self.answer.role.as_ref().is_some_and(Role::is_primary);
        if self.answer.is_running_primary() {
            Word::Claims
        } else if primary && self.answer.state == Some(State::Unknown) {
            Word::Unsure
        } else {
            Word::Denies
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) key: EndpointKey,
    pub(super) timeout: Duration,
    /// The clusters that it is part of.
    pub(super) clusters: Vec<usize>,
    pub(super) pace: Pace,
    pub(super) slots: Slots,
    pub(super) in_flight: Option<InFlight>,
    /// As it stands in the list of due times.
    pub(super) due_at: Instant,
    pub(super) last_path: AskPath,
    /// It has answered or failed once.
    pub(super) tried: bool,
    pub(super) view_tried: bool,
    pub(super) report: Option<Report>,
    pub(super) view: Option<View>,
    /// When it was last asked for that.
    pub(super) view_asked: Instant,
    pub(super) cluster_hangs: bool,
    /// It has no `/health`, or another's, as far as is known: it isn't asked for it before this.
    pub(super) health_again_at: Instant,
    /// The last `/cluster` failed.
    pub(super) view_failed: bool,
    /// How the last request ended, if badly; `/cluster` that hangs doesn't count.
    pub(super) failure: Option<AskFailure>,
    pub(super) failed_at: Instant,
    pub(super) counters: Counters,
}

impl Endpoint {
    pub(super) fn new(key: EndpointKey, timeout: Duration, pace: Pace, first: Instant) -> Self {
        Self {
            key,
            timeout,
            clusters: Vec::new(),
            pace,
            slots: Slots::new(first),
            in_flight: None,
            due_at: Instant::MAX,
            last_path: AskPath::Cluster,
            tried: false,
            view_tried: false,
            report: None,
            view: None,
            view_asked: Instant::ZERO,
            cluster_hangs: false,
            health_again_at: Instant::ZERO,
            view_failed: false,
            failure: None,
            failed_at: Instant::ZERO,
            counters: Counters::default(),
        }
    }

    /// When something is to be done about it.
    pub(super) fn next_due(&self) -> Instant {
        let waits = self.in_flight.filter(|_| !mutated!(AskedTwiceAtOnce));
        waits.map_or_else(|| self.slots.due_at(self.pace), |flight| flight.deadline)
    }

    /// Sets how fast it is asked.
    pub(super) fn set_pace(&mut self, now: Instant, pace: Pace) {
        if self.pace != pace {
            self.pace = pace;
            self.slots.set_pace(now, pace);
        }
    }

    /// Takes an answer to `/patroni`; whether it says anything new.
    pub(super) fn take_report(&mut self, sent: Instant, answer: NodeAnswer) -> bool {
        let facts = |answer: &NodeAnswer| {
            let flags = (answer.pause, answer.cluster_unlocked, answer.failsafe_active);
            (answer.timeline, answer.system, flags)
        };
        let is_new = self.failure.take().is_some()
            || self.report.as_ref().is_none_or(|report| {
                let old = &report.answer;
                facts(old) != facts(&answer)
                    || (&old.role, &old.state, &old.name)
                        != (&answer.role, &answer.state, &answer.name)
            });
        self.counters.answers += 1;
        self.counters.odd_fields += u64::from(answer.odd.count);
        self.tried = true;
        self.report = Some(Report { sent, answer });
        self.slots.note_prompt();
        is_new
    }

    /// Takes an answer to `/cluster`; whether the key is another's than before.
    pub(super) fn take_view(&mut self, sent: Instant, answer: ClusterAnswer) -> bool {
        let facts = |answer: &ClusterAnswer| {
            let leader = answer.leader();
            let timeline = leader.and_then(|leader| leader.timeline);
            let role = leader.and_then(|leader| leader.role.clone());
            (timeline, role, answer.pause, answer.members.len())
        };
        let old = self.view.as_ref();
        let same_holder = old.is_some_and(|old| {
            let (old, new) = (old.answer.leader(), answer.leader());
            old.map(identity) == new.map(identity)
        });
        let is_new = !same_holder || old.is_none_or(|old| facts(&old.answer) != facts(&answer));
        let since = old.filter(|_| same_holder).map_or(sent, |old| old.since);
        // A list that hasn't changed is kept, so that it is there once.
        let answer = match old {
            Some(old) if *old.answer == answer => Arc::clone(&old.answer),
            _ => Arc::new(answer),
        };
        self.counters.answers += 1;
        self.counters.odd_fields += u64::from(answer.odd.count);
        self.view_tried = true;
        (self.cluster_hangs, self.view_failed) = (false, false);
        self.view = Some(View { sent, since, answer });
        self.slots.note_view_prompt();
        self.slots.note_prompt();
        is_new
    }

    /// Notes that a request failed at `now`; whether that is new.
    pub(super) fn take_failure(
        &mut self,
        now: Instant,
        flight: InFlight,
        failure: AskFailure,
    ) -> bool {
        self.counters.count_failure(&failure);
        // Whatever is longer is how long we were stopped ourselves.
        let hung = now.since(flight.sent).min(self.timeout);
        let is_hang = failure.is_like(&AskFailure::TimedOut);
        match (flight.path, is_hang) {
            (AskPath::Patroni | AskPath::Health, true) => self.slots.note_hang(now, hung),
            (AskPath::Cluster, true) => self.slots.note_view_hang(now, hung),
            (_, false) => self.slots.note_prompt(),
        }
        match flight.path {
            AskPath::Patroni | AskPath::Health => self.tried = true,
            AskPath::Cluster => (self.view_tried, self.view_failed) = (true, true),
        }
        // What `/cluster` fails with but for a node that is gone is the DCS's.
        let is_dcs = flight.path == AskPath::Cluster
            && !matches!(failure, AskFailure::Refused | AskFailure::Unreachable);
        if is_dcs {
            return false;
        }
        let is_new = self.failure.is_none();
        self.failure = Some(failure);
        self.failed_at = now;
        is_new
    }
}

/// What tells a member from others.
pub(super) fn identity(member: &Member) -> (Option<&str>, Option<&str>, Option<u16>) {
    (member.name.as_deref(), member.host.as_deref(), member.port)
}
