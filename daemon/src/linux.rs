//! Everything that is Linux: no other file names `openproxy-io-linux`.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeWriter};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use openproxy::config::{Diagnostic, Loaded, LogFormat};
use openproxy::driver::{self, Lateness};
use openproxy::routers::Look;
use openproxy::routers::history::Transition;
use openproxy_core::event::Event;
use openproxy_core::supervisor::Supervisor;
use openproxy_core::vrrp::{Check, Inheritance, RouterConfig};
use openproxy_io_linux::guard::{self, Bequeathed, Succession};
pub(crate) use openproxy_io_linux::guard::{Death, GuardPipe, is_wanted as is_guard_wanted};
use openproxy_io_linux::user::{self, Identity};
use openproxy_io_linux::{self as io_linux, LinuxPlatform, ProcessRunner, realtime};
pub(crate) use openproxy_io_linux::{
    CARRIED, ProcessHandle, ScriptInput, VipLock, connect_within, local_addresses, now,
    router_environment, run_script,
};
use tokio::process::Child;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use crate::exit::Exit;
use crate::logging;
use crate::privileges::Unprivileged;
use crate::signals::Unheard;
use crate::vrrp_thread::VrrpThread;

/// Where the ownership of VIPs is written down for kernels that can't tag addresses.
const LEDGER: &str = "/run/openproxy/vips";

