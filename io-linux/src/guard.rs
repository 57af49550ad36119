//! The guard: a small process that is told through a pipe what the daemon serves, and that hands it
//! over when the daemon dies without a word.
//!
//! The pipe is written by the thread that sends adverts, and never waits. Its reader sleeps most of
//! the time: what matters is the moment in which the writer is gone.

mod bequeath;
mod notes;
mod watch;

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::SigSet;
use openproxy_core::io::GuardNote;
use openproxy_core::time::Instant;
use tokio::process::{Child, Command};

pub use bequeath::{Asker, Bequeathed, Succession, ask};
use notes::Line;
pub use watch::Death;
use watch::Watch;

use crate::capabilities::Lent;
use crate::lock::VipLock;
use crate::{realtime, sys};

/// The command line that a guard is started with.
const ARGUMENT: &str = "guard";
/// Follows it where the guard has its capabilities from nobody but the daemon: hooks get none then.
const LENT: &str = "lent";
/// Follows these, with a number behind it, where it is to be as prompt as the daemon was.
const REALTIME: &str = "realtime=";
/// What a thousand routers have to say at once fits into the pipe.
const PIPE_LEN: i32 = 1 << 20;
/// Few processes have a descriptor beyond this one; and the kernel's table is no larger than it must.
const LAST_FD: i32 = 4_095;
const FDS_TRIED: i32 = 8;

/// The daemon's end of the pipe; clones are of the same one.
#[derive(Clone, Debug)]
pub struct GuardPipe(Arc<Mutex<Writer>>);

#[derive(Debug)]
struct Writer {
    pipe: Option<PipeWriter>,
    /// A line was cut off, or is missing: the next one begins anew.
    is_torn: bool,
}

impl GuardPipe {
    /// The daemon's end; nobody is told anything without a pipe.
    #[must_use]
    pub fn new(pipe: Option<PipeWriter>) -> Self {
        Self(Arc::new(Mutex::new(Writer { pipe, is_torn: false })))
    }

    /// Another guard takes the place of one that has died: it knows nothing yet.
    pub fn replace(&self, pipe: PipeWriter) {
        *self.writer() = Writer { pipe: Some(pipe), is_torn: true };
    }

    /// Tells the guard something; whether it will know.
    pub(crate) fn tell(&self, note: GuardNote) -> bool {
        self.write(&Line::Note(note))
    }

    /// Tells the guard that this process ends in good order, with nothing left.
    pub fn say_goodbye(&self) {
        // If it can't be told, it finds nothing to do.
        let _ = self.write(&Line::Goodbye);
    }

    /// Tells the guard that another process is about to take this one's place, and asks it to wait
    /// for that until then; whether it will know.
    #[must_use]
    pub fn announce_heir(&self, until: Instant) -> bool {
        self.write(&Line::HeirUntil(until))
    }

    fn write(&self, line: &Line) -> bool {
        let mut writer = self.writer();
        let was_torn = writer.is_torn;
        let bytes = line.encode(was_torn);
        // The kernel takes a short line whole or not at all.
        let written = writer.pipe.as_mut().and_then(|pipe| pipe.write(&bytes).ok()).unwrap_or(0);
        writer.is_torn = written < bytes.len();
        // After a gap, whoever tells has to begin anew.
        !writer.is_torn && (!was_torn || matches!(line, Line::Note(GuardNote::Anew)))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a guard, which shares the lock, with these variables beside ours; and the pipe to it. With a
/// priority, it runs under `SCHED_FIFO`.
///
/// # Errors
/// If the system has no pipe or no process for it.
pub fn start(
    lock: &VipLock,
    realtime: Option<u8>,
    variables: &[(&str, &str)],
) -> io::Result<(Child, PipeWriter)> {
    let (reader, writer) = pipe()?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("openproxy")
        .arg(ARGUMENT)
        // What a terminal sends to the daemon isn't meant for its guard.
        .process_group(0)
        .envs(variables.iter().copied())
        .stdin(reader)
        .stdout(lock.share()?);
    let lent = Lent::needed().map_err(|error| io::Error::other(error.to_string()))?;
    if lent.is_any() {
        command.arg(LENT);
    }
    if let Some(priority) = realtime {
        command.arg(format!("{REALTIME}{priority}"));
    }
    Ok((command.spawn()?, writer))
}

fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    let writer = close_first(writer);
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    // Where the limit is lower, a guard of many routers hears of them in more than one go.
    let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE_LEN));
    Ok((reader, writer))
}

/// A process that dies closes its files one after the other, the last number first, and a packet
/// socket takes tens of milliseconds: the guard is to learn of it before that.
///
/// Where there is no such number, milliseconds are lost, and nothing else.
fn close_first(writer: PipeWriter) -> PipeWriter {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(limit, _)| limit);
    let last = i32::try_from(limit).map_or(LAST_FD, |limit| LAST_FD.min(limit - 1));
    // The pipe to a guard that has died may still be there.
    let moved = (0..FDS_TRIED).find_map(|below| sys::move_up(&writer, last - below).ok());
    moved.map_or(writer, PipeWriter::from)
}

/// Waits, as the guard that the daemon has started, for its end; whoever asks this process to end is
/// not heard.
///
/// # Errors
/// If what the daemon has put in the place of standard input and output isn't there.
pub fn watch() -> io::Result<Death> {
    let pipe = io::stdin().as_fd().try_clone_to_owned()?;
    let lock = VipLock::from(io::stdout().as_fd().try_clone_to_owned()?);
    if !lock.is_it() {
        return Err(io::Error::other("standard output isn't the lock"));
    }
    if is_lent() {
        Lent::take_back();
    }
    if let Some(priority) = realtime() {
        // The daemon has told what this program may not do.
        let _ = realtime::schedule(priority);
        let _ = realtime::lock_memory();
    }
    // Where all processes of a service are told to end, this is the last one.
    SigSet::all().thread_block()?;
    // A name for people; any will do.
    let _ = prctl::set_name(c"openproxy-guard");
    Watch::begin(pipe, lock)?.wait()
}

/// Whether the command line is a guard's.
#[must_use]
pub fn is_wanted() -> bool {
    let is_guard = std::env::args_os().nth(1).is_some_and(|arg| arg == ARGUMENT);
    is_guard && options().all(|arg| arg == LENT || priority_in(&arg).is_some())
}

/// The priority that this guard has under `SCHED_FIFO`, if the kernel lets it.
#[must_use]
pub fn realtime() -> Option<u8> {
    options().find_map(|arg| priority_in(&arg))
}

fn is_lent() -> bool {
    options().any(|arg| arg == LENT)
}

fn options() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(2)
}

fn priority_in(arg: &OsStr) -> Option<u8> {
    arg.to_str()?.strip_prefix(REALTIME)?.parse().ok()
}
