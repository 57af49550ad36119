//! A file of keepalived.

use std::path::{Path, PathBuf};

use openproxy::config::load;
use openproxy::convert::{Files, convert};

use crate::patroni::assert_line;

const FILE: &str = "k.conf";

/// A file that is the only one, and may include itself.
struct Only<'a>(&'a [u8]);

impl Files for Only<'_> {
    fn read(&self, _: &Path) -> Result<Vec<u8>, String> {
        Ok(self.0.to_vec())
    }

    fn matching(&self, _: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        Ok(if pattern == FILE { vec![pattern.into()] } else { vec![] })
    }
}

/// A file `keepalived.conf`.
///
/// # Panics
/// When what it becomes doesn't load, or what is told of it isn't one line.
pub fn keepalived_conf(data: &[u8]) {
    match convert(Path::new(FILE), "node1", &Only(data)) {
        Ok(converted) => {
            load("openproxy.toml", &converted.toml).expect("what is written loads");
            converted.notes.iter().for_each(|note| assert_line(&note.to_string()));
        }
        Err(unreadable) => assert_line(&unreadable.to_string()),
    }
}
