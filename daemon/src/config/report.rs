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
    lines: Lines<'t>,
    /// With the offset that they are sorted by.
    found: Vec<(usize, Diagnostic)>,
}

impl<'t> Report<'t> {
    pub(super) fn new(file: &str, text: &'t str) -> Self {
        Self { file: file.into(), lines: Lines::new(text), found: Vec::new() }
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
                position: Some(self.lines.position(span.start)),
                key: None,
                value: None,
                message: message.to_owned(),
            },
        ));
    }

    /// The line on which an offset is, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.position(offset).line
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
        let value = spot.is_value.then(|| self.lines.text.get(spot.span.clone())).flatten();
        self.found.push((
            spot.span.start,
            Diagnostic {
                severity,
                file: Arc::clone(&self.file),
                position: Some(self.lines.position(spot.span.start)),
                key: Some(spot.key.clone()),
                value: value.map(shorten),
                message,
            },
        ));
    }
}

/// A text whose lines have been found.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    /// The offset of each line's first byte.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        // A byte order mark is no column.
        let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let further = text.match_indices('\n').map(|(newline, _)| newline + 1);
        Self { text, starts: std::iter::once(first).chain(further).collect() }
    }

    /// The line and column of a byte offset.
    pub(super) fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
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
