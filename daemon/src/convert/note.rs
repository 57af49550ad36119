//! What is told of what couldn't be carried over.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::config::OneLine;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What a note asks of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Nothing: OpenProxy does as well without it.
    Info,
    /// Something is missing, and somebody must say what takes its place.
    Decide,
}

/// One remark on a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where the statement is.
    pub place: Place,
    /// What is asked for.
    pub urgency: Urgency,
    /// The keyword, or what else it is about.
    pub subject: String,
    /// What is missing, and what to do instead.
    pub message: String,
}

impl fmt::Display for Note {
    /// One line: `FILE:LINE: URGENCY: SUBJECT: MESSAGE`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urgency = match self.urgency {
            Urgency::Info => "info",
            Urgency::Decide => "decide",
        };
        write!(OneLine(f), "{}: {urgency}: {}: {}", self.place, self.subject, self.message)
    }
}

/// Notes in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(pub(super) Vec<Note>);

impl Notes {
    /// Nothing is asked for.
    pub(super) fn info(&mut self, place: &Place, subject: &str, message: impl Into<String>) {
        self.add(place, Urgency::Info, subject, message.into());
    }

    /// Somebody must decide.
    pub(super) fn decide(&mut self, place: &Place, subject: &str, message: impl Into<String>) {
        self.add(place, Urgency::Decide, subject, message.into());
    }

    fn add(&mut self, place: &Place, urgency: Urgency, subject: &str, message: String) {
        self.0.push(Note { place: place.clone(), urgency, subject: subject.to_owned(), message });
    }
}
