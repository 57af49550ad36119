//! TCP connections as the kernel tells of them, and their end: sock_diag(7), `SOCK_DESTROY`.

use std::io;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable, Parseable as _,
};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags,
};
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, IPPROTO_TCP, SOCK_DIAG_BY_FAMILY, SockDiagDestroy, SockDiagMessage,
};
use netlink_sys::{Socket, protocols::NETLINK_SOCK_DIAG};
use nix::errno::Errno;
use openproxy_core::vrrp::Family;

/// The kernel fills as much as it is given, up to 32 KiB.
const ANSWER_MAX: usize = 64 << 10;
/// Messages are aligned to so many bytes.
const ALIGNMENT: usize = 4;
/// Whatever has a peer, or is about to have one: no listener, and nothing that is over.
const CONNECTED: StateFlags = StateFlags::ESTABLISHED
    .union(StateFlags::SYN_SENT)
    .union(StateFlags::SYN_RECV)
    .union(StateFlags::FIN_WAIT1)
    .union(StateFlags::FIN_WAIT2)
    .union(StateFlags::CLOSE_WAIT)
    .union(StateFlags::LAST_ACK)
    .union(StateFlags::CLOSING);

/// A TCP connection of this network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The family of its socket: that of a dual-stack listener has IPv4 connections, too.
    family: u8,
    /// What it is told by: addresses, ports, the interface that it is bound to, and a cookie that no
    /// other socket has.
    pub(crate) id: SocketId,
}

/// A way to the kernel's sockets. One whose dump was broken off is of no more use.
pub(crate) struct SockDiag {
    socket: Socket,
    requests: Vec<u8>,
    answer: Box<[u8]>,
}

