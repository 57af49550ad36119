//! The metrics of each virtual router.

use std::collections::BTreeMap;

use openproxy_core::time::Instant;
use openproxy_core::vrrp::{Report, StateName};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::family::{Family, Labels, Value};
use crate::routers::Look;

/// A metric with one series for each router, or none where there is nothing to say.
#[derive(Clone, Copy)]
struct Column {
    name: &'static str,
    kind: MetricType,
    in_seconds: bool,
    help: &'static str,
    value: fn(&Report, Instant) -> Option<Value>,
}

type Read = fn(&Report, Instant) -> Option<Value>;

const fn gauge(name: &'static str, help: &'static str, value: Read) -> Column {
    Column { name, kind: MetricType::Gauge, in_seconds: false, help, value }
}

const fn counter(name: &'static str, help: &'static str, value: Read) -> Column {
    Column { name, kind: MetricType::Counter, in_seconds: false, help, value }
}

const fn seconds(column: Column) -> Column {
    Column { in_seconds: true, ..column }
}

const COLUMNS: [Column; 19] = [
    gauge("router_priority", "Priority now, with failed checks and what it follows.", |r, _| {
        Some(r.priority.get().into())
    }),
    gauge("router_configured_priority", "Priority in the file.", |r, _| {
        Some(r.config.priority.get().into())
    }),
    seconds(gauge("router_advert_interval", "Its own interval between adverts.", |r, _| {
        Some(r.config.interval.duration().into())
    })),
    seconds(gauge(
        "router_last_advert_age",
        "Age of the last valid advert of another.",
        |r, now| r.last_advert.map(|advert| now.since(advert.at).into()),
    )),
    seconds(counter("router_master", "How long it has been MASTER.", |r, _| {
        Some(r.master_for.into())
    })),
    gauge("router_dual_master", "1 while a lesser MASTER doesn't hear it.", |r, _| {
        Some(r.is_dual.into())
    }),
    counter("router_dual_masters", "Times that a lesser MASTER didn't hear it.", |r, _| {
        Some(r.counters.dual_masters.into())
    }),
    counter("router_promotions", "Entries to MASTER.", |r, _| Some(r.counters.promotions.into())),
    counter("router_adverts_sent", "Adverts sent.", |r, _| Some(r.counters.adverts_sent.into())),
    counter("router_adverts_received", "Valid adverts received.", |r, _| {
        Some(r.counters.adverts_received.into())
    }),
    counter("router_send_failures", "Adverts that could not be sent.", |r, _| {
        Some(r.counters.sends_failed.into())
    }),
    counter("router_announcements", "Rounds of announcements of its VIPs.", |r, _| {
        Some(r.counters.announcements.into())
    }),
    counter("router_vips_claimed", "Announcements of its VIPs by others while MASTER.", |r, _| {
        Some(r.counters.vips_claimed.into())
    }),
    counter("router_vips_taken_away", "VIPs that somebody else removed, put back.", |r, _| {
        Some(r.counters.vips_taken_away.into())
    }),
    counter("router_leases_lapsed", "Times that its lease had passed at a wake-up.", |r, _| {
        Some(r.counters.leases_lapsed.into())
    }),
    counter("router_hooks_started", "Scripts that were started.", |r, _| {
        Some(r.counters.hooks_started.into())
    }),
    counter("router_hooks_failed", "Scripts that failed or took too long.", |r, _| {
        Some(r.counters.hooks_failed.into())
    }),
    gauge("router_vips_held", "VIPs that are on the interface of this node.", |r, _| {
        Some(r.vips.iter().filter(|vip| vip.held).count().into())
    }),
    gauge("router_vips_refused", "VIPs that the kernel refused when last asked.", |r, _| {
        Some(r.vips.iter().filter(|vip| vip.refused).count().into())
    }),
];

pub(super) fn families(look: &Look) -> Vec<Family> {
    // One that hands over may be in the file again: the newer one counts.
    let routers: BTreeMap<_, _> = look.routers.iter().map(|r| (&r.config.key, r)).collect();
    let routers: Vec<_> = routers.into_values().collect();
    let mut families = vec![
        Family::gauge("router_state", "1 for the state that it is in, 0 for the others.")
            .with_all(each(&routers, states, "state")),
        Family::counter("router_transitions", "Changes of state, by the state that was entered.")
            .with_all(each(&routers, entered, "state")),
        Family::gauge("router_checks", "Its checks, by what they say.")
            .with_all(each(&routers, checks, "result")),
        Family::gauge("router_vips_configured", "VIPs in the file.")
            .with_all(routers.iter().map(|r| (labels(r), r.config.vips.len().into()))),
    ];
    families.extend(COLUMNS.into_iter().map(|column| {
        let Column { name, kind, in_seconds, help, value } = column;
        let unit = in_seconds.then_some(Unit::Seconds);
        let series = routers.iter();
        let series = series.filter_map(|router| Some((labels(router), value(router, look.at)?)));
        Family { kind, unit, ..Family::gauge(name, help) }.with_all(series)
    }));
    families
}

/// A series for each router and word.
fn each(
    routers: &[&Report],
    values: impl Fn(&Report) -> Vec<(&'static str, Value)>,
    label: &'static str,
) -> Vec<(Labels, Value)> {
    let series = routers.iter().flat_map(|router| {
        values(router).into_iter().map(|(word, value)| {
            let mut labels = labels(router);
            labels.push((label, word.to_owned()));
            (labels, value)
        })
    });
    series.collect()
}

fn states(router: &Report) -> Vec<(&'static str, Value)> {
    StateName::ALL.map(|state| (state.as_str(), (router.state == state).into())).into()
}

fn entered(router: &Report) -> Vec<(&'static str, Value)> {
    let entered = StateName::ALL.iter().zip(router.counters.entered);
    entered.map(|(state, count)| (state.as_str(), count.into())).collect()
}

fn checks(router: &Report) -> Vec<(&'static str, Value)> {
    let results = [("well", Some(true)), ("failed", Some(false)), ("unknown", None)];
    let count = |result| router.checks.iter().filter(|check| check.is_well == result).count();
    results.map(|(word, result)| (word, count(result).into())).into()
}

fn labels(router: &Report) -> Labels {
    let key = &router.config.key;
    vec![
        ("interface", key.interface.to_string()),
        ("router_id", key.vrid.get().to_string()),
        ("family", key.family.to_string()),
    ]
}
