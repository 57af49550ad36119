//! The core's clock on Linux: `CLOCK_BOOTTIME`, which goes on while the machine is suspended.

use nix::time::{ClockId, clock_gettime};
use openproxy_core::time::{Duration, Instant};

/// How far the wall clock may move against ours between two drains and still be believed.
const STEP_MAX_NANOS: u64 = 50_000_000;

/// The time now.
#[must_use]
pub fn now() -> Instant {
    Instant::from_nanos(read(ClockId::CLOCK_BOOTTIME))
}

/// Nanoseconds of a clock of the kernel; these clocks always exist.
fn read(clock: ClockId) -> u64 {
    clock_gettime(clock)
        .map_or(0, |time| u64::try_from(Duration::from(time).as_nanos()).unwrap_or(0))
}

/// Turns the kernel's receive stamps, which are of the wall clock, into instants of ours.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ArrivalClock {
    /// Wall clock minus ours, when last looked at.
    offset_nanos: Option<u64>,
    /// The wall clock was stepped: what is read in this turn may bear older stamps.
    was_stepped: bool,
}

impl ArrivalClock {
    /// A new turn begins: what was stamped before a step has been read.
    pub(crate) fn begin_turn(&mut self) {
        self.was_stepped = false;
    }

    /// When a packet arrived that bears this stamp.
    pub(crate) fn arrival(&mut self, stamp: Option<Duration>) -> Instant {
        let now = now();
        let wall_nanos = read(ClockId::CLOCK_REALTIME);
        let stamp = stamp.and_then(|stamp| u64::try_from(stamp.as_nanos()).ok());
        self.map(now, wall_nanos, stamp)
    }

    /// A stamp is used unless the wall clock was stepped since the last one; never in the future.
    fn map(&mut self, now: Instant, wall_nanos: u64, stamp_nanos: Option<u64>) -> Instant {
        let offset = wall_nanos.wrapping_sub(now.as_nanos());
        let was = self.offset_nanos.replace(offset);
        self.was_stepped |= was.is_some_and(|was| was.abs_diff(offset) > STEP_MAX_NANOS);
        match stamp_nanos.and_then(|stamp| wall_nanos.checked_sub(stamp)) {
            Some(age) if !self.was_stepped => now.before(Duration::from_nanos(age)),
            Some(_) | None => now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_packet_counts_from_its_arrival() {
        let mut clock = ArrivalClock::default();
        let now = Instant::from_nanos(100 * SECOND);
        let at = clock.map(now, 5_000 * SECOND, Some(4_992 * SECOND));
        assert_eq!(at, Instant::from_nanos(92 * SECOND));
    }

    #[test]
    fn a_stamp_in_the_future_or_over_a_step_is_not_believed() {
        let mut clock = ArrivalClock::default();
        let now = Instant::from_nanos(100 * SECOND);
        assert_eq!(clock.map(now, 5_000 * SECOND, Some(5_001 * SECOND)), now);
        // The wall clock was set forward by an hour: the stamp seems an hour old.
        let later = Instant::from_nanos(101 * SECOND);
        assert_eq!(clock.map(later, 8_601 * SECOND, Some(5_001 * SECOND)), later);
        // So does that of the packet behind it.
        assert_eq!(clock.map(later, 8_601 * SECOND, Some(5_001 * SECOND)), later);
        clock.begin_turn();
        // After that it is believed again.
        let at = clock.map(Instant::from_nanos(102 * SECOND), 8_602 * SECOND, Some(8_601 * SECOND));
        assert_eq!(at, later);
    }
}
