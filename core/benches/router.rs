//! One advert through the whole core: header, VRID, checksum, election, timer.

#![allow(clippy::wildcard_enum_match_arm, reason = "the benchmark answers what it needs to start")]

use divan::{Bencher, black_box};
use openproxy_core::io::{
    Address, Arrival, Command, Completion, Datagram, Inbox, InterfaceIndex, KernelEvent,
    KernelSnapshot, Link, MacAddress, Output, SocketId,
};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::time::{Duration, Instant};
use openproxy_core::vrrp::*;

fn main() {
    divan::main();
}

/// An inbox with one packet a turn.
#[derive(Default)]
struct OnePacket {
    completions: Vec<Completion>,
    socket: Option<SocketId>,
    packet: Vec<u8>,
    at: Instant,
    has_packet: bool,
}

impl Inbox for OnePacket {
    fn next_kernel_event(&mut self) -> Option<KernelEvent> {
        None
    }

    fn next_arrival(&mut self) -> Option<Arrival<'_>> {
        std::mem::take(&mut self.has_packet).then_some(())?;
        Some(Arrival { socket: self.socket?, at: self.at, datagram: Datagram::V4(&self.packet) })
    }

    fn next_completion(&mut self) -> Option<Completion> {
        self.completions.pop()
    }

    fn next_claim(&mut self) -> Option<(InterfaceIndex, std::net::IpAddr, MacAddress)> {
        None
    }

    fn next_command(&mut self) -> Option<Command> {
        None
    }
}

fn config(vrid: u8) -> RouterConfig {
    let key = RouterKey {
        interface: "eth0".into(),
        vrid: Vrid::new(vrid).expect("in range"),
        family: Family::V4,
    };
    let priority = Priority::new(100).expect("in range");
    let interval = AdverInterval::from_centis(100).expect("in range");
    let vips = [Vip { ip: [10, 0, 1, vrid].into(), prefix_len: 24 }].into();
    let plain = RouterConfig::plain(key, Version::V3, priority, interval, vips);
    RouterConfig { garp_refresh: None, ..plain }
}

fn packet() -> Vec<u8> {
    let advert = Advertisement {
        version: Version::V3,
        vrid: Vrid::new(1).expect("in range"),
        priority: AdvertPriority::from_wire(200),
        interval: AdverInterval::from_centis(100).expect("in range"),
        checksum: ChecksumForm::PseudoHeader,
        addresses: [Vip { ip: [10, 0, 1, 1].into(), prefix_len: 24 }].into(),
    };
    let mut buffer = AdvertBuffer::new();
    let payload = advert.encode([10, 0, 0, 9].into(), MULTICAST_V4.into(), &mut buffer);
    let mut packet =
        vec![0x45, 0xc0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0, 10, 0, 0, 9, 224, 0, 0, 18];
    packet.extend(payload);
    packet
}

/// A supervisor whose routers are BACKUP.
fn backups(routers: u8) -> (Supervisor, OnePacket) {
    let mut supervisor = Supervisor::new((1..=routers).map(config).collect());
    let mut inbox =
        OnePacket { packet: packet(), at: Instant::from_millis(1), ..Default::default() };
    let index = InterfaceIndex(2);
    let mac = Some(MacAddress([2, 0, 0, 0, 0, 5]));
    let links = vec![Link { index, name: "eth0".into(), running: true, mac }];
    let addresses = vec![Address {
        index,
        ip: [10, 0, 0, 5].into(),
        prefix_len: 24,
        ours: false,
        secondary: false,
        tentative: false,
        valid_secs: None,
        protocol: 0,
    }];
    for _ in 0..4 {
        supervisor.turn(inbox.at, &mut inbox);
        while let Some(output) = supervisor.poll_output() {
            match output {
                Output::Dump => {
                    let (links, addresses) = (links.clone(), addresses.clone());
                    let snapshot = KernelSnapshot { links, addresses };
                    inbox.completions.push(Completion::Dump(Some(snapshot)));
                }
                Output::OpenSocket(id, _) => {
                    inbox.socket = Some(id);
                    inbox.completions.push(Completion::Socket(id, Ok(())));
                }
                _ => {}
            }
        }
    }
    assert!(supervisor.routers().iter().all(|router| router.state() == StateName::Backup));
    (supervisor, inbox)
}

/// A whole turn with one advert, beside so many routers.
#[divan::bench(args = [1, 255])]
fn turn_with_an_advert_for_a_backup(bencher: Bencher<'_, '_>, routers: u8) {
    let (mut supervisor, mut inbox) = backups(routers);
    bencher.bench_local(move || {
        inbox.at = inbox.at + Duration::from_nanos(1);
        inbox.has_packet = true;
        supervisor.turn(black_box(inbox.at), &mut inbox);
    });
}
