//! From files to lines: comments, includes, conditions and parameters.
//!
//! A line that is left says something in this configuration; keepalived.conf(5), "Advanced
//! configuration", has what the others mean.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::note::{Notes, Place};
use super::tokens::without_comment;
use super::{Files, Unreadable};

const INCLUDES_DEEP_MAX: usize = 16;
const FILES_MAX: usize = 256;
/// All lines together, once their parameters are replaced.
const BYTES_MAX: usize = 8 << 20;
const REPLACEMENTS_MAX: usize = 100_000;
const BRACES_MAX: usize = 64;

/// A line that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it comes from.
    pub(super) place: Place,
    /// Without comment, condition and parameters.
    pub(super) text: String,
}

/// Reads a file and all that it includes, as the node `id` does.
pub(super) fn read<F: Files>(
    path: &Path,
    id: &str,
    files: &F,
    notes: &mut Notes,
) -> Result<Vec<Line>, Unreadable> {
    let mut reader = Reader {
        files,
        id,
        notes,
        parameters: BTreeMap::new(),
        lines: Vec::new(),
        files_read: 0,
        bytes: 0,
        replacements: 0,
    };
    let bytes = files.read(path).map_err(|reason| Unreadable {
        place: None,
        file: path.display().to_string(),
        reason: format!("can't be read: {reason}"),
    })?;
    reader.file(path, &bytes, 0)?;
    Ok(reader.lines)
}

struct Reader<'a, F> {
    files: &'a F,
    id: &'a str,
    notes: &'a mut Notes,
    parameters: BTreeMap<String, String>,
    lines: Vec<Line>,
    files_read: usize,
    bytes: usize,
    replacements: usize,
}

