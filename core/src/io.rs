//! The border of the core: what happens to it, what it asks for, and the trait that carries both.
//!
//! Nothing here does IO. `openproxy-io-linux` implements [`Platform`] on real sockets; a simulator
//! implements it on a simulated network. Every effect that the core asks for comes back as a
//! [`Completion`], so a refused address or a hung hook is an ordinary event.

mod completion;
mod guard;
mod kernel;
mod output;

pub use completion::{AddressError, Completion, Resets, SendError, SocketError};
pub use guard::{GuardNote, Will};
pub use kernel::{
    Address, AddressChange, InterfaceIndex, KernelEvent, KernelSnapshot, Link, MacAddress,
};
pub use output::{
    AddressOperation, AddressRequest, Announcement, CheckId, Destinations, Generation, HookId,
    HookRun, Lifetime, Output, ResetConnections, RouterId, SendAdvert, SocketId, SocketSpec,
    WatchClaims,
};

use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};

use crate::time::Instant;
use crate::vrrp::{Duty, RouterConfig, RouterKey};

/// A packet of IP protocol 112 as a raw socket hands it out.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The socket that received it.
    pub socket: SocketId,
    /// When the kernel received it, by the core's clock; never after the time of reading.
    pub at: Instant,
    /// The packet.
    pub datagram: Datagram<'a>,
}

/// A received packet, in the shape that Linux raw sockets give each family.
#[derive(Clone, Copy, Debug)]
pub enum Datagram<'a> {
    /// The whole packet, IPv4 header included.
    V4(&'a [u8]),
    /// The payload, and what ancillary data says of the header.
    V6 {
        /// Source address.
        source: Ipv6Addr,
        /// Destination address.
        destination: Ipv6Addr,
        /// Hop limit.
        hop_limit: u8,
        /// What follows the header.
        payload: &'a [u8],
    },
}

/// What a person or the surrounding program wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// Run exactly these routers from now on; what is the same stays untouched.
    Reload(Vec<RouterConfig>),
    /// Add this to a router's priority from now on, whatever its checks say: what follows from where
    /// the primary is. Nothing happens if there is no such router.
    Weigh(RouterKey, i32),
    /// From now on, an operator wants this of these routers, and of those in their groups.
    SetDuty(Vec<RouterKey>, Duty),
    /// Release every VIP and stop.
    Shutdown,
}

/// What has happened since the last turn. No method waits.
///
/// The core takes from it in its own order, so that every driver has the same.
pub trait Inbox {
    /// The next change of links or addresses.
    fn next_kernel_event(&mut self) -> Option<KernelEvent>;

    /// The next received packet, from whichever socket, in order of arrival per socket.
    fn next_arrival(&mut self) -> Option<Arrival<'_>>;

    /// The next result of an effect.
    fn next_completion(&mut self) -> Option<Completion>;

    /// Another host on the interface announced this address as its own (ARP or NA) on a socket
    /// opened by [`Output::WatchClaims`]: interface, address, and the claimant's MAC.
    fn next_claim(&mut self) -> Option<(InterfaceIndex, IpAddr, MacAddress)>;

    /// The next wish of the surrounding program.
    fn next_command(&mut self) -> Option<Command>;
}

/// The outside world of one driver.
pub trait Platform: Inbox {
    /// The time now.
    fn now(&self) -> Instant;

    /// Waits until the inbox may have something, or `deadline` is reached.
    ///
    /// It may wake for nothing, and must be safe to drop.
    fn wait(&mut self, deadline: Instant) -> impl Future<Output = ()>;

    /// Begins an effect, without waiting for it.
    fn perform(&mut self, output: Output);
}
