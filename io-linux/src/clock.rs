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
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArrivalClock {
    /// Wall clock minus ours, when last looked at.
    offset_nanos: u64,
    /// The wall clock was found to have been stepped then: a stamp may be from before that, whenever
    /// it is read, and nothing that it says of an earlier time counts.
    stepped_at: Instant,
}

impl ArrivalClock {
    /// One that knows of no step.
    pub(crate) fn new() -> Self {
        Self::at(now(), read(ClockId::CLOCK_REALTIME))
    }

    fn at(now: Instant, wall_nanos: u64) -> Self {
        let offset_nanos = wall_nanos.wrapping_sub(now.as_nanos());
        Self { offset_nanos, stepped_at: Instant::ZERO }
    }

    /// When a packet arrived that bears this stamp.
    pub(crate) fn arrival(&mut self, stamp: Option<Duration>) -> Instant {
        let now = now();
        let wall_nanos = read(ClockId::CLOCK_REALTIME);
        let stamp = stamp.and_then(|stamp| u64::try_from(stamp.as_nanos()).ok());
        self.map(now, wall_nanos, stamp)
    }

    /// A stamp is used as far as it reaches back to the last step; never in the future.
    fn map(&mut self, now: Instant, wall_nanos: u64, stamp_nanos: Option<u64>) -> Instant {
        let offset = wall_nanos.wrapping_sub(now.as_nanos());
        let was = std::mem::replace(&mut self.offset_nanos, offset);
        if was.abs_diff(offset) > STEP_MAX_NANOS {
            self.stepped_at = now;
        }
        let age = stamp_nanos.and_then(|stamp| wall_nanos.checked_sub(stamp)).unwrap_or_default();
        now.before(Duration::from_nanos(age)).max(self.stepped_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const YEAR: u64 = 365 * 86_400 * SECOND;

    /// When a packet with this stamp arrived that is read now.
    fn map(clock: &mut ArrivalClock, stamp: u64, now: u64, wall: u64) -> u64 {
        clock.map(Instant::from_nanos(now), wall, Some(stamp)).as_nanos()
    }

    #[test]
    fn a_packet_counts_from_its_arrival_and_never_from_the_future() {
        let (uptime, wall) = (100 * SECOND, 5_000 * SECOND);
        let mut clock = ArrivalClock::at(Instant::from_nanos(uptime), wall);
        assert_eq!(map(&mut clock, wall - 8 * SECOND, uptime, wall), uptime - 8 * SECOND);
        assert_eq!(map(&mut clock, wall + SECOND, uptime, wall), uptime);
        let without = clock.map(Instant::from_nanos(uptime), wall, None);
        assert_eq!(without.as_nanos(), uptime);
    }

    #[test]
    fn a_step_of_a_second_or_a_year_makes_no_packet_older_or_newer_than_it_is() {
        for is_forward in [true, false] {
            for step in [SECOND, 3_600 * SECOND, YEAR] {
                let (uptime, wall) = (100 * SECOND, 50 * YEAR);
                let mut clock = ArrivalClock::at(Instant::from_nanos(uptime), wall);
                let stepped = if is_forward { wall + step } else { wall - step };
                // Stamped before the step, and read turn after turn when it is over.
                for millis in 1..100 {
                    let later = millis * SECOND / 1_000;
                    let at = map(&mut clock, wall, uptime + later, stepped + later);
                    assert!((uptime..=uptime + later).contains(&at), "{step} {is_forward}: {at}");
                }
                // Stamped and read after it: all is as before.
                let (now, wall) = (uptime + 10 * SECOND, stepped + 10 * SECOND);
                let at = map(&mut clock, wall - SECOND, now, wall);
                assert_eq!(at, now - SECOND, "{step} {is_forward}");
            }
        }
    }

    #[test]
    fn a_step_before_the_first_packet_is_noticed_too() {
        let (uptime, wall) = (100 * SECOND, 50 * YEAR);
        let mut clock = ArrivalClock::at(Instant::from_nanos(uptime), wall);
        assert_eq!(map(&mut clock, wall, uptime + 1, wall + YEAR + 1), uptime + 1);
    }
}
