//! The way to a running [`driver`](super::driver), for whoever asks, and whoever follows.

use std::sync::Arc;

use openproxy_core::discovery::ShardId;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::document::ShardObject;
use super::driver::{Request, Settings, Snapshot};

/// What can be asked of discovery.
#[derive(Clone, Debug)]
pub struct Topologies {
    requests: mpsc::Sender<Request>,
    changes: broadcast::Sender<Arc<ShardObject>>,
}

/// Discovery has ended: a defect, which the log tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("discovery has ended")]
pub struct Ended;

impl Topologies {
    /// The way to the driver that takes these requests, and whose changes are sent there.
    #[must_use]
    pub fn new(
        requests: mpsc::Sender<Request>,
        changes: broadcast::Sender<Arc<ShardObject>>,
    ) -> Self {
        Self { requests, changes }
    }

    /// Discovers something else from now on.
    pub fn reconfigure(&self, settings: Settings) {
        if self.requests.try_send(Request::Reconfigure(settings)).is_err() {
            tracing::error!("discovery takes no requests: its thread has ended or hangs");
        }
    }

    /// Every change from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<ShardObject>> {
        self.changes.subscribe()
    }

    /// All that is known now.
    ///
    /// # Errors
    /// When discovery has ended.
    pub async fn look(&self) -> Result<Snapshot, Ended> {
        let (answer, snapshot) = oneshot::channel();
        self.requests.send(Request::Look(answer)).await.map_err(|_| Ended)?;
        snapshot.await.map_err(|_| Ended)
    }

    /// What is known of a shard now, if there is one of that name.
    ///
    /// # Errors
    /// When discovery has ended.
    pub async fn look_at(&self, shard: ShardId) -> Result<Option<ShardObject>, Ended> {
        let (answer, known) = oneshot::channel();
        self.requests.send(Request::LookAt(shard.clone(), answer)).await.map_err(|_| Ended)?;
        let known = known.await.map_err(|_| Ended)?;
        Ok(known.map(|(topology, now)| ShardObject::new(&shard, &topology, now)))
    }

    /// Believes anew whoever says that it is primary; whether there was anything to forget.
    ///
    /// # Errors
    /// When discovery has ended.
    pub async fn forget(&self, shard: ShardId) -> Result<bool, Ended> {
        let (answer, forgotten) = oneshot::channel();
        self.requests.send(Request::Forget(shard, answer)).await.map_err(|_| Ended)?;
        forgotten.await.map_err(|_| Ended)
    }
}
