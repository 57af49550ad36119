//! The file.

use openproxy::config::{Loaded, load, load_bytes};

use crate::patroni::assert_line;

/// A file `openproxy.toml`.
///
/// # Panics
/// When it isn't the same once printed and parsed again, or what is told of it isn't one line.
pub fn config_toml(data: &[u8]) {
    let loaded = match load_bytes("openproxy.toml", data) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty());
            return diagnostics.iter().for_each(|said| assert_line(&said.to_string()));
        }
    };
    loaded.notes.iter().for_each(|said| assert_line(&said.to_string()));
    let text = str::from_utf8(data).expect("it was loaded");
    // A number beyond 64 bits under a key that isn't ours is not looked at.
    let Ok(table) = text.parse::<toml::Table>() else { return };
    let printed = toml::to_string(&table).expect("it was parsed");
    let again = load("openproxy.toml", &printed).expect("it says the same");
    assert_eq!(plain(again), plain(loaded));
}

/// Without what depends on the order of tables, which printing changes, and on where things stand.
fn plain(mut loaded: Loaded) -> Loaded {
    loaded.notes.clear();
    loaded.discovery.shards.sort_by(|one, other| one.id.cmp(&other.id));
    if loaded.discovery.tls.len() > 1 {
        // They are numbered as they come.
        loaded.discovery.shards.clear();
        loaded.discovery.tls.clear();
    }
    loaded
}
