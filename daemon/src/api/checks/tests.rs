use openproxy_core::vrrp::{Family, StateName};

use super::*;
use crate::api::document::tests::{document, report};
use crate::api::warnings::WarningObject;
use crate::discovery::document::Document as Topology;
use crate::discovery::document::tests::snapshot;

/// 10.0.0.1 is primary, ::1 an eligible replica 5 bytes behind, 10.0.0.9 of another database.
fn shard(primary: &'static str, change: impl FnOnce(&mut ShardObject)) -> ShardObject {
    let mut shard = Topology::new(&snapshot()).shards.remove(0);
    shard.primary.status = primary.into();
    change(&mut shard);
    shard
}

fn ask(shard: &ShardObject, role: Role, query: &str) -> u16 {
    let question = Question::parse(role, Some(query)).expect("it is understood");
    question.of(shard).status.as_u16()
}

#[test]
fn who_is_primary_by_how_surely_it_is_known() {
    let table = [
        ("confirmed", "", 200),
        ("confirmed", "host=10.0.0.1", 200),
        ("confirmed", "host=10.0.0.1&port=5432", 200),
        ("confirmed", "host=10.0.0.1&port=5433", 503),
        ("confirmed", "port=5433", 503),
        ("confirmed", "host=::1", 503),
        ("confirmed", "host=10.0.0.9", 503),
        ("confirmed", "host=10.0.0.2", 503),
        ("kept", "", 503),
        ("kept", "host=10.0.0.1", 503),
        ("kept", "host=10.0.0.1&stale=ok", 200),
        ("kept", "host=10.0.0.9&stale=ok", 503),
        ("kept", "stale=ok", 200),
        ("hearsay", "host=10.0.0.1&stale=ok", 503),
        ("none", "host=10.0.0.1&stale=ok", 503),
    ];
    for (status, query, expected) in table {
        let shard = shard(status, |_| {});
        assert_eq!(ask(&shard, Role::Primary, query), expected, "{status}?{query}");
    }
}

#[test]
fn who_is_a_replica_and_how_far_behind_it_may_be() {
    let eligible = shard("confirmed", |_| {});
    let not = shard("confirmed", |shard| shard.replicas[0].eligible = false);
    let unknown = shard("confirmed", |shard| shard.replicas[0].lag_bytes = None);
    let table = [
        (&eligible, Role::Replica, "", 200),
        (&eligible, Role::Replica, "host=::1", 200),
        (&eligible, Role::Replica, "host=10.0.0.1", 503),
        (&eligible, Role::Replica, "host=::1&lag=5", 200),
        (&eligible, Role::Replica, "host=::1&lag=4", 503),
        (&not, Role::Replica, "host=::1", 503),
        (&not, Role::Replica, "", 503),
        (&unknown, Role::Replica, "host=::1", 200),
        (&unknown, Role::Replica, "host=::1&lag=1000000", 503),
        (&eligible, Role::Any, "host=::1", 200),
        (&eligible, Role::Any, "host=10.0.0.1", 200),
        (&eligible, Role::Any, "host=10.0.0.1&lag=0", 200),
        (&eligible, Role::Any, "host=10.0.0.9", 503),
        (&not, Role::Any, "host=::1", 503),
        (&not, Role::Any, "", 200),
    ];
    for (shard, role, query, expected) in table {
        assert_eq!(ask(shard, role, query), expected, "{role:?}?{query}");
    }
    let kept = shard("kept", |shard| shard.replicas.clear());
    assert_eq!(ask(&kept, Role::Any, ""), 503);
    assert_eq!(ask(&kept, Role::Any, "stale=ok"), 200);
}

#[test]
fn a_host_is_the_same_however_it_is_written() {
    let by_name = shard("confirmed", |shard| shard.primary.address.host = Some("db-1.x".into()));
    for host in ["[::1]", "%5B%3A%3A1%5D", "::1", "0:0:0:0:0:0:0:1"] {
        assert_eq!(ask(&by_name, Role::Replica, &format!("host={host}")), 200, "{host}");
    }
    for host in ["db-1.x", "DB-1.X", "db-1.x.", "db%2D1.x"] {
        assert_eq!(ask(&by_name, Role::Primary, &format!("host={host}")), 200, "{host}");
    }
    let mapped = shard("confirmed", |_| {});
    assert_eq!(ask(&mapped, Role::Primary, "host=::ffff:10.0.0.1"), 200);
    assert_eq!(ask(&by_name, Role::Primary, "host=db-1"), 503);
}

