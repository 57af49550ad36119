//! `docs/keepalived.md` and the converter know the same keywords, and say the same of them.

use super::super::keywords::{
    ADDRESS, Fate, GLOBAL, GROUP, INSTANCE, Keyword, PEER, SCRIPT, TOP, TRACKED,
};

const DOCS: &str = include_str!("../../../../docs/keepalived.md");

fn rows<K>(title: &str, keywords: &[Keyword<K>]) -> String {
    let rows = keywords.iter().map(|Keyword { name, fate }| {
        let (ours, text) = match fate {
            Fate::Key(_, ours) => (*ours, ""),
            Fate::Same(how) => ("as it is", *how),
            Fate::Info(why) => ("nothing to do", *why),
            Fate::Decide(instead) => ("decide", *instead),
        };
        format!("| `{name}` | {ours} | {text} |\n")
    });
    format!(
        "### {title}\n\n| Keyword | Becomes | |\n| --- | --- | --- |\n{}",
        rows.collect::<String>()
    )
}

#[test]
fn every_keyword_is_documented_as_it_is_converted_and_no_other() {
    let tables = [
        rows("Outside all blocks", TOP),
        rows("`vrrp_instance`", INSTANCE),
        rows("An address", ADDRESS),
        rows("A peer of `unicast_peer`", PEER),
        rows("`vrrp_sync_group`", GROUP),
        rows("`vrrp_script`", SCRIPT),
        rows("An entry of `track_interface` or `track_script`", TRACKED),
        rows("`global_defs`", GLOBAL),
    ];
    let (_, documented) = DOCS.split_once("\n## Every keyword\n\n").expect("the chapter");
    let (_, documented) = documented.split_once("\n\n").expect("what the words mean");
    let expected = tables.join("\n");
    assert_eq!(documented, expected, "the chapter would be:\n{expected}");
}

#[test]
fn no_keyword_is_listed_twice() {
    fn names<K>(keywords: &[Keyword<K>]) -> Vec<&'static str> {
        let mut names: Vec<_> = keywords.iter().map(|keyword| keyword.name).collect();
        names.sort_unstable();
        names
    }
    for names in [names(TOP), names(INSTANCE), names(GROUP), names(SCRIPT), names(GLOBAL)] {
        assert!(names.is_sorted_by(|one, other| one < other), "{names:?}");
    }
}
