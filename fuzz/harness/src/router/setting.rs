//! What the virtual routers are told to be, drawn from the bytes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use openproxy_core::vrrp::{
    AdverInterval, Check, ChecksumForm, Family, Handover, HookFailure, IntervalMismatch, Preempt,
    Priority, RouterConfig, RouterKey, TrackConfig, Transport, Version, Vip, Vrid, Weight,
};

pub(crate) const INTERFACE: &str = "eth0";
/// What the file may have; two that are in it can be a group.
pub(super) const VRIDS: [u8; 2] = [51, 52];
/// So many VIPs each at most.
const VIPS_MAX: u8 = 3;
const NEIGHBOURS_MAX: u8 = 4;

/// The machine's own address.
pub(crate) fn own(family: Family) -> (IpAddr, u8) {
    match family {
        Family::V4 => ([10, 0, 0, 1].into(), 24),
        Family::V6 => ([0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), 64),
    }
}

/// An address of its link; the first is its own.
pub(super) fn neighbour(draw: &mut Unstructured<'_>, family: Family) -> Result<IpAddr> {
    let last = draw.int_in_range(1..=NEIGHBOURS_MAX)?;
    Ok(neighbour_of(family, last))
}

fn neighbour_of(family: Family, last: u8) -> IpAddr {
    match family {
        Family::V4 => [10, 0, 0, last].into(),
        Family::V6 => [0xfe80, 0, 0, 0, 0, 0, 0, last.into()].into(),
    }
}

/// A VIP that only this VRID may have. Of IPv6, every other is global.
pub(super) fn vip(family: Family, vrid: u8, index: u8) -> Vip {
    match family {
        Family::V4 => Vip { ip: [10, 0, vrid, index].into(), prefix_len: 16 },
        Family::V6 => {
            let prefix = if index.is_multiple_of(2) { 0xfe80 } else { 0x2001 };
            let ip = [prefix, 0, 0, 0, 0, 0, vrid.into(), index.into()].into();
            Vip { ip, prefix_len: 64 }
        }
    }
}

/// All that it may have.
pub(super) fn vips(family: Family, vrid: u8) -> impl Iterator<Item = Vip> {
    (0..VIPS_MAX).map(move |index| vip(family, vrid, index))
}

/// Whose VIP it is.
pub(super) fn vrid_of(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) => ip.octets()[2],
        IpAddr::V6(ip) => ip.octets()[13],
    }
}

/// One or two virtual routers, perhaps of one group.
pub(crate) fn file(draw: &mut Unstructured<'_>, family: Family) -> Result<Vec<RouterConfig>> {
    let vrids = *draw.choose(&[&VRIDS[..1], &VRIDS[..1], &VRIDS[1..], &VRIDS, &VRIDS])?;
    let group = draw.arbitrary::<bool>()?.then(|| Arc::from("both"));
    let configs = vrids.iter().map(|vrid| {
        let mut config = config(draw, family, *vrid)?;
        config.group.clone_from(&group);
        Ok(config)
    });
    configs.collect()
}

fn config(draw: &mut Unstructured<'_>, family: Family, vrid: u8) -> Result<RouterConfig> {
    let version = match family {
        Family::V4 if draw.arbitrary()? => Version::V2,
        Family::V4 | Family::V6 => Version::V3,
    };
    let key =
        RouterKey { interface: INTERFACE.into(), vrid: Vrid::new(vrid).expect("in range"), family };
    let priority = if draw.ratio(1, 8)? { 255 } else { draw.int_in_range(1..=255)? };
    let priority = Priority::new(priority).expect("in range");
    let vips = vips(family, vrid).take(draw.int_in_range(1..=VIPS_MAX.into())?).collect();
    let interval = interval(draw, version)?;
    let mut config = RouterConfig::plain(key, version, priority, interval, vips);
    config.lease = draw.arbitrary()?;
    config.strict = draw.arbitrary()?;
    config.preempt = match draw.int_in_range(0_u8..=2)? {
        0 => Preempt::Never,
        1 => Preempt::After(Duration::ZERO),
        _ => Preempt::After(Duration::from_secs(draw.int_in_range(1..=60)?)),
    };
    if draw.arbitrary()? {
        config.interval_mismatch = IntervalMismatch::Discard;
    }
    if version == Version::V3 && family == Family::V4 && draw.arbitrary()? {
        config.checksum = ChecksumForm::MessageOnly;
    }
    config.garp_refresh = match draw.int_in_range(0_u8..=60)? {
        0 => None,
        secs => Some(Duration::from_secs(secs.into())),
    };
    config.transport = transport(draw, family)?;
    set_hooks(draw, &mut config)?;
    config.track = (0..draw.int_in_range(0_u8..=3)?).map(|_| track(draw)).collect::<Result<_>>()?;
    Ok(config)
}

pub(super) fn interval(draw: &mut Unstructured<'_>, version: Version) -> Result<AdverInterval> {
    let interval = match version {
        Version::V2 => AdverInterval::from_secs(draw.int_in_range(1..=40)?),
        Version::V3 => AdverInterval::from_centis(draw.int_in_range(1..=4_095)?),
    };
    Ok(interval.expect("in range"))
}

fn transport(draw: &mut Unstructured<'_>, family: Family) -> Result<Transport> {
    if draw.ratio(3, 4)? {
        return Ok(Transport::Multicast);
    }
    let source = draw.arbitrary::<bool>()?.then(|| own(family).0);
    let last = draw.int_in_range(2..=NEIGHBOURS_MAX)?;
    let peers = (2..=last).map(|last| neighbour_of(family, last)).collect();
    Ok(Transport::Unicast { source, peers })
}

fn set_hooks(draw: &mut Unstructured<'_>, config: &mut RouterConfig) -> Result<()> {
    let program: Arc<[String]> = ["hook".to_owned()].into();
    config.hooks.pre_promote = draw.arbitrary::<bool>()?.then(|| Arc::clone(&program));
    config.hooks.pre_demote = draw.arbitrary::<bool>()?.then_some(program);
    if config.hooks.pre_demote.is_some() {
        // As a file that says nothing of it has it.
        config.handover = Handover::Strict;
    }
    config.hooks.timeout = Duration::from_secs(draw.int_in_range(1..=20)?);
    if draw.arbitrary()? {
        config.hooks.on_failure = HookFailure::Abort;
    }
    Ok(())
}

fn track(draw: &mut Unstructured<'_>) -> Result<TrackConfig> {
    let check = match draw.int_in_range(0_u8..=3)? {
        0 => Check::Tcp(([127, 0, 0, 1], 5_432).into()),
        1 => Check::Command(["check".to_owned()].into()),
        2 => Check::Interface(INTERFACE.into()),
        _ => Check::Interface("eth1".into()),
    };
    let interval = Duration::from_millis(draw.int_in_range(100..=5_000)?);
    Ok(TrackConfig {
        check,
        interval,
        // Now and then shorter than any check takes.
        timeout: interval.mul_f64(f64::from(draw.int_in_range(1_u8..=100)?) / 100.0),
        fall: draw.int_in_range(1..=3)?,
        rise: draw.int_in_range(1..=3)?,
        weight: match draw.int_in_range(-254_i16..=254)? {
            -50..=50 => Weight::Fault,
            weight => Weight::Change(weight),
        },
    })
}