#[test]
fn what_is_not_understood_is_refused_rather_than_passed() {
    let table = [
        (Role::Primary, "hots=10.0.0.1"),
        (Role::Primary, "host="),
        (Role::Primary, "host"),
        (Role::Primary, "port=x"),
        (Role::Primary, "port=65536"),
        (Role::Primary, "stale=yes"),
        (Role::Replica, "lag=-1"),
        (Role::Any, "lag=10MB"),
    ];
    for (role, query) in table {
        assert!(Question::parse(role, Some(query)).is_err(), "{role:?}?{query}");
    }
    assert_eq!(Question::parse(Role::Any, Some("")), Question::parse(Role::Any, None));
}

#[test]
fn the_text_says_what_every_server_is() {
    let all = Question::parse(Role::Any, None).expect("it is understood");
    let expected = "10.0.0.1:5432: primary, confirmed\n\
                    [::1]:5432: replica, eligible, 5 bytes behind\n\
                    10.0.0.9:5432: of another database\n";
    assert_eq!(all.of(&shard("confirmed", |_| {})).text, expected);
    let none = shard("none", |shard| {
        (shard.primary.address.host, shard.primary.reason) = (None, "none: fenced".into());
    });
    assert!(all.of(&none).text.starts_with("no primary: none: fenced\n"));
    let nobody = Question::parse(Role::Any, Some("host=10.0.0.7")).expect("it is understood");
    assert_eq!(nobody.of(&shard("confirmed", |_| {})).text, "no such server is known\n");
}

#[test]
fn a_node_is_master_while_it_serves() {
    let mut routers: Vec<_> = StateName::ALL.into_iter().map(report).collect();
    for (place, router) in routers.iter_mut().enumerate() {
        router.config.key.interface = format!("eth{place}").into();
    }
    let status = |interface: usize, id, family| {
        let interface = format!("eth{interface}");
        is_master(&routers, &interface, id, family).map(|verdict| verdict.status.as_u16())
    };
    let statuses = (0..4).map(|interface| status(interface, "50", None));
    assert_eq!(statuses.collect::<Vec<_>>(), [503, 503, 200, 200].map(Some));
    assert_eq!(status(2, "50", Some("ipv4")), Some(200));
    let unknown = [(2, "51", None), (2, "050", None), (2, "50", Some("IPv6")), (9, "50", None)];
    assert_eq!(unknown.map(|(interface, id, family)| status(interface, id, family)), [None; 4]);
}

#[test]
fn without_a_family_both_must_serve() {
    let mut routers = [report(StateName::Master), report(StateName::Backup)];
    routers[1].config.key.family = Family::V6;
    let verdict = |family| is_master(&routers, "eth0", "50", family).expect("it is there");
    assert_eq!(verdict(None).status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(verdict(None).text, "eth0/50/IPv4: MASTER\neth0/50/IPv6: BACKUP\n");
    assert_eq!(verdict(Some("IPv4")).status, StatusCode::OK);
}

#[test]
fn health_is_about_threads_and_readiness_about_what_is_critical() {
    let statuses = [(true, true), (true, false), (false, true), (false, false)]
        .map(|(routers, discovery)| health(routers, discovery).status.as_u16());
    assert_eq!(statuses, [200, 503, 503, 503]);
    let is_ready = |change: fn(&mut Document)| {
        let mut document = document(vec![report(StateName::Backup)]);
        change(&mut document);
        let verdict = ready(&document);
        (verdict.status.as_u16(), verdict.text)
    };
    assert_eq!(is_ready(|_| {}), (200, "nothing is critical\n".to_owned()));
    let critical = |d: &mut Document| d.warnings.push(WarningObject::critical("it burns"));
    assert_eq!(is_ready(critical), (503, "it burns\n".to_owned()));
    let stopping = is_ready(|document| document.process.stopping = true);
    assert_eq!(stopping, (503, "it was asked to stop\n".to_owned()));
}
