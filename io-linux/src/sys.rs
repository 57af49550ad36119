//! The only unsafe code of the project: a link-layer socket address, which no crate in use builds.

#![allow(unsafe_code, reason = "socket2 can't know the layout of sockaddr_ll")]

use nix::libc;
use socket2::{SockAddr, SockAddrStorage};

/// `AF_PACKET`, in the type that an address has it in.
const AF_PACKET: libc::sa_family_t = 17;
/// The length of a `sockaddr_ll` (packet(7)).
const LEN: libc::socklen_t = 20;
const _: () = assert!(size_of::<libc::sockaddr_ll>() == LEN as usize);

/// The address of an interface for a packet socket: to bind to, or to send to.
pub(crate) fn link_address(index: u32, protocol: u16) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is one of the forms of `sockaddr_storage`, no larger, and any bytes
    // are valid for it; the storage is zeroed, and all fields are written through the reference.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = AF_PACKET;
    address.sll_protocol = protocol.to_be();
    // Interface numbers are positive and fit.
    address.sll_ifindex = i32::try_from(index).unwrap_or(0);
    let len = LEN;
    // SAFETY: the storage holds a `sockaddr_ll`, and `len` is its length.
    unsafe { SockAddr::new(storage, len) }
}
