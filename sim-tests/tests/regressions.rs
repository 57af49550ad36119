//! Runs that once broke an invariant. Each file says in its first lines what was wrong.

use std::path::Path;

use openproxy_sim_tests::scenario::Scenario;
use openproxy_sim_tests::sweep;

#[test]
fn what_was_mended_stays_mended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a text");
        let scenario: Scenario = toml::from_str(&text).expect("a scenario");
        scenario.check().expect("one that makes sense");
        assert!(text.starts_with('#'), "{}: say what was wrong", path.display());
        let violation = sweep::run(&scenario).violation;
        assert_eq!(violation, None, "{}", path.display());
        count += 1;
    }
    assert!(count >= 5, "{count} files in {}", folder.display());
}
