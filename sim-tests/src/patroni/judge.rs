//! What discovery promises, asked after everything that happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use openproxy_core::discovery::{
    AskPath, EndpointKey, Event, EventKind, Host, NoneWhy, Primary, Rule, Subject, Timeline,
    Topology,
};
use openproxy_core::time::{Duration, Instant};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::patroni::{Cluster, Fault};

use super::scenario::{MEMBERS_MAX, Mishap};
use super::told::{Told, Writing};
use super::world::{Outcome, member};

/// From the first write to the confirmation, if the daemon reaches everybody all the while and no
/// answer is spoilt: an answer in haste, or the rest of a question that hung.
const CONFIRMED_WITHIN: Duration = Duration::from_millis(3_500);
/// One that was silent lately may be at rest for so long.
const REST_MAX: Duration = Duration::from_secs(10);
/// How long that is remembered: the rest ends with the first answer after it.
const LATELY: Duration = Duration::from_secs(30);
/// The budget counts over this.
const SECOND: Duration = Duration::from_secs(1);
const BUDGET: usize = 8;
/// A second of haste may lie in any minute; beyond that minute without news, calm.
const CALM_BUDGET_PER_MINUTE: usize = 8 * 60;

/// The promises, after `reference/simulation.md`'s D1 to D11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiscoveryId {
    /// The old primary isn't confirmed once a new one accepts writes.
    D1Stale,
    /// No lower timeline is confirmed after a higher one, unless that is said.
    D2Timeline,
    /// Who is confirmed by its own word accepted writes when it was asked.
    D3OwnWord,
    /// A new primary is confirmed soon.
    D4Soon,
    /// One question at a time, and eight a second, to each API; a rest after a hang; no `/cluster`
    /// while the primary says that it lives without its DCS.
    D5Harmless,
    /// Nothing is told before every API has answered or failed once.
    D8Start,
    /// When all is well again, the one that accepts writes is confirmed.
    D9Converges,
}

impl DiscoveryId {
    /// As it is called in the table of `README.md`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::D1Stale => "D1",
            Self::D2Timeline => "D2",
            Self::D3OwnWord => "D3",
            Self::D4Soon => "D4",
            Self::D5Harmless => "D5",
            Self::D8Start => "D8",
            Self::D9Converges => "D9",
        }
    }
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub id: DiscoveryId,
    /// When.
    pub at: Instant,
    /// How.
    pub text: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = self.at.as_nanos() / 1_000_000;
        write!(f, "{} is broken at {millis} ms: {}", self.id.name(), self.text)
    }
}

/// What a run came across.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Questions.
    pub asked: u64,
    /// How often a new primary was confirmed, and the latest of them.
    pub takeovers: u64,
    /// The longest from a first write to its confirmation, where that was asked for.
    pub slowest: Duration,
    /// What was told, by a word for each kind.
    pub seen: BTreeSet<&'static str>,
}

/// Judges one run.
#[derive(Debug)]
pub(super) struct Judge {
    members: usize,
    /// A question is answered by what is true this long after it was asked.
    reaches_after: Duration,
    finding: Option<Finding>,
    tally: Tally,
    hasher: DefaultHasher,
    in_flight: BTreeSet<EndpointKey>,
    sent: BTreeMap<EndpointKey, VecDeque<Instant>>,
    answered: BTreeSet<EndpointKey>,
    /// Those that fail, as was told.
    failing: BTreeSet<EndpointKey>,
    highest: Option<Timeline>,
    last_mishap: Instant,
    /// The writer whose confirmation is awaited, and until when.
    awaited: Option<(NodeId, Instant, Instant)>,
    known_writer: Option<(NodeId, Instant)>,
    /// When each began to accept writes for the last time, though it may have ceased since.
    began: BTreeMap<NodeId, Instant>,
    /// When each was last seen not to answer.
    silent_at: BTreeMap<NodeId, Instant>,
    writing: Writing,
    /// Until when an API that hung is to be left alone.
    rests_until: BTreeMap<EndpointKey, Instant>,
    /// The database is another, or an earlier one, and nobody was confirmed since.
    is_anew: bool,
    /// The primary that says that it lives without its DCS, and since when.
    without_dcs: Option<(Host, Instant)>,
    told: Vec<Told>,
}

