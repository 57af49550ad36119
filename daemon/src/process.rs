//! What a daemon knows of itself, for whoever looks.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tracing_appender::non_blocking::ErrorCounter;

/// Whether a guard is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuardState {
    /// None is wanted, or there was no virtual router when the process began.
    #[default]
    Off,
    /// It watches.
    Watching,
    /// It has died, or couldn't be started.
    Missing,
}

/// What there is to know.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When the process began.
    pub started: SystemTime,
    /// Its file.
    pub file: PathBuf,
    /// When what runs was read from it.
    pub loaded: SystemTime,
    /// Why the file as it is now can't be used, if it can't: what was loaded runs on.
    pub problem: Option<String>,
    /// Whether its guard is there.
    pub guard: GuardState,
    /// It was asked to stop.
    pub stopping: bool,
    /// Lines of the log that nobody took, if that is counted.
    pub log_lines_dropped: Option<u64>,
}

/// The facts; clones are of the same ones.
#[derive(Clone, Debug)]
pub struct Process {
    facts: Arc<Mutex<Facts>>,
    log: Option<ErrorCounter>,
}

impl Process {
    /// A process that has just read this file.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        let now = SystemTime::now();
        let facts = Facts {
            started: now,
            file,
            loaded: now,
            problem: None,
            guard: GuardState::Off,
            stopping: false,
            log_lines_dropped: None,
        };
        Self { facts: Arc::new(Mutex::new(facts)), log: None }
    }

    /// The same, and the lines that its log drops are counted there.
    #[must_use]
    pub fn logging(self, dropped: ErrorCounter) -> Self {
        Self { log: Some(dropped), ..self }
    }

    /// What is known now.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let dropped = self.log.as_ref().map(ErrorCounter::dropped_lines);
        let log_lines_dropped = dropped.and_then(|lines| u64::try_from(lines).ok());
        Facts { log_lines_dropped, ..self.lock().clone() }
    }

    /// The file is used as it is now.
    pub fn note_loaded(&self) {
        let mut facts = self.lock();
        (facts.loaded, facts.problem) = (SystemTime::now(), None);
    }

    /// The file can't be used as it is now, or can again.
    pub fn note_problem(&self, problem: Option<String>) {
        self.lock().problem = problem;
    }

    /// A guard has come, or gone.
    pub fn note_guard(&self, guard: GuardState) {
        self.lock().guard = guard;
    }

    /// It was asked to stop.
    pub fn note_stopping(&self) {
        self.lock().stopping = true;
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
