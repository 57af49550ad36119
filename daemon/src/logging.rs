//! The log: lines of text on standard error, written by a thread of their own.
//!
//! Nobody waits for the log, least of all the thread that sends adverts: lines that the reader of
//! standard error doesn't take are dropped and counted.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::MetadataExt as _;

use openproxy_core::discovery;
use openproxy_core::event::{Event, Level};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

const FILTER_VARIABLE: &str = "OPENPROXY_LOG";
const DEFAULT_FILTER: &str = "info";
const LINES_MAX: usize = 8_192;

/// The running log. Its end writes what is still in the queue.
#[derive(Debug)]
pub(crate) struct Log {
    _worker: WorkerGuard,
    dropped: ErrorCounter,
    told: usize,
}

impl Log {
    /// Starts the log of this process.
    pub(crate) fn start() -> Self {
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_MAX);
        let (writer, worker) = builder.thread_name("log").finish(io::stderr());
        let dropped = writer.error_counter();
        let filter = EnvFilter::try_from_env(FILTER_VARIABLE);
        let is_filter_wrong = filter.is_err() && std::env::var_os(FILTER_VARIABLE).is_some();
        let format = tracing_subscriber::fmt()
            .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER)))
            .with_writer(writer)
            .with_ansi(io::stderr().is_terminal())
            .with_target(false);
        // A second subscriber is refused; there is only this one.
        let _ = if is_journal() {
            tracing::subscriber::set_global_default(format.without_time().finish())
        } else {
            tracing::subscriber::set_global_default(format.finish())
        };
        if is_filter_wrong {
            tracing::warn!("{FILTER_VARIABLE} can't be understood; logging at {DEFAULT_FILTER}");
        }
        Self { _worker: worker, dropped, told: 0 }
    }

    /// Where the lines that are dropped are counted.
    pub(crate) fn dropped(&self) -> ErrorCounter {
        self.dropped.clone()
    }

    /// Tells how many lines were dropped since it last did.
    pub(crate) fn tell_dropped(&mut self) {
        let dropped = self.dropped.dropped_lines();
        if dropped > self.told {
            tracing::warn!("{} log lines were dropped: nobody read them", dropped - self.told);
            self.told = dropped;
        }
    }
}

/// Logs an event of the core.
pub(crate) fn report(event: &Event) {
    match event.level() {
        Level::Debug => tracing::debug!("{event}"),
        Level::Info => tracing::info!("{event}"),
        Level::Warn => tracing::warn!("{event}"),
        Level::Error => tracing::error!("{event}"),
    }
}

/// Logs an event of discovery.
pub(crate) fn report_discovery(event: &discovery::Event) {
    match event.level() {
        Level::Debug => tracing::debug!("{event}"),
        Level::Info => tracing::info!("{event}"),
        Level::Warn => tracing::warn!("{event}"),
        Level::Error => tracing::error!("{event}"),
    }
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