impl Judge {
    /// Of a daemon that asks so many members, whom its questions reach after so long.
    pub(super) fn new(members: u8, reaches_after: Duration) -> Self {
        Self {
            members: members.into(),
            reaches_after,
            finding: None,
            tally: Tally::default(),
            hasher: DefaultHasher::new(),
            in_flight: BTreeSet::new(),
            sent: BTreeMap::new(),
            answered: BTreeSet::new(),
            failing: BTreeSet::new(),
            highest: None,
            last_mishap: Instant::ZERO,
            awaited: None,
            known_writer: None,
            began: BTreeMap::new(),
            silent_at: BTreeMap::new(),
            writing: BTreeMap::new(),
            rests_until: BTreeMap::new(),
            is_anew: false,
            without_dcs: None,
            told: Vec::new(),
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.finding.is_some()
    }

    /// When something must have happened.
    pub(super) fn due_at(&self) -> Instant {
        self.awaited.map_or(Instant::MAX, |(_, _, until)| until)
    }

    pub(super) fn outcome(self) -> Outcome {
        let hash = self.hasher.finish();
        let Self { finding, tally, told, writing, .. } = self;
        Outcome { finding, tally, hash, told, writing }
    }

    pub(super) fn note_mishap(&mut self, now: Instant, mishap: Mishap) {
        self.last_mishap = now;
        match mishap {
            Mishap::RestartDaemon => self.note_restart(),
            Mishap::Cluster(Fault::Restore | Fault::Reinitialise) => self.is_anew = true,
            Mishap::Cluster(_)
            | Mishap::CutDaemon(_)
            | Mishap::MendDaemon(_)
            | Mishap::StopDaemon(_) => {}
        }
        // What befalls the cluster meanwhile may be why.
        self.awaited = None;
    }

    /// What the daemon knew and did is gone with its process.
    fn note_restart(&mut self) {
        if self.awaited.is_some() || self.known_writer.is_none() {
            self.tally.seen.insert("restarted in a failover");
        }
        self.in_flight.clear();
        self.sent.clear();
        self.answered.clear();
        self.failing.clear();
        self.rests_until.clear();
        (self.highest, self.without_dcs, self.known_writer) = (None, None, None);
    }

    /// What an endpoint is asked for, by a question that began at `asked`.
    pub(super) fn note_path(&mut self, asked: Instant, endpoint: &EndpointKey, path: AskPath) {
        (endpoint, path == AskPath::Cluster).hash(&mut self.hasher);
        let is_known = self.without_dcs.as_ref().is_some_and(|(host, since)| {
            *since < asked && !self.failing.iter().any(|key| key.address.host == *host)
        });
        if is_known && path == AskPath::Cluster {
            let text = format!("{endpoint}: asked for its cluster, without a DCS");
            self.breaks(DiscoveryId::D5Harmless, asked, text);
        }
    }

    pub(super) fn note_asked(&mut self, now: Instant, endpoint: &EndpointKey) {
        self.tally.asked += 1;
        (now, endpoint).hash(&mut self.hasher);
        if !self.in_flight.insert(endpoint.clone()) {
            self.breaks(DiscoveryId::D5Harmless, now, format!("{endpoint}: asked twice at once"));
        }
        if self.rests_until.get(endpoint).is_some_and(|until| now < *until) {
            self.breaks(DiscoveryId::D5Harmless, now, format!("{endpoint}: asked at its rest"));
        }
        let sent = self.sent.entry(endpoint.clone()).or_default();
        sent.push_back(now);
        while sent.front().is_some_and(|first| *first + SECOND * 60 <= now) {
            sent.pop_front();
        }
        let within = sent.iter().rev().take_while(|at| **at + SECOND > now).count();
        let in_a_minute = sent.len();
        if within > BUDGET || in_a_minute > CALM_BUDGET_PER_MINUTE {
            let text = format!("{endpoint}: {within} in a second, {in_a_minute} in a minute");
            self.breaks(DiscoveryId::D5Harmless, now, text);
        }
    }

    pub(super) fn note_answer(&mut self, now: Instant, endpoint: &EndpointKey, hung: bool) {
        self.in_flight.remove(endpoint);
        let sent = self.sent.get(endpoint).and_then(|sent| sent.back().copied());
        if let Some(sent) = sent.filter(|_| hung) {
            self.rests_until.insert(endpoint.clone(), now + now.since(sent).min(SECOND));
        }
        self.answered.insert(endpoint.clone());
    }

    pub(super) fn note_event(&mut self, event: &Event) {
        if let EventKind::TimelineRegressed { to, .. } = &event.kind {
            self.highest = Some(*to);
        }
        if let Subject::Endpoint(key) = &event.subject {
            if matches!(event.kind, EventKind::EndpointFailed(_)) {
                self.failing.insert(key.clone());
            } else if event.kind == EventKind::EndpointAnswers {
                self.failing.remove(key);
            }
        }
        let word = match &event.kind {
            EventKind::ClusterHangs => Some("cluster hangs"),
            EventKind::StaleView { .. } => Some("stale view"),
            EventKind::TimelineRegressed { .. } => Some("timeline regressed"),
            EventKind::SystemChanged { .. } => {
                self.highest = None;
                Some("system changed")
            }
            EventKind::Conflict(_)
            | EventKind::EndpointFailed(_)
            | EventKind::EndpointAnswers
            | EventKind::OddAnswer(_)
            | EventKind::PrimaryChanged { .. }
            | EventKind::ConflictEnded
            | EventKind::Forgotten(_)
            | EventKind::MixedSystems(_)
            | EventKind::MixedScopes(_)
            | EventKind::UnconfiguredPrimary(_) => None,
        };
        self.tally.seen.extend(word);
    }

    /// Looks at what is told now. While the daemon is stopped it tells nothing.
    pub(super) fn look(
        &mut self,
        now: Instant,
        cluster: &Cluster,
        topology: &Topology,
        cut: &BTreeSet<NodeId>,
        is_stopped: bool,
    ) {
        let primary = &topology.primary;
        self.note_primary(now, primary);
        self.d8(now, primary);
        self.d2(now, primary);
        self.note_writers(now, cluster);
        let named = primary.confirmed().filter(|_| topology.failsafe && !is_stopped);
        self.without_dcs = named.map(|named| {
            let known = self.without_dcs.take().filter(|(host, _)| *host == named.address.host);
            known.unwrap_or_else(|| (named.address.host.clone(), now))
        });
        self.d3(now, primary);
        if !is_stopped {
            self.d1(now, primary, cluster);
        }
        self.await_writer(now, cluster, cut, is_stopped);
        self.d4(now, primary);
    }

    fn note_primary(&mut self, now: Instant, primary: &Primary) {
        let told = Told::new(now, primary);
        self.tally.seen.insert(told.word);
        if self.told.last().is_none_or(|last| last.text != told.text) {
            (now, &told.text).hash(&mut self.hasher);
            self.told.push(told);
        }
    }

    fn d1(&mut self, now: Instant, primary: &Primary, cluster: &Cluster) {
        let named = primary.confirmed().and_then(|named| member(&named.address.host));
        if let (Some(named), Some((writer, since))) = (named, cluster.newest_writer())
            && since < now
            && self.began.get(&named).is_none_or(|began| *began < since)
        {
            let text =
                format!("{named} is confirmed though {writer} accepts writes since {since:?}");
            self.breaks(DiscoveryId::D1Stale, now, text);
        }
    }

    fn d2(&mut self, now: Instant, primary: &Primary) {
        let timeline = primary.confirmed().and_then(|named| named.evidence.timeline);
        if timeline < self.highest && timeline.is_some() {
            let text = format!("{timeline:?} after {:?}", self.highest);
            self.breaks(DiscoveryId::D2Timeline, now, text);
        }
        self.highest = self.highest.max(timeline);
    }

    fn note_writers(&mut self, now: Instant, cluster: &Cluster) {
        let writers: BTreeMap<NodeId, Instant> = cluster.writers().collect();
        if writers.len() > 1 {
            self.tally.seen.insert("two writers");
        }
        for (writer, since) in &writers {
            self.began.insert(*writer, *since);
            let spans = self.writing.entry(*writer).or_default();
            if spans.last().is_none_or(|(from, _)| from != since) {
                spans.push((*since, None));
            }
        }
        for (node, spans) in &mut self.writing {
            if let Some((from, until @ None)) = spans.last_mut()
                && writers.get(node) != Some(from)
            {
                *until = Some(now);
            }
        }
    }

    fn d3(&mut self, now: Instant, primary: &Primary) {
        let own = primary.confirmed().filter(|named| named.evidence.rule == Rule::OwnWord);
        let Some(named) = own else { return };
        let (asked, node) = (named.evidence.at, member(&named.address.host));
        let spans = node.and_then(|node| self.writing.get(&node)).into_iter().flatten();
        let accepts = |(from, until): &(Instant, Option<Instant>)| {
            *from <= asked + self.reaches_after && until.is_none_or(|until| asked <= until)
        };
        if !spans.clone().any(accepts) {
            let text = format!("{primary}, asked at {asked:?}, when it accepted no writes");
            self.breaks(DiscoveryId::D3OwnWord, now, text);
        }
    }

    fn d8(&mut self, now: Instant, primary: &Primary) {
        let all = self.answered.len() >= self.members;
        if !all && !matches!(primary, Primary::None(NoneWhy::Starting)) {
            // Members that are learnt later aren't waited for; here, all are in the file.
            self.breaks(DiscoveryId::D8Start, now, format!("{primary} before all were heard"));
        }
    }

    /// A new writer is to be confirmed, if the daemon reaches everybody.
    fn await_writer(
        &mut self,
        now: Instant,
        cluster: &Cluster,
        cut: &BTreeSet<NodeId>,
        is_stopped: bool,
    ) {
        for node in (0..MEMBERS_MAX).map(NodeId) {
            if cut.contains(&node) || is_stopped || !cluster.answers(node) {
                self.silent_at.insert(node, now);
            }
        }
        let writer = cluster.newest_writer();
        if writer == self.known_writer {
            return;
        }
        self.known_writer = writer;
        // An earlier timeline, or another database, is believed when it has lasted.
        let reaches = cut.is_empty() && !is_stopped && !self.is_anew;
        self.awaited =
            writer.filter(|(node, _)| reaches && cluster.answers(*node)).map(|(node, since)| {
                let silent = self.silent_at.get(&node).is_some_and(|at| *at + LATELY > now);
                let rest = if silent { REST_MAX } else { Duration::ZERO };
                let since = since.max(now);
                (node, since, since + CONFIRMED_WITHIN + rest)
            });
    }

    fn d4(&mut self, now: Instant, primary: &Primary) {
        let named = primary.confirmed().and_then(|named| member(&named.address.host));
        if named.is_some() && named == self.known_writer.map(|(writer, _)| writer) {
            self.is_anew = false;
        }
        let Some((node, since, until)) = self.awaited else { return };
        if named == Some(node) {
            self.awaited = None;
            self.tally.takeovers += 1;
            self.tally.slowest = self.tally.slowest.max(now.since(since));
        } else if now >= until {
            let text = format!("{node} accepts writes since {since:?}, and told is {primary}");
            self.breaks(DiscoveryId::D4Soon, now, text);
        }
    }

    /// At the end, all has been well for long enough.
    pub(super) fn end(&mut self, now: Instant, cluster: &Cluster, topology: &Topology) {
        let named = topology.primary.confirmed().and_then(|named| member(&named.address.host));
        let writer = cluster.newest_writer().map(|(node, _)| node);
        if cluster.is_calm() && named != writer {
            let text = format!("{writer:?} accepts writes, and told is {}", topology.primary);
            self.breaks(DiscoveryId::D9Converges, now, text);
        }
    }

    fn breaks(&mut self, id: DiscoveryId, at: Instant, text: String) {
        self.finding.get_or_insert(Finding { id, at, text });
    }
}
