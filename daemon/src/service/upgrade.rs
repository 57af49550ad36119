//! Another program in place of this one: when it may be, and that everything stands still for it.

use std::time::Duration;

use openproxy_core::vrrp::{HEIR_WITHIN, StateName};
use tokio::sync::mpsc;

use super::Service;
use crate::carried::Carried;
use crate::linux::ProcessHandle;
use crate::signals::{HeldBack, Signals, Wish};
use crate::upgrade::{Launch, Pause, PauseWish};

/// How long changes of state may take to be told before an upgrade, and while everything stands
/// still.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);
const SETTLED_NOW: Duration = Duration::from_millis(10);
/// How long the log may take to be written before an upgrade, and while everything stands still:
/// what is in the queue of this program is lost to the next one.
const WRITTEN_WITHIN: Duration = Duration::from_millis(100);
const WRITTEN_NOW: Duration = Duration::from_millis(5);
/// Why there is no upgrade.
const NOTIFYING: &str = "notify_script is running";
const ROUTERS_ENDED: &str = "the virtual routers have ended";

/// What it takes to execute another program in place of this one.
#[derive(Debug)]
pub(crate) struct Upgrades {
    pub(crate) launch: Launch,
    pub(crate) pauses: mpsc::Sender<PauseWish>,
    pub(crate) processes: ProcessHandle,
}

impl Service {
    /// Has the program that is there now looked at, and whoever is told of changes catch up.
    pub(super) fn begin_upgrade(&mut self) {
        if self.is_stopping() || self.checking.is_some() {
            return;
        }
        if !self.hold.can_bequeath() {
            tracing::error!("no upgrade in place without general.guard; what runs goes on");
            return;
        }
        let check = self.upgrades.launch.clone().check(self.path.clone());
        let settled = self.outlets.notifier.settled();
        self.checking = Some(tokio::spawn(async move {
            let version = check.await?;
            // What is untold then, nobody tells.
            let all_told = settled.within(SETTLED_WITHIN).await;
            if all_told { Ok(version) } else { Err(NOTIFYING.to_owned()) }
        }));
    }

    /// Executes the program that is there now in place of this one. If it can't, what runs goes on.
    pub(super) async fn upgrade(&mut self, checked: Result<String, String>, signals: &mut Signals) {
        if self.is_stopping() {
            return;
        }
        let refused = match checked {
            Ok(version) => {
                tracing::info!("{version} takes the place of this process");
                self.execute(signals).await
            }
            Err(reason) => reason,
        };
        if self.is_stopping() {
            return;
        }
        tracing::error!("no upgrade: {refused}; what runs goes on");
    }

    async fn execute(&mut self, signals: &mut Signals) -> String {
        let Ok(look) = self.outlets.sources.routers.look_anew().await else {
            return ROUTERS_ENDED.to_owned();
        };
        if let Some(leaving) = look.routers.iter().find(|r| r.state == StateName::Leaving) {
            return format!("{} hands over", leaving.config.key);
        }
        let is_log_read = self.log.catch_up(WRITTEN_WITHIN).await;
        let Some(_pause) = Pause::begin(&self.upgrades.pauses).await else {
            return ROUTERS_ENDED.to_owned();
        };
        // They stand still: what they have done until now is on its way, and no more comes.
        if !self.outlets.notifier.settled().within(SETTLED_NOW).await {
            return NOTIFYING.to_owned();
        }
        if !self.upgrades.processes.quiesce().await {
            return "a hook is running".to_owned();
        }
        if is_log_read {
            self.log.catch_up(WRITTEN_NOW).await;
        }
        let Ok(_held_back) = HeldBack::begin() else {
            return "signals can't be held back".to_owned();
        };
        // What comes from here on is the next program's to hear; what came before is this one's.
        while let Some(wish) = signals.waiting().await {
            match wish {
                Wish::Stop => {
                    self.stop();
                    return "it is to stop".to_owned();
                }
                // The next program reads the file, and is the one that is there.
                Wish::Reload | Wish::Upgrade => {}
            }
        }
        if !self.hold.announce_heir(HEIR_WITHIN) {
            return "the guard can't be told".to_owned();
        }
        let carried = Carried::of(&look, &self.outlets.sources.history);
        let refused = self.upgrades.launch.execute(&carried);
        // The guard is to hand over at once again, should this process die.
        self.hold.announce_heir(Duration::ZERO);
        refused
    }
}
