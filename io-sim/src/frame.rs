//! Packets on the wire: an IP header and a VRRP advert, byte for byte.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use openproxy_core::io::{Datagram, SendAdvert};
use openproxy_core::vrrp::{AdvertBuffer, MULTICAST_V4, MULTICAST_V6, PROTOCOL, TTL};

/// The longest frame that is carried: seven IPv6 addresses behind a header.
pub const FRAME_LEN_MAX: usize = 160;
const IPV4_HEADER_LEN: usize = 20;
const IPV6_HEADER_LEN: usize = 40;

/// What was done to a packet. Only the checks of the simulation look at it; the nodes see bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Truth {
    /// As it was sent.
    Whole,
    /// A bit was flipped.
    Corrupted,
    /// Cut short.
    Truncated,
    /// Its TTL isn't 255.
    Forwarded,
    /// The receiver sent it.
    Reflected,
    /// Of somebody who isn't part of this virtual router.
    Stranger,
}

/// A packet with its IP header. It is copied for each receiver, its bytes aren't.
#[derive(Clone)]
pub struct Frame {
    bytes: Rc<[u8]>,
    /// What was done to it.
    pub truth: Truth,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Frame").field(&self.bytes()).field(&self.truth).finish()
    }
}

impl Frame {
    /// A packet of `payload`, with TTL 255 as RFC 9568 §5.1.1.3 wants it.
    ///
    /// # Panics
    /// If it is longer than [`FRAME_LEN_MAX`], or the addresses are of two families: an error in a
    /// scenario.
    #[must_use]
    pub fn new(source: IpAddr, destination: IpAddr, payload: &[u8]) -> Self {
        let mut bytes = [0; FRAME_LEN_MAX];
        let header = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let total = u16::try_from(IPV4_HEADER_LEN + payload.len()).expect("a short packet");
                bytes[..4].copy_from_slice(&[0x45, 0xc0, 0, 0]);
                bytes[2..4].copy_from_slice(&total.to_be_bytes());
                bytes[8..10].copy_from_slice(&[TTL, PROTOCOL]);
                bytes[12..16].copy_from_slice(&source.octets());
                bytes[16..20].copy_from_slice(&destination.octets());
                IPV4_HEADER_LEN
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let len = u16::try_from(payload.len()).expect("a short packet");
                bytes[..4].copy_from_slice(&[0x6c, 0, 0, 0]);
                bytes[4..6].copy_from_slice(&len.to_be_bytes());
                bytes[6..8].copy_from_slice(&[PROTOCOL, TTL]);
                bytes[8..24].copy_from_slice(&source.octets());
                bytes[24..40].copy_from_slice(&destination.octets());
                IPV6_HEADER_LEN
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                panic!("a packet from {source} to {destination}")
            }
        };
        bytes[header..header + payload.len()].copy_from_slice(payload);
        let bytes = &mut bytes[..header + payload.len()];
        seal(bytes);
        Self { bytes: Rc::from(&*bytes), truth: Truth::Whole }
    }

    /// A packet as it came from elsewhere; `None` if it is too long or too short to be one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], truth: Truth) -> Option<Self> {
        let header_len = if is_v4(bytes) { IPV4_HEADER_LEN } else { IPV6_HEADER_LEN };
        let fits = (header_len..=FRAME_LEN_MAX).contains(&bytes.len());
        fits.then(|| Self { bytes: bytes.into(), truth })
    }

    /// The packet.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What follows the IP header.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes()[self.header_len()..]
    }

    /// The source in its header.
    #[must_use]
    pub fn source(&self) -> IpAddr {
        if self.is_v4() { self.v4(12).into() } else { self.v6(8).into() }
    }

    /// The destination in its header.
    #[must_use]
    pub fn destination(&self) -> IpAddr {
        if self.is_v4() { self.v4(16).into() } else { self.v6(24).into() }
    }

    /// Whether a kernel hands it on: its header is sound, and it is for a group or an address of ours.
    #[must_use]
    pub fn is_handed_on(&self, is_own: impl Fn(IpAddr) -> bool) -> bool {
        self.header_is_sound()
            && match self.destination() {
                IpAddr::V4(group) if group == MULTICAST_V4 => true,
                IpAddr::V6(group) if group == MULTICAST_V6 => true,
                own @ (IpAddr::V4(_) | IpAddr::V6(_)) => is_own(own),
            }
    }

    /// The packet in the shape in which a raw socket of its family hands it out.
    #[must_use]
    pub fn datagram(&self) -> Datagram<'_> {
        if self.is_v4() {
            return Datagram::V4(self.bytes());
        }
        Datagram::V6 {
            source: self.v6(8),
            destination: self.v6(24),
            hop_limit: self.bytes[7],
            payload: self.payload(),
        }
    }

    /// Flips one bit, anywhere.
    #[must_use]
    pub fn corrupted(mut self, chosen: u64) -> Self {
        let bit = chosen % (self.bytes.len() as u64 * 8);
        let (byte, bit) = (usize::try_from(bit / 8).unwrap_or(0), bit % 8);
        Rc::make_mut(&mut self.bytes)[byte] ^= 1 << bit;
        // Nothing guards the traffic class and flow label of IPv6, and nobody reads them.
        let unread = !self.is_v4() && (byte == 0 && bit < 4 || (1..4).contains(&byte));
        self.truth = if unread { self.truth } else { Truth::Corrupted };
        self
    }

    /// Cuts the payload short, and makes the header fit what is left.
    #[must_use]
    pub fn truncated(mut self, chosen: u64) -> Self {
        let payload = u64::try_from(self.payload().len()).unwrap_or(1).max(1);
        let kept = usize::try_from(chosen % payload).unwrap_or(0);
        let total = self.header_len() + kept;
        let (at, len) = if self.is_v4() { (2, total) } else { (4, kept) };
        let len = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
        self.bytes = self.bytes[..total].into();
        let bytes = Rc::make_mut(&mut self.bytes);
        bytes[at..at + 2].copy_from_slice(&len);
        seal(bytes);
        self.truth = Truth::Truncated;
        self
    }

    /// Gives it a TTL that is not 255, as if a router had forwarded it.
    #[must_use]
    pub fn forwarded(mut self, chosen: u64) -> Self {
        let ttl = u8::try_from(254 - chosen % 8).unwrap_or(254);
        let at = if self.is_v4() { 8 } else { 7 };
        let bytes = Rc::make_mut(&mut self.bytes);
        bytes[at] = ttl;
        seal(bytes);
        self.truth = Truth::Forwarded;
        self
    }

    fn is_v4(&self) -> bool {
        is_v4(&self.bytes)
    }

    fn header_len(&self) -> usize {
        if self.is_v4() { IPV4_HEADER_LEN } else { IPV6_HEADER_LEN }
    }

    fn v4(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::from([self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]])
    }

    fn v6(&self, at: usize) -> Ipv6Addr {
        let mut octets = [0; 16];
        octets.copy_from_slice(&self.bytes[at..at + 16]);
        Ipv6Addr::from(octets)
    }

    /// What a kernel looks at before it hands a packet on: version, length, checksum, protocol.
    fn header_is_sound(&self) -> bool {
        let bytes = self.bytes();
        match bytes[0] >> 4 {
            4 => {
                let len = u16::from_be_bytes([bytes[2], bytes[3]]);
                bytes[0] == 0x45
                    && usize::from(len) == bytes.len()
                    && header_sum(bytes) == 0xffff
                    && bytes[9] == PROTOCOL
            }
            6 => {
                let len = u16::from_be_bytes([bytes[4], bytes[5]]);
                usize::from(len) + IPV6_HEADER_LEN == bytes.len() && bytes[6] == PROTOCOL
            }
            _ => false,
        }
    }
}

