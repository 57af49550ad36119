//! What people and service managers ask for by signals.

use std::io;

use nix::sys::signal::{SigSet, Signal as NixSignal};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// SIGHUP: read the file now.
    Reload,
    /// SIGTERM or SIGINT: release and stop.
    Stop,
    /// SIGUSR2: execute the program that is there now.
    Upgrade,
}

/// Holds back, as long as it lives, what people ask for by signals: on the calling thread, and for ever
/// on those that this one starts meanwhile. Whoever executes another program then leaves it to that.
#[derive(Debug)]
pub(crate) struct HeldBack(());

impl HeldBack {
    /// Begins. What the program before this one has blocked besides isn't any more.
    pub(crate) fn begin() -> io::Result<Self> {
        wishes().thread_set_mask()?;
        Ok(Self(()))
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        // What could be blocked can be unblocked.
        let _ = SigSet::empty().thread_set_mask();
    }
}

/// Has the calling thread leave signals to the one that listens: what another takes is lost to the
/// program that is executed next.
pub(crate) fn leave_to_others() {
    // One that can't is no worse than before.
    let _ = wishes().thread_block();
}

fn wishes() -> SigSet {
    [NixSignal::SIGHUP, NixSignal::SIGTERM, NixSignal::SIGINT, NixSignal::SIGUSR2]
        .into_iter()
        .collect()
}

/// The signals of this process. From its creation on, they no longer kill it; they are heard unless
/// they are [held back](HeldBack).
#[derive(Debug)]
pub(crate) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    upgrade: Signal,
}

impl Signals {
    /// Begins to listen; needs a runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// What has come already, and nobody has asked about yet.
    pub(crate) async fn waiting(&mut self) -> Option<Wish> {
        tokio::select! {
            biased;
            wish = self.next() => Some(wish),
            // The runtime looks at what has come before it goes on here.
            () = tokio::task::yield_now() => None,
        }
    }

    /// The next wish; safe to drop.
    pub(crate) async fn next(&mut self) -> Wish {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.upgrade.recv() => Wish::Upgrade,
        }
    }
}

/// All signals that would end a guard, heard by nobody as long as this lives.
#[derive(Debug)]
pub(crate) struct Unheard(#[expect(dead_code, reason = "held, never read")] Vec<Signal>);

impl Unheard {
    /// Begins; needs a runtime. What was blocked for the same end isn't any more.
    pub(crate) fn begin() -> io::Result<Self> {
        let kinds = [
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::quit(),
            SignalKind::terminate(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
            SignalKind::alarm(),
        ];
        let unheard = kinds.into_iter().map(signal).collect::<io::Result<_>>()?;
        SigSet::empty().thread_set_mask()?;
        Ok(Self(unheard))
    }
}
