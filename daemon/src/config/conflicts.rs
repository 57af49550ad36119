//! What two routers can't share, and what one router can't have alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use openproxy_core::vrrp::{InterfaceName, RouterKey};

use super::report::{Report, Spot};
use super::router::Draft;

/// Reports each router or VIP that is there twice, and each group of one.
pub(super) fn find(report: &mut Report<'_>, drafts: &[Draft]) {
    repeated_routers(report, drafts);
    repeated_vips(report, drafts);
    lonely_groups(report, drafts);
}

fn repeated_routers(report: &mut Report<'_>, drafts: &[Draft]) {
    let mut first_lines: BTreeMap<RouterKey, usize> = BTreeMap::new();
    for draft in drafts {
        let (Some(interface), Some((vrid, spot))) = (&draft.interface, &draft.vrid) else {
            continue;
        };
        for family in draft.families() {
            let key = RouterKey { interface: interface.clone(), vrid: *vrid, family };
            if let Some(line) = first_lines.get(&key) {
                let message = format!(
                    "is the router_id of an {family} router on {interface} already, on line {line}"
                );
                report.error(spot, message);
            } else {
                first_lines.insert(key, report.line(spot.span.start));
            }
        }
    }
}

fn repeated_vips(report: &mut Report<'_>, drafts: &[Draft]) {
    // Link-local addresses mean different hosts on different interfaces.
    type Owner = (Option<InterfaceName>, IpAddr);
    let mut first_lines: BTreeMap<Owner, usize> = BTreeMap::new();
    for draft in drafts {
        let mut of_draft: Vec<(Owner, &Spot)> = Vec::new();
        for (vip, spot) in &draft.vips {
            let is_link_local = matches!(vip.ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
            let interface = draft.interface.clone().filter(|_| is_link_local);
            of_draft.push(((interface, vip.ip), spot));
        }
        for (owner, spot) in &of_draft {
            if let Some(line) = first_lines.get(owner) {
                let message = format!("is a VIP of another virtual router already, on line {line}");
                report.error(spot, message);
            }
        }
        for (owner, spot) in of_draft {
            first_lines.entry(owner).or_insert_with(|| report.line(spot.span.start));
        }
    }
}

fn lonely_groups(report: &mut Report<'_>, drafts: &[Draft]) {
    let mut seen = BTreeSet::new();
    let mut shared = BTreeSet::new();
    for draft in drafts {
        if let Some((name, _)) = &draft.group {
            let is_pair = draft.families().count() > 1;
            if !seen.insert(name) || is_pair {
                shared.insert(name);
            }
        }
    }
    for draft in drafts {
        if let Some((name, spot)) = draft.group.as_ref().filter(|(name, _)| !shared.contains(name))
        {
            report.warning(spot, format!("has no effect: no other router is in group {name:?}"));
        }
    }
}
