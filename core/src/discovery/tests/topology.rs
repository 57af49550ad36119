//! What of a topology is news, and in which words a primary is told.

use super::super::*;
use super::lab::{at, server};
use super::script::{NODES, started};

fn named() -> Named {
    let evidence =
        Evidence { rule: Rule::OwnWord, source: None, at: at(0), timeline: Some(Timeline(5)) };
    Named { name: Some("n1".into()), address: server(NODES[0]).address, evidence }
}

#[test]
fn a_primary_is_news_by_its_name_address_rule_or_timeline_but_not_by_its_age_or_source() {
    let evidence = named().evidence;
    let key = EndpointKey { scheme: Scheme::Http, address: server(NODES[1]).address };
    let aged = Evidence { at: at(1_000), source: Some(key), ..evidence.clone() };
    let by_key = Evidence { rule: Rule::LeaderKey, ..evidence.clone() };
    let promoted = Evidence { timeline: Some(Timeline(6)), ..evidence };
    let cases = [
        (named(), false),
        (Named { evidence: aged, ..named() }, false),
        (Named { name: None, ..named() }, true),
        (Named { address: server(NODES[1]).address, ..named() }, true),
        (Named { evidence: by_key, ..named() }, true),
        (Named { evidence: promoted, ..named() }, true),
    ];
    for (to, is_news) in cases {
        for word in [Primary::Confirmed, Primary::Hearsay] {
            assert_eq!(word(named()).is_news(&word(to.clone())), is_news, "{to}");
        }
        let kept = |named| Primary::Kept(named, KeptWhy::Paused);
        assert_eq!(kept(named()).is_news(&kept(to.clone())), is_news, "{to}");
    }
}

#[test]
fn the_same_primary_is_news_when_it_is_named_for_another_reason() {
    let primaries = [
        Primary::Confirmed(named()),
        Primary::Hearsay(named()),
        Primary::Kept(named(), KeptWhy::AllSilent),
        Primary::Kept(named(), KeptWhy::Paused),
        Primary::Kept(named(), KeptWhy::OwnSilent),
        Primary::None(NoneWhy::NobodyClaims),
        Primary::None(NoneWhy::KeyGone),
    ];
    for (index, from) in primaries.iter().enumerate() {
        for (other, to) in primaries.iter().enumerate() {
            assert_eq!(from.is_news(to), index != other, "{from} became {to}");
        }
    }
}

#[test]
fn a_topology_changes_with_any_of_its_facts_but_not_with_a_lag_or_an_age() {
    type Change = fn(&mut Topology);
    let old = started().topology().clone();
    let changes: [(&str, bool, Change); 13] = [
        ("nothing", false, |_| {}),
        ("a lag", false, |new| new.replicas[0].lag_bytes = Some(7)),
        ("an age", false, |new| {
            let Primary::Confirmed(named) = &mut new.primary else { panic!("{}", new.primary) };
            named.evidence.at = at(60_000);
        }),
        ("the primary", true, |new| new.primary = Primary::None(NoneWhy::KeyGone)),
        ("one replica less", true, |new| drop(new.replicas.pop())),
        ("what a replica is for", true, |new| new.replicas[0].eligible = false),
        ("a stranger", true, |new| new.foreign.push(server(NODES[2]).address)),
        ("the database", true, |new| new.system = None),
        ("the name", true, |new| new.scope = Some("another".into())),
        ("a pause", true, |new| new.paused = true),
        ("what it follows", true, |new| new.standby_cluster = true),
        ("the failsafe mode", true, |new| new.failsafe = true),
        ("the file", true, |new| new.primary_unconfigured = true),
    ];
    for (what, is_other, change) in changes {
        let mut new = old.clone();
        change(&mut new);
        assert_eq!(old.is_like(&new), !is_other, "{what}");
        assert_eq!(new.is_like(&old), !is_other, "{what}");
    }
}

#[test]
fn a_primary_that_is_kept_is_told_with_the_reason() {
    for (why, words) in [
        (KeptWhy::AllSilent, "no server answers"),
        (KeptWhy::Paused, "its Patroni is silent, and the cluster is paused"),
        (
            KeptWhy::OwnSilent,
            "its Patroni is silent, its port not found closed, and no other has its key",
        ),
    ] {
        let told = Primary::Kept(named(), why).to_string();
        assert_eq!(told, format!("n1 (10.0.0.1:5432) on timeline 5, kept: {words}"));
    }
}
