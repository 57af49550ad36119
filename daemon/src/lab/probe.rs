//! The client and what answers it: numbered UDP probes to the VIP every 2 ms, and on each node an
//! echo that answers for whatever address was asked, as the kernel would for any server there.
//!
//! A frozen or dead daemon doesn't stop the echo: that the node still answers for a VIP it should
//! no longer have is exactly what the lab wants to see.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::cmsg_space;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use nix::sys::time::TimeSpec;

use super::clock;
use super::error::{Context, LabError};
use super::net::{Lan, VIP};
use super::observe::spawn;
use super::record::{Probe, Recorder};

/// The time between two probes.
pub(crate) const INTERVAL: Duration = Duration::from_millis(2);
const PORT: u16 = 7007;
/// A sequence number and the answering node.
const ANSWER_LEN: usize = 9;

/// Starts the echo of every node, and the client.
pub(crate) fn start(lan: &Lan, recorder: &Arc<Recorder>) -> Result<(), LabError> {
    start_echo(lan)?;
    start_client(lan, Arc::clone(recorder))
}

fn start_echo(lan: &Lan) -> Result<(), LabError> {
    let mut sockets = vec![];
    for namespace in &lan.nodes {
        sockets.push(namespace.run(|| {
            let what = "open the echo of a node";
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).context(what)?;
            socket.set_nonblocking(true).context(what)?;
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true).context(what)?;
            Ok(socket)
        })?);
    }
    spawn("echo", move || {
        loop {
            let mut fds: Vec<PollFd<'_>> = sockets
                .iter()
                .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
                .collect();
            if poll(&mut fds, PollTimeout::NONE).is_err() {
                continue;
            }
            for (node, socket) in sockets.iter().enumerate() {
                while echo(u8::try_from(node).unwrap_or(u8::MAX), socket).is_some() {}
            }
        }
    })
}

/// Answers one probe from the address it was sent to; `None` when there is none to answer.
fn echo(node: u8, socket: &UdpSocket) -> Option<()> {
    let fd = socket.as_raw_fd();
    let mut packet = [0; ANSWER_LEN];
    let mut space = cmsg_space!(libc::in_pktinfo);
    let mut slices = [IoSliceMut::new(&mut packet)];
    let received =
        recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut space), MsgFlags::empty()).ok()?;
    let asked = received.cmsgs().ok()?.find_map(|message| {
        let ControlMessageOwned::Ipv4PacketInfo(info) = message else {
            return None;
        };
        Some(info.ipi_addr)
    });
    let client = received.address;
    if let (Some(asked), Some(client)) = (asked, client) {
        packet[ANSWER_LEN - 1] = node;
        let source = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: asked,
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        let control = [ControlMessage::Ipv4PacketInfo(&source)];
        // Fails when the VIP has just gone: then this node doesn't serve it.
        let _ = sendmsg(fd, &[IoSlice::new(&packet)], &control, MsgFlags::empty(), Some(&client));
    }
    Some(())
}

fn start_client(lan: &Lan, recorder: Arc<Recorder>) -> Result<(), LabError> {
    let socket = lan.client.run(|| {
        let what = "open the client's socket";
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context(what)?;
        socket.connect((VIP, PORT)).context(what)?;
        socket.set_nonblocking(true).context(what)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).context(what)?;
        Ok(socket)
    })?;
    spawn("client", move || {
        let mut due = clock::now();
        loop {
            while let Some((sequence, node, at)) = read_answer(&socket) {
                let mut record = recorder.lock();
                if let Some(probe) = record.probes.get_mut(sequence) {
                    probe.answer.get_or_insert((at, node));
                }
            }
            let now = clock::now();
            if now >= due {
                ask(&socket, &recorder);
                // A stalled prober skips; it doesn't catch up with a burst.
                due = (due + INTERVAL).max(now);
            }
            let left = due.saturating_sub(clock::now());
            let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
            let _ = ppoll(&mut fds, Some(TimeSpec::from(left)), None);
        }
    })
}

fn ask(socket: &UdpSocket, recorder: &Recorder) {
    let sequence = {
        let mut record = recorder.lock();
        record.probes.push(Probe { sent: clock::now(), answer: None });
        record.probes.len() - 1
    };
    let mut packet = [0; ANSWER_LEN];
    packet[..8].copy_from_slice(&(sequence as u64).to_be_bytes());
    if socket.send(&packet).is_err() {
        // The error may be an older probe's (host unreachable), told only now.
        let _ = socket.send(&packet);
    }
}

fn read_answer(socket: &UdpSocket) -> Option<(usize, usize, Duration)> {
    let mut packet = [0; ANSWER_LEN];
    let mut space = cmsg_space!(TimeSpec);
    let mut slices = [IoSliceMut::new(&mut packet)];
    let fd = socket.as_raw_fd();
    let received =
        recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut space), MsgFlags::empty()).ok()?;
    let at = received.cmsgs().ok()?.find_map(|message| {
        let ControlMessageOwned::ScmTimestampns(stamp) = message else {
            return None;
        };
        Some(clock::from_realtime(stamp))
    })?;
    let (sequence, node) = packet.split_at(8);
    let sequence = u64::from_be_bytes(sequence.try_into().ok()?);
    Some((usize::try_from(sequence).ok()?, usize::from(node[0]), at))
}
