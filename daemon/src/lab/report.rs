//! What the user sees: progress, the table, and the JSON document.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{Value, json};

use super::cluster::View;
use super::judge::{self, Check, Fate, Kind, Measure, Terms, millis};
use super::record::End;

/// Where progress goes: lines for everyone, and one line that is rewritten for a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Progress goes to stderr, because stdout is for the JSON document.
    to_stderr: bool,
    live: bool,
}

impl Screen {
    /// Chooses the stream.
    pub(crate) fn new(json: bool) -> Self {
        let live = if json { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        Self { to_stderr: json, live }
    }

    /// Shows a line that stays.
    pub(crate) fn line(&self, text: &str) {
        let clear = if self.live { "\r\x1b[K" } else { "" };
        self.write(&format!("{clear}{text}\n"));
    }

    /// Shows what is going on just now, on a terminal.
    pub(crate) fn status(&self, what: &str, view: &View) {
        if self.live {
            // Without wrapping: only one line can be taken back.
            self.write(&format!("\r\x1b[K\x1b[?7l  … {what}: {view}\x1b[?7h"));
        }
    }

    /// Writes the document that `--json` asks for.
    pub(crate) fn document(value: &Value) {
        // A reader that went away is no reason to fail a finished run.
        let _ = writeln!(io::stdout(), "{value:#}");
    }

    fn write(&self, text: &str) {
        // Progress that nobody reads is no reason to end the run.
        let _ = if self.to_stderr {
            write!(io::stderr(), "{text}").and_then(|()| io::stderr().flush())
        } else {
            write!(io::stdout(), "{text}").and_then(|()| io::stdout().flush())
        };
    }
}

/// All runs of one kind, judged.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) kind: Kind,
    /// What came of it, each time.
    pub(crate) runs: Vec<Measure>,
    /// The bounds.
    pub(crate) checks: Vec<Check>,
}

impl Row {
    /// Judges all runs of one kind.
    pub(crate) fn new(kind: Kind, terms: Terms, runs: Vec<Measure>) -> Self {
        let checks = judge::checks(kind, terms, &runs);
        Self { kind, runs, checks }
    }

    /// Whether every bound held and everything came to pass.
    pub(crate) fn holds(&self) -> bool {
        self.runs.iter().all(|run| run.failure.is_none()) && self.checks.iter().all(Check::holds)
    }

    fn verdict(&self) -> &'static str {
        if self.holds() { "ok" } else { "BROKEN" }
    }

    fn cells(&self) -> [String; 7] {
        let gap = judge::median(self.runs.iter().map(|run| millis(run.gap)));
        let overlap = self.runs.iter().map(|run| millis(run.two_holders)).reduce(f64::max);
        let first = judge::median(
            self.runs.iter().filter_map(|run| run.takeover.map(|(actual, _)| millis(actual))),
        );
        let late = judge::median(self.runs.iter().filter_map(Measure::late_ms));
        let first = match (first, late) {
            (Some(first), Some(late)) => format!("{first:.1} ({late:+.2})"),
            _ => "-".to_owned(),
        };
        let healed = self.runs.iter().filter_map(|run| run.healed).max();
        let first = healed.map_or(first, |time| format!("healed {:.1}", millis(time)));
        let said =
            self.runs.iter().filter_map(|run| run.said).max_by_key(|s| (s.adverts, s.claims));
        let first = said.map_or(first, |said| said.to_string());
        let fate = self.runs.iter().filter_map(|run| run.fate).reduce(Fate::worse);
        let bounds: Vec<String> = self.checks.iter().map(bound).collect();
        [
            self.kind.name().to_owned(),
            gap.map_or_else(|| "-".to_owned(), |gap| format!("{gap:.1}")),
            overlap.map_or_else(|| "-".to_owned(), |overlap| format!("{overlap:.1}")),
            first,
            fate.map_or_else(|| "-".to_owned(), |fate| fate.to_string()),
            if bounds.is_empty() { "one holder".to_owned() } else { bounds.join(", ") },
            self.verdict().to_owned(),
        ]
    }

    fn json(&self) -> Value {
        let runs: Vec<Value> = self.runs.iter().map(run_json).collect();
        let checks: Vec<Value> = self
            .checks
            .iter()
            .map(|check| {
                json!({
                    "what": check.what,
                    "measured_ms": finite(check.measured_ms),
                    "bound_ms": check.bound_ms,
                    "holds": check.holds(),
                })
            })
            .collect();
        json!({
            "scenario": self.kind.key(),
            "runs": runs,
            "checks": checks,
            "verdict": self.verdict(),
        })
    }
}

