//! Discovery against scripted and recorded clusters.

mod lab;
#[cfg(feature = "mutants")]
mod mutants;
mod properties;
mod recordings;
mod rules;
