//! `docs/topology.md` and the JSON have the same fields.

use std::collections::BTreeSet;
use std::sync::Arc;

use openproxy_core::discovery::{
    AskFailure, Counters, EndpointKey, Evidence, Host, Scheme, SystemIdentifier, Timeline,
};
use serde_json::Value;

use super::*;

const DOCS: &str = include_str!("../../../../docs/topology.md");

/// (object, field) of every row of the table.
fn documented() -> BTreeSet<(String, String)> {
    let (_, table) = DOCS.split_once("| Object | Field |").expect("the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[0].to_owned(), cells[1].trim_matches('`').to_owned())).collect()
}

fn address(host: &str) -> Address {
    Address { host: Host::new(host), port: 5432 }
}

pub(crate) fn snapshot() -> Snapshot {
    let key = EndpointKey { scheme: Scheme::Http, address: address("10.0.0.1") };
    let at = Instant::from_millis(1_000);
    let evidence = Evidence {
        rule: Rule::OwnWord,
        source: Some(key.clone()),
        at,
        timeline: Some(Timeline(7)),
    };
    let named = Named { name: Some("n1".into()), address: address("10.0.0.1"), evidence };
    let replica = Replica {
        name: None,
        address: address("::1"),
        kind: ReplicaKind::Sync,
        state: None,
        lag_bytes: Some(5),
        no_load_balance: false,
        eligible: true,
        configured: true,
    };
    let topology = Topology {
        replicas: vec![replica],
        foreign: vec![address("10.0.0.9")],
        system: Some(SystemIdentifier(u64::MAX)),
        scope: Some("demo".into()),
        primary: Primary::Kept(named, KeptWhy::AllSilent),
        ..Topology::unknown(NoneWhy::Starting)
    };
    let shard = ShardId { pool: Arc::from("p"), shard: Arc::from("0") };
    let endpoint = EndpointState {
        key,
        counters: Counters::default(),
        failures: [("refused", 3)].into(),
        failure: Some(AskFailure::Refused),
    };
    Snapshot {
        at: Instant::from_millis(1_250),
        changes: [(shard.clone(), 3)].into(),
        shards: vec![(shard, topology)],
        endpoints: vec![endpoint],
    }
}

#[test]
fn every_field_is_documented_and_no_other() {
    let json = serde_json::to_value(Document::new(&snapshot())).expect("it can be written");
    let shard = &json["shards"][0];
    let objects = [
        ("document", &json),
        ("shard", shard),
        ("primary", &shard["primary"]),
        ("replica", &shard["replicas"][0]),
        ("endpoint", &json["endpoints"][0]),
    ];
    let mut there = BTreeSet::new();
    for (name, object) in objects {
        let fields = object.as_object().expect("an object").keys();
        there.extend(fields.map(|field| (name.to_owned(), field.clone())));
    }
    assert_eq!(documented(), there);
}

#[test]
fn what_is_written_can_be_read_and_says_what_is_known() {
    let text = serde_json::to_string(&Document::new(&snapshot())).expect("it can be written");
    let read: Document = serde_json::from_str(&text).expect("it can be read");
    assert_eq!(serde_json::to_string(&read).expect("it can be written"), text);
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let primary = &json["shards"][0]["primary"];
    assert_eq!(primary["age_ms"], 250);
    assert_eq!((&primary["host"], &primary["why"]), (&"10.0.0.1".into(), &"all_silent".into()));
    assert_eq!(json["shards"][0]["replicas"][0]["host"], "::1");
    assert_eq!(json["shards"][0]["system"], u64::MAX.to_string());
    assert_eq!(json["endpoints"][0]["failures"]["refused"], 3);
}

#[test]
fn every_word_is_documented() {
    let none = [
        NoneWhy::Starting,
        NoneWhy::NoneAnswered,
        NoneWhy::Unknown,
        NoneWhy::NobodyClaims,
        NoneWhy::GaveUp(None, None),
        NoneWhy::KeyGone,
        NoneWhy::KeyMoved("n1".into()),
        NoneWhy::Unreachable,
        NoneWhy::StandbyCluster,
        NoneWhy::Conflict(Vec::new()),
        NoneWhy::Fenced(Timeline(1)),
        NoneWhy::Unagreed,
    ];
    let kept = [KeptWhy::AllSilent, KeptWhy::Paused, KeptWhy::OwnSilent];
    let rules = [Rule::OwnWord, Rule::LeaderKey, Rule::File];
    let words = none.iter().map(none_word).chain(kept.map(kept_word)).chain(rules.map(rule_word));
    for word in words {
        assert!(DOCS.contains(&format!("`{word}`")), "{word}");
    }
}
