//! Discovery against scripted and recorded clusters.

mod dcs_outage;
mod lab;
#[cfg(feature = "mutants")]
mod mutants;
mod properties;
mod recordings;
mod rules;
mod script;
