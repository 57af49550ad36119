//! Discovery against simulated Patroni clusters: a scenario from a seed, a runner, invariants.
//!
//! The core's `Discovery` is driven as the daemon drives it, over a network that delays, cuts and
//! spoils answers; what it tells is held against who really accepts writes.

mod judge;
mod millis;
pub(crate) mod net;
mod scenario;
mod shrink;
mod told;
mod turmoil_world;
mod world;

pub use judge::{DiscoveryId, Finding, Tally};
pub use scenario::{Mishap, Scenario, Step, scenario};
pub use shrink::{Shrunk, shrink};
pub use told::{Told, Writing};
pub use turmoil_world::run_on_turmoil;
pub use world::{Outcome, run};
