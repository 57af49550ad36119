//! Everything that a daemon tells of itself, as others read it: JSON.
//!
//! `docs/status.md` describes every field; a test holds the two together.

use std::collections::BTreeMap;
use std::time::SystemTime;

use openproxy_core::vrrp::DiscardReason;
use serde::{Deserialize, Serialize};

use super::warnings::{self, WarningObject};
use crate::discovery::document::{self as topology, EndpointObject, ShardObject};
use crate::discovery::driver::Snapshot;
use crate::process::{Facts, GuardState};
use crate::routers::Look;
use crate::routers::document::{RouterObject, Word};
use crate::routers::history::History;

/// Everything.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Document {
    /// `ok`, `warning` or `critical`: the worst of the warnings.
    pub status: Word,
    /// What needs somebody's attention, the worst first.
    pub warnings: Vec<WarningObject>,
    /// The process.
    pub process: ProcessObject,
    /// Every virtual router.
    pub routers: Vec<RouterObject>,
    /// VRRP packets that were discarded, by reason; a reason that hasn't happened isn't there.
    pub discards: BTreeMap<String, u64>,
    /// Every shard, in order of their names.
    pub shards: Vec<ShardObject>,
    /// Every REST API, in order of their addresses.
    pub endpoints: Vec<EndpointObject>,
}

/// The process.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ProcessObject {
    /// OpenProxy's version.
    pub version: String,
    /// The name of the machine.
    pub host: String,
    /// Its number.
    pub pid: u32,
    /// How long it has run.
    pub uptime_ms: u64,
    /// Its file.
    pub file: String,
    /// When what runs was read from it, in UTC as RFC 3339 has it.
    pub loaded_at: String,
    /// Why the file as it is now can't be used; null if it can.
    pub file_problem: Option<String>,
    /// `watching`, `missing` or `off`.
    pub guard: Word,
    /// It was asked to stop.
    pub stopping: bool,
}

impl Document {
    /// All that is known. What doesn't answer is missing.
    #[must_use]
    pub fn new(
        facts: &Facts,
        look: Option<&Look>,
        history: &History,
        known: Option<&Snapshot>,
    ) -> Self {
        let routers = look.into_iter().flat_map(|look| {
            look.routers.iter().map(|report| RouterObject::new(report, look.at, history))
        });
        let topology = known.map(topology::Document::new);
        let (shards, endpoints) =
            topology.map_or_else(Default::default, |t| (t.shards, t.endpoints));
        let mut document = Self {
            status: "ok".into(),
            warnings: Vec::new(),
            process: ProcessObject::new(facts),
            routers: routers.collect(),
            discards: look.map_or_else(BTreeMap::new, discards),
            shards,
            endpoints,
        };
        document.judge();
        if look.is_none() {
            document.warnings.insert(0, WarningObject::critical(no_answer("the virtual routers")));
        }
        if known.is_none() {
            document.warnings.insert(0, WarningObject::critical(no_answer("discovery")));
        }
        document.status = warnings::worst(&document.warnings).into();
        document
    }
}

impl Document {
    /// Finds what needs somebody's attention.
    pub fn judge(&mut self) {
        self.warnings = warnings::of(self);
        self.status = warnings::worst(&self.warnings).into();
    }
}

/// What is said of a thread that has ended or hangs.
pub(super) fn no_answer(thread: &str) -> String {
    format!("the thread of {thread} doesn't answer")
}

fn discards(look: &Look) -> BTreeMap<String, u64> {
    let counts = DiscardReason::ALL.iter().map(|r| (r.label().to_owned(), look.discards.count(*r)));
    counts.filter(|(_, count)| *count > 0).collect()
}

impl ProcessObject {
    fn new(facts: &Facts) -> Self {
        let uptime = SystemTime::now().duration_since(facts.started).unwrap_or_default();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: hostname(),
            pid: std::process::id(),
            uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
            file: facts.file.display().to_string(),
            loaded_at: humantime::format_rfc3339_millis(facts.loaded).to_string(),
            file_problem: facts.problem.clone(),
            guard: match facts.guard {
                GuardState::Off => "off",
                GuardState::Watching => "watching",
                GuardState::Missing => "missing",
            }
            .into(),
            stopping: facts.stopping,
        }
    }
}

fn hostname() -> String {
    nix::unistd::gethostname()
        .map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
pub(super) mod tests;
