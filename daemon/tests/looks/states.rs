//! Clusters as an operator may meet them, as a daemon tells of them.

use openproxy::api::document::Document;
use serde_json::{Value, json};

/// Text that a peer or a database could have put somewhere.
pub(crate) const HOSTILE: &str = "</script><img src=x onerror=\"document.title='boom'\">&amp;";

/// Every state, with its name.
pub(crate) fn all() -> Vec<(&'static str, Document)> {
    vec![
        ("healthy", document(healthy())),
        ("failover", document(failover())),
        ("split-brain", document(split_brain())),
        ("no-primary", document(no_primary())),
        ("conflict", document(conflict())),
        ("stale", document(stale())),
        ("misconfigured", document(misconfigured())),
    ]
}

/// The state of this name.
pub(crate) fn named(name: &str) -> Document {
    all().into_iter().find(|(known, _)| *known == name).expect("a known name").1
}

fn document(json: Value) -> Document {
    let mut document: Document = serde_json::from_value(json).expect("a document");
    document.judge();
    document
}

fn healthy() -> Value {
    json!({
        "status": "ok", "warnings": [],
        "process": {
            "version": "0.1.0", "host": "pg-1", "pid": 4711, "uptime_ms": 273_901_000,
            "file": "/etc/openproxy/openproxy.toml", "loaded_at": "2026-11-27T12:58:05.120Z",
            "file_problem": null, "guard": "watching", "stopping": false,
        },
        "routers": [
            router("eth0/50/IPv4", "MASTER", 150, "no advert for the master-down interval"),
            router("eth0/51/IPv4", "BACKUP", 100, "advert of 10.0.0.12 with priority 140"),
        ],
        "discards": { "vrid": 1204 },
        "shards": [{
            "pool": "my_pool", "shard": "0",
            "primary": {
                "status": "confirmed", "name": "pg-1", "host": "10.0.0.11", "port": 5432,
                "timeline": 7, "rule": "own_word", "source": "http://10.0.0.11:8008",
                "age_ms": 210, "why": null,
                "reason": "pg-1 (10.0.0.11:5432) on timeline 7, by its own word",
            },
            "replicas": [
                replica("pg-2", "10.0.0.12", Some(0), true), replica("pg-3", "2001:db8::13", Some(48_000_000), true),
            ],
            "foreign": [], "system": "7711713585392945889", "scope": "demo", "paused": false,
            "standby_cluster": false, "failsafe": false, "primary_unconfigured": false,
        }],
        "endpoints": [{
            "url": "http://10.0.0.11:8008", "asked": 512, "answers": 512, "failures": {}, "failure": null,
        }],
    })
}

fn router(name: &str, state: &str, priority: u8, reason: &str) -> Value {
    let serves = state == "MASTER";
    let last = if serves { 49 } else { 50 };
    json!({
        "name": name, "interface": "eth0", "router_id": last, "family": "IPv4", "version": 2,
        "state": state, "since_ms": 273_890_000, "reason": reason, "waits_for": null,
        "priority": priority, "configured_priority": priority, "advert_int_ms": 1000,
        "preempt": true, "group": null, "source": "10.0.0.11",
        "last_advert": if serves { Value::Null } else {
            json!({ "address": "10.0.0.12", "priority": 140, "age_ms": 320 })
        },
        "dual_master": false,
        "vips": [{ "address": format!("10.0.0.2{last}/24"), "held": serves, "refused": false }],
        "checks": [{ "check": "tcp 127.0.0.1:6432", "state": "well", "weight": -60 }],
        "master_ms": 273_890_000,
        "counters": {
            "promotions": 1, "adverts_sent": 273_890, "sends_failed": 0, "adverts_received": 12,
            "announcements": 4565, "dual_masters": 0, "vips_taken_away": 0, "vips_claimed": 0,
            "leases_lapsed": 0, "hooks_started": 0, "hooks_failed": 0,
        },
        "transitions": [
            transition("2026-11-27T12:58:08.300Z", "INITIALIZE", "BACKUP", "ready"),
            transition("2026-11-27T12:58:11.710Z", "BACKUP", state, reason),
        ],
    })
}

