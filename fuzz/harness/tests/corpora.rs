//! Every input that was kept is fed to its target again, on stable.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use openproxy_fuzz_harness::TARGETS;

/// The files of a folder, in order; none if there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files
}

#[test]
fn every_input_that_was_kept_is_taken() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder");
    for (name, target) in TARGETS {
        let corpus = files(&fuzz.join("corpus").join(name));
        let regressions = files(&fuzz.join("regressions").join(name));
        assert!(!corpus.is_empty(), "{name} has no corpus");
        println!("{name}: {} of the corpus, {} regressions", corpus.len(), regressions.len());
        for file in corpus.iter().chain(&regressions) {
            let data = fs::read(file).expect("a file that can be read");
            let taken = catch_unwind(|| target(&data));
            assert!(taken.is_ok(), "{}", file.display());
        }
    }
}
