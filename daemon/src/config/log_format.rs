//! `general.log_format`: how the lines of the log are written.

use toml::de::DeValue;

use super::values;

/// How the lines of the log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: what happened, and why.
    #[default]
    Text,
    /// For programs: the same as JSON, with its parts as fields.
    Json,
}

impl LogFormat {
    const WORDS: [(&str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];

    /// As the file has it.
    pub(super) fn read(value: &DeValue<'_>) -> Option<Self> {
        values::choice(value, &Self::WORDS)
    }
}
