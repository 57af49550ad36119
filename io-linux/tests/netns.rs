//! The platform on a real kernel: each test has network namespaces of its own, and nothing is ever
//! done in the host's.
//!
//! Needs root, or a kernel that lets anybody make user namespaces; elsewhere the tests say that they
//! are skipped.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one thing among many")]
#![allow(clippy::print_stdout, reason = "a skipped test says why")]

#[path = "netns/addresses.rs"]
mod addresses;
#[path = "netns/adverts.rs"]
mod adverts;
#[path = "netns/claims.rs"]
mod claims;
#[path = "netns/host.rs"]
mod host;
#[path = "netns/links.rs"]
mod links;
#[path = "netns/namespace.rs"]
mod namespace;
#[path = "netns/processes.rs"]
mod processes;
#[path = "netns/releasing.rs"]
mod releasing;
#[path = "netns/resets.rs"]
mod resets;
#[path = "netns/waiting.rs"]
mod waiting;
