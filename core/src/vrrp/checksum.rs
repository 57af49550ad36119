//! The Internet checksum (RFC 1071), with and without a pseudo-header.

// What comes from outside is counted with here.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::net::IpAddr;

use super::PROTOCOL;

/// A one's-complement sum under way: 32-bit words in the machine's byte order, carries not folded.
///
/// RFC 1071 §2 (B) allows any byte order, as long as the result is swapped back. Every part but
/// the last must have an even length, so that the next begins with a whole 16-bit word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum(u64);

impl Sum {
    /// The sum of a message.
    pub(super) fn of(message: &[u8]) -> Self {
        Self(0).and_bytes(message)
    }

    /// This sum and that of the pseudo-header for a message of `len` bytes.
    ///
    /// The one of IPv4 and the one of IPv6 (RFC 8200 §8.1) have different layouts and the same
    /// sum: both addresses, the protocol, and a length whose upper half is zero.
    pub(super) fn and_pseudo_header(self, source: IpAddr, destination: IpAddr, len: u16) -> Self {
        self.and_address(source).and_address(destination).and_word(PROTOCOL.into()).and_word(len)
    }

    /// Whether this is the sum of an intact message, checksum field included.
    ///
    /// A field of 0x0000 and one of 0xffff are the same number here, and both are accepted: what
    /// counts is the sum (RFC 1071 §1 (3)).
    pub(super) fn is_intact(self) -> bool {
        self.folded() == 0xffff
    }

    /// The checksum to write into a message whose field was zero when it was summed.
    pub(super) fn checksum(self) -> u16 {
        !self.folded()
    }

    /// This sum and that of what follows.
    pub(super) fn and_bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        let mut sum = self.0;
        for word in words {
            // Messages have at most 65535 bytes, so this can't wrap; a checked addition would keep
            // the compiler from using vector instructions.
            sum = sum.wrapping_add(u32::from_ne_bytes(*word).into());
        }
        let mut last = [0; 4];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        Self(sum.wrapping_add(u32::from_ne_bytes(last).into()))
    }

    /// This sum without one of its words, which is the same as with its complement.
    pub(super) fn without_word(self, word: u16) -> Self {
        self.and_word(!word)
    }

    fn and_address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.and_bytes(&address.octets()),
            IpAddr::V6(address) => self.and_bytes(&address.octets()),
        }
    }

    fn and_word(self, word: u16) -> Self {
        Self(self.0.wrapping_add(word.to_be().into()))
    }

    #[allow(clippy::arithmetic_side_effects, reason = "halves of 64 bits, then of 33")]
    fn folded(self) -> u16 {
        let mut sum = (self.0 >> 32) + (self.0 & 0xffff_ffff);
        // 33 bits become 18, 17 and then 16.
        for _ in 0..3 {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        let [.., high, low] = sum.to_be_bytes();
        u16::from_be(u16::from_be_bytes([high, low]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071 §4.1, as it is written there.
    fn reference(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !u16::try_from(sum).expect("folded")
    }

    #[test]
    fn the_example_of_rfc_1071_section_3_comes_out() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::of(&bytes).checksum(), !0xddf2);
    }

    #[test]
    fn every_length_and_the_greatest_sums_agree_with_the_reference() {
        let mixed: Vec<u8> = (0_u32..70_000)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
            .collect();
        let ones = vec![0xff; 65_535];
        for len in (0..100).chain([4_087, 4_088, 65_535]) {
            for bytes in [&mixed[..len], &ones[..len]] {
                assert_eq!(Sum::of(bytes).checksum(), reference(bytes), "{len} bytes");
            }
        }
    }

    #[test]
    fn both_zeros_of_the_ones_complement_are_intact() {
        assert!(Sum::of(&[0x12, 0x34, 0xed, 0xcb, 0x00, 0x00]).is_intact());
        assert!(Sum::of(&[0x12, 0x34, 0xed, 0xcb, 0xff, 0xff]).is_intact());
        assert!(!Sum::of(&[0x12, 0x34, 0xed, 0xcb, 0x00, 0x01]).is_intact());
    }

    #[test]
    fn pseudo_headers_sum_like_their_bytes() {
        let v4 = [192, 0, 2, 2, 224, 0, 0, 18, 0, 112, 0, 12];
        let sum = Sum::of(&[]).and_pseudo_header([192, 0, 2, 2].into(), [224, 0, 0, 18].into(), 12);
        assert_eq!(sum.checksum(), reference(&v4));

        let source = "fe80::2".parse().expect("an address");
        let destination = "ff02::12".parse().expect("an address");
        let sum = Sum::of(&[]).and_pseudo_header(source, destination, 4_088);
        let mut v6 = Vec::new();
        for address in [source, destination] {
            let IpAddr::V6(address) = address else { panic!("IPv6") };
            v6.extend(address.octets());
        }
        v6.extend([0, 0, 0x0f, 0xf8, 0, 0, 0, 112]);
        assert_eq!(sum.checksum(), reference(&v6));
    }
}
