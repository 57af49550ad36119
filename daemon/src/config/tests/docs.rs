//! `docs/configuration.md` and the parser know the same keys, and allow the same values.

use std::collections::BTreeMap;

use super::super::keys::{self, Key};

const DOCS: &str = include_str!("../../../../docs/configuration.md");

/// The rows of the reference table: (table, key) and what is allowed.
fn documented() -> BTreeMap<(String, String), String> {
    let rows = DOCS.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row
            .trim_end_matches('|')
            .split('|')
            .map(|cell| cell.trim().trim_matches('`'))
            .collect();
        let [table, key, _unit, allowed, _default, _meaning] = cells[..] else {
            panic!("six cells: {row}")
        };
        ((table.to_owned(), key.to_owned()), allowed.replace('`', ""))
    })
    .collect()
}

#[test]
fn every_key_is_documented_with_what_it_allows_and_no_other() {
    let tables: [(&str, &[Key]); 5] = [
        ("general", &[keys::RENEW_INTERVAL, keys::TOPOLOGY_SCRIPT, keys::USER, keys::GUARD]),
        ("general.status", keys::STATUS_KEYS),
        ("general.virtual_router", keys::ROUTER),
        ("track", keys::TRACK_KEYS),
        ("pools.POOL.shards.SHARD", keys::SHARD),
    ];
    let mut known = BTreeMap::new();
    for (table, keys) in tables {
        for key in keys {
            known.insert((table.to_owned(), key.name.to_owned()), key.allowed.to_owned());
        }
    }
    assert_eq!(documented(), known);
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