impl<F: Files> Reader<'_, F> {
    fn file(&mut self, path: &Path, bytes: &[u8], depth: usize) -> Result<(), Unreadable> {
        self.files_read += 1;
        let folder = path.parent().unwrap_or(Path::new(""));
        let file: Arc<str> = path.display().to_string().into();
        // Comments are in whatever encoding somebody had.
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines().zip(1..);
        while let Some((line, number)) = lines.next() {
            let place = Place { file: Arc::clone(&file), line: number };
            let line = without_comment(line).trim();
            if let Some(pattern) = include_pattern(line) {
                self.include(&place, folder, pattern, depth)?;
                continue;
            }
            let mut text = line.to_owned();
            while let Some(begun) = text.strip_suffix('\\') {
                text = begun.trim_end().to_owned();
                let Some((more, _)) = lines.next() else { break };
                text.push('\n');
                text.push_str(without_comment(more).trim());
            }
            self.line(&place, folder, text)?;
        }
        Ok(())
    }

    fn include(
        &mut self,
        place: &Place,
        folder: &Path,
        pattern: &str,
        depth: usize,
    ) -> Result<(), Unreadable> {
        let mut found: Vec<PathBuf> = Vec::new();
        for pattern in braces(pattern) {
            match self.files.matching(folder, &pattern) {
                Ok(paths) => found.extend(paths),
                Err(reason) => self.notes.decide(place, "include", reason),
            }
        }
        match (found.is_empty(), pattern.contains(['*', '?', '['])) {
            (false, _) => {}
            (true, true) => {
                self.notes.info(place, "include", format!("{pattern} matches no file"));
            }
            (true, false) => {
                self.notes.decide(place, "include", format!("{pattern} is no file"));
            }
        }
        for path in found {
            if depth >= INCLUDES_DEEP_MAX || self.files_read >= FILES_MAX {
                return Err(Unreadable::at(place, "too many files are included"));
            }
            match self.files.read(&path) {
                Ok(bytes) => self.file(&path, &bytes, depth + 1)?,
                Err(reason) => {
                    let message = format!("{} can't be read: {reason}", path.display());
                    self.notes.decide(place, "include", message);
                }
            }
        }
        Ok(())
    }

    /// Takes a line, and those that its parameters make of it.
    fn line(&mut self, place: &Place, folder: &Path, text: String) -> Result<(), Unreadable> {
        let mut queue = VecDeque::from([text]);
        while let Some(text) = queue.pop_front() {
            self.bytes = self.bytes.saturating_add(text.len());
            if self.bytes > BYTES_MAX || self.replacements > REPLACEMENTS_MAX {
                return Err(Unreadable::at(place, "parameters make too much of this line"));
            }
            let Some(text) = self.condition(text.trim()) else { continue };
            if let Some((name, value)) = definition(text) {
                self.parameters.insert(name.to_owned(), value.trim().to_owned());
                continue;
            }
            if let Some(replaced) = self.replaced(text, folder) {
                self.replacements += 1;
                for line in replaced.lines().rev() {
                    queue.push_front(line.to_owned());
                }
                continue;
            }
            self.keep(place, &text.replace('\n', " "));
        }
        Ok(())
    }

    fn keep(&mut self, place: &Place, text: &str) {
        if text.contains("${_RANDOM") {
            self.notes.decide(place, "_RANDOM", "is not replaced: write the number that you mean");
        }
        if text.starts_with("~SEQ") || text.starts_with("~LST") {
            let message = "this block is not expanded: write its lines out, and convert again";
            self.notes.decide(place, text, message);
        } else if include_pattern(text).is_some() {
            let message = "is not followed behind a condition or a parameter, as in keepalived";
            self.notes.decide(place, text, message);
        } else if !text.is_empty() {
            self.lines.push(Line { place: place.clone(), text: text.to_owned() });
        }
    }

    /// What is behind the conditions of a line, if they all hold.
    fn condition<'t>(&self, mut text: &'t str) -> Option<&'t str> {
        while let Some(behind) = text.strip_prefix('@') {
            let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
            let (word, rest) = behind.split_at(end);
            let holds = match word.strip_prefix('^') {
                Some(other) => other != self.id,
                None => word == self.id,
            };
            if !holds {
                return None;
            }
            text = rest.trim_start();
        }
        Some(text)
    }

    /// The text with its first parameter replaced; `None` if it has none.
    fn replaced(&self, text: &str, folder: &Path) -> Option<String> {
        let mut before = String::new();
        let mut rest = text;
        while let Some((head, tail)) = rest.split_once('$') {
            before.push_str(head);
            if let Some((name, after)) = parameter(tail)
                && let Some(value) = self.value(name, folder)
            {
                return Some(before + &value + after);
            }
            before.push('$');
            rest = tail;
        }
        None
    }

    fn value(&self, name: &str, folder: &Path) -> Option<String> {
        match name {
            "_PWD" => Some(folder.display().to_string()),
            "_INSTANCE" => Some(self.id.to_owned()),
            "_HASH" => Some("#".to_owned()),
            "_BANG" => Some("!".to_owned()),
            name => self.parameters.get(name).cloned(),
        }
    }
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// `NAME` before white space, or `{NAME}`, and what comes after it.
fn parameter(tail: &str) -> Option<(&str, &str)> {
    if let Some(inner) = tail.strip_prefix('{') {
        return inner.split_once('}');
    }
    let end = tail.find(|letter| !is_of_name(letter)).unwrap_or(tail.len());
    let (name, after) = tail.split_at(end);
    (after.is_empty() || after.starts_with(char::is_whitespace)).then_some((name, after))
}

/// `$NAME=VALUE`
fn definition(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.strip_prefix('$')?.split_once('=')?;
    let is_name = name.chars().all(is_of_name) && !name.starts_with(|c: char| c.is_ascii_digit());
    (is_name && !name.is_empty()).then_some((name, value))
}

/// What a line includes, whichever of the checks it asks for.
fn include_pattern(line: &str) -> Option<&str> {
    let (keyword, pattern) = line.split_once(char::is_whitespace)?;
    let is_include = matches!(
        keyword,
        "include" | "includer" | "includem" | "includew" | "includeb" | "includea"
    );
    is_include.then(|| pattern.trim().trim_matches(['"', '\'']))
}

/// All that a pattern with braces stands for, such as `{a,b{1,2}}.conf`.
fn braces(pattern: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut queue = VecDeque::from([pattern.to_owned()]);
    while let Some(pattern) = queue.pop_front() {
        match innermost(&pattern) {
            Some((before, choices, after)) if found.len() + queue.len() < BRACES_MAX => {
                queue.extend(choices.split(',').map(|choice| format!("{before}{choice}{after}")));
            }
            Some(_) | None => found.push(pattern),
        }
    }
    found
}

/// What is before, in and after the first braces that have none in them.
fn innermost(pattern: &str) -> Option<(&str, &str, &str)> {
    let (head, after) = pattern.split_once('}')?;
    let (before, choices) = head.rsplit_once('{')?;
    Some((before, choices, after))
}
