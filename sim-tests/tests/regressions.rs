//! Runs that once broke an invariant. Each file says in its first lines what was wrong.

use std::path::{Path, PathBuf};

use openproxy_core::mutants::{self, Mutant};
use openproxy_sim_tests::scenario::Scenario;
use openproxy_sim_tests::sweep;

/// The mutants that are the bugs of these files.
const BUGS: [(&str, Mutant); 6] = [
    ("answer-before-all-is-read", Mutant::AnsweredBeforeAllIsRead),
    ("full-receive-buffer", Mutant::TakenForAllThatCame),
    ("last-claim", Mutant::ClaimsDropped),
    ("refused-renewal", Mutant::RefusedRenewalForgotten),
    ("stale-zero", Mutant::TakenForAllThatCame),
    ("woken-master", Mutant::TakenForAllThatCame),
];

fn read(path: &Path) -> Scenario {
    let text = std::fs::read_to_string(path).expect("a text");
    assert!(text.starts_with('#'), "{}: say what was wrong", path.display());
    let scenario: Scenario = toml::from_str(&text).expect("a scenario");
    scenario.check().expect("one that makes sense");
    scenario
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions")
}

#[test]
fn what_was_mended_stays_mended() {
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let violation = sweep::run(&read(&path)).violation;
        assert_eq!(violation, None, "{}", path.display());
        count += 1;
    }
    assert!(count >= 5, "{count} files in {}", folder().display());
}

#[test]
fn each_file_shows_its_bug_where_the_bug_is_back() {
    for (name, bug) in BUGS {
        let scenario = read(&folder().join(name).with_extension("toml"));
        let violation = mutants::with(Some(bug), || sweep::run(&scenario).violation);
        assert!(violation.is_some(), "{name} holds with {}", bug.name());
    }
}
