//! What is known of a shard: its primary, on what evidence, and its replicas.

use std::fmt;
use std::sync::Arc;

use super::config::{Address, EndpointKey};
use super::words::{Role, State};
use super::{SystemIdentifier, Timeline};
use crate::time::Instant;

/// The rule by which a primary is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Its own Patroni says that it is the primary and runs.
    OwnWord,
    /// Its own Patroni is silent; the others say that it holds the leader key, and its PostgreSQL
    /// accepts connections.
    LeaderKey,
    /// The file says so.
    File,
}

/// Why a primary is believed to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The rule.
    pub rule: Rule,
    /// Whose answer it is; `None` for the file's.
    pub source: Option<EndpointKey>,
    /// When that answer was asked for: it is at least that fresh.
    pub at: Instant,
    /// The timeline that it says.
    pub timeline: Option<Timeline>,
}

/// A server that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name in Patroni, if it has said one.
    pub name: Option<Arc<str>>,
    /// Where its PostgreSQL listens.
    pub address: Address,
    /// Why.
    pub evidence: Evidence,
}

/// Why a primary is still named though nothing confirms it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeptWhy {
    /// No server of the shard answers: the roles stay as they were.
    AllSilent,
    /// Patroni is paused: nobody else will be promoted.
    Paused,
    /// Its Patroni is silent, nothing says that it has lost the leader key, and its PostgreSQL
    /// accepts connections; but nothing says in time that it still has it either.
    OwnSilent,
}

/// Why no primary is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NoneWhy {
    /// Not every server has answered or failed once.
    Starting,
    /// No server has answered since the start.
    NoneAnswered,
    /// The file says `Auto` and nobody is to be asked.
    Unknown,
    /// No server says that it is the primary.
    NobodyClaims,
    /// The last primary says so itself: role and state.
    GaveUp(Option<Role>, Option<State>),
    /// The last primary no longer holds the leader key, and nobody does.
    KeyGone,
    /// The last primary no longer holds the leader key; this member does.
    KeyMoved(Arc<str>),
    /// The last primary's Patroni is silent, and its PostgreSQL accepts no connections.
    Unreachable,
    /// A standby cluster: nobody accepts writes.
    StandbyCluster,
    /// These say that they are primary, with the same right.
    Conflict(Vec<Address>),
    /// Only servers on a lower timeline than one known before say that they are primary.
    Fenced(Timeline),
    /// A server says that it is primary, and others don't give it the leader key (yet).
    Unagreed,
}

/// The primary of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Primary {
    /// Known by fresh evidence. The old primary never is this once a new one accepts writes.
    Confirmed(Named),
    /// Named as it was, without fresh evidence: nothing of ours may be decided by it.
    Kept(Named, KeptWhy),
    /// Its own Patroni has never answered here; the others have named it for long enough.
    Hearsay(Named),
    /// None is named.
    None(NoneWhy),
}

impl Primary {
    /// Who is named, however surely.
    #[must_use]
    pub fn named(&self) -> Option<&Named> {
        match self {
            Self::Confirmed(named) | Self::Kept(named, _) | Self::Hearsay(named) => Some(named),
            Self::None(_) => None,
        }
    }

    /// Who is confirmed.
    #[must_use]
    pub fn confirmed(&self) -> Option<&Named> {
        match self {
            Self::Confirmed(named) => Some(named),
            Self::Kept(..) | Self::Hearsay(_) | Self::None(_) => None,
        }
    }

    /// Whether it is worth a line in the log that this became `to`.
    pub(super) fn is_news(&self, to: &Self) -> bool {
        !self.is_like(to)
    }

    /// Whether both say the same, ages and sources apart.
    fn is_like(&self, other: &Self) -> bool {
        // The states that a primary passes through on its way down are one fact.
        if let (Self::None(NoneWhy::GaveUp(..)), Self::None(NoneWhy::GaveUp(..))) = (self, other) {
            return true;
        }
        let (Some(this), Some(that)) = (self.named(), other.named()) else {
            return self == other;
        };
        let word = match (self, other) {
            (Self::Kept(_, why), Self::Kept(_, other_why)) => why == other_why,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        };
        word && this.address == that.address
            && this.name == that.name
            && this.evidence.rule == that.evidence.rule
            && this.evidence.timeline == that.evidence.timeline
    }
}

/// What kind of replica a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplicaKind {
    /// Asynchronous.
    Async,
    /// Synchronous.
    Sync,
    /// One of a quorum.
    Quorum,
    /// The leader of a standby cluster, fed by another cluster.
    StandbyLeader,
    /// Not known to be any of these: the file's word, or an unknown role.
    Other,
}

