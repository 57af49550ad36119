//! What a stopped process waits at, before it looks at anything.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::ready;

use tokio::sync::Notify;

/// Open while the process runs, closed between SIGSTOP and SIGCONT.
#[derive(Debug)]
pub struct Gate {
    is_open: Cell<bool>,
    opening: Notify,
}

impl Default for Gate {
    fn default() -> Self {
        Self { is_open: Cell::new(true), opening: Notify::new() }
    }
}

impl Gate {
    /// Whether the process runs.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open.get()
    }

    /// Stops the process: whatever wakes it, it gets no further than here.
    pub fn close(&self) {
        self.is_open.set(false);
    }

    /// Lets it go on.
    pub fn open(&self) {
        self.is_open.set(true);
        self.opening.notify_waiters();
    }

    /// Waits until the process runs. Safe to drop.
    pub async fn pass(&self) {
        while !self.is_open() {
            self.opening.notified().await;
        }
    }

    /// Runs a part of the process: while that is stopped, nothing of it happens.
    pub async fn hold<F: Future>(&self, part: F) -> F::Output {
        let (mut part, mut passing) = (pin!(part), Box::pin(self.pass()));
        poll_fn(|context| {
            if !self.is_open() {
                passing = Box::pin(self.pass());
                ready!(passing.as_mut().poll(context));
            }
            part.as_mut().poll(context)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn a_closed_gate_holds_everybody_until_it_is_opened() {
        let gate = Gate::default();
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(gate.pass()).poll(&mut context).is_ready());
        gate.close();
        let (mut one, mut other) = (pin!(gate.pass()), pin!(gate.pass()));
        assert!(one.as_mut().poll(&mut context).is_pending());
        assert!(other.as_mut().poll(&mut context).is_pending());
        gate.open();
        assert!(one.poll(&mut context).is_ready() && other.poll(&mut context).is_ready());
    }

    #[test]
    fn a_gate_that_closes_again_at_once_lets_nobody_through() {
        let gate = Gate::default();
        gate.close();
        let mut context = Context::from_waker(Waker::noop());
        let mut pass = pin!(gate.pass());
        assert!(pass.as_mut().poll(&mut context).is_pending());
        gate.open();
        gate.close();
        assert!(pass.poll(&mut context).is_pending());
    }
}
