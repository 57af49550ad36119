//! A daemon of the test's own, what it logs, and what it tells.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// So long something may take on any machine before it counts as never.
const NEVER: Duration = Duration::from_secs(60);

/// Lines that come when they come.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(pipe).lines().map_while(Result::ok);
            // The test may have seen enough.
            lines.into_iter().try_for_each(|line| sender.send(line))
        });
        Self(receiver)
    }

    /// Waits for a line that satisfies, and drops those before it.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let mut seen = Vec::new();
        loop {
            match self.0.recv_timeout(NEVER) {
                Ok(line) if is_it(&line) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("{what}: {error}; there was {seen:#?}"),
            }
        }
    }
}

/// The daemon, which ends with this.
pub(crate) struct Daemon {
    folder: TempDir,
    child: Child,
    pub(crate) log: Lines,
}

impl Daemon {
    /// Starts one with this file; `FOLDER` in it stands for the daemon's own.
    pub(crate) fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write(&folder, text);
        let mut child = command(&folder, &[]).stderr(Stdio::piped()).spawn().expect("a process");
        let log = Lines::of(child.stderr.take().expect("a pipe"));
        let daemon = Self { folder, child, log };
        // Its socket is there before anything is logged of it, but not before this line.
        daemon.log.until("it runs", |line| line.contains("no [general.virtual_router]"));
        daemon
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A file in the daemon's own folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes another file, and has it read now.
    pub(crate) fn reload(&self, text: &str) {
        write(&self.folder, text);
        let id = i32::try_from(self.child.id()).expect("a process id");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGHUP)
            .expect("it runs");
    }

    /// Runs another command with the daemon's file.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        command(&self.folder, arguments).output().expect("a process")
    }

    /// All that it knows.
    pub(crate) fn topology(&self) -> Value {
        let output = self.run(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// Its topologies, a line for each and one more for each change.
    pub(crate) fn watch(&self) -> Watch {
        // The socket may not be there yet.
        while !self.path("o.sock").exists() {
            thread::yield_now();
        }
        let mut command = command(&self.folder, &["status", "--watch", "--json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a process");
        let lines = Lines::of(child.stdout.take().expect("a pipe"));
        Watch { child, lines }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `openproxy status --watch`, which ends with this.
pub(crate) struct Watch {
    child: Child,
    lines: Lines,
}

impl Watch {
    /// Waits for a shard that satisfies.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let parse = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
        parse(&self.lines.until(what, |line| is_it(&parse(line))))
    }

    /// Waits until this host is confirmed.
    #[track_caller]
    pub(crate) fn until_primary(&self, host: &str) -> Value {
        self.until(host, |shard| {
            shard["primary"]["status"] == "confirmed" && shard["primary"]["host"] == host
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(folder: &TempDir, text: &str) {
    let text = text.replace("FOLDER", folder.path().to_str().expect("UTF-8"));
    fs::write(folder.path().join("openproxy.toml"), text).expect("a file");
}

fn command(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openproxy"));
    command.args(arguments).current_dir(folder.path()).env_remove("OPENPROXY_LOG");
    command
}
