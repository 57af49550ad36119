//! Hooks and checks: other programs, run away from the VRRP thread.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use openproxy_core::io::{CheckId, Completion, HookId, HookRun};
use openproxy_core::vrrp::{Check, CommandLine};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// How many wishes may wait.
const QUEUE_MAX: usize = 4_096;
/// So much of a hook's output is logged; the rest is read and dropped, so that it never blocks.
const OUTPUT_MAX: usize = 64 << 10;
const LINE_MAX: usize = 1_024;

#[derive(Debug)]
enum Job {
    RunHook(HookRun),
    KillHook(HookId),
    RunCheck(CheckId, Check),
    CancelCheck(CheckId),
    /// Where completions go from now on.
    Report(mpsc::Sender<Completion>),
}

/// The way to the runner of processes.
#[derive(Clone, Debug)]
pub struct ProcessHandle {
    jobs: mpsc::Sender<Job>,
}

impl ProcessHandle {
    pub(crate) fn report_to(&self, completions: mpsc::Sender<Completion>) {
        self.submit(Job::Report(completions));
    }

    pub(crate) fn run_hook(&self, run: HookRun) -> bool {
        self.submit(Job::RunHook(run))
    }

    pub(crate) fn kill_hook(&self, id: HookId) {
        self.submit(Job::KillHook(id));
    }

    pub(crate) fn run_check(&self, id: CheckId, check: Check) {
        // Not taken, it has failed at its timeout.
        self.submit(Job::RunCheck(id, check));
    }

    pub(crate) fn cancel_check(&self, id: CheckId) {
        self.submit(Job::CancelCheck(id));
    }

    fn submit(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }
}

/// Runs hooks and checks.
#[derive(Debug)]
pub struct ProcessRunner {
    jobs: mpsc::Receiver<Job>,
    completions: Option<mpsc::Sender<Completion>>,
    hooks: BTreeMap<HookId, oneshot::Sender<()>>,
    checks: BTreeMap<CheckId, oneshot::Sender<()>>,
    running: JoinSet<Completion>,
}

impl ProcessRunner {
    /// A runner, and the way to it.
    #[must_use]
    pub fn new() -> (Self, ProcessHandle) {
        let (sender, jobs) = mpsc::channel(QUEUE_MAX);
        let runner = Self {
            jobs,
            completions: None,
            hooks: BTreeMap::new(),
            checks: BTreeMap::new(),
            running: JoinSet::new(),
        };
        (runner, ProcessHandle { jobs: sender })
    }

    /// Runs until all handles are gone. What still runs then is killed.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                job = self.jobs.recv() => match job {
                    Some(job) => self.take(job),
                    None => return,
                },
                Some(ended) = self.running.join_next() => {
                    if let Ok(completion) = ended {
                        self.finish(completion).await;
                    }
                }
            }
        }
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Report(completions) => self.completions = Some(completions),
            Job::RunHook(run) => {
                let (kill, killed) = oneshot::channel();
                self.hooks.insert(run.id, kill);
                self.running.spawn(async move {
                    let id = run.id;
                    Completion::Hook(id, run_hook(run, killed).await)
                });
            }
            // Dropping the sender is the signal.
            Job::KillHook(id) => drop(self.hooks.remove(&id)),
            Job::RunCheck(id, check) => {
                let (cancel, cancelled) = oneshot::channel();
                self.checks.insert(id, cancel);
                self.running
                    .spawn(async move { Completion::Check(id, run_check(check, cancelled).await) });
            }
            Job::CancelCheck(id) => drop(self.checks.remove(&id)),
        }
    }

    async fn finish(&mut self, completion: Completion) {
        match &completion {
            Completion::Hook(id, _) => drop(self.hooks.remove(id)),
            Completion::Check(id, _) => drop(self.checks.remove(id)),
            Completion::Dump(_)
            | Completion::Socket(..)
            | Completion::AdvertSent(..)
            | Completion::Address(..) => {}
        }
        if let Some(completions) = &self.completions {
            // The VRRP thread is gone: nobody is left to tell.
            let _ = completions.send(completion).await;
        }
    }
}

/// A child that leads a process group, which is killed with it.
struct Group {
    child: Child,
    /// Its number, which is the group's, too; kept, since the group may outlive its leader.
    id: Option<Pid>,
    /// Whether what is left of the group is killed when this is dropped.
    kills: bool,
}

