//! The service thread: signals and the file, on one side of a channel whose other side is the
//! thread of the virtual routers. Whatever is slow happens here and never there.

mod fixed;

use std::path::PathBuf;
use std::time::Duration;

use fixed::Fixed;
use openproxy::api::Sources;
use openproxy::config::{Diagnostic, Loaded, Severity};
use openproxy::process::Process;
use openproxy::reload::{Decision, FileWatcher, Read};
use openproxy_core::io::Command;
use openproxy_core::time::Instant;
use openproxy_core::vrrp::{CommandLine, StateName, heir_within};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinHandle};

use crate::carried::Carried;
use crate::exit::Exit;
use crate::file;
use crate::guard::Hold;
use crate::linux::{self, ProcessHandle};
use crate::logging::Log;
use crate::notify::Notifier;
use crate::signals::{Signals, Wish};
use crate::status::StatusServer;
use crate::systemd::ServiceManager;
use crate::topology_script;
use crate::upgrade::{Launch, Pause, PauseWish};

/// How long changes of state may take to be told before an upgrade, and while everything stands
/// still.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);
const SETTLED_NOW: Duration = Duration::from_millis(10);
/// Why there is no upgrade.
const NOTIFYING: &str = "notify_script is running";
const ROUTERS_ENDED: &str = "the virtual routers have ended";

/// How the thread of the virtual routers ended: well, or with this reason. That it ended without
/// saying so means a panic.
pub(crate) type VrrpEnd = Result<(), String>;

/// Discovery, and where its topologies go.
#[derive(Debug)]
pub(crate) struct Outlets {
    sources: Sources,
    manager: ServiceManager,
    status: StatusServer,
    script: watch::Sender<Option<CommandLine>>,
    notifier: Notifier,
}

impl Outlets {
    /// Opens those of a file; needs a runtime.
    pub(crate) fn open(
        sources: Sources,
        manager: ServiceManager,
        notifier: Notifier,
        loaded: &Loaded,
    ) -> Self {
        let mut status = StatusServer::new(sources.clone());
        status.apply(&loaded.status);
        let (script, scripts) = watch::channel(loaded.topology_script.clone());
        tokio::spawn(topology_script::run(sources.topologies.clone(), scripts));
        // Last: it says that all of this is there.
        manager.follow(&sources);
        Self { sources, manager, status, script, notifier }
    }

    /// Where it is noted how the process is.
    fn process(&self) -> &Process {
        &self.sources.process
    }

    fn apply(&mut self, loaded: &Loaded) {
        self.sources.topologies.reconfigure(loaded.discovery.clone());
        self.status.apply(&loaded.status);
        self.script.send_replace(loaded.topology_script.clone());
        self.notifier.apply(loaded);
        self.manager.note_change();
    }
}

/// What it takes to execute another program in place of this one.
#[derive(Debug)]
pub(crate) struct Upgrades {
    pub(crate) launch: Launch,
    pub(crate) pauses: mpsc::Sender<PauseWish>,
    pub(crate) processes: ProcessHandle,
}

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
    /// How long the guard waits for it before it hands over.
    heir_within: Duration,
    stopping: Stopping,
}

