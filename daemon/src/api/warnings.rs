//! What needs somebody's attention, in one line each. Pure; the table, the page, the exit status and
//! the checks all go by it.

use serde::{Deserialize, Serialize};

use super::document::{Document, ProcessObject};
use crate::discovery::document::{EndpointObject, PrimaryObject, ShardObject};
use crate::routers::document::{RouterObject, Word};

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct WarningObject {
    /// `warning` or `critical`.
    pub level: Word,
    /// What it is.
    pub text: String,
}

const WARNING: &str = "warning";
const CRITICAL: &str = "critical";

impl WarningObject {
    fn warning(text: impl Into<String>) -> Self {
        Self { level: WARNING.into(), text: text.into() }
    }

    /// Service is away, or soon will be.
    pub(super) fn critical(text: impl Into<String>) -> Self {
        Self { level: CRITICAL.into(), text: text.into() }
    }

    /// Whether service is away, or soon will be.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.level == CRITICAL
    }
}

/// `ok`, or the worst level.
pub(super) fn worst(warnings: &[WarningObject]) -> &'static str {
    match warnings {
        [] => "ok",
        some if some.iter().any(WarningObject::is_critical) => CRITICAL,
        _ => WARNING,
    }
}

/// All of them, the critical ones first.
pub(super) fn of(document: &Document) -> Vec<WarningObject> {
    let mut warnings = Vec::new();
    of_process(&document.process, &mut warnings);
    document.routers.iter().for_each(|router| of_router(router, &mut warnings));
    document.shards.iter().for_each(|shard| of_shard(shard, &mut warnings));
    document.endpoints.iter().for_each(|endpoint| of_endpoint(endpoint, &mut warnings));
    warnings.sort_by_key(|warning| !warning.is_critical());
    warnings
}

fn of_process(process: &ProcessObject, warnings: &mut Vec<WarningObject>) {
    if let Some(problem) = &process.file_problem {
        warnings.push(WarningObject::warning(format!(
            "{} can't be used as it is now; what was loaded at {} runs on: {problem}",
            process.file, process.loaded_at
        )));
    }
    if process.guard == "missing" {
        warnings.push(WarningObject::warning(
            "the guard is missing: a crash leaves the VIPs to their leases",
        ));
    }
}

fn of_router(router: &RouterObject, warnings: &mut Vec<WarningObject>) {
    let name = &router.name;
    if let Some(blocker) = &router.waits_for {
        warnings.push(WarningObject::warning(format!("{name} takes no part: {blocker}")));
    }
    if router.dual_master {
        warnings.push(WarningObject::critical(format!(
            "{name}: two MASTERs: a lesser one doesn't hear this node{}",
            router.last_advert.as_ref().map_or_else(String::new, |a| format!(": {}", a.address))
        )));
    }
    for vip in &router.vips {
        if vip.refused {
            warnings.push(WarningObject::critical(format!(
                "{name}: the kernel refuses {}",
                vip.address
            )));
        } else if router.state == "BACKUP" && vip.held {
            warnings.push(WarningObject::warning(format!(
                "{name}: {} isn't off the interface yet",
                vip.address
            )));
        }
    }
    for check in router.checks.iter().filter(|check| check.state == "failed") {
        warnings.push(WarningObject::warning(format!("{name}: check {} fails", check.check)));
    }
}

fn of_shard(shard: &ShardObject, warnings: &mut Vec<WarningObject>) {
    let name = format!("{}/{}", shard.pool, shard.shard);
    let primary = &shard.primary;
    match &*primary.status {
        "confirmed" => {}
        // What the file leaves open is no fault; it is told at the end of this list.
        "none" if shard.standby_cluster => {}
        "none" if primary.why.as_deref() == Some("unknown") => {}
        "none" => warnings
            .push(WarningObject::critical(format!("{name}: no primary: {}", primary.reason))),
        _ => warnings.push(WarningObject::warning(format!("{name}: {}", headline(primary)))),
    }
    if shard.paused {
        warnings.push(WarningObject::warning(format!("{name}: Patroni is paused")));
    }
    if shard.failsafe {
        let text = format!("{name}: Patroni works without its DCS (failsafe mode)");
        warnings.push(WarningObject::warning(text));
    }
    if shard.primary_unconfigured {
        let text = format!("{name}: the primary isn't among the servers of the file");
        warnings.push(WarningObject::warning(text));
    }
}

fn headline(primary: &PrimaryObject) -> String {
    match (&primary.address.host, primary.address.port) {
        (Some(host), Some(port)) => {
            let age = primary.age_ms.map_or_else(String::new, |ms| {
                format!(", last confirmed {}.{} s ago", ms / 1_000, ms % 1_000 / 100)
            });
            format!("{} is {}{age}", host_and_port(host, port), primary.status)
        }
        _ => primary.status.clone().into_owned(),
    }
}

fn of_endpoint(endpoint: &EndpointObject, warnings: &mut Vec<WarningObject>) {
    if let Some(failure) = &endpoint.failure {
        warnings.push(WarningObject::warning(format!("{}: {failure}", endpoint.url)));
    }
}

/// As it is written in a URL.
#[must_use]
pub fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests;