/// A server that isn't the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its name in Patroni.
    pub name: Option<Arc<str>>,
    /// Where its PostgreSQL listens.
    pub address: Address,
    /// What kind it is.
    pub kind: ReplicaKind,
    /// What its own Patroni says of its state; `None` if that is silent.
    pub state: Option<State>,
    /// How many bytes of log it has still to replay, by its own word and the primary's.
    pub lag_bytes: Option<u64>,
    /// Clients are to leave it alone.
    pub no_load_balance: bool,
    /// Whether reads may go there. It takes more than one look to change this.
    pub eligible: bool,
    /// It is in the file.
    pub configured: bool,
}

/// All that is known of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The primary.
    pub primary: Primary,
    /// The others, in the order of the file, then of their names.
    pub replicas: Vec<Replica>,
    /// Servers of another database that stand in this shard.
    pub foreign: Vec<Address>,
    /// Which database it is.
    pub system: Option<SystemIdentifier>,
    /// The cluster's name in Patroni.
    pub scope: Option<Arc<str>>,
    /// Patroni is paused.
    pub paused: bool,
    /// It is a standby cluster, which has no primary.
    pub standby_cluster: bool,
    /// Patroni keeps the primary without its DCS.
    pub failsafe: bool,
    /// The primary isn't in the file.
    pub primary_unconfigured: bool,
}

impl Topology {
    /// A shard of which nothing is known, for this reason.
    #[must_use]
    pub fn unknown(why: NoneWhy) -> Self {
        Self {
            primary: Primary::None(why),
            replicas: Vec::new(),
            foreign: Vec::new(),
            system: None,
            scope: None,
            paused: false,
            standby_cluster: false,
            failsafe: false,
            primary_unconfigured: false,
        }
    }

    /// Whether nothing that matters differs: ages, sources and lags don't.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let Self {
            primary,
            replicas,
            foreign,
            system,
            scope,
            paused,
            standby_cluster,
            failsafe,
            primary_unconfigured,
        } = self;
        let same_replicas = replicas.len() == other.replicas.len()
            && replicas.iter().zip(&other.replicas).all(|(this, that)| {
                Replica { lag_bytes: None, ..this.clone() }
                    == Replica { lag_bytes: None, ..that.clone() }
            });
        primary.is_like(&other.primary)
            && same_replicas
            && (foreign, system, scope) == (&other.foreign, &other.system, &other.scope)
            && (*paused, *standby_cluster) == (other.paused, other.standby_cluster)
            && (*failsafe, *primary_unconfigured) == (other.failsafe, other.primary_unconfigured)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.address)?,
            None => self.address.fmt(f)?,
        }
        self.evidence.timeline.map_or(Ok(()), |timeline| write!(f, " on {timeline}"))
    }
}

impl fmt::Display for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed(named) => write!(f, "{named}, {}", named.evidence.rule),
            Self::Kept(named, why) => write!(f, "{named}, kept: {why}"),
            Self::Hearsay(named) => write!(
                f,
                "{named}, by hearsay: its Patroni has never answered here, and the others name it"
            ),
            Self::None(why) => write!(f, "none: {why}"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnWord => "by its own word",
            Self::LeaderKey => "by the leader key, its Patroni is silent and its port open",
            Self::File => "by the file",
        })
    }
}

impl fmt::Display for KeptWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllSilent => "no server answers",
            Self::Paused => "its Patroni is silent, and the cluster is paused",
            Self::OwnSilent => {
                "its Patroni is silent, its port not found closed, and no other has its key"
            }
        })
    }
}

impl fmt::Display for NoneWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("not every server has answered or failed yet"),
            Self::NoneAnswered => f.write_str("no server has answered since the start"),
            Self::Unknown => f.write_str("the file says Auto, without Patroni"),
            Self::NobodyClaims => f.write_str("no server says that it is"),
            Self::GaveUp(role, state) => {
                let role = role.as_ref().map_or("no role", Role::as_word);
                let state = state.as_ref().map_or("no state", State::as_word);
                write!(f, "it says {role}, {state}")
            }
            Self::KeyGone => f.write_str("nobody holds the leader key"),
            Self::KeyMoved(to) => write!(f, "the leader key is {to}'s, which isn't primary yet"),
            Self::Unreachable => f.write_str("its Patroni is silent and its port closed"),
            Self::StandbyCluster => f.write_str("a standby cluster has none"),
            Self::Conflict(addresses) => {
                f.write_str("several say that they are, with the same right:")?;
                addresses.iter().try_for_each(|address| write!(f, " {address}"))
            }
            Self::Fenced(timeline) => {
                write!(f, "who says that it is, is behind {timeline}, which was seen before")
            }
            Self::Unagreed => {
                f.write_str("who says that it is, isn't given the leader key by the others")
            }
        }
    }
}
