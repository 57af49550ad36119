//! Collects diagnostics, and turns byte offsets into lines and columns.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Position, Severity};

/// Values longer than this are cut in diagnostics.
const VALUE_CHARS_MAX: usize = 60;

/// A key or value in the file.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// The dotted key.
    pub(super) key: String,
    /// Where it is, in bytes.
    pub(super) span: Range<usize>,
    /// Whether the text there is a value worth showing; not so for a table or a missing key.
    pub(super) is_value: bool,
}

/// The diagnostics of one file.
#[derive(Debug)]
pub(super) struct Report<'t> {
    file: Arc<str>,
    text: &'t str,
    /// With the offset that they are sorted by.
    found: Vec<(usize, Diagnostic)>,
}

impl<'t> Report<'t> {
    pub(super) fn new(file: &str, text: &'t str) -> Self {
        Self { file: file.into(), text, found: Vec::new() }
    }

    /// The value at `spot` is not allowed: `message` says what is.
    pub(super) fn error(&mut self, spot: &Spot, message: impl Into<String>) {
        self.push(Severity::Error, spot, message.into());
    }

    /// What is at `spot` probably doesn't do what was meant.
    pub(super) fn warning(&mut self, spot: &Spot, message: impl Into<String>) {
        self.push(Severity::Warning, spot, message.into());
    }

    /// Something good to know about what is at `spot`.
    pub(super) fn info(&mut self, spot: &Spot, message: impl Into<String>) {
        self.push(Severity::Info, spot, message.into());
    }

    /// Something good to know about the file as a whole.
    pub(super) fn file_info(&mut self, message: String) {
        self.found.push((
            usize::MAX,
            Diagnostic {
                severity: Severity::Info,
                file: Arc::clone(&self.file),
                position: None,
                key: None,
                value: None,
                message,
            },
        ));
    }

    /// The file isn't TOML at this place.
    pub(super) fn syntax_error(&mut self, span: Range<usize>, message: &str) {
        self.found.push((
            span.start,
            Diagnostic {
                severity: Severity::Error,
                file: Arc::clone(&self.file),
                position: Some(position(self.text, span.start)),
                key: None,
                value: None,
                message: message.to_owned(),
            },
        ));
    }

    /// The line on which an offset is, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        position(self.text, offset).line
    }

    /// Drops all but the errors in values, and those too on lines for which `keep` is false.
    pub(super) fn keep_value_errors(&mut self, keep: impl Fn(usize) -> bool) {
        self.found.retain(|(_, diagnostic)| {
            diagnostic.severity == Severity::Error
                && diagnostic.value.is_some()
                && diagnostic.position.is_some_and(|position| keep(position.line))
        });
    }

    /// Everything, in the order of the file, and whether there are errors.
    ///
    /// A warning about a value that is wrong anyway would only distract.
    pub(super) fn finish(mut self) -> (Vec<Diagnostic>, bool) {
        let is_error = |found: &Diagnostic| found.severity == Severity::Error;
        let wrong: BTreeSet<usize> = self
            .found
            .iter()
            .filter(|(_, found)| is_error(found))
            .map(|(offset, _)| *offset)
            .collect();
        self.found.retain(|(offset, found)| is_error(found) || !wrong.contains(offset));
        self.found.sort_by_key(|(offset, _)| *offset);
        let has_errors = !wrong.is_empty();
        (self.found.into_iter().map(|(_, diagnostic)| diagnostic).collect(), has_errors)
    }

    fn push(&mut self, severity: Severity, spot: &Spot, message: String) {
        let value = spot.is_value.then(|| self.text.get(spot.span.clone())).flatten();
        self.found.push((
            spot.span.start,
            Diagnostic {
                severity,
                file: Arc::clone(&self.file),
                position: Some(position(self.text, spot.span.start)),
                key: Some(spot.key.clone()),
                value: value.map(shorten),
                message,
            },
        ));
    }
}

/// The line and column of a byte offset.
pub(super) fn position(text: &str, offset: usize) -> Position {
    let offset = text.floor_char_boundary(offset);
    let before = text.get(..offset).unwrap_or(text);
    let before = before.strip_prefix('\u{feff}').unwrap_or(before);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
    }
}

/// The value on one line, cut if it is long.
fn shorten(value: &str) -> String {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
