//! What the servers of a shard answer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use openproxy_core::discovery::{
    Address, AskFailure, AskPath, Discovery, EndpointKey, EventKind, FileRole, Host, Output,
    PatroniConfig, ProbeFailure, Server, ShardConfig, ShardId, Ticket, Timeline,
};
use openproxy_core::time::Instant;

/// In any second, so many requests to an endpoint at most.
const BUDGET: usize = 8;
const SECOND: Duration = Duration::from_secs(1);
/// So many answers and probes, and it is over.
const STEPS_MAX: u32 = 400;

/// A shard, and what its servers answer, drawn from the bytes.
///
/// # Panics
/// When an endpoint is asked too often, a lower timeline is confirmed without a word, or time
/// stands still.
pub fn discovery_inputs(data: &[u8]) {
    // Too few bytes: no more is answered.
    let _ = play(&mut Unstructured::new(data));
}

fn play(draw: &mut Unstructured<'_>) -> Result<()> {
    let mut world = World::new(draw)?;
    for _ in 0..STEPS_MAX {
        world.drain(draw)?;
        world.step();
    }
    Ok(())
}

enum Pending {
    Answer(Ticket, EndpointKey, std::result::Result<Vec<u8>, AskFailure>),
    Probe(Ticket, std::result::Result<(), ProbeFailure>),
}

struct World {
    discovery: Discovery,
    id: ShardId,
    now: Instant,
    count: u64,
    pending: BTreeMap<(Instant, u64), Pending>,
    in_flight: BTreeMap<EndpointKey, u32>,
    sent: BTreeMap<EndpointKey, VecDeque<Instant>>,
    fence: Option<Timeline>,
}

impl World {
    fn new(draw: &mut Unstructured<'_>) -> Result<Self> {
        let id = ShardId { pool: "p".into(), shard: "0".into() };
        let count = draw.int_in_range(1_u8..=4)?;
        let address =
            |index: u8| Address { host: Host::new(&format!("10.0.0.{index}")), port: 5432 };
        let servers =
            (1..=count).map(|index| Server { address: address(index), role: FileRole::Auto });
        let patroni =
            PatroniConfig { watch_primary: draw.arbitrary()?, ..PatroniConfig::plain(8008) };
        let config = ShardConfig {
            id: id.clone(),
            servers: servers.collect(),
            patroni: Some(patroni),
            renew_interval: Duration::from_secs(5),
        };
        let now = Instant::from_millis(10_000);
        Ok(Self {
            discovery: Discovery::new(&[config], now),
            id,
            now,
            count: 0,
            pending: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            sent: BTreeMap::new(),
            fence: None,
        })
    }

    fn drain(&mut self, draw: &mut Unstructured<'_>) -> Result<()> {
        while let Some(output) = self.discovery.poll_output() {
            match output {
                Output::Ask { ticket, endpoint, path, deadline } => {
                    self.note_asked(&endpoint);
                    let (after, answer) = answer(draw, path)?;
                    let at = self.now + after;
                    let answer = if at >= deadline { Err(AskFailure::TimedOut) } else { answer };
                    self.await_end(at.min(deadline), Pending::Answer(ticket, endpoint, answer));
                }
                Output::Probe { ticket, deadline, .. } => {
                    let at = (self.now + delay(draw)?).min(deadline);
                    let is_open = draw.ratio(2, 3)?;
                    let result = if is_open { Ok(()) } else { Err(ProbeFailure::Refused) };
                    self.await_end(at, Pending::Probe(ticket, result));
                }
                Output::Event(event) => match event.kind {
                    EventKind::TimelineRegressed { to, .. } => self.fence = Some(to),
                    EventKind::SystemChanged { .. } => self.fence = None,
                    // What the log would be told.
                    _ => assert!(!event.to_string().contains('\n'), "{event}"),
                },
                Output::TopologyChanged(_) => {}
            }
        }
        self.check();
        Ok(())
    }

    fn await_end(&mut self, at: Instant, pending: Pending) {
        self.count += 1;
        self.pending.insert((at, self.count), pending);
    }

    fn note_asked(&mut self, endpoint: &EndpointKey) {
        let in_flight = self.in_flight.entry(endpoint.clone()).or_default();
        *in_flight += 1;
        assert_eq!(*in_flight, 1, "{endpoint} is asked twice at once");
        let sent = self.sent.entry(endpoint.clone()).or_default();
        sent.push_back(self.now);
        while sent.front().is_some_and(|first| *first + SECOND <= self.now) {
            sent.pop_front();
        }
        assert!(sent.len() <= BUDGET, "{endpoint}: {} in a second", sent.len());
    }

