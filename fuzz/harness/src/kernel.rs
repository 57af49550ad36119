//! What the kernel tells of links and addresses, and the frames in which others announce a VIP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use arbitrary::Unstructured;
use openproxy_core::io::{AddressChange, InterfaceIndex, KernelEvent, MacAddress};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::time::Instant;
use openproxy_core::vrrp::Family;
use openproxy_io_linux::untrusted;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::draw::Draws;
use openproxy_io_sim::host::{Host, TURNS_AT_ONCE_MAX};
use openproxy_io_sim::kernel::Kernel;

use crate::router::Nowhere;
use crate::router::setting::{INTERFACE, file, own};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;

/// A datagram of rtnetlink.
///
/// # Panics
/// When what is read of it isn't what a second, naive reader finds there; or when virtual routers that
/// are told of it don't come to rest.
pub fn netlink_events(data: &[u8]) {
    let events = untrusted::kernel_events(data);
    let (lost, told): (Vec<_>, Vec<_>) =
        events.iter().partition(|event| matches!(event, KernelEvent::Overrun));
    let told: Vec<Naive> = told.into_iter().map(Naive::of).collect();
    let expected = naive(data);
    match lost.len() {
        0 => assert_eq!(told, expected),
        1 => assert!(expected.starts_with(&told), "{told:?} of {expected:?}"),
        _ => panic!("{events:?}"),
    }
    settle(events);
}

/// Virtual routers that are told of it come to rest.
fn settle(events: impl IntoIterator<Item = KernelEvent>) {
    let kernel = Kernel::new(NodeId(0), Draws::new(0), INTERFACE.into(), &[own(Family::V4)]);
    let mut host = Host::new(NodeId(0), Draws::new(0), kernel, Duration::from_millis(5));
    let plain = file(&mut Unstructured::new(&[]), Family::V4).expect("zeros are enough");
    let mut supervisor = Supervisor::new(plain);
    let now = Instant::from_millis(100_000);
    for event in events {
        host.tell(event);
    }
    for turn in 0.. {
        assert!(turn < TURNS_AT_ONCE_MAX, "they never wait");
        supervisor.turn(now, &mut host);
        while let Some(output) = supervisor.poll_output() {
            host.perform(now, output, &mut Nowhere);
        }
        if !host.has_news() {
            return;
        }
    }
}

/// What an event says, as far as a naive reader knows it.
#[derive(Debug, PartialEq, Eq)]
enum Naive {
    Link { index: u32, name: String, mac: Option<[u8; 6]>, running: bool },
    LinkGone(u32),
    Address { is_there: bool, index: u32, ip: IpAddr, prefix_len: u8, ours: bool },
}

impl Naive {
    fn of(event: &KernelEvent) -> Self {
        match event {
            KernelEvent::Link(link) => Self::Link {
                index: link.index.0,
                name: link.name.to_string(),
                mac: link.mac.map(|MacAddress(mac)| mac),
                running: link.running,
            },
            KernelEvent::LinkGone(InterfaceIndex(index)) => Self::LinkGone(*index),
            KernelEvent::Address(change) => {
                let (AddressChange::Present(address) | AddressChange::Gone(address)) = change;
                Self::Address {
                    is_there: matches!(change, AddressChange::Present(_)),
                    index: address.index.0,
                    ip: address.ip,
                    prefix_len: address.prefix_len,
                    ours: address.ours,
                }
            }
            other => panic!("no datagram tells this: {other:?}"),
        }
    }
}

