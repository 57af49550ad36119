//! Simulations of whole clusters: one scenario type, two runners, one set of invariants.

pub mod timeline;
