//! What systemd, or whoever else sets `NOTIFY_SOCKET`, is told: sd_notify(3).
//!
//! Letters go through a thread of their own, since a service manager that hangs takes none, and
//! nobody here may wait for it.

mod summary;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use openproxy::api::Sources;
use openproxy::routers::{LOOK_FRESH_FOR, Look, Routers};
use sd_notify::NotifyState;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

/// Letters that wait; more means that the service manager hangs.
const LETTERS_MAX: usize = 64;
/// After a change, so long for others that come with it.
const STATUS_REST: Duration = Duration::from_millis(500);
/// Of the time that the service manager waits for a sign of life, what lies between two, and what
/// the thread of the virtual routers has for its answer.
const BEATS: u32 = 4;

/// Something that the service manager is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Letter {
    Ready,
    Reloading,
    Stopping,
    Status(String),
    Alive,
}

/// The way to the service manager, if there is one.
#[derive(Clone, Debug)]
pub(crate) struct ServiceManager {
    letters: Option<SyncSender<Letter>>,
    /// Something may have changed of what [`summary`] shows.
    changed: Arc<Notify>,
}

impl ServiceManager {
    /// The one that has started this process, or the program that was here before.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Self { letters: None, changed: Arc::default() });
        }
        let (manager, letters) = Self::new();
        thread::Builder::new().name("systemd".to_owned()).spawn(move || deliver(&letters))?;
        Ok(manager)
    }

    fn new() -> (Self, Receiver<Letter>) {
        let (sender, letters) = sync_channel(LETTERS_MAX);
        (Self { letters: Some(sender), changed: Arc::default() }, letters)
    }

    /// Tells of the start, of life and of what there is to see; needs a runtime.
    pub(crate) fn follow(&self, sources: &Sources) {
        if self.letters.is_none() {
            return;
        }
        tokio::spawn(self.clone().tell_status(sources.clone()));
        if let Some(within) = sd_notify::watchdog_enabled().filter(|within| !within.is_zero()) {
            tokio::spawn(self.clone().tell_alive(sources.routers.clone(), within));
        }
    }

    /// The file is being read, since somebody asked for it.
    pub(crate) fn reloading(&self) {
        self.tell(Letter::Reloading);
    }

    /// It has been read, and is used or refused.
    pub(crate) fn reloaded(&self) {
        self.tell(Letter::Ready);
    }

    /// Another file runs.
    pub(crate) fn note_change(&self) {
        self.changed.notify_one();
    }

    /// The process has begun to end.
    pub(crate) fn stopping(&self) {
        self.tell(Letter::Stopping);
    }

    fn tell(&self, letter: Letter) {
        if let Some(letters) = &self.letters {
            // What hangs is not told more.
            let _ = letters.try_send(letter);
        }
    }

    /// Says that all is there, once it is, and then in one line how it is, at every change.
    async fn tell_status(self, sources: Sources) {
        let mut transitions = sources.history.follow();
        let mut topologies = sources.topologies.subscribe();
        while !sources.routers.look().await.is_ok_and(|look| has_begun(&look)) {
            sleep(LOOK_FRESH_FOR).await;
        }
        self.tell(Letter::Ready);
        let mut told = None;
        loop {
            let (look, known) = tokio::join!(sources.routers.look(), sources.topologies.look());
            // It has ended, and so does the process.
            let Ok(look) = look else { return };
            let status = summary::of(&look, known.as_ref().ok());
            if told.as_ref() != Some(&status) {
                self.tell(Letter::Status(status.clone()));
                told = Some(status);
            }
            // Of what is told so seldom, too many may have been missed.
            tokio::select! {
                next = transitions.recv() => if let Err(RecvError::Closed) = next { return },
                next = topologies.recv(), if known.is_ok() => drop(next),
                () = self.changed.notified() => {}
            }
            sleep(STATUS_REST).await;
            while transitions.try_recv().is_ok() {}
            while topologies.try_recv().is_ok() {}
        }
    }

    /// Gives signs of life as long as the virtual routers do: whoever misses them ends the process,
    /// and then the guard hands over.
    async fn tell_alive(self, routers: Routers, within: Duration) {
        let bound = within / BEATS;
        // The first turn may not have been taken yet.
        let mut beats = interval_at(Instant::now() + bound, bound);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            match timeout(bound, routers.look()).await {
                Ok(Ok(look)) if is_awake(&look, bound) => self.tell(Letter::Alive),
                Ok(Ok(_)) => tracing::error!("the virtual routers don't wake up in time"),
                Ok(Err(_)) => return,
                Err(_) => tracing::error!("the thread of the virtual routers doesn't answer"),
            }
        }
    }
}

/// Whether the first turn has been taken: before it, it is due since ever.
fn has_begun(look: &Look) -> bool {
    look.at < look.turn_due_at
}

/// Whether turns are taken when they are due.
fn is_awake(look: &Look, bound: Duration) -> bool {
    look.at.since(look.turn_due_at) < bound
}

/// Hands letters over, as long as there is somebody who writes them.
fn deliver(letters: &Receiver<Letter>) {
    let mut is_told = false;
    while let Ok(letter) = letters.recv() {
        let sent = match letter {
            Letter::Ready => sd_notify::notify(&[NotifyState::Ready]),
            Letter::Reloading => NotifyState::monotonic_usec_now()
                .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
            Letter::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
            Letter::Status(line) => sd_notify::notify(&[NotifyState::Status(&line)]),
            Letter::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        };
        if let Err(error) = sent
            && !std::mem::replace(&mut is_told, true)
        {
            tracing::warn!("the service manager can't be told anything: {error}");
        }
    }
}
