//! Others that announce our VIPs as theirs: ARP and neighbour advertisements, filtered in the
//! kernel.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::task::{Context, Poll};

use openproxy_core::io::{InterfaceIndex, MacAddress, WatchClaims};
use openproxy_core::vrrp::Family;
use socket2::{Domain, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::sys;

/// Ethernet header, IPv6 header and neighbour advertisement with room to spare.
const FRAME_MAX: u16 = 128;
/// What a family's claims come in. A socket for all protocols would cost every packet of the
/// interface a copy and a run of the filter, sent ones too.
const ETH_P_ARP: u16 = 0x0806;
const ETH_P_IPV6: u16 = 0x86dd;
/// Hardware type, protocol type, and the lengths of their addresses.
const ARP_OF_IPV4_ON_ETHERNET: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
/// Next header, and the hop limit of what no router has forwarded.
const ICMPV6_AND_HOP_LIMIT: [u8; 2] = [58, 255];
/// Beyond so many addresses of a family, all announcements are read and sorted here: a filter may
/// have 4,096 instructions, and jumps of 255.
const FILTERED_MAX: usize = 200;
/// How many claims are read in one turn; a flood of them can't hold up a turn.
const READ_MAX: usize = 64;

/// The claims of a family's addresses heard on one interface.
pub(crate) struct Claims {
    index: InterfaceIndex,
    family: Family,
    mac: MacAddress,
    addresses: Vec<IpAddr>,
    socket: AsyncFd<Socket>,
    left: usize,
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Claims {
    pub(crate) fn open(watch: WatchClaims, family: Family) -> io::Result<Self> {
        let protocol = match family {
            Family::V4 => ETH_P_ARP,
            Family::V6 => ETH_P_IPV6,
        };
        // No protocol yet: nothing arrives before the filter is in place.
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(Domain::PACKET, kind, None)?;
        socket.attach_filter(&filter(&watch.addresses))?;
        socket.bind(&sys::link_address(watch.index.0, protocol))?;
        Ok(Self {
            index: watch.index,
            family,
            mac: watch.mac,
            addresses: watch.addresses,
            socket: sys::watch(socket)?,
            left: READ_MAX,
        })
    }

    /// Watches other addresses from now on; none, if the list is empty.
    pub(crate) fn watch(&mut self, watch: WatchClaims) -> io::Result<()> {
        self.socket.get_ref().attach_filter(&filter(&watch.addresses))?;
        self.mac = watch.mac;
        self.addresses = watch.addresses;
        Ok(())
    }

    pub(crate) fn index(&self) -> InterfaceIndex {
        self.index
    }

    pub(crate) fn is_of(&self, index: InterfaceIndex, family: Family) -> bool {
        (self.index, self.family) == (index, family)
    }

    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_read_ready(cx).map(|_| ())
    }

    /// A new turn begins.
    pub(crate) fn begin_turn(&mut self) {
        self.left = READ_MAX;
    }

    /// The next claim by another host.
    pub(crate) fn next(&mut self) -> Option<(InterfaceIndex, IpAddr, MacAddress)> {
        while let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            let mut frame = [0_u8; FRAME_MAX as usize];
            let read =
                sys::read_now(&self.socket, |socket| io::Read::read(&mut &*socket, &mut frame));
            let Ok(len) = read else { return None };
            let claim = parse(frame.get(..len).unwrap_or_default());
            // A bridge may send our own announcements back to us.
            if let Some((ip, mac)) = claim
                && mac != self.mac
                && self.addresses.contains(&ip)
            {
                return Some((self.index, ip, mac));
            }
        }
        None
    }
}

/// The address that a frame announces, and at which Ethernet address. A neighbour advertisement that
/// a router has forwarded announces nothing (RFC 4861 §7.1.2).
pub(crate) fn parse(frame: &[u8]) -> Option<(IpAddr, MacAddress)> {
    match frame.get(12..14)? {
        [0x08, 0x06] if frame.get(14..20)? == ARP_OF_IPV4_ON_ETHERNET => {
            let mac = <[u8; 6]>::try_from(frame.get(22..28)?).ok()?;
            let ip = <[u8; 4]>::try_from(frame.get(28..32)?).ok()?;
            Some((Ipv4Addr::from(ip).into(), MacAddress(mac)))
        }
        [0x86, 0xdd]
            if frame.get(20..22)? == ICMPV6_AND_HOP_LIMIT && frame.get(54) == Some(&136) =>
        {
            let mac = <[u8; 6]>::try_from(frame.get(6..12)?).ok()?;
            let ip = <[u8; 16]>::try_from(frame.get(62..78)?).ok()?;
            Some((Ipv6Addr::from(ip).into(), MacAddress(mac)))
        }
        _ => None,
    }
}

