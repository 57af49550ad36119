//! The guard: a process beside the daemon that hands over what it served, should it die.

mod keeper;
mod post;

use std::time::Duration;

use keeper::Keeper;
use openproxy::config::Loaded;
use openproxy::process::Process;
pub(crate) use post::run;

pub(crate) use crate::linux::is_guard_wanted as is_wanted;
use crate::linux::{self, GuardPipe, VipLock};

/// What a process has on the VIPs of its network namespace.
#[derive(Debug)]
pub(crate) enum Hold {
    /// Nothing: there was no virtual router when it began.
    None,
    /// The lock alone.
    Lock(#[expect(dead_code, reason = "held, never read")] VipLock),
    /// The lock, together with a guard.
    Guarded(Box<Keeper>),
}

impl Hold {
    /// Begins; needs a runtime. A guard gets the priority of the virtual routers under `SCHED_FIFO`.
    pub(crate) fn begin(lock: Option<VipLock>, loaded: &Loaded, process: Process) -> Self {
        match lock {
            None => Self::None,
            Some(lock) if !loaded.guard => Self::Lock(lock),
            Some(lock) => Self::Guarded(Box::new(Keeper::start(lock, loaded, process))),
        }
    }

    /// Whether virtual routers may run.
    pub(crate) fn may_route(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The way to the guard.
    pub(crate) fn guard_pipe(&self) -> Option<GuardPipe> {
        match self {
            Self::None | Self::Lock(_) => None,
            Self::Guarded(keeper) => Some(keeper.pipe()),
        }
    }

    /// Sees to it that there is a guard, without an end; safe to drop.
    pub(crate) async fn keep(&mut self) {
        match self {
            Self::None | Self::Lock(_) => std::future::pending().await,
            Self::Guarded(keeper) => keeper.keep().await,
        }
    }

    /// Whether another program can take this one's place without letting anything go.
    pub(crate) fn can_bequeath(&self) -> bool {
        !matches!(self, Self::Lock(_))
    }

    /// Has the guard wait for the program that takes this one's place; whether it does.
    pub(crate) fn announce_heir(&self, within: Duration) -> bool {
        match self {
            Self::None => true,
            Self::Lock(_) => false,
            Self::Guarded(keeper) => keeper.pipe().announce_heir(linux::now() + within),
        }
    }

    /// Ends in good order: nothing is left to hand over.
    pub(crate) async fn end(self) {
        match self {
            Self::None | Self::Lock(_) => {}
            Self::Guarded(keeper) => keeper.dismiss().await,
        }
    }
}
