//! The daemon's side: a guard is there as long as the daemon is.

use std::time::Duration;

use tokio::process::Child;

use crate::linux::{self, GuardPipe, VipLock};

/// A guard that dies is replaced so soon.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// How long one that is dismissed may take to go.
const DISMISSED_WITHIN: Duration = Duration::from_secs(1);

/// Keeps a guard, and holds the lock with it.
#[derive(Debug)]
pub(crate) struct Keeper {
    lock: VipLock,
    pipe: GuardPipe,
    child: Child,
}

impl Keeper {
    /// Starts a guard; needs a runtime.
    pub(crate) fn start(lock: VipLock) -> Result<Self, (String, VipLock)> {
        match linux::start_guard(&lock) {
            Ok((child, pipe)) => Ok(Self { lock, pipe: GuardPipe::new(pipe), child }),
            Err(reason) => Err((reason, lock)),
        }
    }

    /// The way to the guard.
    pub(crate) fn pipe(&self) -> GuardPipe {
        self.pipe.clone()
    }

    /// Sees to it that there is a guard, without an end; safe to drop.
    pub(crate) async fn keep(&mut self) {
        loop {
            // It can only be waited for again, if that fails.
            let status = self.child.wait().await;
            let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::error!(
                "the guard has died ({how}); until there is another, a crash leaves the VIPs to their leases"
            );
            loop {
                tokio::time::sleep(RESTART_AFTER).await;
                match linux::start_guard(&self.lock) {
                    Ok((child, pipe)) => {
                        self.child = child;
                        self.pipe.replace(pipe);
                        break;
                    }
                    Err(reason) => tracing::error!("a guard can't be started: {reason}"),
                }
            }
        }
    }

    /// Ends in good order, guard first: the lock is free then.
    pub(crate) async fn dismiss(mut self) {
        self.pipe.say_goodbye();
        drop(self.pipe);
        if tokio::time::timeout(DISMISSED_WITHIN, self.child.wait()).await.is_err() {
            tracing::warn!("the guard doesn't end");
        }
    }
}