fn transition(at: &str, from: &str, to: &str, reason: &str) -> Value {
    json!({ "at": at, "from": from, "to": to, "reason": reason })
}

fn replica(name: &str, host: &str, lag_bytes: Option<u64>, eligible: bool) -> Value {
    json!({
        "name": name, "host": host, "port": 5432, "kind": "async",
        "state": lag_bytes.map(|_| "streaming"), "lag_bytes": lag_bytes,
        "no_load_balance": false, "eligible": eligible, "configured": true,
    })
}

/// The node has just taken over, and its shard's primary is being replaced.
fn failover() -> Value {
    let mut json = healthy();
    let router = &mut json["routers"][1];
    router["state"] = "MASTER".into();
    router["since_ms"] = 1_400.into();
    router["reason"] = "the MASTER said priority 0".into();
    router["vips"][0]["held"] = true.into();
    router["transitions"].as_array_mut().expect("a list").push(transition(
        "2026-11-30T17:02:51.004Z",
        "BACKUP",
        "MASTER",
        "the MASTER said priority 0",
    ));
    unnamed(&mut json, "key_gone", "nobody: pg-2 is silent and has lost the leader key");
    json["shards"][0]["replicas"][0] = replica("pg-2", "10.0.0.12", None, false);
    json["endpoints"][0]["failure"] = "connection refused".into();
    json
}

fn split_brain() -> Value {
    let mut json = healthy();
    json["routers"][0]["dual_master"] = true.into();
    json["routers"][0]["last_advert"] =
        json!({ "address": "10.0.0.13", "priority": 100, "age_ms": 90 });
    json["routers"][0]["counters"]["dual_masters"] = 1.into();
    json
}

fn no_primary() -> Value {
    let mut json = healthy();
    unnamed(&mut json, "nobody_claims", "nobody: all that answer say that they are replicas");
    json
}

fn conflict() -> Value {
    let mut json = healthy();
    let reason = "nobody: 10.0.0.11:5432 and 10.0.0.12:5432 both claim it on timeline 7";
    unnamed(&mut json, "conflict", reason);
    json
}

fn unnamed(json: &mut Value, why: &str, reason: &str) {
    json["shards"][0]["primary"] = json!({
        "status": "none", "name": null, "host": null, "port": null, "timeline": null,
        "rule": null, "source": null, "age_ms": null, "why": why, "reason": reason,
    });
}

fn stale() -> Value {
    let mut json = healthy();
    let primary = &mut json["shards"][0]["primary"];
    primary["status"] = "kept".into();
    primary["why"] = "all_silent".into();
    primary["age_ms"] = 95_300.into();
    primary["reason"] = "pg-1 (10.0.0.11:5432) as before: nobody answers".into();
    json["endpoints"][0]["failure"] = "no answer within 1 s".into();
    json
}

fn misconfigured() -> Value {
    let mut json = healthy();
    json["process"]["file_problem"] =
        "12:12: general.virtual_router.priority = 300: a whole number from 1 to 255".into();
    json["process"]["guard"] = "missing".into();
    let router = &mut json["routers"][0];
    router["state"] = "INITIALIZE".into();
    router["since_ms"] = Value::Null;
    router["reason"] = Value::Null;
    router["waits_for"] = "the interface doesn't exist".into();
    router["vips"][0]["held"] = false.into();
    router["checks"][0]["state"] = "unknown".into();
    router["transitions"] = json!([]);
    let other = &mut json["routers"][1];
    other["priority"] = 40.into();
    other["checks"][0]["state"] = "failed".into();
    json["shards"][0]["scope"] = HOSTILE.into();
    json
}
