use std::marker::PhantomData;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess};

use super::lenient::{Fields, List, ListUpTo};
use super::*;
use crate::discovery::{Role, State};

fn node(body: &str) -> NodeAnswer {
    NodeAnswer::parse(body.as_bytes()).expect("an answer")
}

fn cluster(body: &str) -> ClusterAnswer {
    ClusterAnswer::parse(body.as_bytes()).expect("an answer")
}

#[test]
fn a_node_says_all_that_matters() {
    let answer = node(
        r#"{"state": "running", "role": "primary", "xlog": {"location": 67582592}, "timeline": 2,
            "cluster_unlocked": true, "failsafe_mode_is_active": true, "pause": true,
            "tags": {"noloadbalance": true, "dc": ["a"]}, "sync_standby": true,
            "database_system_identifier": "7711713585392945889",
            "patroni": {"version": "4.1.5", "scope": "lab", "name": "n2"}}"#,
    );
    assert!(answer.is_running_primary());
    assert_eq!(answer.timeline, Some(Timeline(2)));
    assert_eq!(answer.positions.written, Some(67_582_592));
    assert!(answer.cluster_unlocked && answer.failsafe_active && answer.pause);
    assert!(answer.no_load_balance && answer.sync_standby && !answer.quorum_standby);
    assert_eq!(answer.system, Some(SystemIdentifier(7_711_713_585_392_945_889)));
    assert_eq!(answer.name.as_deref(), Some("n2"));
    assert_eq!(answer.version.as_deref(), Some("4.1.5"));
    assert_eq!(answer.odd, Odd::default());
}

#[test]
fn a_replica_says_how_far_it_is_and_whether_it_goes_on() {
    let answer = node(
        r#"{"xlog": {"received_location": 500, "replayed_location": 400, "paused": true,
            "replayed_timestamp": null}}"#,
    );
    let (received, replayed) = (Some(500), Some(400));
    assert_eq!(answer.positions, Positions { written: None, received, replayed, paused: true });
}

