//! The bodies that Patroni's API answers with.

use openproxy_core::discovery::{AnswerError, ClusterAnswer, NodeAnswer};
use serde_json::Value;

/// The body of `/patroni`.
///
/// # Panics
/// When something is found that isn't in it.
pub fn node_body(data: &[u8]) {
    note(NodeAnswer::parse(data).err());
    // Written anew, no key is there twice, and nothing is there that one parser lets pass.
    let Some((value, text)) = rewritten(data) else { return };
    let Ok(answer) = NodeAnswer::parse(&text) else { return };
    assert!(value.is_object(), "{value}");
    // Case doesn't matter: versions differ in it.
    let word =
        |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    if answer.is_running_primary() {
        assert!(matches!(word("role").as_str(), "primary" | "master"), "{value}");
        assert_eq!(word("state"), "running", "{value}");
    }
    if let Some(timeline) = answer.timeline {
        assert_eq!(value.get("timeline").and_then(Value::as_u64), Some(timeline.0.into()));
    }
}

/// The body of `/cluster`.
///
/// # Panics
/// As [`node_body`]; and when there are more members than the body lists.
pub fn cluster_body(data: &[u8]) {
    note(ClusterAnswer::parse(data).err());
    let Some((value, text)) = rewritten(data) else { return };
    let Ok(answer) = ClusterAnswer::parse(&text) else { return };
    let listed = value.get("members").and_then(Value::as_array).map_or(0, Vec::len);
    assert!(answer.members.len() <= listed, "{value}");
    if let Some(leader) = answer.leader() {
        assert!(answer.members.iter().any(|member| std::ptr::eq(member, leader)));
    }
}

fn note(error: Option<AnswerError>) {
    if let Some(error) = error {
        assert_short_line(&error.to_string());
    }
}

fn rewritten(data: &[u8]) -> Option<(Value, Vec<u8>)> {
    let value: Value = serde_json::from_slice(data).ok()?;
    let text = serde_json::to_vec(&value).ok()?;
    Some((value, text))
}

/// What is told of it is one line of the log.
pub(crate) fn assert_line(line: &str) {
    assert!(!line.is_empty() && !line.chars().any(char::is_control), "{line:?}");
}

/// And a short one, whatever the other side sent.
pub(crate) fn assert_short_line(line: &str) {
    assert_line(line);
    assert!(line.len() < 1_024, "{line}");
}
