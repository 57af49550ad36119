//! Whether the primary's PostgreSQL port accepts connections.

use super::config::Address;
use super::failure::ProbeFailure;
use crate::time::{Duration, Instant};

/// Between two probes.
const EVERY: Duration = Duration::from_millis(500);
/// Longest that a probe may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// A probe counts for so long.
const FRESH_FOR: Duration = Duration::from_secs(3);
/// So many failures in a row make a port closed: one changes nothing.
const FAILURES_CLOSED: u32 = 2;

/// What is known of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// Nothing, or nothing lately.
    Unknown,
    /// It accepts connections.
    Open,
    /// It doesn't, more than once in a row.
    Closed {
        /// When it last did; if it never has, when that was first found.
        since: Instant,
    },
}

#[derive(Clone, Copy, Debug)]
struct Running {
    serial: u64,
    sent: Instant,
    deadline: Instant,
}

/// The probes of one port.
#[derive(Clone, Debug, Default)]
pub(super) struct Probing {
    target: Option<Address>,
    running: Option<Running>,
    next_at: Instant,
    opened: Option<Instant>,
    failures: u32,
    closed: Option<Instant>,
}

impl Probing {
    /// Which port is to be probed, if any. Another one begins anew.
    pub(super) fn aim(&mut self, now: Instant, target: Option<&Address>) {
        if self.target.as_ref() != target {
            *self = Self { target: target.cloned(), next_at: now, ..Self::default() };
        }
    }

    pub(super) fn due_at(&self) -> Instant {
        match (&self.target, &self.running) {
            (None, _) => Instant::MAX,
            (Some(_), Some(running)) => running.deadline,
            (Some(_), None) => self.next_at,
        }
    }

    /// What is due: a probe that hangs is given up, another begins.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        serial: u64,
    ) -> Option<(Address, Instant)> {
        if self.running.is_some_and(|running| running.deadline <= now) {
            self.finish(now, Err(ProbeFailure::TimedOut));
        }
        let target = self.target.clone()?;
        if self.running.is_some() || now < self.next_at {
            return None;
        }
        let deadline = now + TIMEOUT;
        self.running = Some(Running { serial, sent: now, deadline });
        Some((target, deadline))
    }

    /// Takes a result; whether it was awaited.
    pub(super) fn take(
        &mut self,
        now: Instant,
        serial: u64,
        result: Result<(), ProbeFailure>,
    ) -> bool {
        if self.running.is_none_or(|running| running.serial != serial) {
            return false;
        }
        self.finish(now, result);
        true
    }

    fn finish(&mut self, now: Instant, result: Result<(), ProbeFailure>) {
        let Some(running) = self.running.take() else { return };
        self.next_at = (running.sent + EVERY).max(now);
        match result {
            Ok(()) => {
                (self.opened, self.failures, self.closed) = (Some(running.sent), 0, None);
            }
            Err(_) => {
                self.failures = self.failures.saturating_add(1);
                if self.is_closed() {
                    self.closed.get_or_insert(running.sent);
                }
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.failures >= FAILURES_CLOSED || (self.failures > 0 && mutated!(OneFailureDecides))
    }

    /// When the probe was sent that showed the port to be closed, if it still is.
    pub(super) const fn closed_at(&self) -> Option<Instant> {
        self.closed
    }

    pub(super) fn port(&self, now: Instant) -> Port {
        if self.is_closed() {
            Port::Closed { since: self.opened.or(self.closed).unwrap_or(now) }
        } else if self.opened.is_some_and(|opened| now < opened + FRESH_FOR) {
            Port::Open
        } else {
            Port::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::config::Host;

    #[test]
    fn it_takes_two_failures_to_close_a_port_and_one_success_to_open_it() {
        let mut probing = Probing::default();
        let target = Address { host: Host::new("db1"), port: 5432 };
        probing.aim(Instant::ZERO, Some(&target));
        let mut now = Instant::ZERO;
        let results = [
            (Ok(()), Port::Open),
            (Err(ProbeFailure::Refused), Port::Open),
            (Err(ProbeFailure::Refused), Port::Closed { since: Instant::ZERO }),
            (Ok(()), Port::Open),
        ];
        for (serial, (result, port)) in (1..).zip(results) {
            now = now.max(probing.due_at());
            assert!(probing.handle_timeout(now, serial).is_some());
            assert!(!probing.take(now, serial + 100, Ok(())));
            assert!(probing.take(now, serial, result));
            assert_eq!(probing.port(now), port);
        }
        assert_eq!(probing.port(now + FRESH_FOR), Port::Unknown);
    }

    #[test]
    fn a_probe_that_hangs_is_given_up_and_another_target_begins_anew() {
        let mut probing = Probing::default();
        let target = |port| Address { host: Host::new("db1"), port };
        probing.aim(Instant::ZERO, Some(&target(1)));
        for serial in 0..3 {
            let now = probing.due_at();
            assert!(probing.handle_timeout(now, serial).is_some());
        }
        let since = Instant::ZERO + TIMEOUT;
        assert_eq!(probing.port(Instant::ZERO), Port::Closed { since });
        probing.aim(Instant::ZERO, Some(&target(2)));
        assert_eq!(probing.port(Instant::ZERO), Port::Unknown);
        probing.aim(Instant::ZERO, None);
        assert_eq!(probing.due_at(), Instant::MAX);
    }
}
