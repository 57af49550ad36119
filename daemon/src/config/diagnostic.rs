//! What is wrong with a file, or worth knowing about it.

use std::fmt::{self, Write as _};
use std::sync::Arc;

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file can't be used.
    Error,
    /// The file can be used, and probably doesn't do what was meant.
    Warning,
    /// Good to know.
    Info,
}

/// A place in a file; both numbers count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One remark on a file, with all that is needed to find and mend its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Where; `None` for the file as a whole.
    pub position: Option<Position>,
    /// The dotted key, such as `general.virtual_router.priority`.
    pub key: Option<String>,
    /// The value as it is written.
    pub value: Option<String>,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl Diagnostic {
    /// An error of the file as a whole, whose place nobody knows.
    #[must_use]
    pub fn of_file(file: &str, key: Option<&str>, message: String) -> Self {
        Self {
            severity: Severity::Error,
            file: file.into(),
            position: None,
            key: key.map(str::to_owned),
            value: None,
            message,
        }
    }
}

impl fmt::Display for Diagnostic {
    /// One line: `FILE:LINE:COLUMN: KEY = VALUE: MESSAGE`, with the severity unless it's an error.
    /// The alternate form (`{:#}`) is without the severity, for a log that has its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => ": ",
            Severity::Warning | Severity::Info if f.alternate() => ": ",
            Severity::Warning => ": warning: ",
            Severity::Info => ": info: ",
        };
        let mut line = OneLine(f);
        line.write_str(&self.file)?;
        if let Some(Position { line: number, column }) = self.position {
            write!(line, ":{number}:{column}")?;
        }
        line.write_str(severity)?;
        if let Some(key) = &self.key {
            line.write_str(key)?;
            if let Some(value) = &self.value {
                write!(line, " = {value}")?;
            }
            line.write_str(": ")?;
        }
        line.write_str(&self.message)
    }
}

/// Escapes control characters, which a file may have in its keys and values.
pub(crate) struct OneLine<'a, W>(pub(crate) &'a mut W);

impl<W: fmt::Write> fmt::Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| match letter.is_control() {
            true => write!(self.0, "{}", letter.escape_default()),
            false => self.0.write_char(letter),
        })
    }
}
