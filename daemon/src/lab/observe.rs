//! The observers: who holds the VIP, by each kernel's own events, and who said what, by the
//! packets on each node's cable. None of it comes from the daemons.
//!
//! The observing threads live as long as the process.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread;

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressAttribute;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    recvmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use socket2::{SockFilter, SockRef};

use super::advert::{self, Frame};
use super::clock;
use super::error::{Context, LabError};
use super::net::{self, Lan, Port, VIP};
use super::record::{Fact, Recorder, Sighting};

/// The multicast group of IPv4 address events.
const GROUP_IPV4_ADDRESSES: u32 = 0x10;
const RECEIVE_BUFFER_LEN: usize = 4 << 20;
/// Seconds of what 255 routers say at 10 ms: beside busy loops, the observer comes to read late.
const PACKET_BUFFER_LEN: usize = 64 << 20;
/// Longer than any frame on the lab's cables.
const FRAME_LEN_MAX: usize = 2048;
const NETLINK_LEN_MAX: usize = 64 * 1024;

/// Starts all observers of a LAN.
pub(crate) fn start(lan: &Lan, recorder: &Arc<Recorder>) -> Result<(), LabError> {
    watch_addresses(lan, Arc::clone(recorder))?;
    watch_cables(lan.ports().to_vec(), Arc::clone(recorder))
}

fn watch_addresses(lan: &Lan, recorder: Arc<Recorder>) -> Result<(), LabError> {
    let mut sockets = vec![];
    for namespace in &lan.nodes {
        sockets.push(namespace.run(|| {
            let mut socket = Socket::new(NETLINK_ROUTE).context("open a netlink socket")?;
            socket
                .bind(&SocketAddr::new(0, GROUP_IPV4_ADDRESSES))
                .context("listen to address events")?;
            socket.set_non_blocking(true).context("listen to address events")?;
            // A limit below the wish is no failure: lost events are counted.
            let _ = socket.set_rx_buf_sz(RECEIVE_BUFFER_LEN);
            Ok(socket)
        })?);
    }
    let watch = move || {
        let mut holdings = vec![Holding::default(); sockets.len()];
        let mut buffer = vec![0; NETLINK_LEN_MAX];
        loop {
            let mut fds: Vec<PollFd<'_>> = sockets
                .iter()
                .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
                .collect();
            if poll(&mut fds, PollTimeout::NONE).is_err() {
                continue;
            }
            for (node, socket) in sockets.iter().enumerate() {
                drain_addresses(node, socket, &mut holdings[node], &mut buffer, &recorder);
            }
        }
    };
    spawn("addresses", watch)
}

/// The prefix lengths under which a node has each VIP; several are possible.
type Holding = BTreeMap<Ipv4Addr, BTreeSet<u8>>;

fn drain_addresses(
    node: usize,
    socket: &Socket,
    holding: &mut Holding,
    buffer: &mut [u8],
    recorder: &Recorder,
) {
    loop {
        let len = match socket.recv(&mut &mut buffer[..], 0) {
            Ok(len) => len,
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                recorder.note(|record| record.lost += 1);
                continue;
            }
            Err(_) => return,
        };
        for event in messages(&buffer[..len]) {
            let Some((vip, prefix_len, comes)) = vip_event(&event) else { continue };
            let prefixes = holding.entry(vip).or_default();
            let held_before = !prefixes.is_empty();
            if comes {
                prefixes.insert(prefix_len);
            } else {
                prefixes.remove(&prefix_len);
            }
            let held = !prefixes.is_empty();
            match held != held_before {
                true if vip == VIP => recorder.note_fact(Fact::Held(node, held)),
                true => recorder.note_move(node, vip, held),
                false => {}
            }
        }
    }
}

fn messages(mut bytes: &[u8]) -> Vec<RouteNetlinkMessage> {
    let mut found = vec![];
    while let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) {
        let len = usize::try_from(message.header.length).unwrap_or(usize::MAX);
        if let NetlinkPayload::InnerMessage(inner) = message.payload {
            found.push(inner);
        }
        // Messages are aligned to four bytes.
        match bytes.get(len.next_multiple_of(4)..) {
            Some(rest) if len > 0 && !rest.is_empty() => bytes = rest,
            _ => break,
        }
    }
    found
}

/// The VIP that an event is about, its prefix length, and whether it comes or goes.
fn vip_event(event: &RouteNetlinkMessage) -> Option<(Ipv4Addr, u8, bool)> {
    let (message, comes) = if let RouteNetlinkMessage::NewAddress(message) = event {
        (message, true)
    } else if let RouteNetlinkMessage::DelAddress(message) = event {
        (message, false)
    } else {
        return None;
    };
    let mut attributes = message.attributes.iter();
    let address = attributes.find_map(|attribute| {
        let AddressAttribute::Local(IpAddr::V4(address)) = attribute else { return None };
        (*address == VIP || net::is_vip_of_many(*address)).then_some(*address)
    })?;
    Some((address, message.header.prefix_len, comes))
}

