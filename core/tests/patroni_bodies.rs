//! Every recorded answer of real clusters is read, and says what it said.

use std::fs;
use std::path::{Path, PathBuf};

use openproxy_core::discovery::{ClusterAnswer, NodeAnswer, Role, State};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/patroni-bodies")
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("a recording");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn recordings() -> Vec<(String, Value)> {
    let faults = fs::read_dir(folder().join("faults")).expect("recordings of faults");
    let mut files: Vec<_> = faults.map(|entry| entry.expect("an entry").path()).collect();
    files.push(folder().join("states.jsonl"));
    files.sort();
    let of_file = |file: PathBuf| {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        lines(&file).into_iter().map(move |line| (name.clone(), line))
    };
    files.into_iter().flat_map(of_file).collect()
}

fn text<'a>(line: &'a Value, key: &str) -> Option<&'a str> {
    line.get(key).and_then(Value::as_str)
}

/// What a field says, as the plain JSON has it.
fn word<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path).and_then(Value::as_str)
}

#[test]
fn every_node_answer_says_what_its_json_says() {
    let mut count = 0;
    for (name, line) in recordings() {
        let (Some(path), Some(body)) = (text(&line, "path"), text(&line, "body")) else { continue };
        let Ok(json @ Value::Object(_)) = serde_json::from_str::<Value>(body) else { continue };
        if word(&json, "/state").is_none() {
            continue;
        }
        count += 1;
        let answer = NodeAnswer::parse(body.as_bytes()).expect("an answer");
        assert_eq!(answer.odd.count, 0, "{name} {path}: {body}");
        assert_eq!(answer.role.as_ref().map(Role::as_word), word(&json, "/role"));
        assert_eq!(answer.state.as_ref().map(State::as_word), word(&json, "/state"));
        let timeline = json.get("timeline").and_then(Value::as_u64);
        assert_eq!(answer.timeline.map(|timeline| timeline.0.into()), timeline);
        assert_eq!(answer.name.as_deref(), word(&json, "/patroni/name"));
        assert_eq!(answer.version.as_deref(), word(&json, "/patroni/version"));
        let system = answer.system.map(|system| system.to_string());
        assert_eq!(system.as_deref(), word(&json, "/database_system_identifier"));
        let known = !matches!(answer.role, Some(Role::Other(_)))
            && !matches!(answer.state, Some(State::Other(_)));
        assert!(known, "{name}: {body}");
        // Every primary that runs has a timeline: without one, no claim could be held to a fence.
        assert!(!answer.is_running_primary() || answer.timeline.is_some(), "{name}: {body}");
    }
    assert!(count > 700, "{count} answers");
}

#[test]
fn every_cluster_answer_says_what_its_json_says() {
    let mut count = 0;
    for (name, line) in recordings() {
        let (Some("/cluster"), Some(body)) = (text(&line, "path"), text(&line, "body")) else {
            continue;
        };
        count += 1;
        let answer = ClusterAnswer::parse(body.as_bytes()).expect("an answer");
        let json: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(answer.odd.count, 0, "{name}: {body}");
        let members = json.get("members").and_then(Value::as_array).expect("members");
        assert_eq!(answer.members.len(), members.len());
        for (member, json) in answer.members.iter().zip(members) {
            assert_eq!(member.name.as_deref(), word(json, "/name"));
            assert_eq!(member.role.as_ref().map(Role::as_word), word(json, "/role"));
            assert_eq!(member.state.as_ref().map(State::as_word), word(json, "/state"));
            assert_eq!(member.host.as_deref(), word(json, "/host"));
            assert_eq!(member.api_url.as_deref(), word(json, "/api_url"));
            assert_eq!(member.lag_bytes, json.get("lag").and_then(Value::as_u64));
            let known = !matches!(member.role, Some(Role::Other(_)))
                && !matches!(member.state, Some(State::Other(_)));
            assert!(known, "{name}: {body}");
        }
        assert_eq!(answer.scope.as_deref(), word(&json, "/scope"));
        assert_eq!(answer.pause, json.get("pause").is_some());
        assert_eq!(answer.switchover_scheduled, json.get("scheduled_switchover").is_some());
    }
    assert!(count > 400, "{count} answers");
}

