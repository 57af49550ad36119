//! What discovery promises, asked after everything that happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use openproxy_core::discovery::{
    AskPath, Discovery, EndpointKey, Event, EventKind, NoneWhy, Primary, Rule, Timeline,
};
use openproxy_core::time::{Duration, Instant};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::patroni::Cluster;

use super::world::{Outcome, id, member};

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

/// More members than any scenario has.
const NODES_MAX: u8 = 7;

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
    finding: Option<Finding>,
    tally: Tally,
    hasher: DefaultHasher,
    in_flight: BTreeSet<EndpointKey>,
    sent: BTreeMap<EndpointKey, VecDeque<Instant>>,
    answered: BTreeSet<EndpointKey>,
    highest: Option<Timeline>,
    last_mishap: Instant,
    /// The writer whose confirmation is awaited, and until when.
    awaited: Option<(NodeId, Instant, Instant)>,
    known_writer: Option<(NodeId, Instant)>,
    /// When each began to accept writes for the last time, though it may have ceased since.
    began: BTreeMap<NodeId, Instant>,
    /// When each was last seen not to answer.
    silent_at: BTreeMap<NodeId, Instant>,
    /// When each accepted writes: from, and until if that is over.
    writing: BTreeMap<NodeId, Vec<(Instant, Option<Instant>)>>,
    /// Until when an API that hung is to be left alone.
    rests_until: BTreeMap<EndpointKey, Instant>,
    /// The primary said last that it lives without its DCS.
    without_dcs: bool,
    last_primary: Option<String>,
}

impl Judge {
    pub(super) fn new() -> Self {
        Self {
            finding: None,
            tally: Tally::default(),
            hasher: DefaultHasher::new(),
            in_flight: BTreeSet::new(),
            sent: BTreeMap::new(),
            answered: BTreeSet::new(),
            highest: None,
            last_mishap: Instant::ZERO,
            awaited: None,
            known_writer: None,
            began: BTreeMap::new(),
            silent_at: BTreeMap::new(),
            writing: BTreeMap::new(),
            rests_until: BTreeMap::new(),
            without_dcs: false,
            last_primary: None,
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
        Outcome { finding: self.finding, tally: self.tally, hash: self.hasher.finish() }
    }

    pub(super) fn note_mishap(&mut self, now: Instant) {
        self.last_mishap = now;
        // What befalls the cluster meanwhile may be why.
        self.awaited = None;
    }

    pub(super) fn note_asked(&mut self, now: Instant, endpoint: &EndpointKey, path: AskPath) {
        self.tally.asked += 1;
        (now, endpoint, path == AskPath::Cluster).hash(&mut self.hasher);
        if !self.in_flight.insert(endpoint.clone()) {
            self.breaks(DiscoveryId::D5Harmless, now, format!("{endpoint}: asked twice at once"));
        }
        if self.rests_until.get(endpoint).is_some_and(|until| now < *until) {
            self.breaks(DiscoveryId::D5Harmless, now, format!("{endpoint}: asked at its rest"));
        }
        if self.without_dcs && path == AskPath::Cluster {
            let text = format!("{endpoint}: asked for its cluster, without a DCS");
            self.breaks(DiscoveryId::D5Harmless, now, text);
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
        let word = match &event.kind {
            EventKind::ClusterHangs => Some("cluster hangs"),
            EventKind::StaleView { .. } => Some("stale view"),
            EventKind::TimelineRegressed { .. } => Some("timeline regressed"),
            EventKind::Conflict(_)
            | EventKind::EndpointFailed(_)
            | EventKind::EndpointAnswers
            | EventKind::OddAnswer(_)
            | EventKind::PrimaryChanged { .. }
            | EventKind::ConflictEnded
            | EventKind::Forgotten(_)
            | EventKind::SystemChanged { .. }
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
        discovery: &Discovery,
        cut: &BTreeSet<NodeId>,
        is_stopped: bool,
    ) {
        let Some(topology) = discovery.topology(&id()) else { return };
        let primary = &topology.primary;
        self.note_primary(now, primary);
        self.d8(now, primary, discovery);
        self.d2(now, primary);
        self.note_writers(now, cluster);
        let answers = |host: &openproxy_core::discovery::Host| {
            let mut endpoints = discovery.endpoints();
            endpoints.any(|(key, _, failure)| key.address.host == *host && failure.is_none())
        };
        let named = primary.confirmed().map(|named| &named.address.host);
        self.without_dcs = topology.failsafe && !is_stopped && named.is_some_and(answers);
        self.d3(now, primary);
        if !is_stopped {
            self.d1(now, primary, cluster);
        }
        self.await_writer(now, cluster, cut, is_stopped);
        self.d4(now, primary);
    }

    fn note_primary(&mut self, now: Instant, primary: &Primary) {
        let text = primary.to_string();
        if self.last_primary.as_ref() != Some(&text) {
            (now, &text).hash(&mut self.hasher);
            self.last_primary = Some(text);
        }
        self.tally.seen.insert(match primary {
            Primary::Confirmed(named) => match named.evidence.rule {
                Rule::OwnWord => "own word",
                Rule::LeaderKey => "leader key",
                Rule::File => "file",
            },
            Primary::Kept(..) => "kept",
            Primary::Hearsay(_) => "hearsay",
            Primary::None(why) => match why {
                NoneWhy::Starting => "starting",
                NoneWhy::GaveUp(..) => "gave up",
                NoneWhy::KeyGone => "key gone",
                NoneWhy::KeyMoved(_) => "key moved",
                NoneWhy::Unreachable => "unreachable",
                NoneWhy::NobodyClaims => "nobody claims",
                NoneWhy::NoneAnswered => "none answered",
                NoneWhy::Conflict(_) => "conflict told",
                NoneWhy::Fenced(_) => "fenced",
                NoneWhy::Unagreed => "unagreed",
                NoneWhy::Unknown | NoneWhy::StandbyCluster => "other",
            },
        });
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
            *from <= asked && until.is_none_or(|until| asked <= until)
        };
        if !spans.clone().any(accepts) {
            let text = format!("{primary}, asked at {asked:?}, when it accepted no writes");
            self.breaks(DiscoveryId::D3OwnWord, now, text);
        }
    }

    fn d8(&mut self, now: Instant, primary: &Primary, discovery: &Discovery) {
        let all = discovery.endpoints().all(|(key, _, _)| self.answered.contains(key));
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
        for node in (0..NODES_MAX).map(NodeId) {
            if cut.contains(&node) || is_stopped || !cluster.answers(node) {
                self.silent_at.insert(node, now);
            }
        }
        let writer = cluster.newest_writer();
        if writer == self.known_writer {
            return;
        }
        self.known_writer = writer;
        let reaches = cut.is_empty() && !is_stopped;
        self.awaited =
            writer.filter(|(node, _)| reaches && cluster.answers(*node)).map(|(node, since)| {
                let silent = self.silent_at.get(&node).is_some_and(|at| *at + LATELY > now);
                let rest = if silent { REST_MAX } else { Duration::ZERO };
                let since = since.max(now);
                (node, since, since + CONFIRMED_WITHIN + rest)
            });
    }

    fn d4(&mut self, now: Instant, primary: &Primary) {
        let Some((node, since, until)) = self.awaited else { return };
        let named = primary.confirmed().and_then(|named| member(&named.address.host));
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
    pub(super) fn end(&mut self, now: Instant, cluster: &Cluster, discovery: &Discovery) {
        let Some(topology) = discovery.topology(&id()) else { return };
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
