//! Snippets of files, and the exact lines that they give.

mod docs;
mod errors;
mod samples;
mod shards;
mod single_values;
mod warnings;

use super::{Diagnostic, Loaded, Severity, load};

const FILE: &str = "openproxy.toml";

/// A router that is well in every respect, on lines 1 to 6.
const GOOD: &str = "\
[general.virtual_router]
interface = \"eth0\"
router_id = 50
priority = 150
advert_int = 3
vip_addresses = [ \"192.0.2.10/24\" ]
";

/// [`GOOD`] with more lines, from line 7 on; a key that is there already is replaced in place.
fn good_with(lines: &str) -> String {
    let mut text = String::new();
    let name = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let replaced =
        |line: &str| lines.lines().find(|new| name(new) == name(line)).map(str::to_owned);
    for line in GOOD.lines() {
        text += &replaced(line).unwrap_or_else(|| line.to_owned());
        text.push('\n');
    }
    for line in lines.lines() {
        if !GOOD.lines().any(|old| name(old) == name(line)) {
            text += line;
            text.push('\n');
        }
    }
    text
}

fn loaded(text: &str) -> Loaded {
    load(FILE, text).unwrap_or_else(|found| panic!("{text}\n{}", render(&found).join("\n")))
}

/// All lines about a file, whether it can be used or not.
fn lines(text: &str) -> Vec<String> {
    match load(FILE, text) {
        Ok(loaded) => render(&loaded.notes),
        Err(found) => {
            assert!(found.iter().any(|diagnostic| diagnostic.severity == Severity::Error));
            render(&found)
        }
    }
}

fn render(found: &[Diagnostic]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

/// Checks a table of (lines added to [`GOOD`], what is said about it).
fn check(cases: &[(&str, &[&str])]) {
    for (added, expected) in cases {
        assert_eq!(lines(&good_with(added)), *expected, "{added}");
    }
}
