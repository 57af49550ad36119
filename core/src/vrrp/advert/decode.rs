//! From bytes to an advertisement, without allocating.

use std::net::IpAddr;

use super::{AUTH_DATA_LEN, AddressList, Advertisement, ChecksumForm};
use super::{HEADER_LEN, TYPE_ADVERTISEMENT};
use crate::vrrp::checksum::Sum;
use crate::vrrp::{AdverInterval, AdvertPriority, DecodeError, Family, Version, Vrid};

/// The length of a CARP advert.
const CARP_LEN: usize = 36;
/// CARP's version 2 and type 1, where VRRP has its own.
const CARP_VERSION_TYPE: u8 = 0x21;
/// The length of CARP's digest in words, where VRRP has the address count.
const CARP_AUTH_LEN: u8 = 7;

/// What tells whose an advert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peek {
    /// The protocol version.
    pub version: Version,
    /// The virtual router.
    pub vrid: Vrid,
}

/// Reads only what tells whose an advert is, so that those of others cost no checksum.
///
/// # Errors
/// Fewer than 8 bytes, CARP, an unknown version or type, VRID 0.
pub fn peek(payload: &[u8]) -> Result<Peek, DecodeError> {
    let len = payload.len();
    let header: &[u8; HEADER_LEN] = payload.first_chunk().ok_or(DecodeError::Short { len })?;
    let [version_type, vrid, _, count, ..] = *header;

    // A version 2 advert with 7 addresses has 44 bytes, so nothing of VRRP is lost here.
    if (len, version_type, count) == (CARP_LEN, CARP_VERSION_TYPE, CARP_AUTH_LEN) {
        return Err(DecodeError::Carp);
    }
    let version = match version_type >> 4 {
        2 => Version::V2,
        3 => Version::V3,
        version => return Err(DecodeError::UnknownVersion { version }),
    };
    let kind = version_type & 0x0f;
    if kind != TYPE_ADVERTISEMENT {
        return Err(DecodeError::Type { kind });
    }
    let vrid = Vrid::new(vrid).map_err(|_| DecodeError::ZeroVrid)?;
    Ok(Peek { version, vrid })
}

impl<'a> Advertisement<AddressList<'a>> {
    /// Reads the payload of an IP packet of protocol 112.
    ///
    /// The reserved bits of version 3 are ignored (RFC 9568 §5.2.6), and so is the authentication
    /// data of version 2 (RFC 3768 §5.3.10). An IPv6 list may begin with a global address, because
    /// keepalived sends such; see [`AddressList::starts_link_local`].
    ///
    /// # Errors
    /// Everything that is wrong with the bytes themselves, the checksum before the values it
    /// protects; and addresses of two families.
    pub fn decode(
        payload: &'a [u8],
        source: IpAddr,
        destination: IpAddr,
    ) -> Result<Self, DecodeError> {
        let Peek { version, vrid } = peek(payload)?;
        let family = Family::of(source);
        if family != Family::of(destination) {
            return Err(DecodeError::Destination { destination });
        }
        if (version, family) == (Version::V2, Family::V6) {
            return Err(DecodeError::Version2OverIpv6);
        }
        let len = payload.len();
        let (&header, body) =
            payload.split_first_chunk::<HEADER_LEN>().ok_or(DecodeError::Short { len })?;
        let [_, _, priority, count, high, low, ..] = header;
        let addresses = address_list(version, family, count, body)?;
        let checksum = verify(version, payload, source, destination)?;
        Ok(Self {
            version,
            vrid,
            priority: AdvertPriority::from_wire(priority),
            interval: interval(version, [high, low])?,
            checksum,
            addresses,
        })
    }
}

/// Finds the addresses in what follows the header, whose length must be exactly right.
#[allow(clippy::arithmetic_side_effects, reason = "up to 255 addresses of up to 16 bytes")]
fn address_list(
    version: Version,
    family: Family,
    count: u8,
    body: &[u8],
) -> Result<AddressList<'_>, DecodeError> {
    if count == 0 {
        return Err(DecodeError::NoAddresses);
    }
    let auth_len = match version {
        Version::V2 => AUTH_DATA_LEN,
        Version::V3 => 0,
    };
    let size = match family {
        Family::V4 => 4,
        Family::V6 => 16,
    };
    let list_len = usize::from(count) * size;
    match body.split_at_checked(list_len) {
        Some((list, rest)) if rest.len() == auth_len || mutated!(LengthUnchecked) => {
            Ok(match family {
                Family::V4 => AddressList::v4(list.as_chunks().0),
                Family::V6 => AddressList::v6(list.as_chunks().0),
            })
        }
        _ => Err(DecodeError::Length {
            count,
            expected: HEADER_LEN + list_len + auth_len,
            len: HEADER_LEN + body.len(),
        }),
    }
}

/// Checks the checksum and tells its form; `payload` has the length that its count demands.
fn verify(
    version: Version,
    payload: &[u8],
    source: IpAddr,
    destination: IpAddr,
) -> Result<ChecksumForm, DecodeError> {
    if mutated!(ChecksumUnchecked) {
        return Ok(ChecksumForm::PseudoHeader);
    }
    let message = Sum::of(payload);
    // An advert never exceeds 4088 bytes.
    let len = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let whole = message.and_pseudo_header(source, destination, len);
    match (version, source) {
        (Version::V2, _) if message.is_intact() => Ok(ChecksumForm::MessageOnly),
        (Version::V3, _) if whole.is_intact() => Ok(ChecksumForm::PseudoHeader),
        // RFC 9568 §5.2.8 left the pseudo-header out, the deployed base did not: hear both.
        (Version::V3, IpAddr::V4(_)) if message.is_intact() => Ok(ChecksumForm::MessageOnly),
        (Version::V2, _) => Err(checksum_error(payload, message)),
        (Version::V3, _) => Err(checksum_error(payload, whole)),
    }
}

#[cold]
fn checksum_error(payload: &[u8], sum: Sum) -> DecodeError {
    let found = match payload {
        [_, _, _, _, _, _, high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    };
    let expected = sum.without_word(found).checksum();
    DecodeError::Checksum { found, expected }
}

/// Reads the two bytes between count and checksum.
fn interval(version: Version, bytes: [u8; 2]) -> Result<AdverInterval, DecodeError> {
    let interval = match version {
        Version::V2 => {
            let [auth_type, secs] = bytes;
            if auth_type != 0 {
                return Err(DecodeError::Auth { auth_type });
            }
            AdverInterval::from_secs(secs)
        }
        Version::V3 => {
            AdverInterval::from_centis(u16::from_be_bytes(bytes) & AdverInterval::CENTIS_MAX_V3)
        }
    };
    interval.map_err(|_| DecodeError::ZeroInterval)
}
