//! The topology as others read it: JSON, with one object for each shard.
//!
//! `docs/topology.md` describes every field; a test holds the two together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use openproxy_core::discovery::{
    Address, KeptWhy, Named, NoneWhy, Primary, Replica, ReplicaKind, Rule, ShardId, Topology,
};
use openproxy_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::driver::{EndpointState, Snapshot};

/// One of a few words that stay the same.
pub type Word = Cow<'static, str>;

/// How surely a primary may be named.
pub(crate) const STATUSES: [&str; 4] = ["confirmed", "kept", "hearsay", "none"];

/// All shards, and the APIs that were asked.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Document {
    /// Every shard, in order of their names.
    pub shards: Vec<ShardObject>,
    /// Every REST API, in order of their addresses.
    pub endpoints: Vec<EndpointObject>,
}

/// One shard.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own in the JSON")]
pub struct ShardObject {
    /// The pool's name.
    pub pool: String,
    /// The shard's name.
    pub shard: String,
    /// The primary, or why none is named.
    pub primary: PrimaryObject,
    /// The others.
    pub replicas: Vec<ReplicaObject>,
    /// Servers of another database that stand in this shard.
    pub foreign: Vec<AddressObject>,
    /// PostgreSQL's system identifier, as a text: it is greater than JavaScript's numbers.
    pub system: Option<String>,
    /// The cluster's name in Patroni.
    pub scope: Option<String>,
    /// Patroni is paused.
    pub paused: bool,
    /// A standby cluster: it has no primary.
    pub standby_cluster: bool,
    /// Patroni keeps the primary without its DCS.
    pub failsafe: bool,
    /// The primary isn't in the file.
    pub primary_unconfigured: bool,
}

/// A host and a port.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AddressObject {
    /// The host, IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A primary, or why none is named.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PrimaryObject {
    /// `confirmed`, `kept`, `hearsay` or `none`.
    pub status: Word,
    /// Its name in Patroni.
    pub name: Option<String>,
    /// Where its PostgreSQL listens; null if none is named.
    #[serde(flatten)]
    pub address: OptionalAddress,
    /// Its timeline.
    pub timeline: Option<u64>,
    /// `own_word`, `leader_key` or `file`; null if none is named.
    pub rule: Option<Word>,
    /// Whose answer it goes by: a URL; null for the file's word.
    pub source: Option<String>,
    /// How old that answer is, in milliseconds from its question; null for the file's word.
    pub age_ms: Option<u64>,
    /// Why it is kept, or none is named: a word that stays the same.
    pub why: Option<Word>,
    /// All of that in words for people.
    pub reason: String,
}

/// A host and a port, if there is one.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct OptionalAddress {
    /// The host.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
}

/// A server that isn't the primary.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ReplicaObject {
    /// Its name in Patroni.
    pub name: Option<String>,
    /// Where its PostgreSQL listens.
    #[serde(flatten)]
    pub address: AddressObject,
    /// `async`, `sync`, `quorum`, `standby_leader` or `other`.
    pub kind: Word,
    /// What its own Patroni says of its state; null if that is silent.
    pub state: Option<String>,
    /// Bytes of log that it has still to replay, if known.
    pub lag_bytes: Option<u64>,
    /// Clients are to leave it alone.
    pub no_load_balance: bool,
    /// Reads may go there.
    pub eligible: bool,
    /// It is in the file.
    pub configured: bool,
}

/// A REST API, and how it answers.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct EndpointObject {
    /// Its URL.
    pub url: String,
    /// How often it was asked since the start.
    pub asked: u64,
    /// How many of its answers could be read.
    pub answers: u64,
    /// How many failed, by kind.
    pub failures: BTreeMap<String, u64>,
    /// How it fails now; null if it doesn't.
    pub failure: Option<String>,
}

impl Document {
    /// Everything of a snapshot.
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        let shards = snapshot.shards.iter();
        Self {
            shards: shards.map(|(id, shard)| ShardObject::new(id, shard, snapshot.at)).collect(),
            endpoints: snapshot.endpoints.iter().map(EndpointObject::new).collect(),
        }
    }
}

impl ShardObject {
    /// A shard as it is known at `now`.
    #[must_use]
    pub fn new(id: &ShardId, topology: &Topology, now: Instant) -> Self {
        Self {
            pool: id.pool.to_string(),
            shard: id.shard.to_string(),
            primary: PrimaryObject::new(&topology.primary, now),
            replicas: topology.replicas.iter().map(ReplicaObject::new).collect(),
            foreign: topology.foreign.iter().map(AddressObject::new).collect(),
            system: topology.system.map(|system| system.to_string()),
            scope: topology.scope.as_deref().map(str::to_owned),
            paused: topology.paused,
            standby_cluster: topology.standby_cluster,
            failsafe: topology.failsafe,
            primary_unconfigured: topology.primary_unconfigured,
        }
    }
}

