//! Packets of somebody who isn't part of the virtual router.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use openproxy_core::vrrp::{
    AdverInterval, AdvertBuffer, AdvertPriority, Advertisement, ChecksumForm, MULTICAST_V4,
    MULTICAST_V6, Priority, Version, Vrid,
};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::frame::{Frame, Truth};

use crate::fault::Wrong;
use crate::scenario::{Scenario, VRID};

/// A packet to a node that it must discard: `chosen` decides what is free in it.
///
/// # Panics
/// If the scenario is one that its check refuses.
#[must_use]
pub(crate) fn frame(scenario: &Scenario, to: NodeId, wrong: Wrong, chosen: u64) -> Frame {
    let last = u8::try_from(chosen % 10 + 100).unwrap_or(100);
    let (source, group): (IpAddr, IpAddr) = if scenario.ipv6 {
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last.into());
        (source.into(), MULTICAST_V6.into())
    } else {
        (Ipv4Addr::new(10, 0, 0, last).into(), MULTICAST_V4.into())
    };
    let group = if wrong == Wrong::Way { scenario.own_address(to).0 } else { group };
    let vrid = if wrong == Wrong::Vrid { VRID + 1 } else { VRID };
    let ours = if scenario.version == 2 { Version::V2 } else { Version::V3 };
    let version = match (wrong, ours) {
        (Wrong::Version, Version::V3) if !scenario.ipv6 => Version::V2,
        (Wrong::Version, Version::V2) => Version::V3,
        (Wrong::Vrid | Wrong::Version | Wrong::Checksum | Wrong::Type | Wrong::Way, ours) => ours,
    };
    // Version 2 writes whole seconds.
    let centis = match version {
        Version::V2 => scenario.interval_centis.next_multiple_of(100).min(25_500),
        Version::V3 => scenario.interval_centis,
    };
    let advert = Advertisement {
        version,
        vrid: Vrid::new(vrid).expect("in range"),
        // Better than anybody: it would be believed if it were taken.
        priority: AdvertPriority::Of(Priority::new(254).expect("in range")),
        interval: AdverInterval::from_centis(centis).expect("checked"),
        checksum: ChecksumForm::PseudoHeader,
        addresses: Arc::<[_]>::from(scenario.vips()),
    };
    let mut buffer = AdvertBuffer::new();
    let mut payload = advert.encode(source, group, &mut buffer).to_vec();
    match wrong {
        Wrong::Vrid | Wrong::Version | Wrong::Way => {}
        Wrong::Checksum => payload[7] ^= 0x55,
        Wrong::Type => payload[0] = payload[0] & 0xf0 | 2,
    }
    // There is no version 2 for IPv6: a version that nobody has stands for it.
    if wrong == Wrong::Version && scenario.ipv6 {
        payload[0] = 0x41;
    }
    let mut frame = Frame::new(source, group, &payload);
    frame.truth = Truth::Stranger;
    frame
}
