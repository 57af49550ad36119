//! Facts of discovery for logs, metrics and tests.

use std::fmt;
use std::sync::Arc;

use super::answer::{Odd, SystemIdentifier, Timeline};
use super::config::{Address, EndpointKey, ShardId};
use super::failure::AskFailure;
use super::topology::{NoneWhy, Primary};
use crate::event::Level;

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A REST API.
    Endpoint(EndpointKey),
    /// All shards that are on the same cluster; there is at least one.
    Shards(Arc<[ShardId]>),
}

/// Something that happened in discovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub subject: Subject,
    /// What happened.
    pub kind: EventKind,
}

/// Why a timeline lower than one known before is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegressWhy {
    /// Who claimed the higher one is itself on a lower one now.
    HolderIsLower,
    /// Who claimed the higher one follows the new primary.
    HolderFollows,
    /// Who claimed the higher one has been silent for a minute, and all others agree.
    HolderSilent,
    /// `openproxy forget`.
    Forgotten,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// An endpoint that answered, or was new, doesn't.
    EndpointFailed(AskFailure),
    /// An endpoint that failed answers.
    EndpointAnswers,
    /// `/cluster` hangs: the DCS is gone, or this node is cut off from it.
    ClusterHangs,
    /// The first answer with fields of a wrong type.
    OddAnswer(Odd),
    /// Who is named, or how surely, has changed.
    PrimaryChanged {
        /// What was known before.
        from: Primary,
        /// What is known now.
        to: Primary,
    },
    /// Two say that they are primary, with the same right.
    Conflict(Vec<Address>),
    /// There is one again, or none.
    ConflictEnded,
    /// A lower timeline than one known before is believed.
    TimelineRegressed {
        /// The higher one.
        from: Timeline,
        /// The lower one.
        to: Timeline,
        /// Why.
        why: RegressWhy,
    },
    /// The fence and the last primary are forgotten, as asked for.
    Forgotten(Option<Timeline>),
    /// Another database has taken the place of the one that was here.
    SystemChanged {
        /// The old one.
        from: SystemIdentifier,
        /// The new one.
        to: SystemIdentifier,
    },
    /// The servers of one shard have different databases: they don't belong together.
    MixedSystems(Vec<SystemIdentifier>),
    /// The servers of one shard are in clusters of different names.
    MixedScopes(Vec<Arc<str>>),
    /// The primary isn't in the file.
    UnconfiguredPrimary(Address),
    /// A `/cluster` gives the leader key to one on an old timeline: its node is cut off.
    StaleView {
        /// Whose it is.
        by: EndpointKey,
    },
}

impl Event {
    /// How loud it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match &self.kind {
            EventKind::EndpointAnswers
            | EventKind::ConflictEnded
            | EventKind::Forgotten(_)
            | EventKind::PrimaryChanged { to: Primary::Confirmed(_), .. } => Level::Info,
            EventKind::OddAnswer(_) => Level::Debug,
            EventKind::EndpointFailed(_)
            | EventKind::ClusterHangs
            | EventKind::TimelineRegressed { .. }
            | EventKind::SystemChanged { .. }
            | EventKind::UnconfiguredPrimary(_)
            | EventKind::StaleView { .. }
            | EventKind::PrimaryChanged { to: Primary::Kept(..) | Primary::Hearsay(_), .. } => {
                Level::Warn
            }
            EventKind::PrimaryChanged { to: Primary::None(why), .. } => match why {
                NoneWhy::Starting | NoneWhy::StandbyCluster | NoneWhy::Unknown => Level::Info,
                NoneWhy::NoneAnswered
                | NoneWhy::NobodyClaims
                | NoneWhy::GaveUp(..)
                | NoneWhy::KeyGone
                | NoneWhy::KeyMoved(_)
                | NoneWhy::Unreachable
                | NoneWhy::Conflict(_)
                | NoneWhy::Fenced(_)
                | NoneWhy::Unagreed => Level::Warn,
            },
            EventKind::Conflict(_) | EventKind::MixedSystems(_) | EventKind::MixedScopes(_) => {
                Level::Error
            }
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Endpoint(key) => write!(f, "{key}: ")?,
            Subject::Shards(shards) => {
                if let Some((first, others)) = shards.split_first() {
                    first.fmt(f)?;
                    if !others.is_empty() {
                        write!(f, " (and {} more)", others.len())?;
                    }
                    f.write_str(": ")?;
                }
            }
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndpointFailed(failure) => write!(f, "Patroni doesn't answer: {failure}"),
            Self::EndpointAnswers => f.write_str("Patroni answers again"),
            Self::ClusterHangs => {
                f.write_str("/cluster hangs: its DCS is down, or it is cut off; asking it rarely")
            }
            Self::OddAnswer(odd) => write!(
                f,
                "{} fields of an answer are of another type than they should be; the first is \
                 `{}`; left out",
                odd.count,
                odd.first.unwrap_or("?")
            ),
            Self::PrimaryChanged { from, to } => write!(f, "primary: {to} (was {from})"),
            Self::Conflict(addresses) => {
                f.write_str("several servers say that they are primary, on the same timeline:")?;
                addresses.iter().try_for_each(|address| write!(f, " {address}"))
            }
            Self::ConflictEnded => f.write_str("no more than one says that it is primary again"),
            Self::TimelineRegressed { from, to, why } => {
                write!(f, "believing {to} though {from} was seen before: {why}")
            }
            Self::Forgotten(Some(timeline)) => write!(f, "{timeline} is forgotten, as asked for"),
            Self::Forgotten(None) => f.write_str("the last primary is forgotten, as asked for"),
            Self::SystemChanged { from, to } => {
                write!(f, "another database: system identifier {to} instead of {from}")
            }
            Self::MixedSystems(systems) => {
                f.write_str("its servers hold different databases (system identifiers")?;
                systems.iter().try_for_each(|system| write!(f, " {system}"))?;
                f.write_str("): two clusters, groups of Citus, or a copy being made anew")
            }
            Self::MixedScopes(scopes) => {
                f.write_str("its servers are of different Patroni clusters:")?;
                scopes.iter().try_for_each(|scope| write!(f, " {scope}"))
            }
            Self::UnconfiguredPrimary(address) => {
                write!(f, "the primary {address} isn't among the shard's servers in the file")
            }
            Self::StaleView { by } => write!(
                f,
                "{by} gives the leader key to a primary of before: it is cut off from its DCS"
            ),
        }
    }
}

impl fmt::Display for RegressWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HolderIsLower => "who was on it is on a lower one now",
            Self::HolderFollows => "who was on it follows the new primary",
            Self::HolderSilent => {
                "who was on it has been silent for a minute, and all others agree"
            }
            Self::Forgotten => "it was forgotten, as asked for",
        })
    }
}
