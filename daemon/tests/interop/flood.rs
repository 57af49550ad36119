//! A neighbour that floods: a hundred thousand adverts a second, malformed or somebody else's.

use std::fs;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};
use openproxy_core::vrrp::{
    AdverInterval, AdvertBuffer, AdvertPriority, Advertisement, ChecksumForm, MULTICAST_V4,
    PROTOCOL, TTL, Version, Vip, Vrid,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::net::{INTERFACE, Lan, OURS, THEIRS, now};
use crate::packet::packet;

/// So many packets go out in each millisecond.
const PER_MILLISECOND: u32 = 100;
/// `IPPROTO_RAW`: what is sent has its header.
const RAW: i32 = 255;

/// A kind of packet that comes in a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Foreign,
    Short,
    OtherVersion,
    OtherType,
    ZeroVrid,
    Checksum,
    Length,
    Ttl,
    Ours,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Foreign,
        Self::Short,
        Self::OtherVersion,
        Self::OtherType,
        Self::ZeroVrid,
        Self::Checksum,
        Self::Length,
        Self::Ttl,
        Self::Ours,
    ];

    /// A packet of this kind, from its IP header on.
    fn packet(self) -> Vec<u8> {
        let source = Ipv4Addr::from([10, 9, 0, 2]);
        let vrid = if self == Self::Foreign { 77 } else { 50 };
        let advert = Advertisement {
            version: Version::V3,
            vrid: Vrid::new(vrid).expect("in range"),
            // Less than the MASTER's: one that is heard must be answered, within a budget.
            priority: AdvertPriority::from_wire(1),
            interval: AdverInterval::from_centis(10).expect("in range"),
            checksum: ChecksumForm::PseudoHeader,
            addresses: [Vip { ip: [10, 9, 0, 200].into(), prefix_len: 24 }].into(),
        };
        let mut buffer = AdvertBuffer::new();
        let payload = advert.encode(source.into(), MULTICAST_V4.into(), &mut buffer);
        let mut payload = payload.to_vec();
        match self {
            Self::Foreign | Self::Ttl | Self::Ours => {}
            Self::Short => payload.truncate(5),
            Self::OtherVersion => payload[0] = 0x71,
            Self::OtherType => payload[0] = 0x32,
            Self::ZeroVrid => payload[1] = 0,
            Self::Checksum => payload[6] ^= 0x55,
            Self::Length => payload.push(0),
        }
        let ttl = if self == Self::Ttl { 64 } else { TTL };
        packet(source.into(), MULTICAST_V4.into(), ttl, &payload)
    }
}

fn raw(protocol: i32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(protocol)))?;
    socket.bind_device(Some(INTERFACE.as_bytes()))?;
    Ok(socket)
}

/// Sends packets of a kind to openproxy's node until it is told to stop; how many it sent.
fn send(kind: Kind, stops: &AtomicBool) -> u64 {
    let socket = raw(RAW).expect("root");
    socket.set_header_included_v4(true).expect("a raw socket");
    socket.set_multicast_if_v4(&THEIRS[0].parse().expect("an address")).expect("an address");
    // The listener beside us is to hear openproxy, not us.
    socket.set_multicast_loop_v4(false).expect("a raw socket");
    let (packet, to) = (kind.packet(), SocketAddrV4::new(MULTICAST_V4, 0).into());
    let (begun, mut sent) = (now(), 0_u64);
    while !stops.load(Ordering::Relaxed) {
        let due = u64::try_from((now() - begun).as_millis()).expect("soon over");
        while sent < due * u64::from(PER_MILLISECOND) && !stops.load(Ordering::Relaxed) {
            // A full queue drops, as a network does.
            let _ = socket.send_to(&packet, &to);
            sent += 1;
        }
        thread::sleep(Duration::from_micros(100));
    }
    sent
}

