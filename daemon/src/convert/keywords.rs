//! What becomes of every keyword. `docs/keepalived.md` has these tables, and a test compares them.

mod global;
mod instance;
mod others;

pub(super) use global::{GLOBAL, GlobalKey};
pub(super) use instance::{INSTANCE, InstanceKey};
pub(super) use others::{
    ADDRESS, GROUP, GroupKey, PEER, SCRIPT, ScriptKey, TOP, TRACKED, TopKey, TrackedKey,
};

use super::note::Notes;
use super::tree::Statement;

/// What becomes of a keyword.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "docs/keepalived.md has what is said of keys, a test compares it")
)]
pub(super) enum Fate<K> {
    /// A key of ours says it, in its own words.
    Key(K, &'static str),
    /// OpenProxy does so anyway.
    Same(&'static str),
    /// It is lost, and nobody need do anything.
    Info(&'static str),
    /// It is lost, and somebody must say what takes its place.
    Decide(&'static str),
}

/// A keyword of one kind of block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keyword<K> {
    /// As it is written.
    pub(super) name: &'static str,
    /// What becomes of it.
    pub(super) fate: Fate<K>,
}

/// It has no words that we read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Nothing {}

const fn key<K: Copy>(name: &'static str, key: K, ours: &'static str) -> Keyword<K> {
    Keyword { name, fate: Fate::Key(key, ours) }
}

const fn same<K: Copy>(name: &'static str, how: &'static str) -> Keyword<K> {
    Keyword { name, fate: Fate::Same(how) }
}

const fn info<K: Copy>(name: &'static str, why: &'static str) -> Keyword<K> {
    Keyword { name, fate: Fate::Info(why) }
}

const fn decide<K: Copy>(name: &'static str, instead: &'static str) -> Keyword<K> {
    Keyword { name, fate: Fate::Decide(instead) }
}

/// The statement's key, if a key of ours says it; else what is lost with it is told.
pub(super) fn look_up<K: Copy>(
    table: &[Keyword<K>],
    statement: &Statement,
    notes: &mut Notes,
) -> Option<K> {
    let name = statement.keyword();
    let is_off = statement.words.len() == 2 && boolean(statement.value()) == Some(false);
    match table.iter().find(|keyword| keyword.name == name).map(|keyword| keyword.fate) {
        Some(Fate::Key(key, _)) => return Some(key),
        Some(Fate::Same(_)) => {}
        Some(Fate::Info(why)) => notes.info(&statement.place, name, why),
        // What is switched off isn't missed.
        Some(Fate::Decide(_)) if is_off => {}
        Some(Fate::Decide(instead)) => notes.decide(&statement.place, name, instead),
        None => {
            let message = "is not a keyword that keepalived.conf(5) of 2.2.7 has here";
            notes.decide(&statement.place, name, message);
        }
    }
    None
}

/// `on`, `off` and their synonyms; a keyword alone is on.
pub(super) fn boolean(value: Option<&str>) -> Option<bool> {
    match value {
        None | Some("on" | "true" | "yes") => Some(true),
        Some("off" | "false" | "no") => Some(false),
        Some(_) => None,
    }
}