fn is_v4(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first >> 4 == 4)
}

/// Writes the header checksum of IPv4.
fn seal(bytes: &mut [u8]) {
    if is_v4(bytes) {
        bytes[10..12].fill(0);
        let sum = !header_sum(bytes);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

fn header_sum(bytes: &[u8]) -> u16 {
    let words = bytes[..IPV4_HEADER_LEN].chunks_exact(2);
    let sum: u32 = words.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(0)
}

/// An advert on its way to one destination, written in `buffer`.
#[must_use]
pub fn frame_of(send: &SendAdvert, destination: IpAddr, buffer: &mut AdvertBuffer) -> Frame {
    let payload = send.advert.encode(send.source, destination, buffer);
    Frame::new(send.source, destination, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4() -> Frame {
        Frame::new(IpAddr::from([10, 0, 0, 1]), MULTICAST_V4.into(), &[7; 20])
    }

    fn v6() -> Frame {
        let source: Ipv6Addr = "fe80::1".parse().expect("an address");
        Frame::new(source.into(), MULTICAST_V6.into(), &[7; 24])
    }

    #[test]
    fn a_whole_packet_is_handed_out_in_the_shape_of_its_family() {
        assert!(v4().is_handed_on(|_| false) && v6().is_handed_on(|_| false));
        assert!(matches!(v4().datagram(), Datagram::V4(bytes) if bytes.len() == 40));
        let frame = v6();
        let Datagram::V6 { hop_limit, payload, .. } = frame.datagram() else {
            panic!("an IPv6 packet")
        };
        assert_eq!((hop_limit, payload), (255, &[7; 24][..]));
    }

    #[test]
    fn a_bit_flipped_in_an_ipv4_header_never_gets_past_the_kernel() {
        for bit in 0..160 {
            assert!(!v4().corrupted(bit).is_handed_on(|_| true), "bit {bit}");
        }
        assert!(v4().corrupted(160).is_handed_on(|_| true));
    }

    #[test]
    fn shortened_and_forwarded_packets_have_sound_headers() {
        for chosen in 0..20 {
            assert!(v4().truncated(chosen).is_handed_on(|_| false));
            assert!(v6().truncated(chosen).is_handed_on(|_| false));
            assert!(v4().forwarded(chosen).is_handed_on(|_| false));
        }
    }

    #[test]
    fn a_packet_to_somebody_else_is_not_handed_out() {
        let other = Frame::new(IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]), &[0; 16]);
        assert!(other.is_handed_on(|ip| ip == IpAddr::from([10, 0, 0, 2])));
        assert!(!other.is_handed_on(|_| false));
    }
}
