//! What was told in a run, and who accepted writes meanwhile.

use std::collections::BTreeMap;

use openproxy_core::discovery::{KeptWhy, NoneWhy, Primary, Rule};
use openproxy_core::time::Instant;
use openproxy_io_sim::NodeId;

use super::world::member;

/// What was told of the primary from a moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// From when.
    pub at: Instant,
    /// On what grounds, or why nobody was named: the words of [`Tally::seen`](super::Tally::seen).
    pub word: &'static str,
    /// Who was named.
    pub node: Option<NodeId>,
    /// Whether that was confirmed.
    pub is_confirmed: bool,
    /// In the words of the log.
    pub text: String,
}

/// When each member accepted writes: from, and until if that is over.
pub type Writing = BTreeMap<NodeId, Vec<(Instant, Option<Instant>)>>;

impl Told {
    pub(super) fn new(at: Instant, primary: &Primary) -> Self {
        Self {
            at,
            word: word(primary),
            node: primary.named().and_then(|named| member(&named.address.host)),
            is_confirmed: primary.confirmed().is_some(),
            text: primary.to_string(),
        }
    }
}

/// A word for each kind of what is told.
const fn word(primary: &Primary) -> &'static str {
    match primary {
        Primary::Confirmed(named) => match named.evidence.rule {
            Rule::OwnWord => "own word",
            Rule::LeaderKey => "leader key",
            Rule::File => "file",
        },
        Primary::Kept(_, KeptWhy::Paused) => "paused",
        Primary::Kept(_, KeptWhy::OwnSilent | KeptWhy::AllSilent) => "kept",
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
    }
}