/// Lets through what the lab judges by: ARP, and IPv4 with protocol 112, coming out of a node.
/// The same packet passes again on every cable it is flooded to, and would fill the buffer.
/// Jumps count the instructions to skip.
fn filter(ports: &[Port]) -> Vec<SockFilter> {
    const LOAD_PACKET_TYPE: SockFilter = SockFilter::new(0x30, 0, 0, 0xffff_f004);
    const LOAD_INTERFACE: SockFilter = SockFilter::new(0x20, 0, 0, 0xffff_f008);
    const OUTGOING: u32 = 4;
    let what = [
        SockFilter::new(0x28, 0, 0, 12),     // load the Ethernet type
        SockFilter::new(0x15, 3, 0, 0x0806), // ARP: accept
        SockFilter::new(0x15, 0, 3, 0x0800), // not IPv4: refuse
        SockFilter::new(0x30, 0, 0, 23),     // load the IP protocol
        SockFilter::new(0x15, 0, 1, 112),    // not VRRP: refuse
        SockFilter::new(0x06, 0, 0, 0xffff), // accept
        SockFilter::new(0x06, 0, 0, 0),      // refuse
    ];
    let count = u8::try_from(ports.len()).unwrap_or(u8::MAX);
    let mut filter = vec![
        LOAD_PACKET_TYPE,
        SockFilter::new(0x15, count + 7, 0, OUTGOING), // refuse
        LOAD_INTERFACE,
    ];
    for (port, left) in ports.iter().zip((0..count).rev()) {
        // One of ours: on to the question what it is. The last that isn't: refuse.
        filter.push(SockFilter::new(0x15, left, if left == 0 { 6 } else { 0 }, port.index));
    }
    filter.extend(what);
    filter
}

fn watch_cables(ports: Vec<Port>, recorder: Arc<Recorder>) -> Result<(), LabError> {
    let what = "listen to the cables";
    let packets =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
            .context(what)?;
    let options = SockRef::from(&packets);
    options.attach_filter(&filter(&ports)).context(what)?;
    // A limit below the wish, which binds all but root, is no failure: lost packets are counted.
    if setsockopt(&packets, sockopt::RcvBufForce, &PACKET_BUFFER_LEN).is_err() {
        let _ = options.set_recv_buffer_size(RECEIVE_BUFFER_LEN);
    }
    setsockopt(&packets, sockopt::ReceiveTimestampns, &true).context(what)?;
    setsockopt(&packets, sockopt::RxqOvfl, &1).context(what)?;
    spawn("cables", move || {
        loop {
            read_frame(&packets, &ports, &recorder);
        }
    })
}

fn read_frame(packets: &OwnedFd, ports: &[Port], recorder: &Recorder) {
    let mut frame = [0; FRAME_LEN_MAX];
    let mut space = cmsg_space!(TimeSpec, u32);
    let mut slices = [IoSliceMut::new(&mut frame)];
    let fd = packets.as_raw_fd();
    let received = recvmsg::<LinkAddr>(fd, &mut slices, Some(&mut space), MsgFlags::empty());
    let received = match received {
        Ok(received) => received,
        Err(Errno::ENOBUFS) => return recorder.note(|record| record.lost += 1),
        Err(_) => return,
    };
    let mut at = None;
    let mut lost = 0;
    for message in received.cmsgs().into_iter().flatten() {
        if let ControlMessageOwned::ScmTimestampns(stamp) = message {
            at = Some(clock::from_realtime(stamp));
        } else if let ControlMessageOwned::RxqOvfl(count) = message {
            lost = count;
        }
    }
    let (len, from) = (received.bytes, received.address);
    // Only what leaves a node counts; the same packet shows again on every cable it goes to.
    let Some(from) = from.filter(|from| from.pkttype() != libc::PACKET_OUTGOING) else {
        return;
    };
    let Some(&Port { node, lan, .. }) =
        ports.iter().find(|port| port.index as usize == from.ifindex())
    else {
        return;
    };
    let at = at.unwrap_or_else(clock::now);
    match advert::parse(&frame[..len.min(FRAME_LEN_MAX)]) {
        Some(Frame::Advert(advert)) => recorder.note(|record| {
            record.lost = record.lost.max(u64::from(lost));
            record.adverts.push(Sighting { at, node, lan, advert });
        }),
        Some(Frame::Claim(VIP)) => recorder.note(|record| record.claims.push((at, node))),
        Some(Frame::Claim(_)) | None => {}
    }
}

/// Starts a thread with a name.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), LabError> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder.spawn(work).map(drop).context(format!("start the thread {name}"))
}
