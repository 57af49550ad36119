//! The loop around the core, the same in production and in simulation.

mod lateness;

use openproxy_core::event::Event;
use openproxy_core::io::{Output, Platform};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::time::Instant;

pub use lateness::{BUCKETS, Lateness};

/// Runs the virtual routers until they have been shut down and released.
///
/// The platform only says when to wake; what is handled then, and in which order, is the core's to
/// decide. `report` must not wait: adverts go out on this task.
pub async fn run<P: Platform>(
    supervisor: &mut Supervisor,
    platform: &mut P,
    lateness: &mut Lateness,
    mut report: impl FnMut(Event),
) {
    while !supervisor.is_finished() {
        let due = supervisor.poll_timeout();
        platform.wait(due).await;
        turn(supervisor, platform, due, lateness, &mut report);
    }
}

/// Takes one turn after a wait until `due`, and does what it asks for.
pub fn turn<P: Platform>(
    supervisor: &mut Supervisor,
    platform: &mut P,
    due: Instant,
    lateness: &mut Lateness,
    mut report: impl FnMut(Event),
) {
    let now = platform.now();
    lateness.note(due, now);
    supervisor.turn(now, platform);
    while let Some(output) = supervisor.poll_output() {
        // Everything but an event is the platform's to do.
        if let Output::Event(event) = output {
            report(event);
        } else {
            platform.perform(output);
        }
    }
}
