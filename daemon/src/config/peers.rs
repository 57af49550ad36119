//! `unicast_peers` and `unicast_source`.

use std::net::IpAddr;

use openproxy_core::vrrp::{Family, Transport, Vip};

use super::keys::{UNICAST_PEERS, UNICAST_SOURCE};
use super::report::{Report, Spot};
use super::table::{Table, Value};
use super::values;

const NOT_AN_ADDRESS: &str = "must be the IPv4 or IPv6 address of a host";

/// Peers and sources of both families, as one file serves the routers of both.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    /// In the order of the file.
    peers: Vec<IpAddr>,
    /// At most one of each family.
    sources: Vec<IpAddr>,
}

impl Peers {
    /// How the router of one family sends and receives.
    pub(super) fn transport(&self, family: Family) -> Transport {
        let of_family = |ip: &&IpAddr| Family::of(**ip) == family;
        let peers: Vec<IpAddr> = self.peers.iter().filter(of_family).copied().collect();
        if peers.is_empty() {
            return Transport::Multicast;
        }
        let source = self.sources.iter().find(of_family).copied();
        Transport::Unicast { source, peers: peers.into() }
    }
}

/// Reads both keys of a router with these VIPs.
pub(super) fn read(report: &mut Report<'_>, table: &Table<'_>, vips: &[(Vip, Spot)]) -> Peers {
    let mut found = Peers::default();
    if let Some(list) = table.get(UNICAST_PEERS.name) {
        found.peers = read_peers(report, &list, vips);
    }
    if let Some(value) = table.get(UNICAST_SOURCE.name) {
        found.sources = read_sources(report, &value, vips);
        if table.get(UNICAST_PEERS.name).is_none() {
            report.warning(&value.spot, "has no effect without unicast_peers");
        }
    }
    found
}

fn read_peers(report: &mut Report<'_>, list: &Value<'_>, vips: &[(Vip, Spot)]) -> Vec<IpAddr> {
    let Some(elements) = list.elements() else {
        report.error(&list.spot, format!("must be {}", UNICAST_PEERS.allowed));
        return Vec::new();
    };
    if elements.is_empty() {
        report.info(&list.spot, "names no peer: adverts are sent by multicast");
        return Vec::new();
    }
    let mut peers = Vec::with_capacity(elements.len());
    let mut all_good = true;
    for element in &elements {
        match address(report, element, vips) {
            Some(ip) if peers.contains(&ip) => {
                report.warning(&element.spot, "is in the list already");
            }
            Some(ip) => peers.push(ip),
            None => all_good = false,
        }
    }
    for family in [Family::V4, Family::V6] {
        let needs = vips.iter().any(|(vip, _)| Family::of(vip.ip) == family);
        let has = peers.iter().any(|ip| Family::of(*ip) == family);
        if all_good && needs && !has {
            let message =
                format!("must name peers by {family} address too, as vip_addresses has {family}");
            report.error(&list.spot, message);
        }
    }
    peers
}

fn read_sources(report: &mut Report<'_>, value: &Value<'_>, vips: &[(Vip, Spot)]) -> Vec<IpAddr> {
    if value.value.is_str() {
        return address(report, value, vips).into_iter().collect();
    }
    let Some(elements) = value.elements() else {
        report.error(&value.spot, format!("must be {}", UNICAST_SOURCE.allowed));
        return Vec::new();
    };
    let mut sources: Vec<IpAddr> = Vec::with_capacity(2);
    for element in &elements {
        let Some(ip) = address(report, element, vips) else { continue };
        if sources.iter().any(|other| Family::of(*other) == Family::of(ip)) {
            let message = format!("is a second {} address; one is allowed", Family::of(ip));
            report.error(&element.spot, message);
        } else {
            sources.push(ip);
        }
    }
    sources
}

/// An address of another host or our own, of a family that the router has, and no VIP.
fn address(report: &mut Report<'_>, value: &Value<'_>, vips: &[(Vip, Spot)]) -> Option<IpAddr> {
    let Some(ip) = value.value.as_str().and_then(values::host_address) else {
        report.error(&value.spot, NOT_AN_ADDRESS);
        return None;
    };
    if vips.iter().any(|(vip, _)| vip.ip == ip) {
        report.error(&value.spot, "is a VIP; it must be the address of one host alone");
        return None;
    }
    let family = Family::of(ip);
    if !vips.is_empty() && !vips.iter().any(|(vip, _)| Family::of(vip.ip) == family) {
        report
            .error(&value.spot, format!("is {family}, but vip_addresses has no {family} address"));
        return None;
    }
    Some(ip)
}
