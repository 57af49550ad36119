//! What of the file counts at the start alone.

use openproxy::config::{Loaded, LogFormat};

/// What the file said when this process began.
#[derive(Debug)]
pub(super) struct Fixed {
    user: Option<Box<str>>,
    guard: bool,
    realtime: Option<u8>,
    log_format: LogFormat,
}

impl Fixed {
    pub(super) fn of(loaded: &Loaded) -> Self {
        Self {
            user: loaded.user.clone(),
            guard: loaded.guard,
            realtime: loaded.realtime,
            log_format: loaded.log_format,
        }
    }

    /// The keys of `[general]` that say something else now: that is for the next start.
    pub(super) fn changed_keys(&self, loaded: &Loaded) -> impl Iterator<Item = &'static str> {
        let keys = [
            ("user", loaded.user != self.user),
            ("guard", loaded.guard != self.guard),
            ("realtime", loaded.realtime != self.realtime),
            ("log_format", loaded.log_format != self.log_format),
        ];
        keys.into_iter().filter_map(|(key, has_changed)| has_changed.then_some(key))
    }
}
