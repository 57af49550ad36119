//! The thread of the virtual routers, and the ways to it.

use std::io;
use std::thread;

use openproxy::routers::Look;
use openproxy::routers::history::{History, Transition};
use openproxy_core::io::Command;
use openproxy_core::vrrp::{Duty, Inheritance, RouterConfig, RouterKey};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::linux::{self, GuardPipe, ProcessHandle};
use crate::service::VrrpEnd;
use crate::upgrade::PauseWish;

/// Transitions that wait to be kept; more are lost, and told of.
const TRANSITIONS_MAX: usize = 4_096;

/// What the thread begins with, and what it is told by.
#[derive(Debug)]
pub(crate) struct VrrpThread {
    /// What the file says.
    pub(crate) routers: Vec<RouterConfig>,
    /// What the process before this one has left.
    pub(crate) estate: Vec<Inheritance>,
    /// Which routers an operator had taken out of service before this program took another's place.
    pub(crate) duties: Vec<(RouterKey, Duty)>,
    /// What the rest of the daemon wants.
    pub(crate) commands: mpsc::Receiver<Command>,
    /// Who wants them to stand still.
    pub(crate) pauses: mpsc::Receiver<PauseWish>,
    /// Who looks.
    pub(crate) looks: mpsc::Receiver<oneshot::Sender<Look>>,
    /// Where their hooks and checks run.
    pub(crate) processes: ProcessHandle,
    /// The way to the guard.
    pub(crate) guard: Option<GuardPipe>,
    /// Their priority under `SCHED_FIFO`, if they are to run ahead of others.
    pub(crate) realtime: Option<u8>,
    /// Where their transitions go; see [`keep`].
    pub(crate) transitions: mpsc::Sender<Transition>,
}

impl VrrpThread {
    /// Starts it; the receiver gets its end, or nothing after a panic.
    pub(crate) fn start(self) -> io::Result<oneshot::Receiver<VrrpEnd>> {
        let (ended, end) = oneshot::channel();
        thread::Builder::new().name("vrrp".to_owned()).spawn(move || {
            // Nobody listens any more when a third signal has ended the process.
            let _ = ended.send(linux::run_vrrp(self));
        })?;
        Ok(end)
    }
}

/// Keeps transitions in a history: whoever reads that never holds up the virtual routers. Ends once
/// nobody can send any more. Needs a runtime.
pub(crate) fn keep(history: History) -> (mpsc::Sender<Transition>, JoinHandle<()>) {
    let (sender, mut transitions) = mpsc::channel(TRANSITIONS_MAX);
    let kept = tokio::spawn(async move {
        while let Some(transition) = transitions.recv().await {
            history.put(transition);
        }
    });
    (sender, kept)
}
