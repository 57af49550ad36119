//! The log: lines of text or JSON on standard error, written by a thread of their own.
//!
//! Nobody waits for the log, least of all the thread that sends adverts: lines that the reader of
//! standard error doesn't take are dropped and counted.

mod fields;
mod lines;
mod queue;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use openproxy::config::LogFormat;
use openproxy_core::discovery;
use openproxy_core::event::{Event, Level};
use tracing_appender::non_blocking::{ErrorCounter, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;

use fields::Fields;
use lines::Lines;
use queue::Progress;

const FILTER_VARIABLE: &str = "OPENPROXY_LOG";
const DEFAULT_LEVEL: LevelFilter = LevelFilter::INFO;
const LINES_MAX: usize = 8_192;
/// How a guard is told of [`LogFormat::Json`] by the daemon: it knows no file.
const GUARD_VARIABLE: (&str, &str) = ("OPENPROXY_GUARD_LOG", "json");

/// The running log. Its end writes what is still in the queue.
#[derive(Debug)]
pub(crate) struct Log {
    _worker: WorkerGuard,
    progress: Progress,
    told: usize,
}

impl Log {
    /// Starts the log of this process.
    pub(crate) fn start(format: LogFormat) -> Self {
        let (writer, progress, worker) = queue::start(io::stderr(), LINES_MAX);
        let filter = filter(std::env::var_os(FILTER_VARIABLE).as_deref());
        let lines = layer()
            .with_writer(writer)
            .with_ansi(format == LogFormat::Text && io::stderr().is_terminal())
            .fmt_fields(lines::words())
            .event_format(Lines::new(format, is_journal()));
        let wanted = filter.as_ref().map_or_else(|_| default_filter(), Targets::clone);
        let subscriber = tracing_subscriber::registry().with(lines).with(wanted);
        // A second subscriber is refused; there is only this one.
        let _ = tracing::subscriber::set_global_default(subscriber);
        if let Err(error) = filter {
            tracing::warn!("{FILTER_VARIABLE}: {error}; logging at {DEFAULT_LEVEL}");
        }
        Self { _worker: worker, progress, told: 0 }
    }

    /// Where the lines that are dropped are counted.
    pub(crate) fn dropped(&self) -> ErrorCounter {
        self.progress.dropped().clone()
    }

    /// Waits until all that has been logged is written; whether that was so in time.
    pub(crate) async fn catch_up(&self, within: Duration) -> bool {
        self.progress.catch_up(within).await
    }

    /// Tells how many lines were dropped since it last did.
    pub(crate) fn tell_dropped(&mut self) {
        let dropped = self.progress.dropped().dropped_lines();
        if dropped > self.told {
            tracing::warn!("{} log lines were dropped: nobody read them", dropped - self.told);
            self.told = dropped;
        }
    }
}

fn default_filter() -> Targets {
    Targets::new().with_default(DEFAULT_LEVEL)
}

/// What is to be logged; these are the words of the environment, if it has some.
fn filter(words: Option<&OsStr>) -> Result<Targets, ParseError> {
    match words {
        None => Ok(default_filter()),
        Some(words) => words.to_string_lossy().parse(),
    }
}

/// The variables that a guard of a daemon with this format is started with.
pub(crate) fn guard_variables(format: LogFormat) -> &'static [(&'static str, &'static str)] {
    match format {
        LogFormat::Text => &[],
        LogFormat::Json => &[GUARD_VARIABLE],
    }
}

/// The format that the daemon of this guard has.
pub(crate) fn guard_format() -> LogFormat {
    let (name, json) = GUARD_VARIABLE;
    if std::env::var_os(name).is_some_and(|value| value == json) {
        LogFormat::Json
    } else {
        LogFormat::Text
    }
}

/// Logs the same words and fields at whatever level an event has.
macro_rules! tell {
    ($level:expr, $event:expr, $fields:expr) => {{
        let fields = $fields;
        match $level {
            Level::Debug => tell!(@ debug, $event, fields),
            Level::Info => tell!(@ info, $event, fields),
            Level::Warn => tell!(@ warn, $event, fields),
            Level::Error => tell!(@ error, $event, fields),
        }
    }};
    (@ $macro:ident, $event:expr, $fields:ident) => {
        tracing::$macro!(
            event = $fields.event,
            router = $fields.router.map(tracing::field::display),
            from = $fields.from.map(tracing::field::display),
            to = $fields.to.map(tracing::field::display),
            reason = $fields.reason.map(tracing::field::display),
            vip = $fields.vip.map(tracing::field::display),
            source = $fields.source.map(tracing::field::display),
            interface = $fields.interface,
            hook = $fields.hook,
            check = $fields.check.map(tracing::field::display),
            error = $fields.error.map(tracing::field::display),
            shards = $fields.shards.as_ref().map(tracing::field::display),
            endpoint = $fields.endpoint.map(tracing::field::display),
            "{}",
            $event
        )
    };
}

/// Logs an event of the core.
pub(crate) fn report(event: &Event) {
    tell!(event.level(), event, Fields::of(event));
}

/// Logs an event of discovery.
pub(crate) fn report_discovery(event: &discovery::Event) {
    tell!(event.level(), event, Fields::of_discovery(event));
}

/// Whether standard error goes to systemd's journal, which has times of its own.
///
/// The variable may be inherited by a process whose standard error goes elsewhere, so the device
/// and inode that it names are compared.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stderr) = fs::metadata("/proc/self/fd/2") else { return false };
    stream == format!("{}:{}", stderr.dev(), stderr.ino())
}
