//! The virtual routers of a running daemon, for whoever looks. Nothing here is on their way.

pub mod document;
pub mod history;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openproxy_core::io::Command;
use openproxy_core::supervisor::{Discards, Supervisor};
use openproxy_core::time::Instant;
use openproxy_core::vrrp::{Duty, Report, RouterKey};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::driver::Lateness;

/// However many look, the thread of the virtual routers is asked no more often. A look that is this
/// much later than a transition shows it.
pub const LOOK_FRESH_FOR: Duration = Duration::from_millis(100);

/// How soon routers do what they are told, unless they are being stopped, and how often it is
/// asked.
const OBEYED_WITHIN: Duration = Duration::from_secs(2);
const ASKED_EVERY: Duration = Duration::from_millis(5);

/// All of them at a moment.
#[derive(Clone, Debug)]
pub struct Look {
    /// When that is.
    pub at: Instant,
    /// When the next turn is due, if nothing happens before; since ever before the first one.
    pub turn_due_at: Instant,
    /// Every router, in the order in which they came.
    pub routers: Vec<Report>,
    /// Packets that were discarded.
    pub discards: Discards,
    /// How late their timers were.
    pub lateness: Lateness,
}

impl Look {
    /// As a supervisor has them, and the loop around it.
    #[must_use]
    pub fn at(supervisor: &Supervisor, lateness: Lateness, now: Instant) -> Self {
        Self {
            at: now,
            turn_due_at: supervisor.poll_timeout(),
            routers: supervisor.routers().iter().map(|router| router.report(now)).collect(),
            discards: supervisor.discards().clone(),
            lateness,
        }
    }
}

/// The way to the thread of the virtual routers.
#[derive(Clone, Debug)]
pub struct Routers {
    wishes: mpsc::Sender<oneshot::Sender<Look>>,
    commands: mpsc::Sender<Command>,
    last: Arc<Mutex<Option<LastLook>>>,
}

/// When somebody last looked, and what there was to see.
type LastLook = (tokio::time::Instant, Arc<Look>);

/// The virtual routers have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the virtual routers have ended, or are about to")]
pub struct Ended;

impl Routers {
    /// The way to whoever takes these wishes and commands.
    #[must_use]
    pub fn new(
        wishes: mpsc::Sender<oneshot::Sender<Look>>,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        Self { wishes, commands, last: Arc::default() }
    }

    /// How they are now, whatever somebody has seen before.
    ///
    /// # Errors
    /// When they have ended.
    pub async fn look_anew(&self) -> Result<Arc<Look>, Ended> {
        *self.last.lock().await = None;
        self.look().await
    }

    /// Has these routers do this from now on; comes back once they do.
    ///
    /// # Errors
    /// When they have ended, or are about to.
    pub async fn set_duty(&self, keys: &BTreeSet<RouterKey>, duty: Duty) -> Result<(), Ended> {
        let wish = Command::SetDuty(keys.iter().cloned().collect(), duty);
        let obeyed = async {
            self.commands.send(wish).await.map_err(|_| Ended)?;
            loop {
                let look = self.look_anew().await?;
                let obeys = |key: &RouterKey| {
                    look.routers.iter().any(|r| r.config.key == *key && r.duty == duty)
                };
                if keys.iter().all(obeys) {
                    return Ok(());
                }
                sleep(ASKED_EVERY).await;
            }
        };
        timeout(OBEYED_WITHIN, obeyed).await.map_err(|_| Ended)?
    }

    /// How they are now, or were a moment ago.
    ///
    /// # Errors
    /// When they have ended.
    pub async fn look(&self) -> Result<Arc<Look>, Ended> {
        let mut last = self.last.lock().await;
        if let Some((looked_at, look)) = &*last
            && looked_at.elapsed() < LOOK_FRESH_FOR
        {
            return Ok(Arc::clone(look));
        }
        let (answer, look) = oneshot::channel();
        self.wishes.send(answer).await.map_err(|_| Ended)?;
        let look = Arc::new(look.await.map_err(|_| Ended)?);
        *last = Some((tokio::time::Instant::now(), Arc::clone(&look)));
        Ok(look)
    }
}
