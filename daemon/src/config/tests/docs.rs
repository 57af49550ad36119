//! `docs/configuration.md` and the parser know the same keys, and allow the same values.

use std::collections::BTreeMap;

use super::super::keys::{self, Key};

const DOCS: &str = include_str!("../../../../docs/configuration.md");

/// The rows of a chapter's table, as (table, key) and the cells after that.
fn rows(chapter: &str) -> Vec<((String, String), Vec<String>)> {
    let (_, text) = DOCS.split_once(&format!("\n## {chapter}\n")).expect("the chapter");
    let text = text.split("\n## ").next().unwrap_or_default();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [table, key, rest @ ..] = &cells[..] else { panic!("a table and a key: {row}") };
        let name = |cell: &str| cell.trim_matches('`').to_owned();
        ((name(table), name(key)), rest.iter().map(|cell| (*cell).to_owned()).collect())
    })
    .collect()
}

/// Every key, with its table, and what it allows.
fn known() -> BTreeMap<(String, String), &'static str> {
    let tables: [(&str, &[Key]); 5] = [
        (
            "general",
            &[
                keys::RENEW_INTERVAL,
                keys::TOPOLOGY_SCRIPT,
                keys::NOTIFY_SCRIPT,
                keys::NOTIFY_FIFO,
                keys::USER,
                keys::GUARD,
                keys::REALTIME,
                keys::LOG_FORMAT,
            ],
        ),
        ("general.status", keys::STATUS_KEYS),
        ("general.virtual_router", keys::ROUTER),
        ("track", keys::TRACK_KEYS),
        ("pools.POOL.shards.SHARD", keys::SHARD),
    ];
    let keys = tables.into_iter().flat_map(|(table, keys)| keys.iter().map(move |k| (table, k)));
    keys.map(|(table, key)| ((table.to_owned(), key.name.to_owned()), key.allowed)).collect()
}

#[test]
fn every_key_is_documented_with_what_it_allows_and_no_other() {
    let documented = rows("All keys").into_iter().map(|(key, cells)| {
        let [_unit, allowed, _default, _meaning] = &cells[..] else { panic!("{key:?}: {cells:?}") };
        (key, allowed.replace('`', ""))
    });
    let documented: BTreeMap<_, _> = documented.collect();
    let known = known().into_iter().map(|(key, allowed)| (key, allowed.to_owned())).collect();
    assert_eq!(documented, known);
}

#[test]
fn of_every_key_it_is_documented_what_a_change_does_and_of_no_other() {
    let rows = rows("What a change does");
    for (key, cells) in &rows {
        assert!(cells.len() == 2 && !cells.iter().any(String::is_empty), "{key:?}: {cells:?}");
    }
    let documented: Vec<_> = rows.into_iter().map(|(key, _)| key).collect();
    let mut sorted = documented.clone();
    sorted.sort();
    assert_eq!(sorted, known().into_keys().collect::<Vec<_>>(), "each once");
}

#[test]
fn the_example_of_the_documentation_loads() {
    let fenced = DOCS.split("```toml\n").skip(1);
    let examples: Vec<_> = fenced.filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        super::loaded(example);
    }
}
