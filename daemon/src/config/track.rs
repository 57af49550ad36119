//! `track`: what must work for the VIPs to be useful here.

use std::net::SocketAddr;
use std::time::Duration;

use openproxy_core::vrrp::{Check, Priority, TrackConfig, Weight};

use super::keys;
use super::report::Report;
use super::table::{Table, Value};
use super::values;

const CHECKS_MAX: usize = 64;
const DEFAULT_INTERVAL_MS: u64 = 1_000;
const DEFAULT_TIMEOUT_MS: u64 = 500;
const DEFAULT_COUNT: u32 = 2;

/// The checks of a router.
pub(super) fn read(
    report: &mut Report<'_>,
    router: &Table<'_>,
    priority: Option<Priority>,
) -> Vec<TrackConfig> {
    let Some(found) = router.get(keys::TRACK.name) else { return Vec::new() };
    let elements = found.elements().filter(|elements| elements.len() <= CHECKS_MAX);
    let Some(elements) = elements else {
        report.error(&found.spot, format!("must be {}", keys::TRACK.allowed));
        return Vec::new();
    };
    elements.iter().filter_map(|element| read_one(report, element, priority)).collect()
}

fn read_one(
    report: &mut Report<'_>,
    element: &Value<'_>,
    priority: Option<Priority>,
) -> Option<TrackConfig> {
    let Some(table) = element.table() else {
        report.error(&element.spot, "must be a table, such as { tcp = \"127.0.0.1:6432\" }");
        return None;
    };
    table.refuse_unknown(report, keys::TRACK_KEYS);
    let check = read_check(report, &table);
    let interval_ms = table
        .read(report, &keys::TRACK_INTERVAL, |value| values::whole(value, 100..=3_600_000))
        .unwrap_or(DEFAULT_INTERVAL_MS);
    let timeout_ms = table
        .read(report, &keys::TRACK_TIMEOUT, |value| values::whole(value, 1..=interval_ms))
        .unwrap_or(DEFAULT_TIMEOUT_MS.min(interval_ms));
    let count = |value: &_| values::whole(value, 1..=100);
    let fall = table.read(report, &keys::TRACK_FALL, count).unwrap_or(DEFAULT_COUNT);
    let rise = table.read(report, &keys::TRACK_RISE, count).unwrap_or(DEFAULT_COUNT);
    let weight = table
        .read(report, &keys::TRACK_WEIGHT, |value| values::whole(value, -253_i16..=253))
        .unwrap_or(0);
    if let Some(found) = table.get(keys::TRACK_WEIGHT.name).filter(|_| weight > 0) {
        report.warning(&found.spot, "raises the priority while the check fails");
    }
    if weight != 0 && priority.is_some_and(Priority::is_owner) {
        let message = "has no effect: priority 255 is never changed by a weight";
        report.warning(&element.spot, message);
    }
    Some(TrackConfig {
        check: check?,
        interval: Duration::from_millis(interval_ms),
        timeout: Duration::from_millis(timeout_ms),
        fall,
        rise,
        weight: if weight == 0 { Weight::Fault } else { Weight::Change(weight) },
    })
}

fn read_check(report: &mut Report<'_>, table: &Table<'_>) -> Option<Check> {
    let kinds = [keys::TRACK_TCP, keys::TRACK_COMMAND, keys::TRACK_INTERFACE];
    let named = kinds.iter().filter(|key| table.get(key.name).is_some()).count();
    let tcp = table.read(report, &keys::TRACK_TCP, |value| {
        let address: SocketAddr = value.as_str()?.parse().ok()?;
        (address.port() != 0).then_some(Check::Tcp(address))
    });
    let command =
        table.read(report, &keys::TRACK_COMMAND, values::command_line).map(Check::Command);
    let interface =
        table.read(report, &keys::TRACK_INTERFACE, values::interface_name).map(Check::Interface);
    if named != 1 {
        report.error(&table.spot(), "must have exactly one of tcp, command and interface");
        return None;
    }
    tcp.or(command).or(interface)
}
