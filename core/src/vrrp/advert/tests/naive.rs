//! A second decoder, written to be obviously right: it copies, builds the pseudo-headers as they
//! are drawn in the RFCs, and adds with an end-around carry.

use super::*;

/// What the naive decoder finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Naive {
    pub(super) version: u8,
    pub(super) vrid: u8,
    pub(super) priority: u8,
    pub(super) centis: u32,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) form: ChecksumForm,
}

impl Naive {
    pub(super) fn of(received: &Received<'_>) -> Self {
        Self {
            version: received.version.number(),
            vrid: received.vrid.get(),
            priority: received.priority.to_wire(),
            centis: received.interval.centis().into(),
            addresses: received.addresses.iter().collect(),
            form: received.checksum,
        }
    }
}

/// The Internet checksum of bytes whose checksum field is zero.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u16;
    let mut at = 0;
    while at < bytes.len() {
        let low = if at + 1 < bytes.len() { bytes[at + 1] } else { 0 };
        let (added, carry) = sum.overflowing_add(u16::from_be_bytes([bytes[at], low]));
        sum = added + u16::from(carry);
        at += 2;
    }
    !sum
}

/// Whether a pseudo-header changes nothing, so that both forms are the same.
pub(super) fn pseudo_header_is_zero(len: usize, source: IpAddr, destination: IpAddr) -> bool {
    let message = vec![0; len];
    checksum(&with_pseudo_header(&message, source, destination)) == 0
}

pub(super) fn with_pseudo_header(message: &[u8], source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let mut bytes = Vec::new();
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
            bytes.extend([0, 112]);
            bytes.extend(u16::try_from(message.len()).expect("short").to_be_bytes());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
            bytes.extend(u32::try_from(message.len()).expect("short").to_be_bytes());
            bytes.extend([0, 0, 0, 112]);
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => panic!("two families"),
    }
    bytes.extend(message);
    bytes
}

/// Decodes, or tells why not.
pub(super) fn decode(
    payload: &[u8],
    source: IpAddr,
    destination: IpAddr,
) -> Result<Naive, DiscardReason> {
    let ensure = |condition: bool, reason| if condition { Ok(()) } else { Err(reason) };
    let at = |i: usize| u32::from(payload[i]);

    ensure(payload.len() >= 8, DiscardReason::Length)?;
    let carp = payload.len() == 36 && payload[0] == 0x21 && payload[3] == 7;
    ensure(!carp, DiscardReason::Carp)?;
    let version = payload[0] / 16;
    ensure(version == 2 || version == 3, DiscardReason::Version)?;
    ensure(payload[0] % 16 == 1, DiscardReason::Type)?;
    ensure(payload[1] != 0, DiscardReason::Vrid)?;
    ensure(version == 3 || source.is_ipv4(), DiscardReason::Version)?;

    let count = usize::from(payload[3]);
    ensure(count != 0, DiscardReason::AddressCount)?;
    let len = match (version, source) {
        (2, _) => 16 + 4 * count,
        (_, IpAddr::V4(_)) => 8 + 4 * count,
        (_, IpAddr::V6(_)) => 8 + 16 * count,
    };
    ensure(payload.len() == len, DiscardReason::Length)?;

    let mut zeroed = payload.to_vec();
    zeroed[6] = 0;
    zeroed[7] = 0;
    let field = u16::from_be_bytes([payload[6], payload[7]]);
    // 0x0000 and 0xffff are one number in one's complement.
    let is = |sum: u16| field % 0xffff == sum % 0xffff;
    let pseudo = is(checksum(&with_pseudo_header(&zeroed, source, destination)));
    let message = is(checksum(&zeroed));
    let form = if version == 3 && pseudo {
        ChecksumForm::PseudoHeader
    } else if source.is_ipv4() && message {
        ChecksumForm::MessageOnly
    } else {
        return Err(DiscardReason::Checksum);
    };

    ensure(version == 3 || payload[4] == 0, DiscardReason::Auth)?;
    let centis = match version {
        2 => at(5) * 100,
        _ => (at(4) % 16) * 256 + at(5),
    };
    ensure(centis != 0, DiscardReason::Interval)?;

    let addresses = addresses(&payload[8..], count, source);
    let (vrid, priority) = (payload[1], payload[2]);
    Ok(Naive { version, vrid, priority, centis, addresses, form })
}

fn addresses(list: &[u8], count: usize, source: IpAddr) -> Vec<IpAddr> {
    let size = if source.is_ipv4() { 4 } else { 16 };
    let mut addresses = Vec::new();
    for i in 0..count {
        let octets = list[i * size..(i + 1) * size].to_vec();
        addresses.push(match source {
            IpAddr::V4(_) => IpAddr::from(<[u8; 4]>::try_from(octets).expect("4 bytes")),
            IpAddr::V6(_) => IpAddr::from(<[u8; 16]>::try_from(octets).expect("16 bytes")),
        });
    }
    addresses
}
