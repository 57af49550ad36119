//! OpenProxy's platform on Linux: raw sockets, netlink, ARP and NA frames, processes.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `platform` | [`LinuxPlatform`]: all of it behind the core's trait, on the VRRP thread |
//! | `advert_socket` | raw sockets for protocol 112 |
//! | `link_events`, `netlink`, `netlink_worker`, `address_requests` | what the kernel tells, and what it is asked |
//! | `connections`, `sock_diag` | TCP connections of VIPs that come off, and their end |
//! | `ownership` | which addresses are ours |
//! | `announce`, `frames`, `claims` | telling neighbours, and hearing others tell them |
//! | `process` | hooks and checks, on another thread |
//! | `trust` | whether a program may be run |
//! | [`untrusted`] | what is decoded here, for the fuzz targets |
//! | `capabilities`, [`user`] | what this process may do, and who it is |
//! | [`realtime`] | threads that run ahead of others, and memory that stays |
//! | `execute` | another program in place of this one |
//! | [`guard`] | the process that hands over what a dead daemon served |
//! | `connect` | Unix sockets on which somebody listens, or doesn't |
//! | `clock`, `sysctl`, `lock`, [`release`] | what their names say |
//! | `sys` | the only unsafe code |

#![allow(clippy::wildcard_enum_match_arm, reason = "the kernel's enums have no end")]
// No panic may be reached by what comes from outside.
#![cfg_attr(
    not(test),
    warn(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unreachable
    )
)]

mod address_requests;
mod advert_socket;
mod announce;
mod capabilities;
mod claims;
mod clock;
mod connect;
mod connections;
mod execute;
mod frames;
pub mod guard;
mod link_events;
mod local;
mod lock;
mod netlink;
mod netlink_worker;
mod ownership;
mod platform;
mod process;
pub mod realtime;
pub mod release;
mod sock_diag;
mod sys;
mod sysctl;
mod trust;
pub mod untrusted;
pub mod user;

pub use capabilities::missing_capabilities;
pub use clock::now;
pub use connect::connect_within;
pub use execute::{CARRIED, execute, signal_listener};
pub use local::local_addresses;
pub use lock::{LockError, VipLock};
pub use platform::{LinuxPlatform, StartError};
pub use process::{
    ProcessHandle, ProcessRunner, ScriptInput, router_environment, run_script, wait_for_hooks,
};
pub use trust::{Untrusted, check_trust};
