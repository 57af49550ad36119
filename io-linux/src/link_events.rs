//! What the kernel tells of links and addresses as it happens.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::task::{Context, Poll};

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use openproxy_core::io::{AddressChange, InterfaceIndex, KernelEvent};
use tokio::io::unix::AsyncFd;

use crate::netlink;
use crate::ownership::Ownership;
use crate::sys;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// Room for the events of 1,000 VIPs that come at once.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Larger than any datagram that the kernel makes of events.
const DATAGRAM_MAX: usize = 64 << 10;

/// The event socket.
pub(crate) struct LinkEvents {
    socket: AsyncFd<Socket>,
    buffer: Vec<u8>,
    parsed: VecDeque<KernelEvent>,
    ownership: Arc<Ownership>,
}

impl std::fmt::Debug for LinkEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkEvents").field("fd", &self.socket.as_raw_fd()).finish_non_exhaustive()
    }
}

impl LinkEvents {
    pub(crate) fn open(ownership: Arc<Ownership>) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        // Where the limit isn't ours to raise, an overrun is noticed and made up for by a dump.
        if nix::sys::socket::setsockopt(
            &socket,
            nix::sys::socket::sockopt::RcvBufForce,
            &RECEIVE_BUFFER,
        )
        .is_err()
        {
            socket.set_rx_buf_sz(i32::try_from(RECEIVE_BUFFER).unwrap_or(i32::MAX))?;
        }
        socket.bind(&SocketAddr::new(0, GROUPS))?;
        Ok(Self {
            socket: sys::watch(socket)?,
            buffer: vec![0; DATAGRAM_MAX],
            parsed: VecDeque::new(),
            ownership,
        })
    }

    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.parsed.is_empty() {
            return Poll::Ready(());
        }
        self.socket.poll_read_ready(cx).map(|_| ())
    }

    /// The next event; `None` when there is none now.
    pub(crate) fn next(&mut self) -> Option<KernelEvent> {
        loop {
            if let Some(event) = self.parsed.pop_front() {
                return Some(event);
            }
            let mut buffer = &mut self.buffer[..];
            let read = sys::read_now(&self.socket, |s| s.recv(&mut buffer, 0));
            match read {
                Ok(len) => {
                    let datagram = self.buffer.get(..len).unwrap_or_default();
                    parse(datagram, &self.ownership, &mut self.parsed);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    return Some(KernelEvent::Overrun);
                }
                Err(error) => {
                    tracing::warn!("cannot read netlink events: {error}");
                    return Some(KernelEvent::Overrun);
                }
            }
        }
    }
}

/// What a datagram tells, in its order. What can't be read is told as lost.
pub(crate) fn parse(mut rest: &[u8], ownership: &Ownership, events: &mut VecDeque<KernelEvent>) {
    while !rest.is_empty() {
        let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest) else {
            // Something that this version of the parser doesn't know: read all anew.
            events.push_back(KernelEvent::Overrun);
            return;
        };
        // Messages are aligned to four bytes.
        let taken = (message.header.length as usize).next_multiple_of(4);
        rest = rest.get(taken.max(16)..).unwrap_or_default();
        let NetlinkPayload::InnerMessage(inner) = message.payload else { continue };
        events.extend(event(&inner, ownership));
    }
}

fn event(message: &RouteNetlinkMessage, ownership: &Ownership) -> Option<KernelEvent> {
    let address = |change: fn(_) -> AddressChange, message| {
        netlink::address(message, ownership).map(change).map(KernelEvent::Address)
    };
    match message {
        RouteNetlinkMessage::NewLink(message) => netlink::link(message).map(KernelEvent::Link),
        RouteNetlinkMessage::DelLink(message) => netlink::link(message)
            .map(|_| KernelEvent::LinkGone(InterfaceIndex(message.header.index))),
        RouteNetlinkMessage::NewAddress(message) => address(AddressChange::Present, message),
        RouteNetlinkMessage::DelAddress(message) => address(AddressChange::Gone, message),
        _ => None,
    }
}
