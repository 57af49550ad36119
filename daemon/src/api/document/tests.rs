//! `docs/status.md` and the JSON have the same fields.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use openproxy_core::event::{Blocker, Reason};
use openproxy_core::supervisor::Discards;
use openproxy_core::time::{Duration, Instant};
use openproxy_core::vrrp::{
    AdverInterval, AdvertPriority, Check, CheckReport, Counters, Duty, Family, LastAdvert,
    Priority, Report, RouterConfig, RouterKey, StateName, Version, Vip, VipReport, Vrid, Weight,
};
use serde_json::Value;

use super::*;
use crate::driver::Lateness;
use crate::routers::history::Transition;

const DOCS: &str = include_str!("../../../../docs/status.md");

/// (object, field) of every row of the table.
fn documented() -> BTreeSet<(String, String)> {
    let (_, table) = DOCS.split_once("| Object | Field |").expect("the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[0].to_owned(), cells[1].trim_matches('`').to_owned())).collect()
}

pub(in crate::api) fn report(state: StateName) -> Report {
    let ip: IpAddr = "10.0.0.200".parse().expect("an address");
    let vip = Vip { ip, prefix_len: 24 };
    let key = RouterKey {
        interface: "eth0".into(),
        vrid: Vrid::new(50).expect("in range"),
        family: Family::V4,
    };
    let (priority, interval) =
        (Priority::new(150).expect("in range"), AdverInterval::from_centis(100).expect("in range"));
    let config = RouterConfig::plain(key, Version::V2, priority, interval, [vip].into());
    let last_advert = LastAdvert {
        source: "10.0.0.7".parse().expect("an address"),
        priority: AdvertPriority::Zero,
        at: Instant::from_millis(500),
    };
    Report {
        state,
        changed: Some((Instant::from_millis(400), Reason::MasterDown)),
        blocker: (state == StateName::Initialize).then_some(Blocker::LinkDown),
        duty: Duty::Full,
        priority: Priority::new(100).expect("in range"),
        discovered_weight: 0,
        source: "10.0.0.5".parse().ok(),
        master_interval: interval,
        last_advert: Some(last_advert),
        is_dual: false,
        vips: vec![VipReport { vip, held: state == StateName::Master, refused: false }],
        checks: vec![CheckReport {
            check: Check::Tcp("127.0.0.1:6432".parse().expect("an address")),
            weight: Weight::Change(-50),
            is_well: Some(true),
        }],
        master_for: Duration::from_millis(600),
        counters: Counters { promotions: 1, ..Counters::default() },
        config,
    }
}

pub(in crate::api) fn look(routers: Vec<Report>) -> Look {
    let (discards, lateness) = (Discards::default(), Lateness::default());
    let (at, turn_due_at) = (Instant::from_millis(1_000), Instant::MAX);
    Look { at, turn_due_at, routers, discards, lateness }
}

pub(in crate::api) fn document(reports: Vec<Report>) -> Document {
    let history = History::default();
    for report in &reports {
        history.put(Transition {
            at: SystemTime::UNIX_EPOCH,
            router: report.config.key.clone(),
            from: StateName::Backup,
            to: report.state,
            reason: Reason::MasterDown,
            priority: report.priority,
        });
    }
    let look = look(reports);
    let known = Snapshot {
        at: look.at,
        shards: Vec::new(),
        changes: BTreeMap::new(),
        endpoints: Vec::new(),
    };
    let facts = facts();
    Document::new(&facts, Some(&look), &history, Some(&known))
}

pub(in crate::api) fn facts() -> Facts {
    Facts {
        started: SystemTime::now(),
        file: PathBuf::from("/etc/openproxy/openproxy.toml"),
        loaded: SystemTime::UNIX_EPOCH,
        problem: None,
        guard: GuardState::Watching,
        stopping: false,
        log_lines_dropped: Some(7),
    }
}

#[test]
fn every_field_is_documented_and_no_other() {
    let mut document = document(vec![report(StateName::Master)]);
    document.warnings.push(WarningObject::critical("it burns"));
    let json = serde_json::to_value(document).expect("it can be written");
    let router = &json["routers"][0];
    let objects = [
        ("document", &json),
        ("warning", &json["warnings"][0]),
        ("process", &json["process"]),
        ("router", router),
        ("last_advert", &router["last_advert"]),
        ("vip", &router["vips"][0]),
        ("check", &router["checks"][0]),
        ("counters", &router["counters"]),
        ("transition", &router["transitions"][0]),
    ];
    let fields = |(name, object): (&str, &Value)| {
        let fields = object.as_object().expect("an object").keys();
        fields.map(|field| (name.to_owned(), field.clone())).collect::<Vec<_>>()
    };
    let there: BTreeSet<_> = objects.into_iter().flat_map(fields).collect();
    assert_eq!(there, documented());
}

#[test]
fn a_router_is_told_of_as_it_is() {
    let document = document(vec![report(StateName::Master)]);
    let router = &document.routers[0];
    assert_eq!((&*router.name, &*router.state), ("eth0/50/IPv4", "MASTER"));
    assert_eq!((router.since_ms, router.master_ms), (Some(600), 600));
    assert_eq!((router.priority, router.configured_priority), (100, 150));
    let advert = router.last_advert.as_ref().expect("one was heard");
    assert_eq!((advert.priority, advert.age_ms), (0, 500));
    assert_eq!(router.transitions[0].at, "1970-01-01T00:00:00.000Z");
    assert_eq!((document.status, document.warnings.len()), ("ok".into(), 0));
}

#[test]
fn what_has_ended_is_critical() {
    let facts = crate::process::Process::new(PathBuf::new()).facts();
    let document = Document::new(&facts, None, &History::default(), None);
    assert_eq!((&*document.status, document.warnings.len()), ("critical", 2));
}
