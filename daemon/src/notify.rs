//! `notify_script` and `notify_fifo`: told of every change of a virtual router's state, after it.
//!
//! Each has a task of its own that follows the history, so that a slow script holds up neither the
//! FIFO nor a virtual router. The history keeps [`BEHIND_MAX`] changes for one that is behind.

mod fifo;
mod message;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openproxy::config::{Loaded, NotifyConfig};
use openproxy::routers::history::{BEHIND_MAX, History, Transition};
use openproxy_core::vrrp::{CommandLine, RouterKey, StateName, Vip};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::linux::{self, ScriptInput};
use crate::topology_script::TIME_MAX;
use fifo::Fifo;
use message::Told;

/// How long the last changes may take to be told, once the virtual routers have ended.
const ENDED_WITHIN: Duration = Duration::from_secs(10);
/// Questions that wait for an answer; nobody asks two.
const WISHES_MAX: usize = 4;

/// Tells as the file says.
#[derive(Debug)]
pub(crate) struct Notifier {
    settings: watch::Sender<Settings>,
    /// Dropping them ends the followers, once they have told everything.
    wishes: Vec<mpsc::Sender<Wish>>,
    followers: JoinSet<()>,
    /// The end of whoever puts transitions into the history.
    kept: JoinHandle<()>,
}

/// A wish to hear when everything so far has been told.
type Wish = oneshot::Sender<()>;

/// Asks whether everything has been told.
#[derive(Clone, Debug)]
pub(crate) struct Settled(Vec<mpsc::Sender<Wish>>);

/// What of the file counts here.
#[derive(Clone, Debug, Default)]
struct Settings {
    config: NotifyConfig,
    vips: BTreeMap<RouterKey, Arc<[Vip]>>,
}

impl Settings {
    fn take(&mut self, loaded: &Loaded) {
        self.config = loaded.notify.clone();
        // Those that go are still to be told of.
        let vips = loaded.routers.iter().map(|r| (r.key.clone(), Arc::clone(&r.vips)));
        self.vips.extend(vips);
    }
}

impl Notifier {
    /// Tells of every change from now on; needs a runtime. `kept` ends once no more can come;
    /// `told` is what the program before this one, in whose place it runs, has told of last.
    pub(crate) fn start(
        history: &History,
        kept: JoinHandle<()>,
        loaded: &Loaded,
        told: &BTreeMap<RouterKey, StateName>,
    ) -> Self {
        let mut first = Settings::default();
        first.take(loaded);
        let (settings, _) = watch::channel(first);
        let mut notifier = Self { settings, wishes: Vec::new(), followers: JoinSet::new(), kept };
        notifier.follow(history, told, Script);
        notifier.follow(history, told, Fifo::default());
        notifier
    }

    fn follow(
        &mut self,
        history: &History,
        told: &BTreeMap<RouterKey, StateName>,
        outlet: impl Outlet,
    ) {
        let (wish, wishes) = mpsc::channel(WISHES_MAX);
        self.wishes.push(wish);
        let follower = Follower {
            changes: history.follow(),
            settings: self.settings.subscribe(),
            wishes,
            told: Told::before(told),
            lost: 0,
        };
        self.followers.spawn(follower.run(outlet));
    }

    /// Tells as this file says from now on.
    pub(crate) fn apply(&self, loaded: &Loaded) {
        self.settings.send_modify(|settings| settings.take(loaded));
    }

    /// The way to ask whether everything has been told.
    pub(crate) fn settled(&self) -> Settled {
        Settled(self.wishes.clone())
    }

    /// Tells what is left to tell, within a bound.
    pub(crate) async fn end(mut self) {
        let all_told = async {
            // Whoever kept transitions has been told of all.
            let _ = (&mut self.kept).await;
            self.wishes.clear();
            while self.followers.join_next().await.is_some() {}
        };
        if tokio::time::timeout(ENDED_WITHIN, all_told).await.is_err() {
            let secs = ENDED_WITHIN.as_secs();
            tracing::warn!("notify_script takes too long: after {secs} s, the rest isn't told");
        }
    }
}

impl Settled {
    /// Whether everything that happened so far has been told by then.
    pub(crate) async fn within(&self, span: Duration) -> bool {
        let all_told = async {
            for follower in &self.0 {
                let (answer, told) = oneshot::channel();
                if follower.send(answer).await.is_ok() {
                    // One that has ended has nothing left to tell.
                    let _ = told.await;
                }
            }
        };
        tokio::time::timeout(span, all_told).await.is_ok()
    }
}

/// Where changes are told.
trait Outlet: Send + 'static {
    /// The key in the file.
    const KEY: &'static str;

    /// The file may say something else now.
    fn prepare(&mut self, config: &NotifyConfig);

    /// Tells of one change.
    fn tell(&mut self, change: &Transition, settings: Settings) -> impl Future<Output = ()> + Send;
}

/// Follows the history for one outlet.
struct Follower {
    changes: broadcast::Receiver<Arc<Transition>>,
    settings: watch::Receiver<Settings>,
    wishes: mpsc::Receiver<Wish>,
    told: Told,
    /// Changes that came while too many waited.
    lost: u64,
}

impl Follower {
    async fn run(mut self, mut outlet: impl Outlet) {
        outlet.prepare(&self.settings.borrow_and_update().config);
        loop {
            tokio::select! {
                biased;
                change = self.changes.recv() => match change {
                    Ok(change) if self.told.knows(&change) => {}
                    Ok(change) => {
                        let settings = self.settings.borrow().clone();
                        outlet.tell(&change, settings).await;
                    }
                    Err(RecvError::Lagged(lost)) => self.tell_lost(lost, key_of(&outlet)),
                    Err(RecvError::Closed) => return,
                },
                // What waits is told first, by this order.
                wish = self.wishes.recv() => match wish {
                    // Who asked has given up, perhaps.
                    Some(wish) => drop(wish.send(())),
                    None => return,
                },
                Ok(()) = self.settings.changed() => {
                    outlet.prepare(&self.settings.borrow_and_update().config);
                }
            }
        }
    }

    fn tell_lost(&mut self, lost: u64, key: &str) {
        self.lost += lost;
        tracing::warn!(
            "{key}: {lost} changes of state came while {BEHIND_MAX} waited, and aren't told; \
             {} in all",
            self.lost
        );
    }
}

fn key_of<O: Outlet>(_: &O) -> &'static str {
    O::KEY
}

/// Runs a program for each change: one at a time, in order.
struct Script;

impl Outlet for Script {
    const KEY: &'static str = "notify_script";

    fn prepare(&mut self, _: &NotifyConfig) {}

    async fn tell(&mut self, change: &Transition, settings: Settings) {
        let Some(script) = &settings.config.script else { return };
        let vips = settings.vips.get(&change.router).map_or(&[][..], |vips| vips);
        let words = script.iter().cloned().chain(message::arguments(change));
        let command: CommandLine = words.collect();
        let environment = message::environment(change, vips);
        let input = ScriptInput { environment, stdin: Vec::new() };
        let router = change.router.to_string();
        if let Err(reason) = linux::run_script(&router, &command, input, TIME_MAX).await {
            tracing::error!("{router}: {}: {reason}", Self::KEY);
        }
    }
}

#[cfg(test)]
mod tests;