fn bound(check: &Check) -> String {
    let mark = if check.holds() { "" } else { "!" };
    format!("{mark}{} ≤ {:.0}", check.what, check.bound_ms)
}

fn run_json(run: &Measure) -> Value {
    json!({
        "client_gap_ms": millis(run.gap),
        "client_gap_theory_ms": millis(run.gap_theory),
        "two_holders_ms": millis(run.two_holders),
        "first_advert_ms": run.takeover.map(|(actual, _)| millis(actual)),
        "first_advert_theory_ms": run.takeover.map(|(_, theory)| millis(theory)),
        "healed_ms": run.healed.map(millis),
        "adverts_after_thaw": run.said.map(|said| said.adverts),
        "announcements_after_thaw": run.said.map(|said| said.claims),
        "connection": run.fate.map(fate_json),
        "failure": run.failure,
    })
}

fn fate_json(fate: Fate) -> Value {
    match fate {
        Fate::Kept(answered) => json!({ "fate": "kept", "answered_ms": millis(answered) }),
        Fate::Ended { after, end, anew } => json!({
            "fate": match end {
                End::Reset => "reset",
                End::Closed => "closed",
                End::Failed => "failed",
            },
            "ended_ms": millis(after),
            "reconnected_ms": anew.map(|anew| millis(anew.after)),
            "reconnected_after_announcement_ms": anew.map(|anew| millis(anew.after_announcement)),
            "reconnected_to": anew.map(|anew| anew.node + 1),
        }),
        Fate::Waiting(waited) => json!({ "fate": "waiting", "waited_ms": millis(waited) }),
    }
}

/// JSON has no infinity; a figure that never came is null.
fn finite(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}

/// One line about a run just finished.
pub(crate) fn progress(kind: Kind, terms: Terms, run: &Measure) -> String {
    let row = Row::new(kind, terms, vec![run.clone()]);
    let [name, gap, overlap, first, _, _, verdict] = row.cells();
    let first = match (&run.said, first.as_str()) {
        (Some(said), _) => format!(", before its return {said}"),
        (None, "-") => String::new(),
        (None, first) => format!(", first advert {first}"),
    };
    let fate = run.fate.map_or_else(String::new, |fate| format!(", connection {fate}"));
    let why = run.failure.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    format!(
        "  {name:<27} client gap {gap} ms, two holders {overlap} ms{first}{fate}  {verdict}{why}"
    )
}

/// The table that ends a run.
pub(crate) fn table(rows: &[Row]) -> Vec<String> {
    let head = [
        "scenario",
        "client gap",
        "two holders",
        "first advert",
        "connection",
        "bounds",
        "verdict",
    ];
    let mut cells = vec![head.map(str::to_owned)];
    cells.extend(rows.iter().map(Row::cells));
    let mut widths = [0; 7];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut lines: Vec<String> = cells
        .iter()
        .map(|row| {
            let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect();
    lines.push(String::new());
    lines.push(
        "Times in ms, counted from the fault; late: later than theory, which is also in brackets.\n\
         Gap and first advert are medians. Two holders: the worst, among nodes that can reach\n\
         each other. After a thaw: what the node said while another was MASTER. Connection: the worst\n\
         fate of a TCP connection on which the client waits; back: answered through a new one, that\n\
         long after the successor announced the VIP. A bound with ! is broken."
            .to_owned(),
    );
    for row in rows {
        for why in row.runs.iter().filter_map(|run| run.failure.as_ref()) {
            lines.push(format!("BROKEN: {}: {why}", row.kind.name()));
        }
    }
    lines
}

/// All rows as JSON.
pub(crate) fn rows_json(rows: &[Row]) -> Value {
    rows.iter().map(Row::json).collect()
}
