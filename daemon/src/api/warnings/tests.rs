use openproxy_core::vrrp::StateName::{self, Backup, Initialize, Master};

use super::*;
use crate::api::document::tests::{document, report};

/// What is said of a document after a change.
fn said(state: StateName, change: impl FnOnce(&mut Document)) -> Vec<(String, bool)> {
    let mut document = document(vec![report(state)]);
    change(&mut document);
    of(&document).into_iter().map(|w| (w.text.clone(), w.is_critical())).collect()
}

#[test]
fn each_thing_that_is_wrong_is_said_in_one_line() {
    type Change = fn(&mut Document);
    let table: [(StateName, Change, &str, bool); 8] = [
        (Initialize, |_| {}, "eth0/50/IPv4 takes no part: the interface is down", false),
        (Master, |d| d.routers[0].dual_master = true, "two MASTERs", true),
        (Master, |d| d.routers[0].vips[0].refused = true, "the kernel refuses 10.0.0.200/24", true),
        (Backup, |d| d.routers[0].vips[0].held = true, "isn't off the interface yet", false),
        (Backup, |d| d.routers[0].checks[0].state = "failed".into(), "tcp 127.0.0.1:6432", false),
        (Backup, |d| d.process.file_problem = Some("3:1: no".to_owned()), "3:1: no", false),
        (Backup, |d| d.process.guard = "missing".into(), "the guard is missing", false),
        (Backup, |d| d.endpoints.push(silent()), "http://10.0.0.1:8008: refused", false),
    ];
    for (state, change, text, is_critical) in table {
        let said = said(state, change);
        assert_eq!(said.len(), 1, "{text}: {said:?}");
        assert!(said[0].0.contains(text) && said[0].1 == is_critical, "{text}: {said:?}");
    }
}

#[test]
fn the_critical_ones_come_first_and_decide() {
    let mut document = document(vec![report(Master)]);
    document.process.guard = "missing".into();
    document.routers[0].dual_master = true;
    let warnings = of(&document);
    assert_eq!(warnings.iter().map(|w| w.is_critical()).collect::<Vec<_>>(), [true, false]);
    assert_eq!(
        (worst(&warnings), worst(&warnings[1..]), worst(&[])),
        ("critical", "warning", "ok")
    );
}

#[test]
fn a_router_that_is_well_is_not_told_of() {
    assert!(said(Master, |_| {}).is_empty() && said(Backup, |_| {}).is_empty());
}

fn silent() -> EndpointObject {
    EndpointObject {
        url: "http://10.0.0.1:8008".to_owned(),
        asked: 1,
        answers: 0,
        failures: [("refused".to_owned(), 1)].into(),
        failure: Some("refused".to_owned()),
    }
}
