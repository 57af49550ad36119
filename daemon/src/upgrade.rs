//! Another program in place of this one, without a change of process: how a new version is put in.
//!
//! `openproxy upgrade` sends SIGUSR2. The daemon has the new program look at its file; then it stands
//! still, and executes it. What it served, and the lock, come from the guard: to the new program, this
//! one has died, and left everything.

use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};

use crate::carried::Carried;
use crate::exit::Exit;
use crate::file;
use crate::linux;
use crate::run::complain;
use crate::status::client::CONNECTED_WITHIN;

/// How long the new program may take to say its version, and to look at the file.
const CHECKED_WITHIN: Duration = Duration::from_secs(5);
/// How long `openproxy upgrade` waits for the daemon to be the new program.
const UPGRADED_WITHIN: Duration = Duration::from_secs(15);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How this process was started, to be started again.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    program: PathBuf,
    args: Vec<OsString>,
}

impl Launch {
    /// To be asked before anybody can have put another program in the place of this one.
    pub(crate) fn of_this_process() -> Self {
        let program = std::env::current_exe().unwrap_or_else(|_| "openproxy".into());
        Self { program, args: std::env::args_os().skip(1).collect() }
    }

    /// Whether the program that is there now can run this file; its version, or why not.
    pub(crate) async fn check(self, file: PathBuf) -> Result<String, String> {
        let version = self.ask(&["--version".into()]).await?;
        self.ask(&["check".into(), file.into()]).await?;
        Ok(version)
    }

    async fn ask(&self, args: &[OsString]) -> Result<String, String> {
        let program = self.program.display();
        let mut command = Command::new(&self.program);
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        let answered = tokio::time::timeout(CHECKED_WITHIN, command.output()).await;
        let output = answered.map_err(|_| format!("{program} doesn't answer"))?;
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let said = text(&[output.stdout, output.stderr].concat());
        Err(format!("{program} ended with {}: {said}", output.status))
    }

    /// Executes it in place of this program; comes back only if it can't.
    pub(crate) fn execute(&self, carried: &Carried) -> String {
        let refused = linux::execute(&self.program, &self.args, &carried.write());
        format!("{}: {refused}", self.program.display())
    }
}

/// The virtual routers stand still as long as this lives.
#[derive(Debug)]
pub(crate) struct Pause {
    _resume: oneshot::Sender<()>,
}

/// A wish that they stand still.
#[derive(Debug)]
pub(crate) struct PauseWish {
    paused: oneshot::Sender<()>,
    resumed: oneshot::Receiver<()>,
}

impl Pause {
    /// Begins as soon as their thread has ended its turn; nothing if that has ended.
    pub(crate) async fn begin(wishes: &mpsc::Sender<PauseWish>) -> Option<Self> {
        let (paused, is_paused) = oneshot::channel();
        let (resume, resumed) = oneshot::channel();
        wishes.try_send(PauseWish { paused, resumed }).ok()?;
        is_paused.await.ok()?;
        Some(Self { _resume: resume })
    }
}

impl PauseWish {
    /// Stands still, on their thread, until the pause is over.
    pub(crate) async fn grant(self) {
        let _ = self.paused.send(());
        // Dropped or sent, it is over.
        let _ = self.resumed.await;
    }
}

/// `openproxy upgrade`: asks the daemon of a file to execute the program that is there now.
pub(crate) fn run(path: &Path) -> Exit {
    let loaded = match file::load(path) {
        Ok((_, loaded)) => loaded,
        Err(found) => {
            found.iter().for_each(complain);
            return Exit::Config;
        }
    };
    match upgrade(&loaded.status.socket) {
        Ok(()) => Exit::Clean,
        Err(reason) => {
            complain(format_args!("openproxy: {reason}"));
            Exit::Critical
        }
    }
}

/// Who serves the status is the daemon; a new program serves it anew.
fn upgrade(socket: &Path) -> Result<(), String> {
    let shown = socket.display();
    // A number may be used again.
    let mark = |found: Metadata| (found.ino(), found.ctime(), found.ctime_nsec());
    let made = || std::fs::metadata(socket).map(mark).ok();
    let before = made();
    linux::ask_to_upgrade(socket, CONNECTED_WITHIN)
        .map_err(|error| format!("{shown}: no daemon can be asked there: {error}"))?;
    let deadline = linux::now() + UPGRADED_WITHIN;
    while made().is_none_or(|made| Some(made) == before) {
        if deadline <= linux::now() {
            return Err("the daemon goes on as it was; its log says why".to_owned());
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}