#[test]
fn what_is_no_answer_fails_and_what_is_another_answer_claims_nothing() {
    let mut failures = 0;
    for (name, line) in recordings() {
        let (Some(path), Some(body)) = (text(&line, "path"), text(&line, "body")) else { continue };
        if path.contains("metrics") || path == "/liveness" || body.is_empty() {
            assert!(NodeAnswer::parse(body.as_bytes()).is_err(), "{name} {path}: {body}");
            failures += 1;
        } else if ["/failsafe", "/history", "/config"].contains(&path) {
            let claims = NodeAnswer::parse(body.as_bytes()).is_ok_and(|a| a.is_running_primary());
            assert!(!claims, "{name} {path}: {body}");
            assert!(ClusterAnswer::parse(body.as_bytes()).is_err(), "{name} {path}: {body}");
        }
    }
    assert!(failures > 10, "{failures} failures");
}

/// One answer of a state: recording, file, and what it is read as.
fn state(folder: &str, file: &str) -> String {
    let mut states = lines(&self::folder().join("states.jsonl")).into_iter();
    let wanted =
        |line: &Value| text(line, "folder") == Some(folder) && text(line, "file") == Some(file);
    let line = states.find(wanted).unwrap_or_else(|| panic!("no {folder}/{file}"));
    text(&line, "body").expect("a body").to_owned()
}

#[test]
fn instructive_states_are_read_as_they_are() {
    let node = |folder, file| NodeAnswer::parse(state(folder, file).as_bytes()).expect("an answer");
    let cluster =
        |folder, file| ClusterAnswer::parse(state(folder, file).as_bytes()).expect("an answer");
    let roles = |answer: &ClusterAnswer| -> Vec<String> {
        let role = |member: &openproxy_core::discovery::Member| {
            member.role.as_ref().map_or("none", Role::as_word).to_owned()
        };
        answer.members.iter().map(role).collect()
    };

    // Until 3.3 a primary was called master, and until 3.0.3 every healthy replica was running.
    assert_eq!(node("old_217", "n1__patroni").role, Some(Role::Master));
    assert!(node("old_217", "n1__patroni").is_running_primary());
    assert_eq!(cluster("old_302", "n1__cluster").members[1].state, Some(State::Running));
    assert_eq!(cluster("old_302", "n1__cluster").scope, None);
    assert!(roles(&cluster("old_217_sync", "n1__cluster")).contains(&"sync_standby".to_owned()));

    assert!(roles(&cluster("sync_on", "n1__cluster")).contains(&"sync_standby".to_owned()));
    assert!(roles(&cluster("quorum", "n1__cluster")).contains(&"quorum_standby".to_owned()));
    assert!(cluster("paused", "n1__cluster").pause && node("paused", "n1__patroni").pause);

    let standby = cluster("standby_cluster_static", "n1__cluster");
    let leader = standby.leader().expect("a holder of the key");
    assert_eq!(leader.role, Some(Role::StandbyLeader));

    // In pause with a dead PostgreSQL, the key goes and everybody is a replica.
    assert!(cluster("paused_after_killpg", "n1__cluster").leader().is_none());

    let failed = cluster("single", "startfailed_cluster");
    assert_eq!(failed.members[1].state, Some(State::StartFailed));
    assert_eq!((failed.members[1].lag_bytes, failed.members[1].timeline), (None, None));

    let tagged = cluster("tags", "n1__cluster");
    assert!(tagged.members.iter().any(|member| member.no_load_balance));

    // The DCS is down, and the primary goes on.
    let failsafe = node("etcdstop_failsafe", "static_n1_patroni");
    assert!(failsafe.is_running_primary() && failsafe.failsafe_active && failsafe.cluster_unlocked);

    // `lag` follows what was received, not what was replayed.
    let lagging = cluster("lagging", "n1__cluster");
    assert!(lagging.members.iter().any(|member| member.lag_bytes == Some(0)));
}
