//! The lab's clocks: one time scale for everything it observes.
//!
//! A stamp is a [`Duration`] on `CLOCK_MONOTONIC`. Packets carry kernel stamps on
//! `CLOCK_REALTIME`; [`from_realtime`] brings them over by reading both clocks at once, so that
//! a step of the wall clock during a run moves nothing.

use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};

/// The present, on the monotonic clock.
pub(crate) fn now() -> Duration {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Turns a kernel's wall-clock stamp of a moment ago into one on the monotonic clock.
pub(crate) fn from_realtime(stamp: TimeSpec) -> Duration {
    let age = read(ClockId::CLOCK_REALTIME).saturating_sub(Duration::from(stamp));
    now().saturating_sub(age)
}

/// Sleeps until the monotonic clock reads `at`.
pub(crate) fn sleep_until(at: Duration) {
    let request = TimeSpec::from(at);
    // EINTR is the only expected failure: the target is absolute, so asking again is enough.
    while now() < at
        && clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &request)
            .is_err()
    {}
}

fn read(clock: ClockId) -> Duration {
    clock.now().map(Duration::from).expect("Linux always has these two clocks")
}
