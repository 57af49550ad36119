//! From an advertisement to bytes.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::{ADDRESSES_MAX, ADVERT_LEN_MAX, AUTH_DATA_LEN, HEADER_LEN, TYPE_ADVERTISEMENT};
use super::{Advertisement, ChecksumForm};
use crate::vrrp::checksum::Sum;
use crate::vrrp::{AdverInterval, Family, Version, Vip};

/// Room for one advert; made once and used again.
pub struct AdvertBuffer([u8; ADVERT_LEN_MAX]);

impl AdvertBuffer {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; ADVERT_LEN_MAX])
    }
}

impl Default for AdvertBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AdvertBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdvertBuffer").finish_non_exhaustive()
    }
}

impl Advertisement<Arc<[Vip]>> {
    /// Writes the payload of an IP packet of protocol 112 and returns it.
    ///
    /// `source` and `destination` are those of the packet: most forms of the checksum cover them,
    /// so each unicast peer gets its own. The advert must be one that its version can write: 1 to
    /// 255 VIPs of the packet's family, IPv4 for version 2.
    #[allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "the buffer has room for the longest advert"
    )]
    pub fn encode<'b>(
        &self,
        source: IpAddr,
        destination: IpAddr,
        out: &'b mut AdvertBuffer,
    ) -> &'b [u8] {
        let family = Family::of(source);
        debug_assert_eq!(family, Family::of(destination));
        debug_assert!(self.version == Version::V3 || family == Family::V4);
        debug_assert!((1..=ADDRESSES_MAX).contains(&self.addresses.len()));
        debug_assert!(self.addresses.iter().all(|vip| Family::of(vip.ip) == family));

        let (header_bytes, body) = out.0.split_at_mut(HEADER_LEN);
        let (count, list_len) = write_list(&self.addresses, family, body);
        let auth_len = match self.version {
            Version::V2 => AUTH_DATA_LEN,
            Version::V3 => 0,
        };
        let body_len = list_len + auth_len;
        // Sent as zeros (RFC 3768 §5.3.10); the buffer may hold an older advert.
        body[list_len..body_len].fill(0);

        let [high, low] = interval_bytes(self.version, self.interval);
        let mut header = [
            self.version.number() << 4 | TYPE_ADVERTISEMENT,
            self.vrid.get(),
            self.priority.to_wire(),
            count,
            high,
            low,
            0,
            0,
        ];
        let len = HEADER_LEN + body_len;
        let mut sum = Sum::of(&header).and_bytes(&body[..body_len]);
        if self.sums_pseudo_header(family) {
            // A buffer's length always fits.
            let len = u16::try_from(len).unwrap_or(u16::MAX);
            sum = sum.and_pseudo_header(source, destination, len);
        }
        let [.., sum_high, sum_low] = &mut header;
        [*sum_high, *sum_low] = sum.checksum().to_be_bytes();
        header_bytes.copy_from_slice(&header);
        &out.0[..len]
    }

    fn sums_pseudo_header(&self, family: Family) -> bool {
        match (self.version, family) {
            (Version::V2, _) => false,
            (Version::V3, Family::V4) => self.checksum == ChecksumForm::PseudoHeader,
            (Version::V3, Family::V6) => true,
        }
    }
}

/// The two bytes between count and checksum: no authentication and seconds, or hundredths.
fn interval_bytes(version: Version, interval: AdverInterval) -> [u8; 2] {
    let centis = interval.centis();
    match version {
        Version::V2 => {
            debug_assert_eq!(centis % 100, 0, "version 2 writes whole seconds");
            // Never 0: that is what poisons every BACKUP.
            [0, u8::try_from(centis / 100).unwrap_or(u8::MAX).max(1)]
        }
        Version::V3 => {
            debug_assert!(centis <= AdverInterval::CENTIS_MAX_V3);
            centis.min(AdverInterval::CENTIS_MAX_V3).to_be_bytes()
        }
    }
}

/// Writes the addresses and returns how many there are and how many bytes they take.
fn write_list(vips: &[Vip], family: Family, body: &mut [u8]) -> (u8, usize) {
    let (written, size) = match family {
        Family::V4 => {
            let octets = vips.iter().filter_map(|vip| match vip.ip {
                IpAddr::V4(ip) => Some(ip.octets()),
                IpAddr::V6(_) => None,
            });
            (fill(body.as_chunks_mut().0, octets), 4)
        }
        Family::V6 => {
            let octets = vips.iter().filter_map(|vip| match vip.ip {
                IpAddr::V4(_) => None,
                IpAddr::V6(ip) => Some(ip.octets()),
            });
            (fill(body.as_chunks_mut().0, octets), 16)
        }
    };
    (written, usize::from(written).saturating_mul(size))
}

/// Fills slots, as many as the count field can say, and returns how many.
#[allow(clippy::arithmetic_side_effects, reason = "as many as the count field can say")]
fn fill<T>(slots: &mut [T], values: impl Iterator<Item = T>) -> u8 {
    let mut count = 0;
    for ((slot, value), number) in slots.iter_mut().zip(values).zip(1..=u8::MAX) {
        *slot = value;
        count = number;
    }
    count
}