impl Group {
    fn spawn(words: &CommandLine, prepare: impl FnOnce(&mut Command)) -> Result<Self, String> {
        let (program, arguments) = words.split_first().ok_or("an empty command line")?;
        let mut command = Command::new(program);
        command.args(arguments).process_group(0).stdin(Stdio::null());
        prepare(&mut command);
        let child = command.spawn().map_err(|error| format!("cannot run {program}: {error}"))?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok(Self { child, id, kills: true })
    }

    fn kill(&self) {
        if let Some(id) = self.id {
            // It may have ended just now.
            let _ = killpg(id, Signal::SIGKILL);
        }
    }

    /// Waits for the leader, and kills the group when `killed` says so.
    async fn wait(&mut self, mut killed: oneshot::Receiver<()>) -> Result<(), String> {
        let status = tokio::select! {
            biased;
            status = self.child.wait() => status,
            _ = &mut killed => {
                self.kill();
                self.child.wait().await
            }
        };
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.kills {
            self.kill();
        }
    }
}

async fn run_hook(run: HookRun, killed: oneshot::Receiver<()>) -> Result<(), String> {
    let router = run.router.to_string();
    let vips: Vec<String> = run.vips.iter().map(ToString::to_string).collect();
    let mut group = Group::spawn(&run.command, |command| {
        command
            .env("OPENPROXY_INTERFACE", &*run.router.interface)
            .env("OPENPROXY_ROUTER_ID", run.router.vrid.to_string())
            .env("OPENPROXY_FAMILY", run.router.family.to_string())
            .env("OPENPROXY_VIPS", vips.join(" "))
            .env("OPENPROXY_OLD_STATE", run.old_state)
            .env("OPENPROXY_NEW_STATE", run.new_state)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    })?;
    let name: Arc<str> = run.command.first().map_or("", String::as_str).into();
    let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
    // Read beside the wait, not after it: a grandchild may keep the pipes open for ever.
    let mut readers = JoinSet::new();
    if let Some(pipe) = stdout {
        readers.spawn(log_output(router.clone(), Arc::clone(&name), pipe));
    }
    if let Some(pipe) = stderr {
        readers.spawn(log_output(router, name, pipe));
    }
    let result = group.wait(killed).await;
    // What has been written by now is still logged.
    tokio::task::yield_now().await;
    readers.abort_all();
    // A hook that ended well may leave a program behind on purpose.
    group.kills = result.is_err();
    result
}

async fn log_output(router: String, name: Arc<str>, mut pipe: impl AsyncRead + Unpin) {
    let mut left = OUTPUT_MAX;
    let mut line = Vec::with_capacity(LINE_MAX);
    let mut buffer = [0; 4_096];
    while let Ok(len) = pipe.read(&mut buffer).await {
        if len == 0 {
            break;
        }
        for byte in buffer.iter().take(len) {
            if left == 0 {
                break;
            }
            left -= 1;
            if *byte != b'\n' {
                line.push(*byte);
            }
            if *byte == b'\n' || line.len() == LINE_MAX {
                log_line(&router, &name, &mut line);
            }
            if left == 0 {
                log_line(&router, &name, &mut line);
                tracing::warn!("{router}: {name}: more output than {OUTPUT_MAX} bytes is dropped");
            }
        }
    }
    log_line(&router, &name, &mut line);
}

fn log_line(router: &str, name: &str, line: &mut Vec<u8>) {
    if !line.is_empty() {
        tracing::info!("{router}: {name}: {}", String::from_utf8_lossy(line).escape_debug());
    }
    line.clear();
}

async fn run_check(check: Check, mut cancelled: oneshot::Receiver<()>) -> Result<(), String> {
    match check {
        Check::Tcp(address) => tokio::select! {
            connected = TcpStream::connect(address) => {
                connected.map(drop).map_err(|error| error.to_string())
            }
            _ = &mut cancelled => Err("abandoned".to_owned()),
        },
        Check::Command(words) => {
            let mut group = Group::spawn(&words, |command| {
                command.stdout(Stdio::null()).stderr(Stdio::null());
            })?;
            group.wait(cancelled).await
        }
        // The core watches interfaces itself.
        Check::Interface(_) => Ok(()),
    }
}