/// Load the half word, word or byte at an offset; jump if equal; return.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Passes ARP whose sender is one of the addresses, and neighbour advertisements whose target ends
/// like one.
fn filter(addresses: &[IpAddr]) -> Vec<SockFilter> {
    let mut v4 = Vec::new();
    let mut v6 = Vec::new();
    for address in addresses {
        match address {
            IpAddr::V4(ip) => v4.push(ip.to_bits()),
            IpAddr::V6(ip) => {
                let [.., a, b] = ip.segments();
                v6.push(u32::from(a) << 16 | u32::from(b));
            }
        }
    }
    let pass = || SockFilter::new(RETURN, 0, 0, FRAME_MAX.into());
    let drop = || SockFilter::new(RETURN, 0, 0, 0);
    let jump = |code, value, yes, no| SockFilter::new(code, yes, no, value);
    // Each match is followed by its own "pass", so that no jump is far.
    let one_of = |program: &mut Vec<SockFilter>, offset: u32, values: &[u32]| {
        if values.len() > FILTERED_MAX {
            program.push(pass());
            return;
        }
        program.push(SockFilter::new(LOAD_WORD, 0, 0, offset));
        for value in values {
            program.push(jump(JUMP_EQUAL, *value, 0, 1));
            program.push(pass());
        }
        program.push(drop());
    };
    let mut program = vec![SockFilter::new(LOAD_HALF, 0, 0, 12), jump(JUMP_EQUAL, 0x0806, 0, 1)];
    let mut arp = Vec::new();
    one_of(&mut arp, 28, &v4);
    let mut ndp = vec![
        jump(JUMP_EQUAL, 0x86dd, 1, 0),
        drop(),
        SockFilter::new(LOAD_BYTE, 0, 0, 20),
        jump(JUMP_EQUAL, 58, 1, 0),
        drop(),
        SockFilter::new(LOAD_BYTE, 0, 0, 54),
        jump(JUMP_EQUAL, 136, 1, 0),
        drop(),
    ];
    one_of(&mut ndp, 74, &v6);
    // Jump over the jump to the second part: BPF_JA takes 32 bits.
    program.push(SockFilter::new(0x05, 0, 0, u32::try_from(ndp.len()).unwrap_or(0)));
    program.extend(ndp);
    program.extend(arp);
    // If ARP, `JUMP_EQUAL` lands on the long jump over the second part; if not, after it.
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames;

    #[test]
    fn our_own_frames_are_read_back() {
        let mac = MacAddress([2, 0, 0, 0, 0, 9]);
        let ip = Ipv4Addr::new(10, 0, 0, 200);
        assert_eq!(parse(&frames::gratuitous_arp(mac, ip)), Some((ip.into(), mac)));
        let ip: Ipv6Addr = "2001:db8::1".parse().expect("an address");
        assert_eq!(parse(&frames::unsolicited_na(mac, ip, ip)), Some((ip.into(), mac)));
    }

    #[test]
    fn what_a_router_has_forwarded_and_other_arp_claim_nothing() {
        let (mac, ip) = (MacAddress([2, 0, 0, 0, 0, 9]), Ipv6Addr::LOCALHOST);
        let mut forwarded = frames::unsolicited_na(mac, ip, ip);
        forwarded[21] = 254;
        assert_eq!(parse(&forwarded), None);
        let mut other = frames::gratuitous_arp(mac, Ipv4Addr::LOCALHOST);
        other[15] = 6;
        assert_eq!(parse(&other), None);
    }

    #[test]
    fn no_frame_is_too_short_to_be_looked_at() {
        let frame = frames::gratuitous_arp(MacAddress([0; 6]), Ipv4Addr::LOCALHOST);
        for len in 0..32 {
            assert_eq!(parse(&frame[..len]), None);
        }
    }
}
