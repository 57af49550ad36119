//! Simulations of whole clusters: one scenario type, two runners, one set of invariants.

pub mod des;
pub mod explore;
pub mod fault;
mod heir;
pub mod invariants;
pub mod judge;
pub mod observe;
pub mod patroni;
pub mod recorder;
pub mod scenario;
pub mod shrink;
pub mod sometimes;
mod stranger;
pub mod swarm;
pub mod sweep;
pub mod timeline;
mod timetable;
pub mod trace;
pub mod turmoil_world;
