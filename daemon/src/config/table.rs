//! A table of the file, read key by key.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Key, nearest};
use super::report::{Report, Spot};

/// A table and its dotted name.
#[derive(Clone, Debug)]
pub(super) struct Table<'d> {
    path: String,
    span: Range<usize>,
    entries: &'d DeTable<'d>,
}

/// A value and its dotted key.
#[derive(Clone, Debug)]
pub(super) struct Value<'d> {
    pub(super) spot: Spot,
    pub(super) value: &'d DeValue<'d>,
}

impl<'d> Table<'d> {
    /// The whole file.
    pub(super) fn root(document: &'d Spanned<DeTable<'d>>) -> Self {
        Self { path: String::new(), span: 0..0, entries: document.get_ref() }
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<Value<'d>> {
        let value = self.entries.get(name)?;
        Some(Value {
            spot: Spot { key: self.key_path(name), span: value.span(), is_value: true },
            value: value.get_ref(),
        })
    }

    /// Reads an optional key with `parse`; `None`, and an error, if that finds it unfit.
    pub(super) fn read<T>(
        &self,
        report: &mut Report<'_>,
        key: &Key,
        parse: impl FnOnce(&'d DeValue<'d>) -> Option<T>,
    ) -> Option<T> {
        let found = self.get(key.name)?;
        let parsed = parse(found.value);
        if parsed.is_none() {
            report.error(&found.spot, format!("must be {}", key.allowed));
        }
        parsed
    }

    /// Tells of a key that must be there and isn't.
    pub(super) fn require(&self, report: &mut Report<'_>, key: &Key) {
        if self.get(key.name).is_none() {
            let message = format!("is missing; it must be {}", key.allowed);
            report.error(&self.missing(key.name), message);
        }
    }

    /// Tells of each key that isn't among `known`, with the nearest that is.
    pub(super) fn refuse_unknown(&self, report: &mut Report<'_>, known: &[Key]) {
        for (name, spot) in self.key_spots() {
            if known.iter().any(|key| key.name == name) {
                continue;
            }
            let message = match nearest(name, known) {
                Some(near) => format!("is not a known key; did you mean {near}?"),
                None => {
                    let names: Vec<_> = known.iter().map(|key| key.name).collect();
                    format!("is not a known key; the keys here are {}", names.join(", "))
                }
            };
            report.error(&spot, message);
        }
    }

    /// All keys, with the places of the keys themselves, in the order of the file.
    pub(super) fn key_spots(&self) -> Vec<(&'d str, Spot)> {
        let mut spots: Vec<_> = self
            .entries
            .keys()
            .map(|name| {
                let key = self.key_path(name.get_ref());
                (name.get_ref().as_ref(), Spot { key, span: name.span(), is_value: false })
            })
            .collect();
        spots.sort_by_key(|(_, spot)| spot.span.start);
        spots
    }

    /// The table itself.
    pub(super) fn spot(&self) -> Spot {
        Spot { key: self.path.clone(), span: self.span.clone(), is_value: false }
    }

    /// The place of a key that isn't there: the table's.
    pub(super) fn missing(&self, name: &str) -> Spot {
        Spot { key: self.key_path(name), ..self.spot() }
    }

    fn key_path(&self, name: &str) -> String {
        let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let name = if !name.is_empty() && name.chars().all(is_bare) {
            name.to_owned()
        } else {
            format!("{name:?}")
        };
        if self.path.is_empty() { name } else { format!("{}.{name}", self.path) }
    }
}

impl<'d> Value<'d> {
    /// This value as a table.
    pub(super) fn table(&self) -> Option<Table<'d>> {
        let entries = self.value.as_table()?;
        Some(Table { path: self.spot.key.clone(), span: self.spot.span.clone(), entries })
    }

    /// The elements of an array, numbered from 0.
    pub(super) fn elements(&self) -> Option<Vec<Self>> {
        let elements = self.value.as_array()?.iter().enumerate();
        let numbered = elements.map(|(index, element)| Self {
            spot: Spot {
                key: format!("{}[{index}]", self.spot.key),
                span: element.span(),
                is_value: true,
            },
            value: element.get_ref(),
        });
        Some(numbered.collect())
    }
}
