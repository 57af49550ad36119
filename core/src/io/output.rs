//! What the core asks for.

use std::net::IpAddr;
use std::sync::Arc;

use super::{GuardNote, InterfaceIndex, MacAddress};
use crate::event::Event;
use crate::vrrp::{Advertisement, Check, CommandLine, Family, InterfaceName, RouterKey, Vip};

/// A virtual router of this process; never reused.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct RouterId(pub u32);

/// An advert socket of this process; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

/// Counts the effects of one router, so that results of overtaken ones can be told and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// One run of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(pub RouterId, pub Generation);

/// One run of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub RouterId, pub Generation);

/// Something that the core asks its driver to do, in this order, without waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Read all links and addresses. Answered by [`Completion::Dump`](super::Completion::Dump).
    Dump,
    /// Open a raw socket for protocol 112. Answered by `Completion::Socket`.
    OpenSocket(SocketId, SocketSpec),
    /// Close it. Not answered.
    CloseSocket(SocketId),
    /// Send an advert. Answered by `Completion::AdvertSent`, before the next turn.
    SendAdvert(SendAdvert),
    /// Add, renew or remove an address. Answered by `Completion::Address`.
    Address(AddressRequest),
    /// Reset the TCP connections of addresses whose removal is asked for next, before they are
    /// removed. Answered by `Completion::ConnectionsReset` if there were any.
    ResetConnections(ResetConnections),
    /// Announce addresses by GARP or unsolicited NA. Not answered.
    Announce(Announcement),
    /// Report, through `Inbox::next_claim`, others that announce these addresses. Replaces the
    /// list of that interface; an empty list ends it. Not answered.
    WatchClaims(WatchClaims),
    /// Have the kernel keep an interface's secondary addresses when a primary goes
    /// (`promote_secondaries`). Not answered; a refusal is logged by the driver.
    PromoteSecondaries(InterfaceName),
    /// Start a hook. Answered by `Completion::Hook` once it has ended.
    RunHook(HookRun),
    /// Kill a hook's process group.
    KillHook(HookId),
    /// Start a check. Answered by `Completion::Check`.
    RunCheck(CheckId, Check),
    /// Abandon a check; its result is no longer awaited.
    CancelCheck(CheckId),
    /// Tell the guard. Answered by [`Completion::GuardMissed`](super::Completion::GuardMissed) if that
    /// can't be done now.
    Guard(GuardNote),
    /// Something that people want to know.
    Event(Event),
}

/// A raw socket of one interface and family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSpec {
    /// The interface.
    pub index: InterfaceIndex,
    /// Its name, for `SO_BINDTODEVICE`.
    pub name: InterfaceName,
    /// The family.
    pub family: Family,
    /// How many routers use it: the receive buffer is sized by this.
    pub routers: u32,
}

/// An advert and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendAdvert {
    /// The sender.
    pub router: RouterId,
    /// To tell its result by.
    pub generation: Generation,
    /// The socket.
    pub socket: SocketId,
    /// Source address.
    pub source: IpAddr,
    /// Destinations.
    pub destinations: Destinations,
    /// The advert, to be encoded for each destination.
    pub advert: Advertisement<Arc<[Vip]>>,
}

/// Where an advert goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destinations {
    /// 224.0.0.18 or ff02::12.
    Multicast,
    /// Each of these.
    Unicast(Arc<[IpAddr]>),
}

/// An operation on one address. At most one per router and address is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRequest {
    /// The router that owns the address.
    pub router: RouterId,
    /// To tell its result by.
    pub generation: Generation,
    /// The interface.
    pub index: InterfaceIndex,
    /// The address.
    pub vip: Vip,
    /// What to do.
    pub operation: AddressOperation,
}

/// What to do with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressOperation {
    /// Add it, exclusively: an address that is there already is [`AddressError::Exists`].
    ///
    /// [`AddressError::Exists`]: super::AddressError::Exists
    Add(Lifetime),
    /// Set the lifetime, and all attributes that make it ours, of one that is there.
    Renew(Lifetime),
    /// Remove it.
    Remove,
}

/// How long the kernel keeps an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// Until it is removed.
    Forever,
    /// For this many seconds, unless renewed.
    Secs(u32),
}

/// Addresses that are about to come off an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetConnections {
    /// The router that owns them.
    pub router: RouterId,
    /// The interface.
    pub index: InterfaceIndex,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
}

/// Addresses to announce on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The interface.
    pub index: InterfaceIndex,
    /// The Ethernet address to announce them at.
    pub mac: MacAddress,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
}

/// Addresses whose announcement by others is to be reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchClaims {
    /// The interface.
    pub index: InterfaceIndex,
    /// Its own Ethernet address, whose announcements are not reported.
    pub mac: MacAddress,
    /// The addresses; empty to stop.
    pub addresses: Vec<IpAddr>,
}

/// A hook to start: a process group of its own, output to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRun {
    /// To tell its result by.
    pub id: HookId,
    /// The program and its arguments.
    pub command: CommandLine,
    /// The router, for the environment and the log.
    pub router: RouterKey,
    /// The VIPs, for the environment.
    pub vips: Arc<[Vip]>,
    /// The state it leaves, as in `OPENPROXY_OLD_STATE`.
    pub old_state: &'static str,
    /// The state it enters, as in `OPENPROXY_NEW_STATE`.
    pub new_state: &'static str,
}
