//! Members that aren't in the file: who is asked, and until when.

use std::collections::BTreeSet;

use super::super::*;
use super::lab::{Lab, at, shard};
use super::script::{NODES, Rules, healthy, primary, view_of};

/// The third node alone is in the file; the others are learnt from it.
fn learnt() -> Rules {
    let mut lab = Lab::new(healthy(), &[shard(&NODES[2..])], at(0));
    lab.pass(6_000);
    assert_eq!(lab.confirmed(), Some("n1"));
    lab
}

/// Whether a node is asked within the next two seconds.
fn is_asked(lab: &mut Rules, index: usize) -> bool {
    let from = lab.asked.len();
    lab.pass(2_000);
    !lab.asked_of(index, from).is_empty()
}

#[test]
fn a_member_that_is_listed_no_longer_is_asked_for_another_minute() {
    let mut lab = learnt();
    lab.views(&view_of(&[1, 3], 1, 5));
    lab.pass(45_000);
    assert!(is_asked(&mut lab, 2));
    assert_eq!(lab.topology().replicas.len(), 2);
    lab.pass(20_000);
    assert!(!is_asked(&mut lab, 2));
    let names = lab.topology().replicas.iter().map(|replica| replica.name.as_deref());
    assert!(names.eq([Some("n3")]));
    assert_eq!(lab.confirmed(), Some("n1"));
}

#[test]
fn a_server_in_the_file_is_asked_though_no_list_has_it() {
    let mut lab = Lab::new(healthy(), &[shard(&NODES)], at(0));
    lab.views(&view_of(&[1, 3], 1, 5));
    lab.pass(100_000);
    assert!(is_asked(&mut lab, 2));
}

#[test]
fn a_primary_that_is_listed_no_longer_is_asked_as_long_as_it_was_the_last() {
    let mut lab = learnt();
    lab.views(&view_of(&[2, 3], 0, 5));
    lab.pass(100_000);
    assert!(is_asked(&mut lab, 1));
}

#[test]
fn who_claimed_the_highest_timeline_first_is_asked_though_it_is_listed_no_longer() {
    let mut lab = learnt();
    lab.fails(1, &AskFailure::Refused);
    lab.node(1).open = false;
    lab.node(2).own = Ok(primary(2, 5));
    (2..=3).for_each(|index| lab.node(index).view = Ok(view_of(&[2, 3], 2, 5)));
    lab.pass(100_000);
    assert_eq!(lab.confirmed(), Some("n2"));
    assert!(is_asked(&mut lab, 1), "its word would lift what it bound the others to");
}

#[test]
fn no_more_than_64_members_are_asked_beside_those_in_the_file() {
    let mut lab = Lab::new(healthy(), &[shard(&NODES[..1])], at(0));
    let member = |index: usize| {
        format!(
            r#"{{"name": "x{index}", "role": "replica", "host": "10.1.0.{index}",
                "api_url": "http://10.1.0.{index}:8008/patroni"}},"#
        )
    };
    let others: String = (1..=70).map(member).collect();
    let view = view_of(&[1], 1, 5).replace("\"members\": [", &format!("\"members\": [{others}"));
    lab.node(1).view = Ok(view);
    lab.pass(12_000);
    let asked: BTreeSet<_> = lab.asked.iter().map(|(_, key, _)| key.clone()).collect();
    assert_eq!(asked.len(), 1 + 64);
    assert_eq!(lab.topology().replicas.len(), 70, "and the others are listed all the same");
}
