//! `vrrp_script`, and what tracks it or an interface.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use super::keywords::{SCRIPT, ScriptKey, TRACKED, TrackedKey, look_up};
use super::note::{Notes, Place};
use super::tokens::command_words;
use super::tree::Statement;
use super::values::{from, micros, read};

const INTERVAL_MS: RangeInclusive<u64> = 100..=3_600_000;
const COUNT_MAX: u32 = 100;
const WEIGHT_MAX: i32 = 253;

/// `weight N [reverse]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) number: i32,
    pub(super) is_reversed: bool,
}

impl Weight {
    /// What keepalived adds to the priority while the check is well, and while it isn't.
    pub(super) fn added(self) -> (i32, i32) {
        let sign = if self.is_reversed { -1 } else { 1 };
        if self.number > 0 { (sign * self.number, 0) } else { (0, sign * self.number) }
    }
}

/// A `vrrp_script`.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) check: Check,
    pub(super) interval_ms: u64,
    pub(super) timeout_ms: Option<u64>,
    pub(super) weight: Weight,
    pub(super) rise: u32,
    pub(super) fall: u32,
    place: Place,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// `ADDRESS:PORT`
    Tcp(String),
    /// A command line.
    Command(Vec<String>),
    /// An interface.
    Interface(String),
}

/// What an instance or a group tracks.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub(super) place: Place,
    pub(super) subject: &'static str,
    pub(super) name: String,
    /// The script's own without one.
    pub(super) weight: Option<Weight>,
}

/// Reads a `vrrp_script`; nothing if it has no script.
pub(super) fn script(statement: &Statement, notes: &mut Notes) -> Option<Script> {
    let mut check = None;
    let mut script = Script {
        check: Check::Command(Vec::new()),
        interval_ms: 1_000,
        timeout_ms: None,
        weight: Weight::default(),
        rise: 1,
        fall: 1,
        place: statement.place.clone(),
    };
    for inner in statement.inner() {
        let Some(key) = look_up(SCRIPT, inner, notes) else { continue };
        match key {
            ScriptKey::Script => check = command(inner, notes),
            ScriptKey::Interval => {
                script.interval_ms = span_ms(inner, notes).unwrap_or(script.interval_ms);
            }
            ScriptKey::Timeout => script.timeout_ms = span_ms(inner, notes),
            ScriptKey::Weight => {
                script.weight = weight(inner, inner.words.get(1..).unwrap_or_default(), notes)
                    .unwrap_or_default();
            }
            ScriptKey::Rise => script.rise = count(inner, notes),
            ScriptKey::Fall => script.fall = count(inner, notes),
        }
    }
    let Some(check) = check else {
        notes.decide(&statement.place, "vrrp_script", "has no script that can be run");
        return None;
    };
    script.fit(notes);
    Some(Script { check, ..script })
}

impl Script {
    /// Within what `track` allows.
    fn fit(&mut self, notes: &mut Notes) {
        let interval_ms = self.interval_ms.clamp(*INTERVAL_MS.start(), *INTERVAL_MS.end());
        if interval_ms != self.interval_ms {
            let message = format!("{} ms becomes {interval_ms} ms", self.interval_ms);
            notes.decide(&self.place, "interval", message);
            self.interval_ms = interval_ms;
        }
        if let Some(timeout_ms) = self.timeout_ms.filter(|timeout_ms| *timeout_ms > interval_ms) {
            let message = format!(
                "{timeout_ms} ms is more than the interval, and becomes {interval_ms} ms; a script \
                 that takes longer needs a longer interval"
            );
            notes.decide(&self.place, "timeout", message);
            self.timeout_ms = Some(interval_ms);
        }
        for (name, count) in [("rise", &mut self.rise), ("fall", &mut self.fall)] {
            if *count > COUNT_MAX {
                notes.decide(&self.place, name, format!("{count} becomes {COUNT_MAX}"));
                *count = COUNT_MAX;
            }
        }
    }
}

