//! The daemon between Patroni APIs that are played by the test, and those who ask it for roles.
//!
//! No privilege is needed: there is no virtual router in these files.

#![allow(clippy::disallowed_methods, reason = "how often a real process asks is measured")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "discovery/bad_input.rs"]
mod bad_input;
#[path = "http/certificates.rs"]
#[allow(dead_code, reason = "shared with the tests of the client")]
mod certificates;
#[path = "discovery/daemon.rs"]
mod daemon;
#[path = "discovery/haproxy.rs"]
mod haproxy;
#[path = "discovery/harmless.rs"]
mod harmless;
#[path = "discovery/machines.rs"]
mod machines;
#[path = "discovery/patroni.rs"]
mod patroni;
#[path = "discovery/publishing.rs"]
mod publishing;
#[path = "discovery/scale.rs"]
mod scale;
