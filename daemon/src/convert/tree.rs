//! Statements and their blocks.

use super::Unreadable;
use super::note::{Notes, Place};
use super::source::Line;
use super::tokens::{Token, tokens};

/// Keepalived's own blocks are four deep.
const DEPTH_MAX: usize = 32;

/// The words up to the end of a line or a block, and that block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// Where it begins.
    pub(super) place: Place,
    /// At least one.
    pub(super) words: Vec<String>,
    /// What is in its braces.
    pub(super) block: Option<Vec<Self>>,
}

impl Statement {
    /// Its first word.
    pub(super) fn keyword(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Its second word.
    pub(super) fn value(&self) -> Option<&str> {
        self.words.get(1).map(String::as_str)
    }

    /// What is in its braces.
    pub(super) fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// Reads all lines.
///
/// # Errors
/// When a block isn't closed, or blocks are too deep.
pub(super) fn parse(lines: &[Line], notes: &mut Notes) -> Result<Vec<Statement>, Unreadable> {
    let mut tree = Tree::default();
    for line in lines {
        let (tokens, is_open) = tokens(&line.text);
        if is_open {
            notes.decide(&line.place, "quote", "is not closed on this line; look at its words");
        }
        tree.read(&line.place, tokens, notes)?;
    }
    match tree.open.pop() {
        None => Ok(tree.found),
        Some((statement, _)) => {
            Err(Unreadable::at(&statement.place, "the block that begins here is not closed"))
        }
    }
}

#[derive(Default)]
struct Tree {
    /// Of the innermost block.
    found: Vec<Statement>,
    /// Blocks that are open, each with what stands before it in the one around it.
    open: Vec<(Statement, Vec<Statement>)>,
}

impl Tree {
    fn read(
        &mut self,
        place: &Place,
        tokens: Vec<Token>,
        notes: &mut Notes,
    ) -> Result<(), Unreadable> {
        let mut words = Vec::new();
        for token in tokens {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open => {
                    self.end(place, &mut words);
                    self.begin_block(place)?;
                }
                Token::Close => {
                    self.end(place, &mut words);
                    self.end_block(place, notes);
                }
            }
        }
        self.end(place, &mut words);
        Ok(())
    }

    fn end(&mut self, place: &Place, words: &mut Vec<String>) {
        if !words.is_empty() {
            let words = std::mem::take(words);
            self.found.push(Statement { place: place.clone(), words, block: None });
        }
    }

    /// A brace may stand on the line after its keyword.
    fn begin_block(&mut self, place: &Place) -> Result<(), Unreadable> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Unreadable::at(place, "blocks are nested too deeply"));
        }
        let Some(statement) = self.found.pop_if(|statement| statement.block.is_none()) else {
            return Err(Unreadable::at(place, "this block has no keyword before it"));
        };
        self.open.push((statement, std::mem::take(&mut self.found)));
        Ok(())
    }

    fn end_block(&mut self, place: &Place, notes: &mut Notes) {
        let Some((mut statement, before)) = self.open.pop() else {
            notes.decide(
                place,
                "}",
                "closes nothing; a brace is too many, or one is missing above",
            );
            return;
        };
        statement.block = Some(std::mem::replace(&mut self.found, before));
        self.found.push(statement);
    }
}
