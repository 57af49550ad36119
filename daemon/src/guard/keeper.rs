//! The daemon's side: a guard is there as long as the daemon is.

use std::time::Duration;

use openproxy::config::{Loaded, LogFormat};
use openproxy::process::{GuardState, Process};
use tokio::process::Child;
use tokio::time::{Instant, sleep_until, timeout};

use crate::linux::{self, GuardPipe, VipLock};

/// A guard that has died, or couldn't be started, is started again so soon.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// How long one that is dismissed may take to go.
const DISMISSED_WITHIN: Duration = Duration::from_secs(1);

/// Keeps a guard, and holds the lock with it.
#[derive(Debug)]
pub(crate) struct Keeper {
    lock: VipLock,
    realtime: Option<u8>,
    /// In which a guard logs.
    log_format: LogFormat,
    pipe: GuardPipe,
    child: Option<Child>,
    /// When another is started in the place of one that isn't there.
    start_at: Instant,
    /// Where it is told whether there is one.
    process: Process,
}

impl Keeper {
    /// Starts a guard; needs a runtime.
    pub(crate) fn start(lock: VipLock, loaded: &Loaded, process: Process) -> Self {
        let (pipe, start_at) = (GuardPipe::new(None), Instant::now());
        let (realtime, log_format) = (loaded.realtime_priority(), loaded.log_format);
        let mut keeper = Self { lock, realtime, log_format, pipe, child: None, start_at, process };
        keeper.start_guard();
        keeper
    }

    /// The way to the guard.
    pub(crate) fn pipe(&self) -> GuardPipe {
        self.pipe.clone()
    }

    /// Sees to it that there is a guard, without an end; safe to drop.
    pub(crate) async fn keep(&mut self) {
        loop {
            if let Some(child) = &mut self.child {
                let ended = child.wait().await;
                let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                tracing::error!(
                    "the guard has died ({how}): until there is another, a crash leaves the VIPs to their leases"
                );
                self.child = None;
                self.process.note_guard(GuardState::Missing);
                self.start_at = Instant::now() + RESTART_AFTER;
            }
            sleep_until(self.start_at).await;
            self.start_guard();
        }
    }

    fn start_guard(&mut self) {
        match linux::start_guard(&self.lock, self.realtime, self.log_format) {
            Ok((child, pipe)) => {
                self.child = Some(child);
                self.pipe.replace(pipe);
                self.process.note_guard(GuardState::Watching);
            }
            Err(reason) => {
                tracing::error!(
                    "a guard can't be started: {reason}: a crash leaves the VIPs to their leases"
                );
                self.process.note_guard(GuardState::Missing);
                self.start_at = Instant::now() + RESTART_AFTER;
            }
        }
    }

    /// Ends in good order, guard first: the lock is free then.
    pub(crate) async fn dismiss(self) {
        self.pipe.say_goodbye();
        drop(self.pipe);
        let Some(mut child) = self.child else { return };
        if timeout(DISMISSED_WITHIN, child.wait()).await.is_ok() {
            return;
        }
        tracing::warn!("the guard doesn't end: killing it");
        // The VIPs are off: there is nothing that it could leave.
        let _ = child.start_kill();
        let _ = timeout(DISMISSED_WITHIN, child.wait()).await;
    }
}
