//! `topology_script`: run at every change of a shard's topology.
//!
//! One at a time, in the order of the changes. Of several changes of one shard that wait for their
//! turn, the last counts: the script is told what is, not what was.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use openproxy::discovery::document::{Document, ShardObject};
use openproxy::discovery::topologies::Topologies;
use openproxy_core::vrrp::CommandLine;
use tokio::sync::{broadcast, watch};

use crate::linux::{self, ScriptInput};

/// How long it may run; then its process group is killed.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(10);

/// Shards that wait to be told of, the longest waiting first.
#[derive(Debug, Default)]
struct Queue(VecDeque<Arc<ShardObject>>);

impl Queue {
    fn push(&mut self, shard: Arc<ShardObject>) {
        let is_same = |waiting: &&mut Arc<ShardObject>| {
            (&waiting.pool, &waiting.shard) == (&shard.pool, &shard.shard)
        };
        match self.0.iter_mut().find(is_same) {
            Some(waiting) => *waiting = shard,
            None => self.0.push_back(shard),
        }
    }
}

/// Runs whatever script the file names at the time, for as long as there is a file.
pub(crate) async fn run(topologies: Topologies, mut script: watch::Receiver<Option<CommandLine>>) {
    let mut changes = topologies.subscribe();
    let mut queue = Queue::default();
    loop {
        tokio::select! {
            biased;
            changed = script.changed() => if changed.is_err() {
                return;
            },
            change = changes.recv() => match change {
                Ok(shard) => queue.push(shard),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    let Ok(snapshot) = topologies.look().await else { return };
                    Document::new(&snapshot).shards.into_iter().for_each(|s| queue.push(s.into()));
                }
                Err(broadcast::error::RecvError::Closed) => return,
            },
            () = std::future::ready(()), if !queue.0.is_empty() => {
                let command = script.borrow().clone();
                if let (Some(shard), Some(command)) = (queue.0.pop_front(), command) {
                    tell(&shard, &command).await;
                }
            }
        }
    }
}

async fn tell(shard: &ShardObject, command: &CommandLine) {
    let subject = format!("{}/{}", shard.pool, shard.shard);
    let Ok(mut text) = serde_json::to_vec(shard) else { return };
    text.push(b'\n');
    let input = ScriptInput { stdin: text, ..ScriptInput::default() };
    if let Err(reason) = linux::run_script(&subject, command, input, TIME_MAX).await {
        tracing::error!("{subject}: topology_script: {reason}");
    }
}
