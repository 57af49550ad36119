//! The file `openproxy.toml`: from text to the routers of the core, or to everything that is wrong
//! with it.
//!
//! Every value is checked here, so that the core never meets one that it would have to refuse. All
//! of a file's mistakes are reported at once, each with its line, column, key and value, and with
//! what is allowed. Nothing here reads or writes files.

mod advice;
mod conflicts;
mod diagnostic;
mod follow;
mod keys;
mod log_format;
mod peers;
mod pooler;
mod report;
mod router;
mod shard;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod track;
mod values;
mod vips;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use openproxy_core::discovery::coupling::Track;
use openproxy_core::vrrp::{CommandLine, RouterConfig};
use toml::de::DeTable;

pub(crate) use diagnostic::OneLine;
pub use diagnostic::{Diagnostic, Position, Severity};
pub use log_format::LogFormat;
use pooler::{DEFAULT_RENEW_INTERVAL, Rest};
use report::{Lines, Report};
use router::Draft;
pub use status::{DEFAULT_SOCKET, StatusConfig};
use table::Table;

use crate::discovery::driver::Settings;
use crate::discovery::tracking::TrackedRouter;

/// A file that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The virtual routers, in the order of the file.
    pub routers: Vec<RouterConfig>,
    /// How many pools there are.
    pub pools: usize,
    /// The shards, and which routers follow their primaries.
    pub discovery: Settings,
    /// What is run at every change of a topology.
    pub topology_script: Option<CommandLine>,
    /// Who is told of every change of a virtual router's state.
    pub notify: NotifyConfig,
    /// Who the process becomes when root starts it.
    pub user: Option<Box<str>>,
    /// Whether a guard hands over what a process serves that dies.
    pub guard: bool,
    /// The priority, from 1 to 99, that the threads of the virtual routers are to have under
    /// `SCHED_FIFO`.
    pub realtime: Option<u8>,
    /// How the lines of the log are written.
    pub log_format: LogFormat,
    /// Where a running daemon tells what it knows.
    pub status: StatusConfig,
    /// How often the file is to be read again.
    pub renew_interval: Duration,
    /// Warnings and information.
    pub notes: Vec<Diagnostic>,
}

/// Who is told of every change of a virtual router's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifyConfig {
    /// What is run, once for each.
    pub script: Option<CommandLine>,
    /// A FIFO, into which a line is written for each.
    pub fifo: Option<PathBuf>,
}

impl Loaded {
    /// `realtime`, if there is anything that it is for.
    #[must_use]
    pub fn realtime_priority(&self) -> Option<u8> {
        self.realtime.filter(|_| !self.routers.is_empty())
    }

    /// Whether going from this file to `next` would take away every router, or every pool: more
    /// likely a file that is being written than a wish.
    #[must_use]
    pub fn is_emptied_by(&self, next: &Self) -> bool {
        (next.routers.is_empty() && !self.routers.is_empty()) || (next.pools == 0 && self.pools > 0)
    }
}

/// Reads the bytes of a file; `path` is what diagnostics call it.
///
/// # Errors
/// As [`load`], and if the bytes are not UTF-8.
pub fn load_bytes(path: &str, bytes: &[u8]) -> Result<Loaded, Vec<Diagnostic>> {
    match str::from_utf8(bytes) {
        Ok(text) => load(path, text),
        Err(error) => {
            let (good, _) = bytes.split_at(error.valid_up_to());
            let good = String::from_utf8_lossy(good);
            Err(vec![Diagnostic {
                severity: Severity::Error,
                file: path.into(),
                position: Some(Lines::new(&good).position(good.len())),
                key: None,
                value: None,
                message: "this byte is not part of a UTF-8 text".to_owned(),
            }])
        }
    }
}

/// Reads the text of a file; `path` is what diagnostics call it.
///
/// # Errors
/// All diagnostics of the file, if at least one is an error.
pub fn load(path: &str, text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    let mut report = Report::new(path, text);
    let (document, syntax_errors) = DeTable::parse_recoverable(text);
    let root = Table::root(&document);
    let rest = Rest::read(&mut report, &root);
    let drafts: Vec<Draft> =
        rest.routers.iter().map(|table| Draft::read(&mut report, table)).collect();
    conflicts::find(&mut report, &drafts);
    let renew_interval = rest.renew_interval.unwrap_or(DEFAULT_RENEW_INTERVAL);
    let discovery = discovery(&mut report, &drafts, &rest, renew_interval);
    rest.tell_foreign(&mut report);
    if rest.routers.is_empty() {
        report.file_info("no [general.virtual_router]: no virtual router will run".to_owned());
    }
    if !syntax_errors.is_empty() {
        tell_syntax_errors(&mut report, &syntax_errors);
    }
    match report.finish() {
        (notes, false) => Ok(Loaded {
            routers: drafts.iter().flat_map(Draft::configs).collect(),
            pools: rest.pools,
            discovery,
            topology_script: rest.topology_script,
            notify: rest.notify,
            user: rest.user,
            guard: rest.guard.unwrap_or(true),
            realtime: rest.realtime,
            log_format: rest.log_format.unwrap_or_default(),
            status: rest.status,
            renew_interval,
            notes,
        }),
        (diagnostics, true) => Err(diagnostics),
    }
}

/// What is to be discovered, and for which routers.
fn discovery(
    report: &mut Report<'_>,
    drafts: &[Draft],
    rest: &Rest<'_>,
    renew_interval: Duration,
) -> Settings {
    let mut routers = Vec::new();
    let mut watched = BTreeSet::new();
    for draft in drafts {
        let Some(follow) = draft.follow() else { continue };
        let (track, shards) = (follow.track(), follow.shards(report, &rest.shards));
        match track {
            Track::PrimaryReachable { .. } => watched.extend(shards.iter().cloned()),
            Track::LocalPrimary => {}
        }
        let keys = draft.configs().into_iter().map(|config| config.key);
        routers.extend(keys.map(|key| TrackedRouter { key, track, shards: shards.clone() }));
    }
    let mut tls = Vec::new();
    let shards = rest.shards.iter();
    let shards = shards
        .map(|draft| draft.config(renew_interval, watched.contains(&draft.id), &mut tls))
        .collect();
    let vips = drafts.iter().flat_map(|draft| draft.vips.iter().map(|(vip, _)| vip.ip)).collect();
    Settings { shards, tls, routers, vips }
}

/// Tells the first syntax error of each line, and keeps only what can be said for sure beside them:
/// wrong values on other lines.
fn tell_syntax_errors(report: &mut Report<'_>, errors: &[toml::de::Error]) {
    let mut placed: Vec<_> =
        errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
    placed.sort_by_key(|(span, _)| span.start);
    let lines: BTreeSet<usize> = placed.iter().map(|(span, _)| report.line(span.start)).collect();
    report.keep_value_errors(|line| !lines.contains(&line));
    let mut told = BTreeSet::new();
    for (span, message) in placed {
        if told.insert(report.line(span.start)) {
            report.syntax_error(span, message);
        }
    }
}

/// How long two nodes may hold a router's VIPs after a crash of the MASTER; zero without a lease,
/// for which nothing can be promised.
#[must_use]
pub fn crash_overlap(router: &RouterConfig) -> Option<Duration> {
    router.lease.then(|| advice::crash_overlap(router))
}
