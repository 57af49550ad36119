//! `openproxy FILE`: two threads, one for the virtual routers and one for everything else.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use openproxy::api::Sources;
use openproxy::config::Loaded;
use openproxy::process::Process;
use openproxy::routers::Routers;
use openproxy::routers::history::History;
use openproxy_core::vrrp::Inheritance;
use tokio::sync::mpsc;

use crate::carried::Carried;
use crate::discovery_thread;
use crate::exit::Exit;
use crate::file;
use crate::guard::Hold;
use crate::linux::{self, VipLock};
use crate::logging::Log;
use crate::notify::Notifier;
use crate::privileges;
use crate::room;
use crate::service::{self, Outlets, Service, Upgrades};
use crate::signals::{HeldBack, Signals};
use crate::systemd::ServiceManager;
use crate::upgrade::Launch;
use crate::vrrp_thread::{self, VrrpThread};

/// Commands that wait for the virtual routers; more means that their thread hangs.
const COMMANDS_MAX: usize = 1_024;
/// Looks that wait for their thread: they are shared, so more than one is rare.
const LOOKS_MAX: usize = 16;
/// Reads that hang; more wait.
const READS_MAX: usize = 4;
/// How long hooks and reads that are still running may delay the end.
const END_DELAY_MAX: Duration = Duration::from_secs(1);

/// What a process holds that may run virtual routers.
struct Held {
    lock: VipLock,
    /// What the guard of the process before it has left.
    estate: Vec<Inheritance>,
}

/// Runs a file until it is stopped.
pub(crate) fn run(path: &Path) -> Exit {
    let launch = Launch::of_this_process();
    let (bytes, loaded) = match prepare(path) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    if let Err(reason) = room::try_it() {
        complain(format_args!("openproxy: {reason}"));
        return Exit::System;
    }
    if let Err(reason) = linux::become_user(path, &loaded) {
        complain(format_args!("openproxy: {reason}"));
        return Exit::NoPermission;
    }
    // With the lock comes what the guard had: nobody hands that over should a signal kill this process.
    let held_back = match HeldBack::begin() {
        Ok(held_back) => held_back,
        Err(error) => {
            complain(format_args!("openproxy: signals can't be held back: {error}"));
            return Exit::System;
        }
    };
    let held = if loaded.routers.is_empty() {
        None
    } else {
        match linux::lock_or_inherit() {
            Ok((lock, estate)) => Some(Held { lock, estate }),
            Err(refusal) => return refuse(refusal),
        }
    };
    serve(path, (bytes, loaded), held, launch, held_back)
}

/// Says why the lock can't be had; how to end then.
pub(crate) fn refuse((exit, reason): (Exit, String)) -> Exit {
    complain(format_args!("openproxy: {reason}"));
    exit
}

/// All that can be refused before anything runs; the reason goes to standard error as it is.
/// Without virtual routers, nothing but the file is needed.
pub(crate) fn prepare(path: &Path) -> Result<(Vec<u8>, Loaded), Exit> {
    let (bytes, loaded) = file::load(path).map_err(|found| {
        found.iter().for_each(complain);
        Exit::Config
    })?;
    let distrusted = linux::distrusted(&path.display().to_string(), &loaded);
    if !distrusted.is_empty() {
        distrusted.iter().for_each(complain);
        return Err(Exit::Config);
    }
    let missing =
        if loaded.routers.is_empty() { Vec::new() } else { linux::missing_capabilities() };
    if !missing.is_empty() {
        let binary = std::env::current_exe().unwrap_or_else(|_| "openproxy".into());
        complain(privileges::advice(&missing, &binary));
        return Err(Exit::NoPermission);
    }
    Ok((bytes, loaded))
}

/// Says on standard error why nothing runs.
pub(crate) fn complain(reason: impl Display) {
    // If even that can't be written, there is nobody to tell.
    let _ = writeln!(io::stderr(), "{reason}");
}

fn serve(
    path: &Path,
    (bytes, loaded): (Vec<u8>, Loaded),
    held: Option<Held>,
    launch: Launch,
    held_back: HeldBack,
) -> Exit {
    let runtime = room::runtime("file", READS_MAX);
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("openproxy: no runtime: {error}"));
            return Exit::System;
        }
    };
    let log = Log::start(loaded.log_format);
    let exit = runtime.block_on(async {
        service::tell(&loaded.notes);
        let signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!("signals can't be handled: {error}");
                return Exit::System;
            }
        };
        let (to_vrrp, commands) = mpsc::channel(COMMANDS_MAX);
        let realtime = loaded.realtime_priority();
        if realtime.is_some() {
            linux::lock_memory();
        }
        let processes = linux::start_processes();
        let estate = held.as_ref().map_or_else(Vec::new, |held| held.estate.clone());
        let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let process = Process::new(file).logging(log.dropped());
        let hold = Hold::begin(held.map(|held| held.lock), &loaded, process.clone());
        let (pauses, pause_wishes) = mpsc::channel(1);
        let (looks, look_wishes) = mpsc::channel(LOOKS_MAX);
        let history = History::default();
        let (transitions, kept) = vrrp_thread::keep(history.clone());
        let carried = Carried::take();
        let told = carried.told.into_iter().collect();
        let notifier = Notifier::start(&history, kept, &loaded, &told);
        let upgrades = Upgrades { launch, pauses, processes: processes.clone() };
        let vrrp = VrrpThread {
            routers: loaded.routers.clone(),
            estate,
            duties: carried.duties,
            commands,
            pauses: pause_wishes,
            looks: look_wishes,
            processes,
            guard: hold.guard_pipe(),
            realtime,
            transitions,
        };
        let vrrp = match vrrp.start() {
            Ok(vrrp) => vrrp,
            Err(error) => {
                tracing::error!("the thread of the virtual routers can't start: {error}");
                return Exit::System;
            }
        };
        let discovery = discovery_thread::start(loaded.discovery.clone(), to_vrrp.clone());
        let (topologies, discovery) = match discovery {
            Ok(started) => started,
            Err(error) => {
                tracing::error!("the thread of discovery can't start: {error}");
                return Exit::System;
            }
        };
        let routers = Routers::new(looks, to_vrrp.clone());
        let sources = Sources { process, routers, history, topologies };
        let manager = match ServiceManager::of_this_process() {
            Ok(manager) => manager,
            Err(error) => {
                tracing::error!("the thread for the service manager can't start: {error}");
                return Exit::System;
            }
        };
        let outlets = Outlets::open(sources, manager, notifier, &loaded);
        let service =
            Service::new(path.to_owned(), (bytes, loaded), to_vrrp, outlets, hold, upgrades, log);
        // Every thread that this process has from its start leaves signals to this one.
        drop(held_back);
        service.run(signals, vrrp, discovery).await
    });
    runtime.shutdown_timeout(END_DELAY_MAX);
    exit
}