#[test]
fn a_tag_is_set_by_true_by_a_number_but_zero_and_by_a_word_for_yes() {
    let set = ["true", "1", "7", r#""true""#, r#""YES""#, r#""on""#, r#""1""#];
    let unset = ["false", "0", "null", "-1", "1.5", "[true]", "{}", r#""false""#, r#""""#];
    for (values, expected) in [(&set[..], true), (&unset[..], false)] {
        for value in values {
            let answer = node(&format!(r#"{{"tags": {{"noloadbalance": {value}}}}}"#));
            assert_eq!(answer.no_load_balance, expected, "{value}");
        }
    }
}

#[test]
fn a_field_of_another_type_is_absent_and_noted() {
    let answer = node(
        r#"{"state": ["running"], "role": 5, "timeline": "7", "xlog": [1], "pause": "yes",
            "tags": 1, "patroni": {"name": {"a": 1}, "scope": "lab"}, "new_key": {"a": [1.5]}}"#,
    );
    assert_eq!((answer.role, answer.state, answer.timeline), (None, None, None));
    assert_eq!(answer.scope.as_deref(), Some("lab"));
    assert_eq!(answer.odd, Odd { count: 7, first: Some("state") });
}

#[test]
fn numbers_out_of_range_are_absent() {
    assert_eq!(node(r#"{"timeline": 4294967296}"#).timeline, None);
    assert_eq!(node(r#"{"timeline": -1}"#).timeline, None);
    assert_eq!(node(r#"{"timeline": 0}"#).timeline, None);
    assert_eq!(node(r#"{"timeline": null}"#).odd.count, 0);
    assert_eq!(cluster(r#"{"members": [{"port": 65536}]}"#).members[0].port, None);
}

#[test]
fn no_role_is_a_primary_without_a_running_postgresql() {
    for state in ["starting", "unknown", "stopping", "crashed", "RUNNINGS", ""] {
        let answer = node(&format!(r#"{{"role": "primary", "state": "{state}"}}"#));
        assert!(!answer.is_running_primary(), "{state}");
    }
    assert!(!node(r#"{"role": "primary"}"#).is_running_primary());
    assert!(node(r#"{"role": "Master", "state": "Running"}"#).is_running_primary());
}

#[test]
fn a_member_is_kept_whatever_it_lacks() {
    let answer = cluster(
        r#"{"members": [{"name": "n1", "role": "leader", "state": "running"}, 7,
            {"name": "n2", "role": "observer", "state": "dancing", "host": "h", "port": "5432",
             "lag": "unknown"}], "scope": "lab", "pause": true,
            "scheduled_switchover": {"at": "2026-12-25T03:00:00+09:00"}}"#,
    );
    assert_eq!(answer.members.len(), 2);
    assert_eq!(answer.leader().and_then(|leader| leader.name.as_deref()), Some("n1"));
    assert_eq!(answer.members[1].role, Some(Role::Other("observer".into())));
    assert_eq!(answer.members[1].state, Some(State::Other("dancing".into())));
    assert_eq!((answer.members[1].port, answer.members[1].lag_bytes), (None, None));
    assert!(answer.pause && answer.switchover_scheduled);
    assert_eq!(answer.odd, Odd { count: 2, first: Some("members") });
}

#[test]
fn what_is_no_answer_says_where_and_why() {
    let cases: [(&str, AnswerError); 7] = [
        ("[]", AnswerError::NotAnObject),
        ("5", AnswerError::NotAnObject),
        ("null", AnswerError::NotAnObject),
        ("{}", AnswerError::NoMembers),
        (r#"{"members": {"a": 1}}"#, AnswerError::MembersNotAList),
        (r#"{"members": null}"#, AnswerError::MembersNotAList),
        (r#"{"members": "none"}"#, AnswerError::MembersNotAList),
    ];
    for (body, error) in cases {
        assert_eq!(ClusterAnswer::parse(body.as_bytes()), Err(error), "{body}");
    }
    let html = ClusterAnswer::parse(b"<html>502 Bad Gateway</html>").expect_err("HTML");
    assert_eq!(html.to_string(), "not JSON at line 1, column 1: expected value");
    for body in [
        &b""[..],
        b"{\"members\": [",
        b"{\"members\": []} []",
        b"{\"scope\": \"\xff\", \"members\": []}",
    ] {
        let error = ClusterAnswer::parse(body).expect_err("no JSON");
        assert!(matches!(error, AnswerError::NotJson { .. }), "{error}");
    }
}

#[test]
fn every_truncation_of_an_answer_is_an_error() {
    let body = br#"{"members": [{"name": "n1", "role": "leader", "port": 5432}], "scope": "lab"}"#;
    for end in 0..body.len() {
        assert!(ClusterAnswer::parse(&body[..end]).is_err(), "{end}");
        assert!(NodeAnswer::parse(&body[..end]).is_err(), "{end}");
    }
}

#[test]
fn bodies_and_members_are_bounded() {
    let long = vec![b' '; BODY_BYTES_MAX + 1];
    let error = NodeAnswer::parse(&long).expect_err("too long");
    assert_eq!(error, AnswerError::TooLong { bytes: BODY_BYTES_MAX + 1 });
    assert_eq!(ClusterAnswer::parse(&long).expect_err("too long"), error);

    let members = |count: usize| format!(r#"{{"members": [{}]}}"#, vec!["{}"; count].join(","));
    assert_eq!(cluster(&members(MEMBERS_MAX)).members.len(), MEMBERS_MAX);
    let error = ClusterAnswer::parse(members(MEMBERS_MAX + 5).as_bytes()).expect_err("too many");
    assert_eq!(error, AnswerError::TooManyMembers { count: MEMBERS_MAX + 5 });
}

#[test]
fn depth_is_bounded() {
    let deep = format!("{{\"a\": {}", "[".repeat(100_000));
    assert!(NodeAnswer::parse(deep.as_bytes()).is_err());
}

#[test]
fn the_last_of_a_doubled_key_counts() {
    assert_eq!(node(r#"{"role": "primary", "role": "replica"}"#).role, Some(Role::Replica));
}

#[test]
fn a_list_keeps_no_more_objects_than_its_bound_and_counts_the_rest() {
    #[derive(Default)]
    struct Nothing;

    impl<'de> Fields<'de> for Nothing {
        fn take<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A) -> Result<(), A::Error> {
            map.next_value::<IgnoredAny>().map(drop)
        }
    }

    for (body, kept, others, counted) in [
        (r#"[{"a": 1}, {}]"#, 2, 0, 2),
        ("[{}, {}, {}, {}]", 3, 0, 4),
        ("[7, {}, {}, {}, {}]", 2, 1, 5),
    ] {
        let mut body = serde_json::Deserializer::from_str(body);
        let list = ListUpTo::<Nothing>(3, PhantomData).deserialize(&mut body).expect("JSON");
        let List::Is { objects, others: odd, count } = list else { panic!("a list") };
        assert_eq!((objects.len(), odd, count), (kept, others, counted));
    }
}

#[test]
fn a_name_too_long_to_be_one_is_absent() {
    let named = |length: usize| {
        let name = "n".repeat(length);
        cluster(&format!(r#"{{"members": [{{"name": "{name}", "host": ""}}]}}"#))
    };
    let answer = named(NAME_BYTES_MAX + 1);
    assert_eq!((&answer.members[0].name, &answer.members[0].host), (&None, &None));
    assert_eq!(answer.odd, Odd { count: 1, first: Some("name") });
    let longest = named(NAME_BYTES_MAX).members[0].name.clone();
    assert_eq!(longest.map(|name| name.len()), Some(NAME_BYTES_MAX));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        let _ = (NodeAnswer::parse(&body), ClusterAnswer::parse(&body));
    }

    #[test]
    fn no_changed_byte_makes_it_panic(at in 0_usize..300, byte: u8) {
        let mut body = br#"{"members": [{"name": "n1", "role": "leader", "state": "running",
            "api_url": "http://10.77.0.11:8008/patroni", "host": "10.77.0.11", "port": 5432,
            "timeline": 1, "lag": "unknown", "tags": {"noloadbalance": true}}], "scope": "lab",
            "role": "primary", "xlog": {"location": 5}, "patroni": {"name": "n1"}}"#.to_vec();
        let length = body.len();
        body[at % length] = byte;
        let _ = (NodeAnswer::parse(&body), ClusterAnswer::parse(&body));
    }
}
