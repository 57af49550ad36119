//! When a changed file is used.
//!
//! An empty or cut-off file is valid TOML that names fewer routers, and editors and `cp` first
//! truncate, then write. So a change counts only once two reads some time apart are the same, and
//! one that takes away every router or every pool only when a person asks for it by SIGHUP.
//!
//! This is a state machine without IO: it says when to read, is told what was read, and answers
//! what is to be done.

use openproxy_core::time::{Duration, Instant};

use crate::config::{Diagnostic, Loaded, load_bytes};

/// How far apart two equal reads must be.
pub const SETTLE_TIME: Duration = Duration::from_millis(500);

/// What a read gave: the file's bytes, or why there are none.
pub type Read = Result<Vec<u8>, String>;

/// What is wrong with a file that is good in itself; its name, and what it says.
pub type Inspect = fn(&str, &Loaded) -> Vec<Diagnostic>;

/// What is to be done after a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Use this from now on.
    Apply(Box<Loaded>),
    /// The file is wrong; what runs goes on. Told once for each content.
    Broken(Vec<Diagnostic>),
    /// The file can't be read; what runs goes on. Told once for each reason.
    Unreadable(String),
    /// The file would take away every router or every pool; what runs goes on. Told once.
    NeedsHangup,
    /// A person asked, and the file is what runs already.
    Unchanged,
}

/// A content that was read, and when it was first.
#[derive(Clone, Debug)]
struct Candidate {
    read: Read,
    since: Instant,
}

/// Watches one file.
#[derive(Clone, Debug)]
pub struct FileWatcher {
    path: String,
    inspect: Inspect,
    /// What runs, and the bytes it came from.
    applied: Loaded,
    applied_bytes: Vec<u8>,
    candidate: Option<Candidate>,
    /// What has been told of, and isn't used.
    rejected: Option<Read>,
    /// A person asked by SIGHUP, and hasn't been answered yet.
    is_asked: bool,
    read_at: Instant,
}

impl FileWatcher {
    /// Begins with a file that runs, read at `now`; `path` is what diagnostics call it.
    #[must_use]
    pub fn new(path: String, bytes: Vec<u8>, applied: Loaded, now: Instant) -> Self {
        let read_at = now + applied.renew_interval;
        Self {
            path,
            inspect: |_, _| Vec::new(),
            applied,
            applied_bytes: bytes,
            candidate: None,
            rejected: None,
            is_asked: false,
            read_at,
        }
    }

    /// Refuses files also for what this finds on the machine that they are for.
    #[must_use]
    pub fn inspecting(self, inspect: Inspect) -> Self {
        Self { inspect, ..self }
    }

    /// When the file is to be read next.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.read_at
    }

    /// A person asks for the file to be read now.
    pub fn handle_hangup(&mut self, now: Instant) {
        self.is_asked = true;
        self.read_at = now;
    }

    /// The file was read at `now`.
    pub fn handle_read(&mut self, now: Instant, read: Read) -> Option<Decision> {
        if read.as_ref().is_ok_and(|bytes| *bytes == self.applied_bytes) {
            return self.keep(now);
        }
        if !self.is_asked && self.rejected.as_ref() == Some(&read) {
            self.rest(now);
            return None;
        }
        match &self.candidate {
            Some(candidate) if candidate.read == read => {
                let settled_at = candidate.since + SETTLE_TIME;
                if now < settled_at {
                    self.read_at = settled_at;
                    return None;
                }
                Some(self.decide(now, read))
            }
            Some(_) | None => {
                self.candidate = Some(Candidate { read, since: now });
                self.read_at = now + SETTLE_TIME;
                None
            }
        }
    }

    /// Whether the file, as it was last read, can't be used.
    #[must_use]
    pub fn has_rejected(&self) -> bool {
        self.rejected.is_some()
    }

    /// The file is what runs already.
    fn keep(&mut self, now: Instant) -> Option<Decision> {
        self.rejected = None;
        self.rest(now);
        std::mem::take(&mut self.is_asked).then_some(Decision::Unchanged)
    }

    /// The file has settled on something else than what runs.
    fn decide(&mut self, now: Instant, read: Read) -> Decision {
        let is_asked = std::mem::take(&mut self.is_asked);
        let loaded = match &read {
            Ok(bytes) => load_bytes(&self.path, bytes)
                .and_then(|next| match (self.inspect)(&self.path, &next) {
                    found if found.is_empty() => Ok(next),
                    found => Err(found),
                })
                .map_err(Decision::Broken),
            Err(reason) => Err(Decision::Unreadable(reason.clone())),
        };
        let decision = match loaded {
            Ok(next) if self.applied.is_emptied_by(&next) && !is_asked => {
                self.rejected = Some(read);
                Decision::NeedsHangup
            }
            Ok(next) => {
                self.applied_bytes = read.unwrap_or_default();
                self.applied = next.clone();
                self.rejected = None;
                Decision::Apply(Box::new(next))
            }
            Err(refusal) => {
                self.rejected = Some(read);
                refusal
            }
        };
        self.rest(now);
        decision
    }

    fn rest(&mut self, now: Instant) {
        self.candidate = None;
        self.read_at = now + self.applied.renew_interval;
    }
}

#[cfg(test)]
mod tests;
