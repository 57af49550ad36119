//! Hooks and checks: other programs, run away from the VRRP thread.

mod ends;
mod group;
mod script;

use std::process::Stdio;
use std::time::Duration;

use ends::Ends;
use group::{Group, Output};
use openproxy_core::io::{CheckId, Completion, HookId, HookRun};
use openproxy_core::vrrp::{Check, RouterKey, Vip};
pub use script::{ScriptInput, run_script};
use tokio::net::TcpStream;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// How many wishes may wait.
const QUEUE_MAX: usize = 4_096;
/// How often it is asked whether hooks still run.
const HOOKS_ASKED_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug)]
enum Job {
    /// The receiver tells when it is to be killed.
    RunHook(HookRun, oneshot::Receiver<()>),
    RunCheck(CheckId, Check, oneshot::Receiver<()>),
    /// End all checks, if no hook runs.
    Quiesce(oneshot::Sender<bool>),
    /// Where completions go from now on.
    Report(mpsc::Sender<Completion>),
}

/// The way to the runner of processes.
#[derive(Clone, Debug)]
pub struct ProcessHandle {
    jobs: mpsc::Sender<Job>,
    hooks: Ends<HookId>,
    checks: Ends<CheckId>,
}

impl ProcessHandle {
    pub(crate) fn report_to(&self, completions: mpsc::Sender<Completion>) {
        self.submit(Job::Report(completions));
    }

    pub(crate) fn run_hook(&self, run: HookRun) -> bool {
        let id = run.id;
        let is_taken = self.submit(Job::RunHook(run, self.hooks.begin(id)));
        if !is_taken {
            self.hooks.end(id);
        }
        is_taken
    }

    /// However many wishes wait, and though its own does.
    pub(crate) fn kill_hook(&self, id: HookId) {
        self.hooks.end(id);
    }

    pub(crate) fn run_check(&self, id: CheckId, check: Check) {
        // Not taken, it has failed at its timeout, and is cancelled.
        self.submit(Job::RunCheck(id, check, self.checks.begin(id)));
    }

    pub(crate) fn cancel_check(&self, id: CheckId) {
        self.checks.end(id);
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
    hooks: Ends<HookId>,
    checks: Ends<CheckId>,
    running: JoinSet<Completion>,
}

impl ProcessRunner {
    /// A runner, and the way to it.
    #[must_use]
    pub fn new() -> (Self, ProcessHandle) {
        let (sender, jobs) = mpsc::channel(QUEUE_MAX);
        let handle =
            ProcessHandle { jobs: sender, hooks: Ends::default(), checks: Ends::default() };
        let runner = Self {
            jobs,
            completions: None,
            hooks: handle.hooks.clone(),
            checks: handle.checks.clone(),
            running: JoinSet::new(),
        };
        (runner, handle)
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
        if !self.hooks.are_none() {
            return false;
        }
        self.checks.end_all();
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
            Job::RunHook(run, killed) => {
                self.running.spawn(async move {
                    let id = run.id;
                    Completion::Hook(id, run_hook(run, killed).await)
                });
            }
            Job::RunCheck(id, check, cancelled) => {
                self.running
                    .spawn(async move { Completion::Check(id, run_check(check, cancelled).await) });
            }
        }
    }

    async fn finish(&mut self, completion: Completion) {
        match &completion {
            Completion::Hook(id, _) => self.hooks.end(*id),
            Completion::Check(id, _) => self.checks.end(*id),
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

async fn run_hook(run: HookRun, mut killed: oneshot::Receiver<()>) -> Result<(), String> {
    if killed.try_recv() == Err(TryRecvError::Closed) {
        return Err("killed before it began".to_owned());
    }
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

#[cfg(test)]
mod tests {
    use std::fs;

    use openproxy_core::io::{Generation, RouterId};
    use openproxy_core::vrrp::{CommandLine, Family, Vrid};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn hook(number: u64, text: &str) -> HookRun {
        let vrid = Vrid::new(50).expect("in range");
        let command: CommandLine = ["/bin/sh", "-c", text].into_iter().map(str::to_owned).collect();
        HookRun {
            id: HookId(RouterId(0), Generation(number)),
            command,
            router: RouterKey { interface: "eth9".into(), vrid, family: Family::V4 },
            vips: [].into(),
            old_state: "BACKUP",
            new_state: "MASTER",
        }
    }

    /// As many wishes as there is room for.
    fn fill(handle: &ProcessHandle, completions: &mpsc::Sender<Completion>) {
        while handle.submit(Job::Report(completions.clone())) {}
    }

    async fn end(completions: &mut mpsc::Receiver<Completion>) -> (HookId, Result<(), String>) {
        let ended = tokio::time::timeout(PATIENCE, completions.recv()).await;
        match ended.expect("it ends").expect("the runner is there") {
            Completion::Hook(id, result) => (id, result),
            other => panic!("no hook: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_hook_that_runs_is_killed_though_too_many_wishes_wait() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("begun");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let (runner, handle) = ProcessRunner::new();
        let (sender, mut completions) = mpsc::channel(1);
        handle.report_to(sender.clone());
        let run = hook(1, &format!("echo > {}; exec sleep 600", pipe.display()));
        let id = run.id;
        assert!(handle.run_hook(run));
        tokio::spawn(runner.run());
        tokio::task::spawn_blocking(move || fs::read(pipe)).await.expect("read").expect("begun");
        // Nothing else runs on this thread until something is waited for.
        fill(&handle, &sender);
        handle.kill_hook(id);
        assert_eq!(end(&mut completions).await, (id, Err("signal: 9 (SIGKILL)".to_owned())));
        assert!(handle.hooks.are_none());
    }

    #[tokio::test]
    async fn a_hook_that_is_killed_before_its_turn_never_begins() {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("begun");
        let (runner, handle) = ProcessRunner::new();
        let (sender, mut completions) = mpsc::channel(1);
        handle.report_to(sender.clone());
        let run = hook(1, &format!("echo > {}", mark.display()));
        let id = run.id;
        assert!(handle.run_hook(run));
        fill(&handle, &sender);
        handle.kill_hook(id);
        // One for which there is no room is no hook that runs.
        assert!(!handle.run_hook(hook(2, "exit 0")) && handle.hooks.are_none());
        tokio::spawn(runner.run());
        assert_eq!(end(&mut completions).await, (id, Err("killed before it began".to_owned())));
        assert!(!mark.exists());
    }
}