/// Reads `script`.
fn command(statement: &Statement, notes: &mut Notes) -> Option<Check> {
    let text = statement.value()?;
    if statement.words.len() > 2 {
        let message = "keepalived runs the first word alone; put the whole command into quotes if \
                       you mean all of it";
        notes.decide(&statement.place, "script", message);
    }
    // keepalived leaves to a shell what a shell opens, and nothing else.
    let opened = text.strip_prefix("</dev/tcp/").and_then(|port| port.split_once('/'));
    if let Some((host, port)) = opened
        && let Ok(ip) = host.parse::<IpAddr>()
        && let Some(port) = from::<u16>(1, port.trim())
    {
        return Some(Check::Tcp(SocketAddr::new(ip, port).to_string()));
    }
    if text.starts_with('<') {
        return Some(Check::Command(["/bin/sh", "-c", text].map(str::to_owned).to_vec()));
    }
    let words = command_words(text);
    words.first().is_some_and(|program| !program.is_empty()).then_some(Check::Command(words))
}

fn span_ms(statement: &Statement, notes: &mut Notes) -> Option<u64> {
    let micros = read(statement, notes, |text| micros(text).filter(|micros| *micros > 0))?;
    if micros % 1_000_000 != 0 {
        let message = "keepalived 2.2 takes whole seconds here; the fraction is carried over";
        notes.info(&statement.place, statement.keyword(), message);
    }
    Some(micros.div_ceil(1_000))
}

fn count(statement: &Statement, notes: &mut Notes) -> u32 {
    read(statement, notes, |text| from(1, text)).unwrap_or(1)
}

/// Reads `N [reverse]`.
fn weight(statement: &Statement, words: &[String], notes: &mut Notes) -> Option<Weight> {
    let (number, rest) = words.split_first()?;
    let parsed = number.parse().ok().filter(|number| (-WEIGHT_MAX..=WEIGHT_MAX).contains(number));
    let Some(number) = parsed else {
        let message = format!("{number:?} isn't from -253 to 253; keepalived leaves it out");
        notes.decide(&statement.place, "weight", message);
        return None;
    };
    Some(Weight { number, is_reversed: rest.iter().any(|word| word == "reverse") })
}

/// Reads the entries of `track_interface` or `track_script`.
pub(super) fn tracked(
    statement: &Statement,
    subject: &'static str,
    notes: &mut Notes,
) -> Vec<Tracked> {
    let entries = statement.inner().iter();
    entries
        .map(|entry| {
            let mut found = Tracked {
                place: entry.place.clone(),
                subject,
                name: entry.keyword().to_owned(),
                weight: None,
            };
            let mut words = entry.words.get(1..).unwrap_or_default();
            while let Some((word, rest)) = words.split_first() {
                let option = Statement { words: vec![word.clone()], ..entry.clone() };
                words = rest;
                match look_up(TRACKED, &option, notes) {
                    Some(TrackedKey::Weight) => {
                        found.weight = weight(entry, words, notes);
                        words = words.get(1..).unwrap_or_default();
                    }
                    // They belong to the weight before them.
                    Some(TrackedKey::Reverse | TrackedKey::NoReverse) | None => {}
                }
            }
            found
        })
        .collect()
}

/// A check of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) check: Check,
    /// Interval, timeout, fall and rise; an interface has none.
    pub(super) pace: Option<[u64; 4]>,
    /// What a failure adds.
    pub(super) weight: i32,
}

/// What `tracked` becomes, and what it adds to the priority for good: keepalived adds a positive
/// weight while all is well, OpenProxy adds weights to what failed alone.
pub(super) fn track(
    tracked: &Tracked,
    scripts: &BTreeMap<String, Script>,
    notes: &mut Notes,
) -> Option<(Track, i32)> {
    let Tracked { place, subject, name, weight } = tracked;
    let (check, pace, default) = if *subject == "track_interface" {
        (Check::Interface(name.clone()), None, Weight::default())
    } else {
        let Some(script) = scripts.get(name) else {
            notes.decide(place, subject, format!("there is no vrrp_script {name}; it is left out"));
            return None;
        };
        let timeout_ms = script.timeout_ms.unwrap_or(script.interval_ms);
        let pace = [script.interval_ms, timeout_ms, script.fall.into(), script.rise.into()];
        (script.check.clone(), Some(pace), script.weight)
    };
    let weight = weight.unwrap_or(default);
    if weight.number == 0 && weight.is_reversed {
        let message = format!(
            "{name}: \"weight 0 reverse\" isn't supported; track a command that fails when this is \
             well"
        );
        notes.decide(place, subject, message);
        return None;
    }
    let (while_well, while_failed) = weight.added();
    let track = Track { check, pace, weight: while_failed - while_well };
    Some((track, while_well))
}