/// What is in a datagram: `struct nlmsghdr`, `struct ifinfomsg` or `struct ifaddrmsg`, `struct nlattr`.
fn naive(mut rest: &[u8]) -> Vec<Naive> {
    let mut events = Vec::new();
    while rest.len() >= 16 {
        let len = number(rest, 0, 4) as usize;
        let Some(body) = rest.get(16..len) else { break };
        let read = match u16::try_from(number(rest, 4, 2)).expect("two bytes") {
            kind @ (NEW_LINK | DELETE_LINK) if body.len() >= 16 => link(kind, body),
            kind @ (NEW_ADDRESS | DELETE_ADDRESS) if body.len() >= 8 => address(kind, body),
            _ => None,
        };
        events.extend(read);
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    events
}

fn link(kind: u16, body: &[u8]) -> Option<Naive> {
    let (index, flags) = (number(body, 4, 4), number(body, 8, 4));
    let (mut name, mut mac, mut state) = (None, None, 0);
    for (kind, value) in attributes(&body[16..]) {
        match kind {
            1 => mac = value.try_into().ok(),
            3 if value[0] != 0 => name = value.split(|byte| *byte == 0).next(),
            16 => state = value[0],
            _ => {}
        }
    }
    let name = String::from_utf8_lossy(name?).into_owned();
    // AF_UNSPEC, or it is about a port of a bridge.
    match (body[0], kind) {
        (0, NEW_LINK) => {
            let is_up = flags & 1 != 0 && flags & 0x1_0000 != 0;
            // IF_OPER_DOWN, LOWERLAYERDOWN, TESTING, and what nobody has defined.
            let running = is_up && !matches!(state, 2..=4 | 7..);
            Some(Naive::Link { index, name, mac, running })
        }
        (0, _) => Some(Naive::LinkGone(index)),
        _ => None,
    }
}

fn address(kind: u16, body: &[u8]) -> Option<Naive> {
    let (mut local, mut far, mut protocol) = (None, None, 0);
    for (kind, value) in attributes(&body[8..]) {
        match kind {
            1 => far = Some(value),
            2 => local = Some(value),
            11 => protocol = value[0],
            _ => {}
        }
    }
    let ip = local.or(far)?;
    let ip = match (<[u8; 4]>::try_from(ip), <[u8; 16]>::try_from(ip)) {
        (Ok(octets), _) => Ipv4Addr::from(octets).into(),
        (_, Ok(octets)) => Ipv6Addr::from(octets).into(),
        _ => return None,
    };
    Some(Naive::Address {
        is_there: kind == NEW_ADDRESS,
        index: number(body, 4, 4),
        ip,
        prefix_len: body[1],
        ours: protocol == 0x70,
    })
}

/// The attributes that have a value, to the first that doesn't fit.
fn attributes(mut rest: &[u8]) -> Vec<(u16, &[u8])> {
    let mut attributes = Vec::new();
    while rest.len() >= 4 {
        let len = number(rest, 0, 2) as usize;
        let kind = u16::try_from(number(rest, 2, 2) & 0x3fff).expect("two bytes");
        let Some(value) = rest.get(4..len) else { break };
        if !value.is_empty() {
            attributes.push((kind, value));
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    attributes
}

/// A number in the byte order of the machine.
fn number(bytes: &[u8], at: usize, len: usize) -> u32 {
    let mut word = [0; 4];
    let field = &bytes[at..at + len];
    if cfg!(target_endian = "little") {
        word[..len].copy_from_slice(field);
    } else {
        word[4 - len..].copy_from_slice(field);
    }
    u32::from_ne_bytes(word)
}

/// An Ethernet frame.
///
/// # Panics
/// When what it announces isn't what a second, naive reader finds there.
pub fn claim_frame(data: &[u8]) {
    assert_eq!(untrusted::claim(data), naive_claim(data));
}

/// ARP's sender, or the target of a neighbour advertisement that no router has forwarded.
fn naive_claim(frame: &[u8]) -> Option<(IpAddr, MacAddress)> {
    let is = |at: usize, word: &[u8]| frame.get(at..at + word.len()) == Some(word);
    let mac = |at: usize| Some(MacAddress(frame.get(at..at + 6)?.try_into().ok()?));
    if is(12, &[8, 6, 0, 1, 8, 0, 6, 4]) {
        let ip = <[u8; 4]>::try_from(frame.get(28..32)?).ok()?;
        return Some((Ipv4Addr::from(ip).into(), mac(22)?));
    }
    if is(12, &[0x86, 0xdd]) && is(20, &[58]) && is(21, &[255]) && is(54, &[136]) {
        let ip = <[u8; 16]>::try_from(frame.get(62..78)?).ok()?;
        return Some((Ipv6Addr::from(ip).into(), mac(6)?));
    }
    None
}
