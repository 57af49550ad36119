//! OpenProxy as it runs in production, and every line that it publishes, with its time.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::MEMBERS;
use crate::machine::{Machine, address, now, wait};

/// A line, and when it came.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) shard: Value,
}

/// A daemon, and somebody who watches its first shard.
#[derive(Debug)]
pub(crate) struct Observer {
    daemon: Child,
    watch: Child,
    lines: Arc<Mutex<Vec<Line>>>,
    /// It holds the file and the socket.
    _folder: TempDir,
}

impl Observer {
    /// Starts a daemon on a machine that knows the cluster by so many pools and shards.
    pub(crate) fn start(machine: &Machine, pools: usize, shards: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("openproxy.toml");
        let socket = folder.path().join("o.sock");
        let servers = MEMBERS.map(|last| format!("[ \"{}\", 5432, \"Auto\" ]", address(last)));
        let servers = servers.join(", ");
        let mut text = format!("[general.status]\nsocket = \"{}\"\n", socket.display());
        for pool in 0..pools {
            for shard in 0..shards {
                write!(
                    text,
                    "[pools.p{pool}.shards.{shard}]\nservers = [ {servers} ]\nuse_patroni = true\n"
                )
                .expect("a string takes it");
            }
        }
        fs::write(&file, text).expect("a file");
        let daemon = machine.run(|| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_openproxy"));
            command.arg(&file).stderr(Stdio::null()).spawn().expect("a process")
        });
        wait("its socket", Duration::from_secs(10), || socket.exists().then_some(()));
        let mut watch = Command::new(env!("CARGO_BIN_EXE_openproxy"))
            .args(["status", "--watch", "--json"])
            .arg(&file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (pipe, shared) = (watch.stdout.take().expect("a pipe"), Arc::clone(&lines));
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let at = now();
                let shard: Value = serde_json::from_str(&line).expect("JSON");
                if shard["pool"] == "p0" && shard["shard"] == "0" {
                    shared.lock().unwrap_or_else(PoisonError::into_inner).push(Line { at, shard });
                }
            }
        });
        Self { daemon, watch, lines, _folder: folder }
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a member is confirmed by a line from `since` on, or was by the last before.
    #[track_caller]
    pub(crate) fn wait_confirmed(
        &self,
        member: usize,
        since: Duration,
        limit: Duration,
    ) -> Duration {
        wait("it is published", limit, || self.confirmed(member, since))
    }

    /// When a member was confirmed from a moment on.
    pub(crate) fn confirmed(&self, member: usize, since: Duration) -> Option<Duration> {
        let spans = self.spans();
        let mut spans = spans
            .into_iter()
            .filter(|(_, until, line)| *until > since && is_confirmed(line, member));
        spans.next().map(|(from, ..)| from.max(since))
    }

    /// For how long a member was confirmed from one moment to another.
    pub(crate) fn confirmed_for(&self, member: usize, from: Duration, to: Duration) -> Duration {
        let spans = self.spans().into_iter().filter(|(.., line)| is_confirmed(line, member));
        spans.map(|(begun, ended, _)| ended.min(to).saturating_sub(begun.max(from))).sum()
    }

    /// What was said, from when to when.
    fn spans(&self) -> Vec<(Duration, Duration, Line)> {
        let lines = self.lines();
        let ends: Vec<_> = lines.iter().skip(1).map(|line| line.at).chain([now()]).collect();
        lines.into_iter().zip(ends).map(|(line, end)| (line.at, end, line)).collect()
    }

    /// What was said from a moment on, in seconds after `zero`.
    pub(crate) fn story(&self, from: Duration, zero: Duration) -> String {
        let lines = self.lines().into_iter().filter(|line| line.at >= from);
        let tell = |line: Line| {
            let at = line.at.as_secs_f64() - zero.as_secs_f64();
            format!(
                "\n{at:>8.3} {} {}",
                line.shard["primary"]["status"], line.shard["primary"]["reason"]
            )
        };
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let wall = (wall - now() + zero).as_secs_f64() % 86_400.0;
        let (minutes, secs) = ((wall / 60.0).floor(), wall % 60.0);
        let clock =
            format!("0 is {:02}:{:02}:{secs:06.3} UTC", (minutes / 60.0).floor(), minutes % 60.0);
        clock + &lines.map(tell).collect::<String>()
    }

    /// Waits for a line that satisfies.
    #[track_caller]
    pub(crate) fn wait_line(
        &self,
        what: &str,
        limit: Duration,
        is_it: impl Fn(&Line) -> bool,
    ) -> Line {
        wait(what, limit, || self.lines().into_iter().find(|line| is_it(line)))
    }
}

fn is_confirmed(line: &Line, member: usize) -> bool {
    let primary = &line.shard["primary"];
    primary["status"] == "confirmed" && primary["host"] == address(MEMBERS[member])
}

impl Drop for Observer {
    fn drop(&mut self) {
        for child in [&mut self.watch, &mut self.daemon] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
