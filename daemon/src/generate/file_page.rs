//! openproxy.toml(5): `docs/configuration.md` as a manual page. It knows as much of Markdown as that
//! file uses.

use roff::{Inline, Roff, bold, roman};

const DOCS: &str = include_str!("../../../docs/configuration.md");

/// The page.
pub(super) fn render(source: &str) -> String {
    let mut page = Page::default();
    page.roff.control("TH", ["openproxy.toml", "5", "", source, "OpenProxy"]);
    page.roff.control("SH", ["NAME"]);
    page.roff.text([roman("openproxy.toml - the configuration of openproxy(8)")]);
    page.roff.control("SH", ["DESCRIPTION"]);
    // Its first line is a title.
    DOCS.lines().skip(1).for_each(|line| page.add(line));
    page.end_paragraph();
    page.roff.control("SH", ["SEE ALSO"]);
    page.roff.text([bold("openproxy"), roman("(8)")]);
    page.roff.render()
}

#[derive(Default)]
struct Page {
    roff: Roff,
    /// Lines of a paragraph that isn't over.
    paragraph: String,
    is_code: bool,
    /// The first cell of the last row of a table.
    table: String,
}

impl Page {
    fn add(&mut self, line: &str) {
        if line.starts_with("```") {
            self.end_paragraph();
            self.is_code = !self.is_code;
            let [first, second] = if self.is_code { ["RS", "nf"] } else { ["fi", "RE"] };
            self.roff.control(first, []).control(second, []);
        } else if self.is_code {
            self.roff.text([roman(line)]);
        } else if let Some(title) = line.strip_prefix("## ") {
            self.end_paragraph();
            self.table.clear();
            self.roff.control("SH", [title.to_uppercase().as_str()]);
        } else if let Some(row) = line.strip_prefix("| `") {
            self.add_row(row);
        } else if line.is_empty() {
            self.end_paragraph();
        } else if !line.starts_with('|') {
            self.paragraph += line;
            self.paragraph.push('\n');
        }
    }

    /// A row of a table. Where it is about a key, its first two cells are a table of the file and the
    /// key; elsewhere, the first one is what it is about.
    fn add_row(&mut self, row: &str) {
        self.end_paragraph();
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        match &cells[..] {
            [table, key, unit, allowed, default, meaning] => {
                self.add_key(table, key);
                let unit = if unit.is_empty() { String::new() } else { format!(" ({unit})") };
                self.roff.text(inlines(&format!("{allowed}{unit}; default: {default}")));
                self.roff.control("br", []).text(inlines(meaning));
            }
            [table, key, at_once, later] => {
                self.add_key(table, key);
                self.roff.text(inlines(&format!("At once: {at_once}.")));
                self.roff.control("br", []).text(inlines(later));
            }
            [name, others @ ..] => {
                self.roff.control("TP", []).text([bold(name.trim_matches('`'))]);
                self.roff.text(inlines(&others.join("; ")));
            }
            [] => {}
        }
    }

    fn add_key(&mut self, table: &str, key: &str) {
        let table = table.trim_end_matches('`');
        if self.table != table {
            table.clone_into(&mut self.table);
            self.roff.control("SS", [format!("[{table}]").as_str()]);
        }
        self.roff.control("TP", []).text([bold(key.trim_matches('`'))]);
    }

    fn end_paragraph(&mut self) {
        let text = std::mem::take(&mut self.paragraph);
        if !text.is_empty() {
            self.roff.control("PP", []).text(inlines(text.trim_end()));
        }
    }
}

/// Code is bold; of a link, its words are kept.
fn inlines(text: &str) -> Vec<Inline> {
    // First, as the words of a link may be code.
    let text = unlinked(text);
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { bold(part) } else { roman(part) }).collect()
}

fn unlinked(text: &str) -> String {
    let link = text.split_once("](").and_then(|(before, rest)| {
        let (before, words) = before.rsplit_once('[')?;
        Some((before, words, rest.split_once(')')?.1))
    });
    link.map_or_else(
        || text.to_owned(),
        |(before, words, after)| format!("{before}{words}{}", unlinked(after)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lose_their_addresses_and_code_its_marks() {
        assert_eq!(
            inlines("a `b [c]` d: [e](f.md), [g] [h](i)."),
            [roman("a "), bold("b [c]"), roman(" d: e, [g] h.")]
        );
    }

    #[test]
    fn every_row_of_the_documentation_is_an_entry_under_its_table() {
        let page = render("openproxy 1.2.3");
        assert!(page.starts_with(".ie ") || page.contains(".TH openproxy.toml 5 "), "{page}");
        let rows = DOCS.lines().filter(|line| line.starts_with("| `")).count();
        assert!(rows > 90, "{rows}");
        assert_eq!(page.matches("\n.TP\n\\fB").count(), rows);
        for heading in ["ALL KEYS", "WHAT A CHANGE DOES", "SEE ALSO"] {
            assert!(page.contains(&format!("\n.SH \"{heading}\"\n")), "{heading}");
        }
        assert_eq!(page.matches("\n.SS ").count(), 10, "five tables, twice");
        assert_eq!(page.matches("\n.nf\n").count(), page.matches("\n.fi\n").count());
        assert!(!page.contains("]("), "a link is left");
        let entry = "\n.TP\n\\fBrouter_id\\fR\n\
                     a whole number from 1 to 255; default: required\n.br\nThe VRID: ";
        assert!(page.contains(entry), "{page}");
    }
}
