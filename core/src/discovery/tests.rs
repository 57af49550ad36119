//! Discovery against scripted and recorded clusters.

mod answers;
mod asking;
mod claiming;
mod dcs_outage;
mod drawing;
mod key_lost;
mod lab;
mod members;
#[cfg(feature = "mutants")]
mod mutants;
mod paces;
mod properties;
mod recordings;
mod reload;
mod rules;
mod script;
mod silence;
mod suspicion;
mod told;
mod topology;
