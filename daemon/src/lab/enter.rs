//! Into namespaces of one's own, and out again.
//!
//! The process that the user started makes the namespaces and starts itself again as process 1 of
//! the new PID namespace. When that ends, however it ends, the kernel kills everything in the
//! lab, and the networks vanish with it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getegid, geteuid};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::error::{Context, LabError};
use super::observe::spawn;
use super::record::Recorder;
use crate::exit::Exit;

/// How long the inner process may take to clean up after an interrupt.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// Makes the namespaces: with the powers at hand, or else with those of a user namespace.
pub(crate) fn unshare_all() -> Result<(), LabError> {
    let lab = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    if geteuid().is_root() && unshare(lab).is_ok() {
        return Ok(());
    }
    let (uid, gid) = (geteuid(), getegid());
    unshare(lab | CloneFlags::CLONE_NEWUSER).map_err(LabError::Forbidden)?;
    // An unprivileged process may map only itself, and only once it has given up setgroups.
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {uid} 1")),
        ("gid_map", format!("0 {gid} 1")),
    ];
    for (file, text) in maps {
        fs::write(format!("/proc/self/{file}"), text).map_err(forbidden)?;
    }
    Ok(())
}

fn forbidden(error: io::Error) -> LabError {
    LabError::Forbidden(nix::Error::from_raw(error.raw_os_error().unwrap_or_default()))
}

/// Starts this program again inside, as process 1, and gives back how it ended.
pub(crate) fn run_inside(
    program: &Path,
    arguments: impl Iterator<Item = OsString>,
    dir: &Path,
) -> Result<Exit, LabError> {
    // No thread may be started from here on: it would be in the wrong PID namespace.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start a runtime")?;
    runtime.block_on(async {
        let mut command = Command::new(program);
        command.args(arguments).arg("--inside").arg(dir).kill_on_drop(true);
        let child = command.spawn().context("start the lab's inner process")?;
        wait(child).await.context("wait for the lab's inner process")
    })
}

async fn wait(mut child: Child) -> io::Result<Exit> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        biased;
        status = child.wait() => return status.map(exit_of),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // Fails when it has just ended, which the next wait sees.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    match tokio::time::timeout(CLEAN_UP, child.wait()).await {
        Ok(status) => status.map(exit_of),
        Err(_) => child.kill().await.map(|()| Exit::Failed),
    }
}

fn exit_of(status: std::process::ExitStatus) -> Exit {
    if status.success() { Exit::Clean } else { Exit::Failed }
}

/// What the inner process finds around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inside {
    /// This process's number as the rest of the machine knows it.
    pub(crate) outer_pid: Option<u32>,
    /// `/proc` shows this PID namespace.
    pub(crate) own_proc: bool,
    /// The lab has a user namespace of its own.
    pub(crate) user_namespace: bool,
}

/// Settles the inner process: it dies with the outer one, and has a `/proc` of its own.
pub(crate) fn settle_in() -> Result<Inside, LabError> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("tie the lab to its parent")?;
    let none = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).map_err(LabError::Forbidden)?;
    // The old /proc still shows the outer numbers.
    let outer = fs::read_link("/proc/self").ok();
    let outer_pid = outer.and_then(|link: PathBuf| link.to_str()?.parse().ok());
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // Refused in some containers; then only what reads /proc/PID goes without.
    let own_proc = mount(Some("proc"), "/proc", Some("proc"), flags, none).is_ok();
    // All users are mapped outside of user namespaces.
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let user_namespace = !map.contains("4294967295");
    Ok(Inside { outer_pid, own_proc, user_namespace })
}

/// Notes in the record when the user interrupts the lab.
pub(crate) fn watch_signals(recorder: Arc<Recorder>) -> Result<(), LabError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start a runtime")?;
    spawn("signals", move || {
        let watch = async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            io::Result::Ok(())
        };
        // Without handlers process 1 gets no signals; the outer process then kills it.
        if runtime.block_on(watch).is_ok() {
            recorder.note(|record| record.interrupted = true);
        }
    })
}
