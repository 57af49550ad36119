//! Raw sockets for IP protocol 112: one for each interface and family, whatever the number of
//! routers.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd as _;
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, recvmsg, sendmsg,
    setsockopt, sockopt,
};
use openproxy_core::io::{
    Arrival, Datagram, Destinations, SendAdvert, SendError, SocketError, SocketId, SocketSpec,
};
use openproxy_core::time::{Duration, Instant};
use openproxy_core::vrrp::{AdvertBuffer, Family, MULTICAST_V4, MULTICAST_V6, PROTOCOL, TTL};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::clock::ArrivalClock;
use crate::sys;

/// Room in the kernel for so many adverts of each router, so that none is lost in a pause.
const ADVERTS_PER_ROUTER: usize = 4;
/// What the kernel counts for one small packet.
const PACKET_COST: usize = 1_024;
const RECEIVE_BUFFER_MIN: usize = 256 << 10;
/// The longest advert with the longest IPv4 header fits.
const PACKET_MAX: usize = 8_192;
/// Internetwork control, as routing protocols have it.
const TRAFFIC_CLASS: u32 = 0xc0;

/// One socket.
pub(crate) struct AdvertSocket {
    id: SocketId,
    family: Family,
    index: u32,
    socket: AsyncFd<Socket>,
    clock: ArrivalClock,
    buffer: Box<[u8; PACKET_MAX]>,
    control: Vec<u8>,
    /// A packet that was read ahead of its turn, and when it arrived.
    staged: Option<(Instant, Read)>,
    /// Nothing more is read in this turn.
    is_dry: bool,
}

impl std::fmt::Debug for AdvertSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdvertSocket").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What was read of a packet, before it is borrowed.
struct Read {
    len: usize,
    stamp: Option<Duration>,
    v6: Option<(Ipv6Addr, Ipv6Addr, u8)>,
}

impl AdvertSocket {
    pub(crate) fn open(id: SocketId, spec: &SocketSpec) -> Result<Self, SocketError> {
        let socket = match spec.family {
            Family::V4 => open_v4(spec),
            Family::V6 => open_v6(spec),
        };
        let socket = socket.and_then(|socket| {
            setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
            let wanted = ADVERTS_PER_ROUTER * PACKET_COST * spec.routers as usize;
            let wanted = wanted.max(RECEIVE_BUFFER_MIN);
            if setsockopt(&socket, sockopt::RcvBufForce, &wanted).is_err() {
                socket.set_recv_buffer_size(wanted)?;
            }
            sys::watch(socket)
        });
        Ok(Self {
            id,
            family: spec.family,
            index: spec.index.0,
            socket: socket.map_err(|error| socket_error(&error))?,
            clock: ArrivalClock::new(),
            buffer: Box::new([0; PACKET_MAX]),
            control: nix::cmsg_space!(
                nix::sys::time::TimeSpec,
                nix::libc::in6_pktinfo,
                nix::libc::c_int
            ),
            staged: None,
            is_dry: false,
        })
    }

    pub(crate) fn id(&self) -> SocketId {
        self.id
    }

    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.staged.is_some() {
            return Poll::Ready(());
        }
        self.socket.poll_read_ready(cx).map(|_| ())
    }

    /// A new turn begins: what was empty may not be so any more.
    pub(crate) fn begin_turn(&mut self) {
        self.is_dry = false;
    }

    /// When the next packet arrived, which is read ahead; `None` when there is none.
    pub(crate) fn next_at(&mut self) -> Option<Instant> {
        while self.staged.is_none() && !self.is_dry {
            let (buffer, control) = (&mut self.buffer[..], &mut self.control);
            let family = self.family;
            match sys::read_now(&self.socket, |s| read(s, family, buffer, control)) {
                Ok(Some(read)) => self.staged = Some((self.clock.arrival(read.stamp), read)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_dry = true,
                // A pending error of the socket (the link went down, say) is told once, and gone.
                Err(error) => tracing::debug!("cannot receive: {error}"),
            }
        }
        self.staged.as_ref().map(|(at, _)| *at)
    }

    /// The packet that [`Self::next_at`] has read.
    pub(crate) fn take(&mut self) -> Option<Arrival<'_>> {
        let (at, read) = self.staged.take()?;
        let bytes = self.buffer.get(..read.len).unwrap_or_default();
        let datagram = match read.v6 {
            None => Datagram::V4(bytes),
            Some((source, destination, hop_limit)) => {
                Datagram::V6 { source, destination, hop_limit, payload: bytes }
            }
        };
        Some(Arrival { socket: self.id, at, datagram })
    }

    /// Sends an advert to each destination: well if at least one could be sent.
    pub(crate) fn send(
        &self,
        send: &SendAdvert,
        buffer: &mut AdvertBuffer,
    ) -> Result<(), SendError> {
        match &send.destinations {
            Destinations::Multicast => {
                let group = match self.family {
                    Family::V4 => IpAddr::V4(MULTICAST_V4),
                    Family::V6 => IpAddr::V6(MULTICAST_V6),
                };
                self.send_to(send, group, buffer)
            }
            Destinations::Unicast(peers) => {
                let results = peers.iter().map(|peer| self.send_to(send, *peer, buffer));
                let results: Vec<_> = results.collect();
                let sent = results.is_empty() || results.iter().any(Result::is_ok);
                if sent { Ok(()) } else { results.into_iter().collect() }
            }
        }
    }

    fn send_to(
        &self,
        send: &SendAdvert,
        destination: IpAddr,
        buffer: &mut AdvertBuffer,
    ) -> Result<(), SendError> {
        let packet = [IoSlice::new(send.advert.encode(send.source, destination, buffer))];
        let fd = self.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let index = self.index;
        let sent = match (send.source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let info = nix::libc::in_pktinfo {
                    ipi_ifindex: i32::try_from(index).unwrap_or(0),
                    ipi_spec_dst: nix::libc::in_addr { s_addr: u32::from(source).to_be() },
                    ipi_addr: nix::libc::in_addr { s_addr: 0 },
                };
                let to = SockaddrIn::from(SocketAddrV4::new(destination, 0));
                sendmsg(fd, &packet, &[ControlMessage::Ipv4PacketInfo(&info)], flags, Some(&to))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let info = nix::libc::in6_pktinfo {
                    ipi6_addr: nix::libc::in6_addr { s6_addr: source.octets() },
                    ipi6_ifindex: index,
                };
                let to = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, index));
                sendmsg(fd, &packet, &[ControlMessage::Ipv6PacketInfo(&info)], flags, Some(&to))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                Err(Errno::EAFNOSUPPORT)
            }
        };
        sent.map(|_| ()).map_err(send_error)
    }
}