impl PrimaryObject {
    fn new(primary: &Primary, now: Instant) -> Self {
        let (status, reason) = (status_word(primary), primary.to_string());
        match primary {
            Primary::Confirmed(named) | Primary::Hearsay(named) => {
                Self::named(status, named, None, reason, now)
            }
            Primary::Kept(named, why) => {
                Self::named(status, named, Some(kept_word(*why)), reason, now)
            }
            Primary::None(why) => Self {
                status: status.into(),
                name: None,
                address: OptionalAddress::default(),
                timeline: None,
                rule: None,
                source: None,
                age_ms: None,
                why: Some(none_word(why).into()),
                reason,
            },
        }
    }

    fn named(
        status: &'static str,
        named: &Named,
        why: Option<&'static str>,
        reason: String,
        now: Instant,
    ) -> Self {
        let evidence = &named.evidence;
        let AddressObject { host, port } = AddressObject::new(&named.address);
        let age = now.since(evidence.at).as_millis();
        Self {
            status: status.into(),
            name: named.name.as_deref().map(str::to_owned),
            address: OptionalAddress { host: Some(host), port: Some(port) },
            timeline: evidence.timeline.map(|timeline| timeline.0.into()),
            rule: Some(rule_word(evidence.rule).into()),
            source: evidence.source.as_ref().map(ToString::to_string),
            age_ms: evidence.source.as_ref().and_then(|_| u64::try_from(age).ok()),
            why: why.map(Word::from),
            reason,
        }
    }
}

/// How surely a primary is named, in one of [`STATUSES`].
pub(crate) const fn status_word(primary: &Primary) -> &'static str {
    let [confirmed, kept, hearsay, none] = STATUSES;
    match primary {
        Primary::Confirmed(_) => confirmed,
        Primary::Kept(..) => kept,
        Primary::Hearsay(_) => hearsay,
        Primary::None(_) => none,
    }
}

const fn rule_word(rule: Rule) -> &'static str {
    match rule {
        Rule::OwnWord => "own_word",
        Rule::LeaderKey => "leader_key",
        Rule::File => "file",
    }
}

const fn kept_word(why: KeptWhy) -> &'static str {
    match why {
        KeptWhy::AllSilent => "all_silent",
        KeptWhy::Paused => "paused",
        KeptWhy::OwnSilent => "own_silent",
    }
}

const fn none_word(why: &NoneWhy) -> &'static str {
    match why {
        NoneWhy::Starting => "starting",
        NoneWhy::NoneAnswered => "none_answered",
        NoneWhy::Unknown => "unknown",
        NoneWhy::NobodyClaims => "nobody_claims",
        NoneWhy::GaveUp(..) => "gave_up",
        NoneWhy::KeyGone => "key_gone",
        NoneWhy::KeyMoved(_) => "key_moved",
        NoneWhy::Unreachable => "unreachable",
        NoneWhy::StandbyCluster => "standby_cluster",
        NoneWhy::Conflict(_) => "conflict",
        NoneWhy::Fenced(_) => "fenced",
        NoneWhy::Unagreed => "unagreed",
    }
}

impl AddressObject {
    fn new(address: &Address) -> Self {
        Self { host: address.host.as_str().to_owned(), port: address.port }
    }
}

impl ReplicaObject {
    fn new(replica: &Replica) -> Self {
        Self {
            name: replica.name.as_deref().map(str::to_owned),
            address: AddressObject::new(&replica.address),
            kind: match replica.kind {
                ReplicaKind::Async => "async",
                ReplicaKind::Sync => "sync",
                ReplicaKind::Quorum => "quorum",
                ReplicaKind::StandbyLeader => "standby_leader",
                ReplicaKind::Other => "other",
            }
            .into(),
            state: replica.state.as_ref().map(|state| state.as_word().to_owned()),
            lag_bytes: replica.lag_bytes,
            no_load_balance: replica.no_load_balance,
            eligible: replica.eligible,
            configured: replica.configured,
        }
    }
}

impl EndpointObject {
    fn new(state: &EndpointState) -> Self {
        let failures = state.failures_by_kind().into_iter();
        let failures = failures.map(|(kind, count)| (kind.to_owned(), count));
        Self {
            url: state.key.to_string(),
            asked: state.counters.asked,
            answers: state.counters.answers,
            failures: failures.collect(),
            failure: state.failure.as_ref().map(ToString::to_string),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