impl SockDiag {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        let answer = vec![0; ANSWER_MAX].into_boxed_slice();
        Ok(Self { socket, requests: Vec::new(), answer })
    }

    /// Asks for something that isn't there: the kernel loads the module that tells of sockets.
    pub(crate) fn load_module(&mut self) -> io::Result<()> {
        let id = SocketId::new_v4();
        self.send(std::iter::once(message(SockDiagMessage::InetRequest(request(AF_INET, id)), 0)))?;
        while self.receive()?.is_some() {}
        Ok(())
    }

    /// Looks at all connections of a family, as long as `look` says that there is time; whether it
    /// has seen all.
    pub(crate) fn connections(
        &mut self,
        family: Family,
        mut look: impl FnMut(&mut dyn Iterator<Item = Connection>) -> bool,
    ) -> io::Result<bool> {
        let (family, id) = match family {
            Family::V4 => (AF_INET, SocketId::new_v4()),
            Family::V6 => (AF_INET6, SocketId::new_v6()),
        };
        let mut dump = message(SockDiagMessage::InetRequest(request(family, id)), 0);
        dump.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        self.send(std::iter::once(dump))?;
        // The kernel makes each part of the answer as the one before is read.
        while let Some(len) = self.receive()? {
            let answer = self.answer.get(..len).unwrap_or_default();
            if let Some(end) = messages(answer).find_map(|message| end_of_dump(&message)) {
                look(&mut connections(answer));
                return end.map(|()| true);
            }
            if !look(&mut connections(answer)) {
                return Ok(false);
            }
        }
        Err(io::Error::other("the kernel's answer is lost"))
    }

    /// Ends connections, in one call; how that ended for each. Whoever is at the other end of one gets
    /// a reset.
    pub(crate) fn destroy(&mut self, connections: &[Connection]) -> Vec<Result<(), Errno>> {
        let requests = (0..).zip(connections).map(|(sequence, connection)| {
            let request = request(connection.family, connection.id.clone());
            message(SockDiagDestroy::new(SockDiagMessage::InetRequest(request)), sequence)
        });
        if let Err(error) = self.send(requests) {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
            return vec![Err(errno); connections.len()];
        }
        // Only failures are answered, before the call is over.
        let mut results = vec![Ok(()); connections.len()];
        while let Ok(Some(len)) = self.receive() {
            for message in messages(self.answer.get(..len).unwrap_or_default()) {
                let position = usize::try_from(message.sequence_number()).unwrap_or(usize::MAX);
                if let (Some(errno), Some(result)) = (failure(&message), results.get_mut(position))
                {
                    *result = Err(errno);
                }
            }
        }
        results
    }

    fn send<T: NetlinkSerializable>(
        &mut self,
        requests: impl Iterator<Item = NetlinkMessage<T>>,
    ) -> io::Result<()> {
        self.requests.clear();
        for request in requests {
            let start = self.requests.len();
            let len = request.buffer_len();
            self.requests.resize(start + len.next_multiple_of(ALIGNMENT), 0);
            request.serialize(self.requests.get_mut(start..start + len).unwrap_or_default());
        }
        self.socket.send(&self.requests, 0).map(drop)
    }

    /// What the kernel has answered: it does so before it returns, so what isn't there won't come.
    fn receive(&mut self) -> io::Result<Option<usize>> {
        loop {
            let mut buffer = &mut self.answer[..];
            match self.socket.recv(&mut buffer, nix::libc::MSG_DONTWAIT) {
                Ok(len) => return Ok(Some(len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn request(family: u8, socket_id: SocketId) -> InetRequest {
    let extensions = ExtensionFlags::empty();
    InetRequest { family, protocol: IPPROTO_TCP, extensions, states: CONNECTED, socket_id }
}

fn message<T: NetlinkSerializable + Into<NetlinkPayload<T>>>(
    inner: T,
    sequence: u32,
) -> NetlinkMessage<T> {
    let mut message = NetlinkMessage::from(inner);
    message.header.flags = NLM_F_REQUEST;
    message.header.sequence_number = sequence;
    message.finalize();
    message
}

type Message<'a> = NetlinkBuffer<&'a [u8]>;

/// The messages of one datagram, up to the first that is none.
fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(datagram).ok()?;
        let len = usize::try_from(message.length()).ok()?.next_multiple_of(ALIGNMENT);
        datagram = datagram.get(len..).unwrap_or_default();
        Some(message)
    })
}

/// The connections that a datagram tells of.
fn connections(datagram: &[u8]) -> impl Iterator<Item = Connection> {
    messages(datagram).filter_map(|message| {
        if message.message_type() != SOCK_DIAG_BY_FAMILY {
            return None;
        }
        // What follows the header, nobody needs.
        let header = InetResponseHeader::parse(message.payload()).ok()?;
        let is_connected =
            CONNECTED.contains(StateFlags::from_bits_retain(state_bit(header.state)));
        is_connected.then_some(Connection { family: header.family, id: header.socket_id })
    })
}

const fn state_bit(state: u8) -> u32 {
    /// A connection that isn't accepted yet, by its other name.
    const TCP_NEW_SYN_RECV: u8 = 12;
    match state {
        TCP_NEW_SYN_RECV => StateFlags::SYN_RECV.bits(),
        0..32 => 1 << state,
        _ => 0,
    }
}

/// `NLMSG_ERROR` and `NLMSG_DONE` begin with an error number, negative or 0.
fn failure(message: &Message<'_>) -> Option<Errno> {
    let code = message.payload().first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    (message.message_type() == NLMSG_ERROR && code != 0)
        .then(|| Errno::from_raw(code.saturating_abs()))
}

/// Whether a dump ends here, and how.
fn end_of_dump(message: &Message<'_>) -> Option<io::Result<()>> {
    match message.message_type() {
        NLMSG_DONE => Some(Ok(())),
        NLMSG_ERROR => {
            let errno = failure(message).unwrap_or(Errno::EIO);
            Some(Err(io::Error::from_raw_os_error(errno as i32)))
        }
        _ => None,
    }
}

#[cfg(test)]
impl Connection {
    /// One from this address, of a socket that is bound to this interface.
    pub(crate) fn between(local: std::net::IpAddr, bound_to: u32) -> Self {
        let (family, id) = match local {
            std::net::IpAddr::V4(_) => (AF_INET, SocketId::new_v4()),
            std::net::IpAddr::V6(_) => (AF_INET6, SocketId::new_v6()),
        };
        Self { family, id: SocketId { source_address: local, interface_id: bound_to, ..id } }
    }
}
