//! Discovery against a real cluster: three members of PostgreSQL and Patroni, and etcd, each on a
//! machine of its own (network and process namespaces on one bridge).
//!
//! A writer on each server is the truth that the topology is held against: who really accepts
//! writes, and from when on. As root, with `.ci/patroni-packages` installed:
//!
//!     cargo test -p openproxy --test patroni -- --ignored --test-threads 3 --nocapture

#![allow(clippy::disallowed_methods, reason = "real time is what is measured")]
#![allow(clippy::print_stdout, reason = "the figures")]

#[path = "patroni/cluster.rs"]
mod cluster;
#[path = "patroni/follower.rs"]
mod follower;
#[path = "patroni/machine.rs"]
mod machine;
#[path = "patroni/observer.rs"]
mod observer;
#[path = "patroni/rig.rs"]
mod rig;
#[path = "patroni/scenarios.rs"]
mod scenarios;
#[path = "patroni/writers.rs"]
mod writers;