/// How often it was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    Not,
    /// Once: VIPs are handed over, as the file wants it.
    Asked,
    /// Twice: they go at once.
    Hurried,
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
        let heir_within = heir_within(&loaded.routers);
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
            heir_within,
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
                    self.upgrade(checked).await;
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

    fn begin_upgrade(&mut self) {
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
    async fn upgrade(&mut self, checked: Result<String, String>) {
        if self.is_stopping() {
            return;
        }
        let refused = match checked {
            Ok(version) => {
                tracing::info!("{version} takes the place of this process");
                self.execute().await
            }
            Err(reason) => reason,
        };
        tracing::error!("no upgrade: {refused}; what runs goes on");
    }

    async fn execute(&mut self) -> String {
        let Ok(look) = self.outlets.sources.routers.look_anew().await else {
            return ROUTERS_ENDED.to_owned();
        };
        if let Some(leaving) = look.routers.iter().find(|r| r.state == StateName::Leaving) {
            return format!("{} hands over", leaving.config.key);
        }
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
        if !self.hold.announce_heir(self.heir_within) {
            return "the guard can't be told".to_owned();
        }
        let carried = Carried::of(&look, &self.outlets.sources.history);
        let refused = self.upgrades.launch.execute(&carried);
        // The guard is to hand over at once again, should this process die.
        self.hold.announce_heir(Duration::ZERO);
        refused
    }

    fn stop(&mut self) {
        self.stopping = match self.stopping {
            Stopping::Not => {
                tracing::info!("stopping; once more to hand over to nobody");
                self.outlets.process().note_stopping();
                self.outlets.manager.stopping();
                Stopping::Asked
            }
            Stopping::Asked | Stopping::Hurried => {
                tracing::warn!(
                    "letting go of the VIPs at once; once more to wait for no hook either"
                );
                Stopping::Hurried
            }
        };
        self.reading = None;
        self.send(Command::Shutdown);
    }

    fn is_stopping(&self) -> bool {
        self.stopping != Stopping::Not
    }

    fn reload(&mut self) {
        if self.is_stopping() {
            return;
        }
        self.outlets.manager.reloading();
        self.is_reloading = true;
        // A read that began before may have seen the file as it was.
        self.reading = None;
        self.watcher.handle_hangup(self.now());
    }

    fn begin_read(&mut self) {
        self.log.tell_dropped();
        let path = self.path.clone();
        // A file on a dead network filesystem blocks for minutes.
        self.reading = Some(tokio::task::spawn_blocking(move || file::read(&path)));
    }

    fn handle_read(&mut self, read: Read) {
        let shown = self.path.display();
        let decision = self.watcher.handle_read(self.now(), read);
        let is_decided = decision.is_some();
        match decision {
            None => {}
            Some(Decision::Unchanged) => tracing::info!("{shown} is unchanged"),
            Some(Decision::Unreadable(reason)) => {
                tracing::error!("{shown} can't be read: {reason}; what runs goes on");
                self.note_problem(Some(reason));
            }
            Some(Decision::NeedsHangup) => {
                let reason = "it takes every virtual router or every pool away";
                tracing::warn!("{shown}: {reason}: not used without SIGHUP");
                self.note_problem(Some(format!("{reason}, which needs SIGHUP")));
            }
            Some(Decision::Broken(found)) => {
                tell(&found);
                tracing::error!("{shown} has changed and can't be used; what runs goes on");
                let first = found.iter().find(|d| d.severity == Severity::Error);
                self.note_problem(first.map(ToString::to_string));
            }
            Some(Decision::Apply(loaded)) => {
                tell(&loaded.notes);
                tracing::info!("{shown} has changed");
                self.apply(*loaded);
                self.outlets.process().note_loaded();
            }
        }
        if !self.watcher.has_rejected() {
            self.note_problem(None);
        }
        if is_decided && std::mem::take(&mut self.is_reloading) {
            self.outlets.manager.reloaded();
        }
    }

    fn note_problem(&self, problem: Option<String>) {
        self.outlets.process().note_problem(problem);
    }

    fn apply(&mut self, mut loaded: Loaded) {
        if !self.hold.may_route() && !loaded.routers.is_empty() {
            tracing::error!(
                "virtual routers run after a restart only: there was none when this process began"
            );
            loaded.routers.clear();
            loaded.discovery.routers.clear();
        }
        for key in self.fixed.changed_keys(&loaded) {
            tracing::warn!("general.{key} has changed: that is for the next start");
        }
        self.heir_within = heir_within(&loaded.routers);
        // Before discovery, whose weights are for routers that are there.
        self.send(Command::Reload(std::mem::take(&mut loaded.routers)));
        self.outlets.apply(&loaded);
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

/// Logs what is said about a file.
pub(crate) fn tell(found: &[Diagnostic]) {
    for diagnostic in found {
        match diagnostic.severity {
            Severity::Error => tracing::error!("{diagnostic:#}"),
            Severity::Warning => tracing::warn!("{diagnostic:#}"),
            Severity::Info => tracing::info!("{diagnostic:#}"),
        }
    }
}

/// Another wish to stop.
async fn stopped(signals: &mut Signals) {
    while signals.next().await != Wish::Stop {}
}

/// The end of something that has begun.
async fn finished<T>(begun: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match begun {
        Some(handle) => handle.await,
        None => std::future::pending().await,
    }
}