/// Becomes the user of the file, who can do what its routers need and no more.
pub(crate) fn become_user(path: &Path, loaded: &Loaded) -> Result<(), String> {
    let Some(name) = &loaded.user else { return Ok(()) };
    let Some(identity) = Identity::find(name).map_err(|error| chain(&error))? else {
        return user::forgo_privileges().map_err(|error| chain(&error));
    };
    for file in [Path::new(LEDGER), &loaded.status.socket] {
        let Some(folder) = file.parent() else { continue };
        identity
            .make_folder(folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    let is_realtime = loaded.realtime_priority().is_some();
    identity.assume(!loaded.routers.is_empty(), is_realtime).map_err(|error| chain(&error))?;
    // It will be read again, and so will what it names.
    let readable = File::open(path).map(drop);
    readable.map_err(|error| format!("user {name} can't read {}: {error}", path.display()))
}

/// The programs that a file names, and that somebody else may have written.
pub(crate) fn distrusted(path: &str, loaded: &Loaded) -> Vec<Diagnostic> {
    let hooks = loaded.routers.iter().flat_map(|router| {
        let hooks = &router.hooks;
        let checks = router.track.iter().filter_map(|track| match &track.check {
            Check::Command(words) => Some(("command", words)),
            Check::Tcp(_) | Check::Interface(_) => None,
        });
        let hooks = [
            ("pre_promote_script", hooks.pre_promote.as_ref()),
            ("pre_demote_script", hooks.pre_demote.as_ref()),
        ];
        hooks.into_iter().filter_map(|(key, words)| Some((key, words?))).chain(checks)
    });
    let topology = loaded.topology_script.iter().map(|words| ("topology_script", words));
    let notify = loaded.notify.script.iter().map(|words| ("notify_script", words));
    let untrusted = hooks.chain(topology).chain(notify).filter_map(|(key, words)| {
        let untrusted = io_linux::check_trust(words).err()?;
        Some(Diagnostic::of_file(path, Some(key), untrusted.to_string()))
    });
    untrusted.collect()
}

/// The capabilities that this process would need and doesn't have.
pub(crate) fn missing_capabilities() -> Vec<&'static str> {
    io_linux::missing_capabilities()
}

/// The one lock on the VIPs of this network namespace.
pub(crate) fn lock() -> Result<VipLock, (Exit, String)> {
    VipLock::acquire().map_err(|error| match error {
        io_linux::LockError::Held => {
            let reason = "another openproxy runs in this network namespace";
            (Exit::Busy, reason.to_owned())
        }
        io_linux::LockError::Other(_) => (Exit::System, chain(&error)),
    })
}

/// The lock, and what the guard of a daemon that isn't any more still has to hand over.
pub(crate) fn lock_or_inherit() -> Result<(VipLock, Vec<Inheritance>), (Exit, String)> {
    match lock() {
        Ok(lock) => Ok((lock, Vec::new())),
        Err((Exit::Busy, reason)) => match guard::ask() {
            Some(Bequeathed { lock, estate }) => Ok((lock, estate)),
            // The guard has just ended, perhaps.
            None => lock().map(|lock| (lock, Vec::new())).map_err(|_| (Exit::Busy, reason)),
        },
        Err(error) => Err(error),
    }
}

/// Starts a guard, and the pipe to it.
pub(crate) fn start_guard(
    lock: &VipLock,
    realtime: Option<u8>,
    log_format: LogFormat,
) -> Result<(Child, PipeWriter), String> {
    let variables = logging::guard_variables(log_format);
    guard::start(lock, realtime, variables).map_err(|error| chain(&error))
}

/// Waits, as a guard, for the end of the daemon.
pub(crate) fn watch_over_daemon() -> Result<Death, String> {
    guard::watch().map_err(|error| chain(&error))
}

/// Hands over, as a guard, what the daemon has left; or leaves it to a daemon that asks for it.
pub(crate) async fn run_guard(estate: &[Inheritance], lock: VipLock) -> Result<(), String> {
    // What a hook runs is to hear signals: from here on, this process has other ways not to.
    let _unheard = Unheard::begin().map_err(|error| chain(&error))?;
    let (_nobody, commands) = mpsc::channel(1);
    let processes = start_processes();
    let ledger = LEDGER.into();
    let platform = LinuxPlatform::new(commands, processes.clone(), ledger, None, guard::realtime());
    let mut platform = platform.map_err(|error| chain(&error))?;
    let succession = Succession::open(lock).map_err(|error| chain(&error))?;
    let mut supervisor = Supervisor::guard(estate);
    let (report, mut unread) = (|event| logging::report(&event), Lateness::default());
    let asker = tokio::select! {
        biased;
        asker = succession.asked() => asker,
        () = driver::run(&mut supervisor, &mut platform, &mut unread, report) => {
            return Ok(());
        }
    };
    // What was begun is done before anybody else begins something.
    let bequeath = || succession.bequeath(asker, &supervisor.estate(now()));
    if platform.close(bequeath).await {
        tracing::info!("another daemon goes on");
        let hooks = estate.iter().map(|left| left.bequest.config.hooks.timeout).max();
        let ended = io_linux::wait_for_hooks(&processes);
        // A demote hook that has begun is brought to its end here.
        let _ = tokio::time::timeout(hooks.unwrap_or_default(), ended).await;
        Ok(())
    } else {
        Err("whoever asked for the VIPs is gone; they are left to their leases".to_owned())
    }
}

/// Starts to serve hooks and checks on this runtime.
pub(crate) fn start_processes() -> ProcessHandle {
    let (runner, handle) = ProcessRunner::new();
    tokio::spawn(runner.run());
    handle
}

/// Keeps this process's memory where it is, if the kernel lets it.
pub(crate) fn lock_memory() {
    match realtime::lock_memory() {
        Ok(()) => tracing::info!("memory is locked"),
        Err(error) => tell_unprivileged(Unprivileged::Memory, &error),
    }
}

/// Runs the calling thread ahead of others, if the kernel lets it; the priority, then.
fn schedule(priority: u8) -> Option<u8> {
    match realtime::schedule(priority) {
        Ok(()) => {
            tracing::info!("the virtual routers run under SCHED_FIFO with priority {priority}");
            Some(priority)
        }
        Err(error) => {
            tell_unprivileged(Unprivileged::Scheduling { priority }, &error);
            None
        }
    }
}

fn tell_unprivileged(lack: Unprivileged, error: &io::Error) {
    let binary = std::env::current_exe().unwrap_or_else(|_| "openproxy".into());
    tracing::warn!("{}", lack.advice(&error.to_string(), &binary));
}

/// Whether a thread of this process may have such a priority.
pub(crate) fn may_schedule(priority: u8) -> bool {
    thread::scope(|scope| {
        let tried = scope.spawn(|| realtime::schedule(priority).is_ok());
        tried.join().unwrap_or(false)
    })
}

/// Runs the virtual routers on this thread until they are released.
pub(crate) fn run_vrrp(thread: VrrpThread) -> Result<(), String> {
    let realtime = thread.realtime.and_then(schedule);
    if realtime.is_none() {
        realtime::shorten_slices();
    }
    let VrrpThread { routers, estate, duties, commands, processes, guard, .. } = thread;
    let (mut pauses, mut looks, transitions) = (thread.pauses, thread.looks, thread.transitions);
    // No tokio timers: those of the platform are finer.
    let runtime = Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(|error| chain(&error))?;
    runtime.block_on(async {
        let mut supervisor = Supervisor::new(routers).inheriting(&estate).with_duties(&duties);
        if guard.is_some() {
            supervisor = supervisor.guarded();
        }
        let platform = LinuxPlatform::new(commands, processes, LEDGER.into(), guard, realtime);
        let mut platform = platform.map_err(|error| chain(&error))?;
        let mut lateness = Lateness::default();
        let mut report = |event: Event| {
            logging::report(&event);
            if let Some(transition) = Transition::of(&event, SystemTime::now())
                && transitions.try_send(transition).is_err()
            {
                tracing::warn!("a transition is missing from the history: too many at once");
            }
        };
        loop {
            tokio::select! {
                biased;
                Some(wish) = pauses.recv() => {
                    // What is due goes out, and the guard reckons from here.
                    supervisor.stand_still();
                    let due = supervisor.poll_timeout();
                    driver::turn(&mut supervisor, &mut platform, due, &mut lateness, &mut report);
                    wish.grant().await;
                }
                Some(answer) = looks.recv() => {
                    // Whoever asked may be gone.
                    let _ = answer.send(Look::at(&supervisor, lateness, now()));
                }
                () = driver::run(&mut supervisor, &mut platform, &mut lateness, &mut report) => {
                    return Ok(());
                }
            }
        }
    })
}

/// Executes a program in place of this one, with all that this one may do; why it couldn't.
pub(crate) fn execute(program: &Path, args: &[OsString], carried: &str) -> String {
    chain(&io_linux::execute(program, args, carried))
}

/// Sends SIGUSR2 to whoever listens on this socket, and takes a connection within this time.
pub(crate) fn ask_to_upgrade(socket: &Path, within: Duration) -> io::Result<()> {
    io_linux::signal_listener(socket, within, Signal::SIGUSR2)
}

/// Takes VIPs off; a line for each.
pub(crate) fn release(routers: &[RouterConfig], force: bool) -> Result<Vec<String>, String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| chain(&error))?;
    let released = io_linux::release::release(routers, force, Path::new(LEDGER));
    let released = runtime.block_on(released).map_err(|error| chain(&error))?;
    Ok(released.iter().map(ToString::to_string).collect())
}

/// An error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += ": ";
        text += &cause.to_string();
        source = cause.source();
    }
    text
}