fn open_v4(spec: &SocketSpec) -> io::Result<Socket> {
    let socket = open(Domain::IPV4, spec)?;
    socket.set_ttl_v4(TTL.into())?;
    socket.set_multicast_ttl_v4(TTL.into())?;
    socket.set_multicast_loop_v4(false)?;
    socket.set_tos_v4(TRAFFIC_CLASS)?;
    socket.join_multicast_v4_n(&MULTICAST_V4, &InterfaceIndexOrAddress::Index(spec.index.0))?;
    Ok(socket)
}

fn open_v6(spec: &SocketSpec) -> io::Result<Socket> {
    let socket = open(Domain::IPV6, spec)?;
    socket.set_unicast_hops_v6(TTL.into())?;
    socket.set_multicast_hops_v6(TTL.into())?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_multicast_if_v6(spec.index.0)?;
    socket.set_tclass_v6(TRAFFIC_CLASS)?;
    setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
    socket.join_multicast_v6(&MULTICAST_V6, spec.index.0)?;
    Ok(socket)
}

fn open(domain: Domain, spec: &SocketSpec) -> io::Result<Socket> {
    let kind = Type::RAW.nonblocking().cloexec();
    let socket = Socket::new(domain, kind, Some(Protocol::from(i32::from(PROTOCOL))))?;
    socket.bind_device(Some(spec.name.as_bytes()))?;
    Ok(socket)
}

/// Reads one packet; `None` for one that can't be an advert.
fn read(
    socket: &Socket,
    family: Family,
    buffer: &mut [u8],
    control: &mut [u8],
) -> io::Result<Option<Read>> {
    let mut parts = [IoSliceMut::new(buffer)];
    let fd = socket.as_raw_fd();
    match family {
        Family::V4 => {
            let message =
                recvmsg::<SockaddrIn>(fd, &mut parts, Some(control), MsgFlags::MSG_DONTWAIT)?;
            let stamp = message.cmsgs()?.find_map(|message| stamp(&message));
            Ok(Some(Read { len: message.bytes, stamp, v6: None }))
        }
        Family::V6 => {
            let message =
                recvmsg::<SockaddrIn6>(fd, &mut parts, Some(control), MsgFlags::MSG_DONTWAIT)?;
            let mut read = Read { len: message.bytes, stamp: None, v6: None };
            let (mut destination, mut hop_limit) = (None, None);
            for part in message.cmsgs()? {
                match part {
                    ControlMessageOwned::Ipv6PacketInfo(info) => {
                        destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
                    }
                    ControlMessageOwned::Ipv6HopLimit(limit) => {
                        hop_limit = u8::try_from(limit).ok();
                    }
                    ref other => read.stamp = read.stamp.or_else(|| stamp(other)),
                }
            }
            let source = message.address.map(|address| address.ip());
            let (Some(source), Some(destination), Some(hop_limit)) =
                (source, destination, hop_limit)
            else {
                return Ok(None);
            };
            read.v6 = Some((source, destination, hop_limit));
            Ok(Some(read))
        }
    }
}

fn stamp(message: &ControlMessageOwned) -> Option<Duration> {
    match message {
        ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(*time)),
        _ => None,
    }
}

fn socket_error(error: &io::Error) -> SocketError {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM | Errno::EACCES) => SocketError::Denied,
        Some(Errno::ENODEV | Errno::ENXIO) => SocketError::NoInterface,
        _ => SocketError::Other(error.to_string()),
    }
}

fn send_error(errno: Errno) -> SendError {
    match errno {
        Errno::EPERM | Errno::EACCES => SendError::Denied,
        Errno::ENOBUFS | Errno::EAGAIN | Errno::ENOMEM => SendError::NoBuffers,
        Errno::ENETDOWN
        | Errno::ENETUNREACH
        | Errno::EHOSTUNREACH
        | Errno::EHOSTDOWN
        | Errno::ENODEV
        | Errno::ENXIO
        | Errno::EADDRNOTAVAIL
        // The source address is gone: an IPv6 one goes with its link.
        | Errno::EINVAL => SendError::Down,
        other => SendError::Other(io::Error::from(other).to_string()),
    }
}
