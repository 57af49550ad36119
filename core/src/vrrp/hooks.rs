//! The hooks of one router: never two at once, and the latest decision wins.

use std::sync::Arc;

use super::{CommandLine, HookConfig, RouterKey, Vip};
use crate::io::{Generation, HookId, HookRun, Output, RouterId};
use crate::time::{Duration, Instant};

/// How long a killed hook may take to be gone before it is counted as gone.
const REAP_TIMEOUT: Duration = Duration::from_secs(5);

impl HookConfig {
    /// How long after an exit from MASTER the last hook has ended at the latest: a promote hook
    /// that is killed has to go first, then the demote hook may run into its timeout.
    pub(crate) fn end_max(&self) -> Duration {
        REAP_TIMEOUT + self.timeout + REAP_TIMEOUT
    }
}

/// Which hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// `pre_promote_script`.
    Promote,
    /// `pre_demote_script`.
    Demote,
}

impl HookKind {
    /// The key in the file.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Promote => "pre_promote_script",
            Self::Demote => "pre_demote_script",
        }
    }

    fn command(self, config: &HookConfig) -> Option<CommandLine> {
        match self {
            Self::Promote => config.pre_promote.clone(),
            Self::Demote => config.pre_demote.clone(),
        }
    }
}

/// What a router hears of its hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HookNews {
    Started(HookKind),
    Ended(HookKind, Result<(), String>),
    TimedOut(HookKind),
    /// The VIPs wait no longer; the flag says whether the promote hook ended well.
    GateOpened(bool),
}

#[derive(Clone, Debug)]
struct Running {
    id: HookId,
    kind: HookKind,
    deadline: Instant,
    killed: bool,
}

/// The state change that a hook is told of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

/// The hooks of one router.
#[derive(Clone, Debug)]
pub(super) struct Hooks {
    router: RouterId,
    running: Option<Running>,
    queued: Option<(HookKind, Change)>,
    /// Until when the VIPs wait for the promote hook, if they do.
    gate_until: Option<Instant>,
    generation: Generation,
}

impl Hooks {
    pub(super) fn new(router: RouterId) -> Self {
        Self {
            router,
            running: None,
            queued: None,
            gate_until: None,
            generation: Generation::default(),
        }
    }

    /// Whether nothing runs and nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.queued.is_none()
    }

    /// Whether the VIPs wait for the promote hook.
    pub(super) fn holds_vips(&self) -> bool {
        self.gate_until.is_some()
    }

    pub(super) fn due_at(&self) -> Instant {
        let running = self.running.as_ref().map_or(Instant::MAX, |running| running.deadline);
        running.min(self.gate_until.unwrap_or(Instant::MAX))
    }

    /// The router enters MASTER. Without a promote hook nothing waits.
    pub(super) fn promote(&mut self, host: &mut Host<'_>, change: Change) {
        if host.config.pre_promote.is_none() {
            self.queued = None;
            return;
        }
        self.gate_until = Some(host.now + host.config.timeout);
        self.queued = Some((HookKind::Promote, change));
        self.advance(host);
    }

    /// The router leaves MASTER: a promote hook that runs is overtaken, and killed.
    pub(super) fn demote(&mut self, host: &mut Host<'_>, change: Change) {
        self.gate_until = None;
        self.queued = None;
        match &mut self.running {
            // The demote hook that runs is the latest decision again.
            Some(running) if running.kind == HookKind::Demote => return,
            Some(running) => kill(running, host),
            None => {}
        }
        if host.config.pre_demote.is_some() {
            self.queued = Some((HookKind::Demote, change));
            self.advance(host);
        }
    }

    pub(super) fn handle_result(
        &mut self,
        host: &mut Host<'_>,
        id: HookId,
        result: Result<(), String>,
    ) {
        let Some(running) = self.running.take_if(|running| running.id == id) else {
            return;
        };
        // One that was killed was of an earlier decision: the VIPs wait for the hook of this one.
        if !running.killed {
            let succeeded = result.is_ok();
            host.news.push(HookNews::Ended(running.kind, result));
            if running.kind == HookKind::Promote && self.gate_until.take().is_some() {
                host.news.push(HookNews::GateOpened(succeeded));
            }
        }
        self.advance(host);
    }

    pub(super) fn handle_timeout(&mut self, host: &mut Host<'_>) {
        if let Some(running) = self.running.as_mut().filter(|r| r.deadline <= host.now) {
            if running.killed {
                self.running = None;
            } else {
                host.news.push(HookNews::TimedOut(running.kind));
                kill(running, host);
            }
        }
        if self.gate_until.take_if(|until| *until <= host.now).is_some() {
            host.news.push(HookNews::GateOpened(false));
        }
        self.advance(host);
    }

    /// Starts what waits, if nothing runs.
    fn advance(&mut self, host: &mut Host<'_>) {
        if self.running.is_some() {
            return;
        }
        let Some((kind, change)) = self.queued.take() else {
            return;
        };
        let Some(command) = kind.command(host.config) else {
            // A reload has taken it away: nothing is left to wait for.
            if kind == HookKind::Promote && self.gate_until.take().is_some() {
                host.news.push(HookNews::GateOpened(true));
            }
            return;
        };
        self.generation = Generation(self.generation.0 + 1);
        let id = HookId(self.router, self.generation);
        let deadline = match (kind, self.gate_until) {
            (HookKind::Promote, Some(until)) => until,
            (HookKind::Promote | HookKind::Demote, _) => host.now + host.config.timeout,
        };
        self.running = Some(Running { id, kind, deadline, killed: false });
        host.news.push(HookNews::Started(kind));
        host.out.push(Output::RunHook(HookRun {
            id,
            command,
            router: host.key.clone(),
            vips: Arc::clone(host.vips),
            old_state: change.from,
            new_state: change.to,
        }));
    }
}

/// What handlers need around them.
pub(super) struct Host<'a> {
    pub(super) now: Instant,
    pub(super) config: &'a HookConfig,
    pub(super) key: &'a RouterKey,
    pub(super) vips: &'a Arc<[Vip]>,
    pub(super) out: &'a mut Vec<Output>,
    pub(super) news: &'a mut Vec<HookNews>,
}

fn kill(running: &mut Running, host: &mut Host<'_>) {
    if !running.killed {
        running.killed = true;
        running.deadline = host.now + REAP_TIMEOUT;
        host.out.push(Output::KillHook(running.id));
    }
}

#[cfg(test)]
mod tests;
