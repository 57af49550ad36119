//! Lines as they are read, on the way from an event.

use std::sync::{Arc, Mutex};

use openproxy_core::discovery::{EventKind as DiscoveryKind, ShardId, Subject};
use openproxy_core::event::{EventKind, Reason};
use openproxy_core::vrrp::{Family, HookKind, Priority, RouterKey, StateName, Vrid};
use serde_json::{Value, json};

use super::*;

/// What is written; clones are of the same.
#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl io::Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::Error::other("a test has failed"))?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written while `tell` runs.
fn written(format: LogFormat, to_journal: bool, tell: impl FnOnce()) -> String {
    let bytes = Bytes::default();
    let writer = bytes.clone();
    let lines = layer()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .fmt_fields(lines::words())
        .event_format(Lines::new(format, to_journal));
    let subscriber = tracing_subscriber::registry().with(lines).with(LevelFilter::DEBUG);
    tracing::subscriber::with_default(subscriber, tell);
    let bytes = bytes.0.lock().expect("nobody else");
    String::from_utf8(bytes.clone()).expect("UTF-8")
}

fn event(kind: EventKind) -> Event {
    let (interface, vrid) = ("eth0".into(), Vrid::new(50).expect("in range"));
    Event { router: Some(RouterKey { interface, vrid, family: Family::V4 }), kind }
}

fn promotion() -> Event {
    event(EventKind::StateChanged {
        from: StateName::Backup,
        to: StateName::Master,
        reason: Reason::MasterDown,
        priority: Priority::new(100).expect("in range"),
    })
}

/// One line of JSON, without its time, which is only looked at.
fn object(line: &str) -> Value {
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    let mut value: Value = serde_json::from_str(line).expect("JSON");
    let timestamp = value.as_object_mut().and_then(|object| object.remove("timestamp"));
    let timestamp = timestamp.as_ref().and_then(Value::as_str).map(humantime::parse_rfc3339);
    assert!(matches!(timestamp, Some(Ok(_))), "{line}");
    value
}

#[test]
fn text_has_the_words_alone() {
    let line = written(LogFormat::Text, false, || report(&promotion()));
    let (time, rest) = line.split_once(' ').expect("a time");
    humantime::parse_rfc3339(time).expect("a time");
    assert_eq!(
        rest,
        " INFO eth0/50/IPv4: BACKUP -> MASTER: no advert for the master-down interval\n"
    );
}

#[test]
fn a_field_that_no_event_has_is_shown_in_text_too() {
    let line = written(LogFormat::Text, true, || tracing::info!(count = 3, "of somebody else"));
    assert_eq!(line, "<6>of somebody else count=3\n");
}

#[test]
fn the_journal_gets_levels_and_no_times() {
    let failed = || event(EventKind::HookEnded(HookKind::Promote, Err("status 1".to_owned())));
    let lines = written(LogFormat::Text, true, || {
        report(&promotion());
        report(&failed());
        report(&event(EventKind::HookStarted(HookKind::Promote)));
        tracing::error!("by itself");
    });
    assert_eq!(
        lines,
        "<6>eth0/50/IPv4: BACKUP -> MASTER: no advert for the master-down interval\n\
         <4>eth0/50/IPv4: pre_promote_script failed: status 1\n\
         <7>eth0/50/IPv4: pre_promote_script started\n\
         <3>by itself\n"
    );
    let line = written(LogFormat::Json, true, || report(&failed()));
    assert_eq!(object(line.strip_prefix("<4>").expect("a level"))["error"], "status 1");
}

#[test]
fn json_has_what_there_is_of_an_event_in_fields() {
    let line = written(LogFormat::Json, false, || report(&promotion()));
    let reason = "no advert for the master-down interval";
    assert_eq!(
        object(&line),
        json!({
            "level": "INFO",
            "message": format!("eth0/50/IPv4: BACKUP -> MASTER: {reason}"),
            "event": "state_changed",
            "router": "eth0/50/IPv4",
            "from": "BACKUP",
            "to": "MASTER",
            "reason": reason,
        })
    );
    let shard = |shard: &str| ShardId { pool: "my_pool".into(), shard: shard.into() };
    let ended = discovery::Event {
        subject: Subject::Shards([shard("0"), shard("1")].into()),
        kind: DiscoveryKind::ConflictEnded,
    };
    let line = written(LogFormat::Json, false, || report_discovery(&ended));
    assert_eq!(
        object(&line),
        json!({
            "level": "INFO",
            "message": "my_pool/0 (and 1 more): no more than one says that it is primary again",
            "event": "conflict_ended",
            "shards": "my_pool/0,my_pool/1",
        })
    );
    let line = written(LogFormat::Json, false, || tracing::warn!("a \"line\"\nof two"));
    assert_eq!(object(&line), json!({ "level": "WARN", "message": "a \"line\"\nof two" }));
}

#[test]
fn the_environment_says_what_is_logged() {
    use tracing::Level;

    let enabled = |words: Option<&str>, target, level| {
        let filter = filter(words.map(OsStr::new)).expect("good words");
        filter.would_enable(target, &level)
    };
    for (words, ours, others) in [
        (None, Some(Level::INFO), Some(Level::INFO)),
        (Some("warn"), Some(Level::WARN), Some(Level::WARN)),
        (Some("info,openproxy=debug"), Some(Level::DEBUG), Some(Level::INFO)),
        (Some("openproxy=trace"), Some(Level::TRACE), None),
        (Some("off"), None, None),
    ] {
        for level in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
            let is_told = |most: Option<Level>| most.is_some_and(|most| level <= most);
            assert_eq!(enabled(words, "openproxy_core", level), is_told(ours), "{words:?} {level}");
            assert_eq!(enabled(words, "hyper", level), is_told(others), "{words:?} {level}");
        }
    }
    for wrong in ["openproxy=loud", "a=b=c"] {
        assert!(filter(Some(OsStr::new(wrong))).is_err(), "{wrong}");
    }
}
