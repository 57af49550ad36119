//! Hooks and checks: other programs, run away from the VRRP thread.

mod group;
mod script;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use group::{Group, Output};
use openproxy_core::io::{CheckId, Completion, HookId, HookRun};
use openproxy_core::vrrp::{Check, RouterKey, Vip};
pub use script::{ScriptInput, run_script};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// How many wishes may wait.
const QUEUE_MAX: usize = 4_096;
/// How often it is asked whether hooks still run.
const HOOKS_ASKED_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug)]
enum Job {
    RunHook(HookRun),
    KillHook(HookId),
    RunCheck(CheckId, Check),
    CancelCheck(CheckId),
    /// End all checks, if no hook runs.
    Quiesce(oneshot::Sender<bool>),
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

    /// Ends all checks, so that nothing is left of them; whether nothing runs then. A hook is waited for
    /// by somebody.
    pub async fn quiesce(&self) -> bool {
        let (done, is_done) = oneshot::channel();
        self.submit(Job::Quiesce(done)) && is_done.await.unwrap_or(false)
    }

    fn submit(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }
}

/// Waits until no hook runs any more.
pub async fn wait_for_hooks(processes: &ProcessHandle) {
    // Nobody is told of their ends: the platform is gone.
    while !processes.quiesce().await {
        tokio::time::sleep(HOOKS_ASKED_EVERY).await;
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
                    Some(job) => self.take(job).await,
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

    async fn quiesce(&mut self) -> bool {
        if !self.hooks.is_empty() {
            return false;
        }
        self.checks.clear();
        while let Some(ended) = self.running.join_next().await {
            if let Ok(completion) = ended {
                self.finish(completion).await;
            }
        }
        true
    }

    async fn take(&mut self, job: Job) {
        match job {
            Job::Quiesce(done) => {
                let is_quiet = self.quiesce().await;
                // Who asked has given up, perhaps.
                let _ = done.send(is_quiet);
            }
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
            | Completion::Address(..)
            | Completion::ConnectionsReset(..)
            | Completion::GuardMissed => {}
        }
        if let Some(completions) = &self.completions {
            // The VRRP thread is gone: nobody is left to tell.
            let _ = completions.send(completion).await;
        }
    }
}

/// The variables in which a script finds which router has changed its state, and how.
#[must_use]
pub fn router_environment(
    router: &RouterKey,
    vips: &[Vip],
    old_state: &str,
    new_state: &str,
) -> [(&'static str, String); 6] {
    let vips: Vec<String> = vips.iter().map(ToString::to_string).collect();
    [
        ("OPENPROXY_INTERFACE", router.interface.to_string()),
        ("OPENPROXY_ROUTER_ID", router.vrid.to_string()),
        ("OPENPROXY_FAMILY", router.family.to_string()),
        ("OPENPROXY_VIPS", vips.join(" ")),
        ("OPENPROXY_OLD_STATE", old_state.to_owned()),
        ("OPENPROXY_NEW_STATE", new_state.to_owned()),
    ]
}

async fn run_hook(run: HookRun, killed: oneshot::Receiver<()>) -> Result<(), String> {
    let router = run.router.to_string();
    let environment = router_environment(&run.router, &run.vips, run.old_state, run.new_state);
    let mut group = Group::spawn(&run.command, |command| {
        command.envs(environment).stdout(Stdio::piped()).stderr(Stdio::piped());
    })?;
    let output = Output::log(&router, &run.command, &mut group);
    let result = group.wait(killed).await;
    output.finish().await;
    // A hook that ended well may leave a program behind on purpose.
    group.kills = result.is_err();
    result
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
