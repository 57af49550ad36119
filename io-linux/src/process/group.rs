//! A program, all that it has started, and what they write.

use std::process::Stdio;
use std::sync::Arc;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use openproxy_core::vrrp::CommandLine;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::execute::CARRIED;
use crate::trust::check_trust;

/// So much of a program's output is logged; the rest is read and dropped, so that it never blocks.
const OUTPUT_MAX: usize = 64 << 10;
const LINE_MAX: usize = 1_024;

/// A child that leads a process group, which is killed with it.
pub(super) struct Group {
    pub(super) child: Child,
    /// Its number, which is the group's, too; kept, since the group may outlive its leader.
    id: Option<Pid>,
    /// Whether what is left of the group is killed when this is dropped.
    pub(super) kills: bool,
}

impl Group {
    pub(super) fn spawn(
        words: &CommandLine,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, String> {
        let (program, arguments) = words.split_first().ok_or("an empty command line")?;
        check_trust(words).map_err(|untrusted| format!("not run: {untrusted}"))?;
        let mut command = Command::new(program);
        command.args(arguments).process_group(0).stdin(Stdio::null()).env_remove(CARRIED);
        // What the service manager tells a daemon isn't meant for its scripts.
        for name in ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"] {
            command.env_remove(name);
        }
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
    pub(super) async fn wait(&mut self, mut killed: oneshot::Receiver<()>) -> Result<(), String> {
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

/// What a group writes, on its way to the log.
///
/// It is read beside the wait, not after it: a grandchild may keep the pipes open for ever.
pub(super) struct Output(JoinSet<()>);

impl Output {
    /// Begins to log what comes from the pipes of a group that was spawned with them.
    pub(super) fn log(subject: &str, command: &CommandLine, group: &mut Group) -> Self {
        let name: Arc<str> = command.first().map_or("", String::as_str).into();
        let mut readers = JoinSet::new();
        if let Some(pipe) = group.child.stdout.take() {
            readers.spawn(log_output(subject.to_owned(), Arc::clone(&name), pipe));
        }
        if let Some(pipe) = group.child.stderr.take() {
            readers.spawn(log_output(subject.to_owned(), name, pipe));
        }
        Self(readers)
    }

    /// Logs what has been written by now, and no more.
    pub(super) async fn finish(mut self) {
        tokio::task::yield_now().await;
        self.0.abort_all();
    }
}

async fn log_output(subject: String, name: Arc<str>, mut pipe: impl AsyncRead + Unpin) {
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
                log_line(&subject, &name, &mut line);
            }
            if left == 0 {
                log_line(&subject, &name, &mut line);
                tracing::warn!("{subject}: {name}: more output than {OUTPUT_MAX} bytes is dropped");
            }
        }
    }
    log_line(&subject, &name, &mut line);
}

fn log_line(subject: &str, name: &str, line: &mut Vec<u8>) {
    if !line.is_empty() {
        tracing::info!("{subject}: {name}: {}", String::from_utf8_lossy(line).escape_debug());
    }
    line.clear();
}
