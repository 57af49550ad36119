//! From a `keepalived.conf` to an `openproxy.toml`, and to all that it can't say.
//!
//! Files are read ([`Files`]) and cleared of includes, conditions and parameters (`source`), then
//! cut into statements (`tokens`, `tree`). Tables say what becomes of every keyword (`keywords`);
//! what is carried over is read (`instance`, `checks`), given keepalived's defaults (`settle`) and
//! written (`write`). What is written loads: a table that doesn't is a comment. Nothing here reads or
//! writes files.

mod checks;
mod instance;
mod keywords;
mod note;
mod settle;
mod source;
#[cfg(test)]
mod tests;
mod tokens;
mod tree;
mod values;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

pub use note::{Note, Place, Urgency};

use crate::config::{OneLine, Severity, load};
use checks::Script;
use instance::{Globals, Group, Instance};
use keywords::{TOP, TopKey, look_up};
use note::Notes;
use settle::{Surroundings, settle};

/// Where files are read from.
pub trait Files {
    /// The bytes of a file.
    ///
    /// # Errors
    /// Why they can't be read.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;

    /// The files that a pattern matches, in order; a relative one begins in `folder`.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String>;
}

/// A file that was converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The text of an `openproxy.toml`, which loads.
    pub toml: String,
    /// What isn't in it, in the order of the text.
    pub notes: Vec<Note>,
}

impl Converted {
    /// Whether somebody must decide something before the text is used.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.notes.iter().any(|note| note.urgency == Urgency::Decide)
    }
}

/// Why a file can't be converted at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    file: String,
    place: Option<Place>,
    reason: String,
}

impl Unreadable {
    fn at(place: &Place, reason: &str) -> Self {
        let (file, place) = (place.file.to_string(), Some(place.clone()));
        Self { file, place, reason: reason.to_owned() }
    }
}

impl fmt::Display for Unreadable {
    /// One line: `FILE:LINE: REASON`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let mut line = OneLine(f);
        match &self.place {
            Some(place) => write!(line, "{place}: {}", self.reason),
            None => write!(line, "{}: {}", self.file, self.reason),
        }
    }
}

impl std::error::Error for Unreadable {}

/// Converts a file, as the node `id` reads it.
///
/// # Errors
/// When it can't be read, or its braces don't match.
pub fn convert(path: &Path, id: &str, files: &impl Files) -> Result<Converted, Unreadable> {
    let mut notes = Notes::default();
    let lines = source::read(path, id, files, &mut notes)?;
    let statements = tree::parse(&lines, &mut notes)?;
    let mut found = Found::default();
    for statement in &statements {
        found.read(statement, &mut notes);
    }
    found.miss(&mut notes);
    Ok(found.written(path, notes.0))
}

/// What is carried over.
#[derive(Default)]
struct Found {
    globals: Globals,
    scripts: BTreeMap<String, Script>,
    groups: Vec<Group>,
    /// Each with what is told of it.
    instances: Vec<(Instance, Notes)>,
}

impl Found {
    fn read(&mut self, statement: &tree::Statement, notes: &mut Notes) {
        let Some(key) = look_up(TOP, statement, notes) else { return };
        match key {
            TopKey::Globals => instance::globals(statement, &mut self.globals, notes),
            TopKey::Script => {
                if let Some(script) = checks::script(statement, notes) {
                    let name = statement.value().unwrap_or_default().to_owned();
                    self.scripts.insert(name, script);
                }
            }
            TopKey::Group => self.groups.push(Group::read(statement, notes)),
            TopKey::Instance => {
                let mut of_instance = Notes::default();
                let instance = Instance::read(statement, &mut of_instance);
                self.instances.push((instance, of_instance));
            }
        }
    }

    /// Tells of names that nothing has.
    fn miss(&self, notes: &mut Notes) {
        for group in &self.groups {
            for member in &group.members {
                if !self.instances.iter().any(|(instance, _)| instance.name == *member) {
                    notes.decide(&group.place, "group", format!("there is no instance {member}"));
                }
            }
        }
    }

    fn written(self, path: &Path, mut notes: Vec<Note>) -> Converted {
        let around =
            Surroundings { globals: self.globals, scripts: &self.scripts, groups: &self.groups };
        let settled = self.instances.into_iter().map(|(instance, mut told)| {
            let routers = settle(&instance, &around, &mut told);
            (instance, routers.iter().map(write::table).collect::<Vec<_>>(), told)
        });
        let settled: Vec<_> = settled.collect();
        let all: String = settled.iter().map(|(_, tables, _)| tables.concat()).collect();
        let mut text = write::comments(&notes);
        // The tables that are in force.
        let mut good = String::new();
        let all_good = load("openproxy.toml", &all).is_ok();
        for (instance, tables, mut told) in settled {
            let tables = tables.concat();
            let errors = if all_good { Vec::new() } else { errors(&(good.clone() + &tables)) };
            for error in &errors {
                told.decide(
                    &instance.place,
                    "vrrp_instance",
                    format!("is a comment, since {error}"),
                );
            }
            let title = format!("vrrp_instance {}, {}", instance.name, instance.place);
            text += &format!("\n{}{}", write::comment(&title), write::comments(&told.0));
            if errors.is_empty() {
                text += &tables;
                good += &tables;
            } else {
                text += &write::disabled(&tables);
            }
            notes.extend(told.0);
        }
        let toml = write::head(&path.display().to_string(), &notes) + &text;
        Converted { toml, notes }
    }
}

/// What is wrong with a text.
fn errors(text: &str) -> Vec<String> {
    let found = load("openproxy.toml", text).err().unwrap_or_default();
    let errors = found.into_iter().filter(|found| found.severity == Severity::Error);
    errors
        .map(|error| {
            let key = error.key.unwrap_or_default();
            let key = key.rsplit('.').next().unwrap_or_default();
            let value = error.value.map_or_else(String::new, |value| format!(" = {value}"));
            // The lines are those of a text that nobody sees.
            let message = error.message.split(", on line ").next().unwrap_or_default();
            format!("{key}{value} {message}")
        })
        .collect()
}
