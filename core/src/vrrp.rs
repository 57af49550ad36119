//! The Virtual Router Redundancy Protocol: RFC 3768 (version 2), RFC 5798 and 9568 (version 3).
//!
//! The names MASTER and BACKUP are those of RFC 3768 and 5798, and of people who run it; RFC 9568
//! calls them Active Router and Backup Router.

mod advert;
mod announcing;
mod assertion;
mod bequest;
mod checksum;
mod config;
mod decode_error;
mod error;
mod hooks;
mod interval;
pub mod ipv4;
mod learning;
mod lease;
mod peers;
mod priority;
mod router;
mod state;
mod timers;
mod tracking;
mod vips;
mod vrid;

pub use advert::{
    ADDRESSES_MAX, ADVERT_LEN_MAX, AddressList, AdvertBuffer, Advertisement, ChecksumForm,
    MULTICAST_V4, MULTICAST_V6, PROTOCOL, Peek, TTL, peek,
};
pub use bequest::{Bequest, HEIR_WITHIN, Inheritance, heir_until};
pub use config::{
    Check, CommandLine, Family, Handover, HookConfig, HookFailure, InterfaceName, IntervalMismatch,
    Preempt, RouterConfig, RouterKey, TrackConfig, Transport, Vip, Weight,
};
pub use decode_error::{DecodeError, DiscardReason};
pub use error::OutOfRange;
pub use hooks::HookKind;
pub use interval::{AdverInterval, Version};
pub use lease::{KERNEL_LATENESS_MAX, Lease};
pub(crate) use peers::PeerTraits;
pub use priority::{AdvertPriority, Priority};
pub(crate) use router::{Context, Heard, Uplink};
pub use router::{Counters, Duty, LastAdvert, Report, VirtualRouter};
pub use state::StateName;
pub use timers::{master_down_interval, skew_time};
pub use tracking::CheckReport;
pub use vips::VipReport;
pub use vrid::Vrid;
