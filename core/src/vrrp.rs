//! The Virtual Router Redundancy Protocol: RFC 3768 (version 2), RFC 5798 and 9568 (version 3).
//!
//! The names MASTER and BACKUP are those of RFC 3768 and 5798, and of people who run it; RFC 9568
//! calls them Active Router and Backup Router.

mod advert;
mod config;
mod error;
mod interval;
mod priority;
mod timers;
mod vrid;

pub use advert::{Advertisement, ChecksumForm};
pub use config::{
    Check, CommandLine, Family, HookConfig, HookFailure, InterfaceName, IntervalMismatch, Preempt,
    RouterConfig, RouterKey, TrackConfig, Transport, Vip, Weight,
};
pub use error::OutOfRange;
pub use interval::{AdverInterval, Version};
pub use priority::{AdvertPriority, Priority};
pub use timers::{master_down_interval, skew_time};
pub use vrid::Vrid;
