//! What an endpoint answers: what of it is new, what is counted, and when it comes too late.

use std::sync::Arc;

use super::super::endpoint::{Endpoint, InFlight};
use super::super::slots::{Pace, Speed};
use super::super::*;
use super::lab::{at, server, shard};
use super::script::{NODES, replica, view, with};
use crate::time::{Duration, Instant};

fn endpoint() -> Endpoint {
    let key = EndpointKey { scheme: Scheme::Http, address: server(NODES[0]).address };
    let pace = Pace { speed: Speed::Calm, phase: 0 };
    Endpoint::new(key, Duration::from_secs(1), pace, Instant::ZERO)
}

fn node(body: &str) -> NodeAnswer {
    NodeAnswer::parse(body.as_bytes()).expect("an answer")
}

fn listing(body: &str) -> ClusterAnswer {
    ClusterAnswer::parse(body.as_bytes()).expect("an answer")
}

#[test]
fn a_resource_is_asked_for_by_its_path() {
    let paths = [AskPath::Patroni, AskPath::Health, AskPath::Cluster].map(AskPath::as_str);
    assert_eq!(paths, ["/patroni", "/health", "/cluster"]);
}

#[test]
fn an_answer_is_news_if_anything_that_matters_differs_or_the_last_request_failed() {
    let first = replica(2, 5);
    let others = [
        first.replace(r#""role": "replica""#, r#""role": "primary""#),
        first.replace(r#""state": "running""#, r#""state": "stopping""#),
        first.replace(r#""n2""#, r#""n9""#),
        first.replace(r#""timeline": 5"#, r#""timeline": 6"#),
        first.replace(r#""77""#, r#""78""#),
        with(&first, r#""pause": true"#),
        with(&first, r#""cluster_unlocked": true"#),
        with(&first, r#""failsafe_mode_is_active": true"#),
    ];
    for other in others {
        let mut endpoint = endpoint();
        let mut takes = |body: &str| endpoint.take_report(at(0), node(body));
        assert_eq!([takes(&first), takes(&first)], [true, false]);
        assert_eq!([takes(&other), takes(&other), takes(&first)], [true, false, true], "{other}");
    }
    let mut endpoint = endpoint();
    assert!(endpoint.take_report(at(0), node(&first)));
    let (sent, deadline) = (at(500), at(1_500));
    let flight = InFlight { serial: 1, path: AskPath::Patroni, sent, deadline };
    assert!(endpoint.take_failure(at(500), flight, AskFailure::Refused));
    assert!(!endpoint.take_failure(at(500), flight, AskFailure::Reset));
    assert!(endpoint.take_report(at(1_000), node(&first)));
}

#[test]
fn a_view_shows_a_holder_of_the_key_from_when_it_was_another() {
    let first = view(1, 5);
    let others = [
        view(0, 5),
        view(2, 5),
        first.replace(r#""name": "n1""#, r#""name": "n9""#),
        first.replace(r#""host": "10.0.0.1""#, r#""host": "10.0.0.9""#),
        first.replace(r#""port": 5432"#, r#""port": 5433"#),
    ];
    let shown = |endpoint: &mut Endpoint, sent: i64, body: &str| {
        let is_new = endpoint.take_view(at(sent), listing(body));
        (is_new, endpoint.view.as_ref().expect("a view").since)
    };
    for other in others {
        let mut endpoint = endpoint();
        assert_eq!(shown(&mut endpoint, 0, &first), (true, at(0)));
        assert_eq!(shown(&mut endpoint, 500, &first), (false, at(0)));
        assert_eq!(shown(&mut endpoint, 1_000, &other), (true, at(1_000)), "{other}");
        assert_eq!(shown(&mut endpoint, 1_500, &other), (false, at(1_000)), "{other}");
    }
    let mut endpoint = endpoint();
    assert_eq!(shown(&mut endpoint, 0, &first), (true, at(0)));
    assert_eq!(shown(&mut endpoint, 500, &view(1, 6)), (true, at(0)), "the same, on a new one");
}

#[test]
fn a_list_of_members_that_has_not_changed_is_there_once() {
    let mut endpoint = endpoint();
    let mut taken = |body: &str| {
        endpoint.take_view(at(0), listing(body));
        Arc::clone(&endpoint.view.as_ref().expect("a view").answer)
    };
    let first = taken(&view(1, 5));
    assert!(Arc::ptr_eq(&first, &taken(&view(1, 5))));
    assert_eq!(*taken(&view(1, 6)), listing(&view(1, 6)));
}

#[test]
fn answers_and_odd_fields_in_them_are_counted() {
    let mut endpoint = endpoint();
    let own = with(&replica(2, 5), r#""pause": "yes", "tags": 7"#);
    let list = view(1, 5).replace(r#""scope": "s""#, r#""scope": 1, "pause": 5"#);
    for (answers, odd_fields) in [(2, 4), (4, 8)] {
        endpoint.take_report(at(0), node(&own));
        endpoint.take_view(at(0), listing(&list));
        let counters = endpoint.counters;
        assert_eq!((counters.answers, counters.odd_fields), (answers, odd_fields));
    }
}

#[test]
fn every_kind_of_failure_is_counted_by_itself() {
    let failures = [
        AskFailure::Refused,
        AskFailure::Reset,
        AskFailure::TimedOut,
        AskFailure::Unreachable,
        AskFailure::NoSuchHost,
        AskFailure::Closed,
        AskFailure::Tls("expired".to_owned()),
        AskFailure::Status(502),
        AskFailure::Other("not HTTP".to_owned()),
        AskFailure::BadAnswer(AnswerError::NoMembers),
        AskFailure::SaysNothing,
    ];
    let mut counters = Counters::default();
    for (failure, count) in failures.iter().zip(2_u64..) {
        assert_eq!(counters.failures(failure), 0, "{failure}");
        (0..count).for_each(|_| counters.count_failure(failure));
    }
    for (failure, count) in failures.iter().zip(2_u64..) {
        assert_eq!(counters.failures(failure), count, "{failure}");
    }
    assert_eq!(counters.failures(&AskFailure::Status(404)), counters.failures(&failures[7]));
    assert_eq!(counters.bad_answers(), 11);
}

/// Discovery of one node, which has been asked.
fn asked() -> (Discovery, Ticket, Instant) {
    let mut discovery = Discovery::new(&[shard(&NODES[..1])], at(0));
    loop {
        while let Some(output) = discovery.poll_output() {
            if let Output::Ask { ticket, deadline, .. } = output {
                return (discovery, ticket, deadline);
            }
        }
        discovery.handle_timeout(discovery.poll_timeout());
    }
}

#[test]
fn an_answer_counts_up_to_its_deadline_and_no_longer() {
    let body = replica(1, 5);
    for (late, answers) in [(0, 1), (1, 0), (5_000_000_000, 0)] {
        let (mut discovery, ticket, deadline) = asked();
        let now = deadline + Duration::from_nanos(late);
        discovery.handle_answer(ticket, now, Ok(body.as_bytes()));
        let (_, counters, failure) = discovery.endpoints().next().expect("the node");
        assert_eq!((counters.answers, counters.late), (answers, 1 - answers), "{late}");
        assert_eq!(failure, (answers == 0).then_some(&AskFailure::TimedOut), "{late}");
        assert_eq!(counters.failures(&AskFailure::TimedOut), 1 - answers, "{late}");
    }
}

#[test]
fn a_body_of_a_megabyte_is_read_and_a_longer_one_is_not() {
    let mut body = view(1, 5).into_bytes();
    body.resize(1_048_576, b' ');
    assert_eq!(ClusterAnswer::parse(&body), Ok(listing(&view(1, 5))));
    body.push(b' ');
    assert_eq!(ClusterAnswer::parse(&body), Err(AnswerError::TooLong { bytes: 1_048_577 }));
}
