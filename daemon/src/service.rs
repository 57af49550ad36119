//! The service thread: signals and the file, on one side of a channel whose other side is the
//! thread of the virtual routers. Whatever is slow happens here and never there.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`file`] | what a change of the file does |
//! | [`fixed`] | what of it is for the next start |
//! | [`outlets`] | whom the daemon tells |
//! | [`stop`] | the end, in three steps |
//! | [`upgrade`] | another program in place of this one |

mod file;
mod fixed;
mod outlets;
mod stop;
mod upgrade;

use std::path::PathBuf;

use openproxy::config::Loaded;
use openproxy::reload::{FileWatcher, Read};
use openproxy_core::io::Command;
use openproxy_core::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};

use crate::exit::Exit;
use crate::guard::Hold;
use crate::linux;
use crate::logging::Log;
use crate::signals::{Signals, Wish};
pub(crate) use file::tell;
use fixed::Fixed;
pub(crate) use outlets::Outlets;
use stop::{Stopping, stopped};
pub(crate) use upgrade::Upgrades;

/// How the thread of the virtual routers ended: well, or with this reason. That it ended without
/// saying so means a panic.
pub(crate) type VrrpEnd = Result<(), String>;

/// Watches over signals, the file and the virtual routers.
#[derive(Debug)]
pub(crate) struct Service {
    path: PathBuf,
    watcher: FileWatcher,
    /// When [`Instant::ZERO`] of the watcher's clock was.
    start: tokio::time::Instant,
    commands: mpsc::Sender<Command>,
    outlets: Outlets,
    /// The lock that virtual routers need, and the guard.
    hold: Hold,
    fixed: Fixed,
    log: Log,
    reading: Option<JoinHandle<Read>>,
    /// The service manager waits for what comes of it.
    is_reloading: bool,
    upgrades: Upgrades,
    /// The program that is to take the place of this one is being looked at.
    checking: Option<JoinHandle<Result<String, String>>>,
    stopping: Stopping,
}

impl Service {
    /// Begins with a file that has just been read; needs a runtime.
    pub(crate) fn new(
        path: PathBuf,
        (bytes, loaded): (Vec<u8>, Loaded),
        commands: mpsc::Sender<Command>,
        outlets: Outlets,
        hold: Hold,
        upgrades: Upgrades,
        log: Log,
    ) -> Self {
        let shown = path.display().to_string();
        let fixed = Fixed::of(&loaded);
        Self {
            path,
            fixed,
            watcher: FileWatcher::new(shown, bytes, loaded, Instant::ZERO)
                .inspecting(linux::distrusted),
            start: tokio::time::Instant::now(),
            commands,
            outlets,
            hold,
            log,
            reading: None,
            is_reloading: false,
            upgrades,
            checking: None,
            stopping: Stopping::Not,
        }
    }

    /// Serves until the virtual routers have ended, or a third signal asks to stop.
    pub(crate) async fn run(
        mut self,
        mut signals: Signals,
        vrrp: oneshot::Receiver<VrrpEnd>,
        discovery: oneshot::Receiver<()>,
    ) -> Exit {
        let exit = self.serve(&mut signals, vrrp, discovery).await;
        // Whatever else ended the virtual routers, the guard lets go of what they served.
        if exit == Exit::Clean {
            self.hold.end().await;
        }
        if exit == Exit::Cut {
            return exit;
        }
        tokio::select! {
            biased;
            () = self.outlets.notifier.end() => exit,
            () = stopped(&mut signals) => Exit::Cut,
        }
    }

    async fn serve(
        &mut self,
        signals: &mut Signals,
        mut vrrp: oneshot::Receiver<VrrpEnd>,
        mut discovery: oneshot::Receiver<()>,
    ) -> Exit {
        let mut is_discovering = true;
        loop {
            let read_at = self.start + self.watcher.poll_timeout().since(Instant::ZERO);
            tokio::select! {
                biased;
                end = &mut vrrp => return self.ended(end),
                _ = &mut discovery, if is_discovering => {
                    is_discovering = false;
                    // The VIPs are safer with us than with nobody.
                    tracing::error!("the thread of discovery has panicked; no roles until a restart");
                }
                wish = signals.next() => match wish {
                    Wish::Stop if self.stopping == Stopping::Hurried => {
                        tracing::warn!("ending before all is released");
                        return Exit::Cut;
                    }
                    Wish::Stop => self.stop(),
                    Wish::Reload => self.reload(),
                    Wish::Upgrade => self.begin_upgrade(),
                },
                () = self.hold.keep() => {}
                checked = finished(&mut self.checking), if self.checking.is_some() => {
                    self.checking = None;
                    let checked = checked.unwrap_or_else(|error| Err(error.to_string()));
                    self.upgrade(checked, signals).await;
                }
                read = finished(&mut self.reading), if self.reading.is_some() => {
                    self.reading = None;
                    self.handle_read(read.unwrap_or_else(|error| Err(error.to_string())));
                }
                () = tokio::time::sleep_until(read_at),
                    if self.reading.is_none() && !self.is_stopping() => self.begin_read(),
            }
        }
    }

    fn ended(&self, end: Result<VrrpEnd, oneshot::error::RecvError>) -> Exit {
        match end {
            Ok(Ok(())) if self.is_stopping() => Exit::Clean,
            Ok(Ok(())) => {
                tracing::error!("the virtual routers have ended unasked");
                Exit::Defect
            }
            Ok(Err(reason)) => {
                tracing::error!("the virtual routers can't run: {reason}");
                Exit::System
            }
            Err(_) => {
                tracing::error!("the thread of the virtual routers has panicked");
                Exit::Defect
            }
        }
    }

    fn send(&self, command: Command) {
        match self.commands.try_send(command) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::error!("the virtual routers take no commands: their thread hangs");
            }
            // It has ended, and the loop is about to see it.
            Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }
}

/// The end of something that has begun.
async fn finished<T>(begun: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match begun {
        Some(handle) => handle.await,
        None => std::future::pending().await,
    }
}
