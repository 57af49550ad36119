//! What people and service managers ask for by signals.

use std::io;

use nix::sys::signal::SigSet;
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

/// The signals of this process. From its creation on, they no longer kill it.
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
        let signals = Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            upgrade: signal(SignalKind::user_defined2())?,
        };
        // A program that has executed this one has blocked them until somebody listens.
        SigSet::empty().thread_set_mask()?;
        Ok(signals)
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
