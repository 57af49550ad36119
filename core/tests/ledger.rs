//! `docs/rfc-ledger.md` names tests and deliberate bugs that are there, and none is without.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A row that can be kept or broken: its id, who shows that it is kept, and that a breach is noticed.
struct Row {
    id: String,
    kept: Vec<String>,
    noticed: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names between backquotes.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/rfc-ledger.md")).expect("the ledger");
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        match cells[..] {
            [id, _, _, kept, noticed] if !id.starts_with('-') => {
                rows.push(Row { id: id.to_owned(), kept: names(kept), noticed: names(noticed) });
            }
            [id, _, _, why] if id.starts_with('N') => assert!(!why.is_empty(), "{id}"),
            _ => assert!(line.starts_with("| ---"), "{line}"),
        }
    }
    rows
}

/// Every function of the project's tests and sources that is an item of its own.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != "target" {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let after =
                text.lines().filter_map(|line| line.split_once("fn ").map(|(_, rest)| rest));
            found.extend(
                after.filter_map(|rest| rest.split_once('(').map(|(name, _)| name.to_owned())),
            );
        }
    }
}

#[test]
fn every_row_names_tests_and_bugs_that_are_there() {
    let mut tests = BTreeSet::new();
    for member in ["core", "io-linux", "io-sim", "daemon", "sim-tests"] {
        functions(&root().join(member), &mut tests);
    }
    let bugs = fs::read_to_string(root().join("core/src/mutants.rs")).expect("the deliberate bugs");
    let is_bug = |name: &str| {
        bugs.lines().any(|line| line.trim().trim_end_matches(',').split(' ').next() == Some(name))
    };
    let rows = rows();
    assert!(rows.len() > 40, "{}", rows.len());
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.len(), rows.len(), "an id is there twice");
    for Row { id, kept, noticed } in &rows {
        assert!(!kept.is_empty() && !noticed.is_empty(), "{id} is shown by nothing");
        for name in kept {
            assert!(tests.contains(name), "{id}: there is no test {name}");
        }
        for name in noticed {
            assert!(tests.contains(name) || is_bug(name), "{id}: there is no test or bug {name}");
        }
    }
}