/// When adverts of openproxy's arrived at the other node, by the kernel's clock.
fn listen(span: Duration) -> Vec<Duration> {
    let socket = raw(PROTOCOL.into()).expect("root");
    let group = MULTICAST_V4;
    socket.join_multicast_v4(&group, &THEIRS[0].parse().expect("an address")).expect("a group");
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).expect("Linux has it");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("not zero");
    let (end, mut times) = (now() + span, Vec::new());
    let mut bytes = [0; 128];
    while now() < end {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let read = recvmsg::<SockaddrIn>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::empty(),
        );
        let Ok(read) = read else { continue };
        let stamp = read.cmsgs().expect("room").find_map(|message| {
            let ControlMessageOwned::ScmTimestampns(stamp) = message else { return None };
            Some(Duration::from(stamp))
        });
        let is_ours = bytes.get(12..16) == Some(&OURS[0].parse::<Ipv4Addr>().expect("v4").octets());
        if let Some(stamp) = stamp.filter(|_| is_ours) {
            times.push(stamp);
        }
    }
    times
}

/// What a flood did.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Packets a second.
    pub(crate) rate: f64,
    /// When the MASTER's adverts arrived.
    pub(crate) times: Vec<Duration>,
    /// How many packets, of anybody's, the kernel dropped since a processor's queue was full.
    pub(crate) dropped: u64,
    /// Of a core, what the thread of the virtual routers took.
    pub(crate) cpu: f64,
    /// By how much the process's memory grew, in KiB.
    pub(crate) grown: i64,
}

/// Floods openproxy's node for so long, or doesn't.
pub(crate) fn flood(lan: &Lan, process: u32, kind: Option<Kind>, span: Duration) -> Outcome {
    let (stops, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let (memory, cpu, dropped) = (pss(process), ticks(process), dropped_packets());
    let times = thread::scope(|scope| {
        scope.spawn(|| {
            let count = kind.map_or(0, |kind| lan.theirs.run(|| send(kind, &stops)));
            sent.store(count, Ordering::Relaxed);
        });
        let times = lan.theirs.run(|| listen(span));
        stops.store(true, Ordering::Relaxed);
        times
    });
    let seconds = span.as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let (rate, cpu) = (
        sent.load(Ordering::Relaxed) as f64 / seconds,
        (ticks(process) - cpu) as f64 / 100.0 / seconds,
    );
    Outcome { rate, times, dropped: dropped_packets() - dropped, cpu, grown: pss(process) - memory }
}

/// What the thread of the virtual routers has used, in hundredths of a second.
fn ticks(process: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let vrrp = stats.filter_map(|stat| stat.split_once("(vrrp) ").map(|(_, rest)| rest.to_owned()));
    vrrp.map(|rest| {
        let fields: Vec<&str> = rest.split(' ').collect();
        let field = |index: usize| fields[index].parse::<u64>().expect("a number");
        field(11) + field(12)
    })
    .sum()
}

/// The second column of each processor's line, in hexadecimal.
fn dropped_packets() -> u64 {
    let text = fs::read_to_string("/proc/net/softnet_stat").expect("Linux has it");
    let columns = text.lines().filter_map(|line| line.split_whitespace().nth(1));
    columns.filter_map(|column| u64::from_str_radix(column, 16).ok()).sum()
}

/// The process's share of memory, in KiB.
fn pss(process: u32) -> i64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

/// Where in an interval most of these lie: of one that is in the middle of them.
pub(crate) fn phase(times: &[Duration], interval: Duration) -> Duration {
    let first = times.first().copied().unwrap_or_default();
    let half = interval / 2;
    // Half an interval from the first, so that none of its neighbours is beyond an end.
    let mut phases: Vec<u128> = times
        .iter()
        .map(|time| (*time + interval + half - first).as_nanos() % interval.as_nanos())
        .collect();
    phases.sort_unstable();
    let middle = phases.get(phases.len() / 2).copied().unwrap_or_default();
    let middle = Duration::from_nanos(u64::try_from(middle).expect("shorter than an interval"));
    let nanos = (first + middle + half).as_nanos() % interval.as_nanos();
    Duration::from_nanos(u64::try_from(nanos).expect("shorter than an interval"))
}

/// How far the furthest of these is from the grid.
pub(crate) fn off_grid(times: &[Duration], interval: Duration, phase: Duration) -> Duration {
    let distances = times.iter().map(|time| {
        let after = (*time + interval - phase).as_nanos() % interval.as_nanos();
        after.min(interval.as_nanos() - after)
    });
    let furthest = distances.max().unwrap_or(u128::MAX);
    Duration::from_nanos(u64::try_from(furthest).unwrap_or(u64::MAX))
}
