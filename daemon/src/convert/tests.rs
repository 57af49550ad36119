//! Files of keepalived, and what they become.

mod docs;
mod instances;
mod properties;
mod samples;
mod sources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Converted, Files, Unreadable, convert};
use crate::config::{Loaded, load};

const FILE: &str = "k.conf";
const HOST: &str = "node1";

/// Files that are nowhere but here.
#[derive(Debug, Default)]
struct Memory(BTreeMap<PathBuf, Vec<u8>>);

impl Memory {
    fn with(mut self, path: &str, text: &str) -> Self {
        self.0.insert(path.into(), text.into());
        self
    }

    fn convert(&self, path: &str) -> Result<Converted, Unreadable> {
        convert(Path::new(path), HOST, self)
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "there is no such file".to_owned())
    }

    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let pattern = folder.join(pattern).display().to_string();
        let pattern = glob::Pattern::new(&pattern).map_err(|error| error.to_string())?;
        Ok(self.0.keys().filter(|path| pattern.matches_path(path)).cloned().collect())
    }
}

/// One file, converted; what was written loads.
fn converted(text: &str) -> Converted {
    let converted = Memory::default().with(FILE, text).convert(FILE).expect("it can be read");
    let _ = loaded(&converted);
    converted
}

fn loaded(converted: &Converted) -> Loaded {
    let loaded = load("openproxy.toml", &converted.toml);
    loaded.unwrap_or_else(|found| panic!("{found:#?}\n{}", converted.toml))
}

/// Each note as `LINE URGENCY SUBJECT`.
fn told(converted: &Converted) -> Vec<String> {
    let notes = converted.notes.iter();
    notes.map(|note| format!("{} {:?} {}", note.place.line, note.urgency, note.subject)).collect()
}

/// The lines that say something.
fn said(toml: &str) -> Vec<&str> {
    toml.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}
