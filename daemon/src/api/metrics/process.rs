//! The metrics of the process and of what its threads share.

use std::time::{Duration, SystemTime};

use openproxy_core::vrrp::DiscardReason;
use prometheus_client::registry::Unit;

use super::Seen;
use super::family::{Family, Value};
use crate::driver::{BUCKETS, Lateness};
use crate::process::GuardState;
use crate::routers::Look;

pub(super) fn families(seen: Seen<'_>) -> Vec<Family> {
    let Seen { facts, look, known } = seen;
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    let guard = match facts.guard {
        GuardState::Off => None,
        GuardState::Watching => Some(true),
        GuardState::Missing => Some(false),
    };
    let threads = [("vrrp", look.is_some()), ("discovery", known.is_some())];
    let threads =
        threads.map(|(name, answers)| (vec![("thread", name.to_owned())], answers.into()));
    let mut families = vec![
        Family::gauge("build_info", "Always 1; the version that runs.").with(version, true),
        Family::gauge("start_time", "When the process began, since 1970.")
            .in_unit(Unit::Seconds)
            .with(Vec::new(), since_epoch(facts.started)),
        Family::gauge(
            "file_loaded_timestamp",
            "When what runs was read from the file, since 1970.",
        )
        .in_unit(Unit::Seconds)
        .with(Vec::new(), since_epoch(facts.loaded)),
        Family::gauge("file_usable", "1 if the file as it is now can be used.")
            .with(Vec::new(), facts.problem.is_none()),
        Family::gauge("guard_watching", "1 if the guard is there; no series if none is wanted.")
            .with_all(guard.map(|watches| (Vec::new(), watches.into()))),
        Family::gauge("stopping", "1 once it was asked to stop.").with(Vec::new(), facts.stopping),
        Family::gauge("thread_answers", "1 if the thread answers.").with_all(threads),
        Family::counter("log_lines_dropped", "Lines of the log that nobody took.")
            .with_all(facts.log_lines_dropped.map(|lines| (Vec::new(), lines.into()))),
    ];
    families.extend(look.into_iter().flat_map(of_vrrp_thread));
    families
}

fn of_vrrp_thread(look: &Look) -> [Family; 2] {
    let discards = DiscardReason::ALL.iter().map(|reason| {
        (vec![("reason", reason.label().to_owned())], look.discards.count(*reason).into())
    });
    [
        Family::counter("discarded_packets", "VRRP packets that were discarded, by reason.")
            .with_all(discards),
        Family::histogram(
            "timer_lateness",
            "How late the VRRP thread woke up after one of its timers was due.",
        )
        .in_unit(Unit::Seconds)
        .with(Vec::new(), spread(&look.lateness)),
    ]
}

fn spread(lateness: &Lateness) -> Value {
    let bounds = BUCKETS.iter().map(|nanos| Duration::from_nanos(*nanos).as_secs_f64());
    let bounds = bounds.chain([f64::INFINITY]);
    let buckets = bounds.zip(lateness.counts().iter().copied());
    Value::Spread(lateness.sum().as_secs_f64(), buckets.collect())
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