    fn check(&mut self) {
        let topology = self.discovery.topology(&self.id).expect("the shard");
        let timeline = topology.primary.confirmed().and_then(|named| named.evidence.timeline);
        if timeline.is_some() {
            assert!(timeline >= self.fence, "{timeline:?} after {:?}", self.fence);
            self.fence = timeline;
        }
    }

    /// The next thing happens.
    fn step(&mut self) {
        let pending = self.pending.first_key_value().map_or(Instant::MAX, |((at, _), _)| *at);
        let due = self.discovery.poll_timeout();
        self.now = self.now.max(pending.min(due));
        if due <= self.now {
            self.discovery.handle_timeout(self.now);
            assert!(self.discovery.poll_timeout() > self.now, "it is due again at once");
            return;
        }
        let Some((_, pending)) = self.pending.pop_first() else { return };
        match pending {
            Pending::Answer(ticket, endpoint, answer) => {
                self.in_flight.insert(endpoint, 0);
                let answer = answer.as_deref().map_err(Clone::clone);
                self.discovery.handle_answer(ticket, self.now, answer);
            }
            Pending::Probe(ticket, result) => {
                self.discovery.handle_probe(ticket, self.now, result);
            }
        }
    }
}

fn delay(draw: &mut Unstructured<'_>) -> Result<Duration> {
    Ok(Duration::from_millis(draw.int_in_range(1_u16..=1_500)?.into()))
}

fn answer(
    draw: &mut Unstructured<'_>,
    path: AskPath,
) -> Result<(Duration, std::result::Result<Vec<u8>, AskFailure>)> {
    let after = delay(draw)?;
    let answer = match draw.int_in_range(0_u8..=11)? {
        0 => Err(AskFailure::Refused),
        1 => Err(AskFailure::Reset),
        2 => Err(AskFailure::Closed),
        3 => Ok(draw.arbitrary::<&[u8]>()?.to_vec()),
        _ => Ok(match path {
            AskPath::Patroni | AskPath::Health => node(draw)?,
            AskPath::Cluster => cluster(draw)?,
        }
        .into_bytes()),
    };
    Ok((after, answer))
}

fn role(draw: &mut Unstructured<'_>) -> Result<&'static str> {
    draw.choose(&["primary", "master", "replica", "standby_leader", "demoted", "king", "leader"])
        .copied()
}

fn state(draw: &mut Unstructured<'_>) -> Result<&'static str> {
    draw.choose(&["running", "streaming", "stopping", "starting", "stopped", "odd"]).copied()
}

fn flags(draw: &mut Unstructured<'_>) -> Result<&'static str> {
    draw.choose(&[
        "",
        r#""pause": true,"#,
        r#""cluster_unlocked": true,"#,
        r#""failsafe_mode_is_active": true,"#,
        r#""failsafe_mode_is_active": true, "cluster_unlocked": true,"#,
    ])
    .copied()
}

fn node(draw: &mut Unstructured<'_>) -> Result<String> {
    let (role, state, flags) = (role(draw)?, state(draw)?, flags(draw)?);
    let timeline = draw.int_in_range(0_u8..=6)?;
    let system = if draw.ratio(1, 20)? { 78 } else { 77 };
    Ok(format!(
        r#"{{"role": "{role}", "state": "{state}", "timeline": {timeline}, {flags}
            "database_system_identifier": "{system}"}}"#
    ))
}

fn cluster(draw: &mut Unstructured<'_>) -> Result<String> {
    let mut members = Vec::new();
    for index in 1..=draw.int_in_range(0_u8..=5)? {
        let (role, state) = (role(draw)?, state(draw)?);
        let timeline = draw.int_in_range(0_u8..=6)?;
        members.push(format!(
            r#"{{"name": "n{index}", "role": "{role}", "state": "{state}",
                "host": "10.0.0.{index}", "port": 5432, "timeline": {timeline},
                "api_url": "http://10.0.0.{index}:8008/patroni"}}"#
        ));
    }
    let pause = draw.choose(&["", r#", "pause": true"#])?;
    Ok(format!(r#"{{"members": [{}]{pause}}}"#, members.join(",")))
}
