//! Simulations of whole clusters: one scenario type, two runners, one set of invariants.

pub mod des;
pub mod fault;
pub mod observe;
pub mod scenario;
mod stranger;
pub mod timeline;
