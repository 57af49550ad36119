//! Warnings about what is allowed and probably not meant.

use std::net::IpAddr;
use std::time::Duration;

use openproxy_core::vrrp::{
    Family, KERNEL_LATENESS_MAX, Lease, Preempt, RouterConfig, Version, master_down_interval,
};

use super::keys;
use super::report::{Report, Spot};
use super::table::Table;

/// How late a lease that is renewed less often than adverts are sent may begin.
const SUB_SECOND_OFF_MAX: Duration = Duration::from_millis(2_500);

/// Looks at the routers that one table makes; they differ only in the family.
pub(super) fn on_router(report: &mut Report<'_>, table: &Table<'_>, routers: &[RouterConfig]) {
    let Some(router) = routers.first() else { return };
    on_crash_overlap(report, table, router);
    on_owner(report, table, router);
    on_idle_keys(report, table, router, routers);
    for router in routers.iter().filter(|router| router.key.family == Family::V6) {
        on_link_local(report, table, router);
    }
}

/// How long two nodes may hold the VIPs after a crash of the MASTER, should this node take over.
///
/// The lease of the crashed MASTER ends within a known time after its last advert, and this node
/// waits its master-down interval after it.
#[must_use]
pub(super) fn crash_overlap(router: &RouterConfig) -> Duration {
    let interval = router.interval;
    let off = if interval.duration() < Duration::from_secs(1) {
        SUB_SECOND_OFF_MAX
    } else {
        Lease::of(interval).duration() + KERNEL_LATENESS_MAX
    };
    off.saturating_sub(master_down_interval(router.version, router.priority, interval))
}

fn on_crash_overlap(report: &mut Report<'_>, table: &Table<'_>, router: &RouterConfig) {
    if !router.lease {
        let message = "leaves the VIPs on a node whose process is killed, hangs or is stopped";
        report.warning(&spot(table, keys::LEASE.name), message);
        return;
    }
    let overlap = crash_overlap(router);
    if overlap.is_zero() {
        return;
    }
    let millis = overlap.as_nanos().div_ceil(1_000_000);
    if router.interval.duration() < Duration::from_secs(1) {
        let message = format!(
            "leaves two holders for up to {millis} ms after a crash of the MASTER: a lease can't \
             be shorter than 1 s; from 1.5 s on there are none, whatever the priorities"
        );
        report.info(&spot(table, keys::ADVERT_INT.name), message);
    } else {
        let message = format!(
            "leaves two holders for up to {millis} ms after a crash of the MASTER; none with a \
             priority of at most 192, or with advert_int = 2"
        );
        report.warning(&spot(table, keys::PRIORITY.name), message);
    }
}

fn on_owner(report: &mut Report<'_>, table: &Table<'_>, router: &RouterConfig) {
    if !router.priority.is_owner() {
        return;
    }
    let message = "has no effect: priority 255 takes over at once, always";
    match router.preempt {
        Preempt::Never => report.warning(&spot(table, keys::PREEMPT.name), message),
        Preempt::After(delay) if !delay.is_zero() => {
            report.warning(&spot(table, keys::PREEMPT_DELAY.name), message);
        }
        Preempt::After(_) => {}
    }
}

fn on_idle_keys(
    report: &mut Report<'_>,
    table: &Table<'_>,
    router: &RouterConfig,
    routers: &[RouterConfig],
) {
    let has_v4 = routers.iter().any(|router| router.key.family == Family::V4);
    let has_v6 = routers.iter().any(|router| router.key.family == Family::V6);
    let is_v3 = router.version == Version::V3;
    let idle = [
        (keys::CHECKSUM, is_v3 && has_v4, "has an effect only with version = 3 and IPv4"),
        (keys::V2_INTERVAL_MISMATCH, !is_v3, "has an effect only with version = 2"),
        (keys::STRICT, has_v6, "has an effect only on IPv6"),
    ];
    for (key, is_used, message) in idle {
        if let Some(found) = table.get(key.name).filter(|_| !is_used) {
            report.warning(&found.spot, message);
        }
    }
}

fn on_link_local(report: &mut Report<'_>, table: &Table<'_>, router: &RouterConfig) {
    let first = router.vips.first().map(|vip| vip.ip);
    if matches!(first, Some(IpAddr::V6(v6)) if v6.is_unicast_link_local()) {
        return;
    }
    let list = spot(table, keys::VIP_ADDRESSES.name);
    if router.strict {
        report.error(&list, "must have a link-local IPv6 address first, as strict = true");
    } else {
        let message = "should have a link-local IPv6 address first (RFC 9568 section 5.2.9); \
                       strict peers discard adverts without one";
        report.warning(&list, message);
    }
}

fn spot(table: &Table<'_>, name: &str) -> Spot {
    table.get(name).map_or_else(|| table.missing(name), |found| found.spot)
}
