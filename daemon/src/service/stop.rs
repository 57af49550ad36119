//! The end, in three steps.

use openproxy_core::io::Command;

use super::Service;
use crate::signals::{Signals, Wish};

/// How often it was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopping {
    /// It wasn't.
    Not,
    /// Once: VIPs are handed over, as the file wants it.
    Asked,
    /// Twice: they go at once.
    Hurried,
}

impl Service {
    /// Goes on to the next step.
    pub(super) fn stop(&mut self) {
        self.stopping = match self.stopping {
            Stopping::Not => {
                tracing::info!("stopping; once more to hand over to nobody");
                self.outlets.process().note_stopping();
                self.outlets.manager.stopping();
                Stopping::Asked
            }
            Stopping::Asked | Stopping::Hurried => {
                tracing::warn!(
                    "letting go of the VIPs at once; once more to wait for no hook either"
                );
                Stopping::Hurried
            }
        };
        self.reading = None;
        self.send(Command::Shutdown);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping != Stopping::Not
    }
}

/// Another wish to stop.
pub(super) async fn stopped(signals: &mut Signals) {
    while signals.next().await != Wish::Stop {}
}
