//! The words of a line.

use std::iter::Peekable;
use std::str::Chars;

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, without its quotes.
    Word(String),
    /// `{`
    Open,
    /// `}`
    Close,
}

/// The pieces of a line, and whether a quote is left open.
pub(super) fn tokens(text: &str) -> (Vec<Token>, bool) {
    Lexer { rest: text.chars().peekable(), braces: true, found: vec![], word: None }.run()
}

/// The words of a script's command line, in which braces mean nothing.
pub(super) fn command_words(text: &str) -> Vec<String> {
    let lexer = Lexer { rest: text.chars().peekable(), braces: false, found: vec![], word: None };
    let words = lexer.run().0.into_iter();
    words
        .filter_map(|token| match token {
            Token::Word(word) => Some(word),
            Token::Open | Token::Close => None,
        })
        .collect()
}

/// The line without its comment: `#` and `!` begin one, but for within quotes.
pub(super) fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut is_escaped = false;
    for (at, letter) in line.char_indices() {
        match (quote, letter) {
            _ if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), _) if open == letter => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '#' | '!') => return line.split_at(at).0,
            (Some(_) | None, _) => {}
        }
    }
    line
}

struct Lexer<'t> {
    rest: Peekable<Chars<'t>>,
    braces: bool,
    found: Vec<Token>,
    /// Quotes make a word even of nothing.
    word: Option<String>,
}

impl Lexer<'_> {
    fn run(mut self) -> (Vec<Token>, bool) {
        let mut is_open = false;
        while let Some(letter) = self.rest.next() {
            match letter {
                '"' | '\'' => is_open = !self.quoted(letter),
                '{' if self.braces && self.word.as_ref().is_some_and(|w| w.ends_with('$')) => {
                    self.parameter();
                }
                '{' if self.braces => self.brace(Token::Open),
                '}' if self.braces => self.brace(Token::Close),
                letter if letter.is_whitespace() => self.end_word(),
                letter => self.push(letter),
            }
        }
        self.end_word();
        (self.found, is_open)
    }

    fn push(&mut self, letter: char) {
        self.word.get_or_insert_default().push(letter);
    }

    fn end_word(&mut self) {
        self.found.extend(self.word.take().map(Token::Word));
    }

    fn brace(&mut self, token: Token) {
        self.end_word();
        self.found.push(token);
    }

    /// `${NAME}` of a parameter that isn't defined stays as it is.
    fn parameter(&mut self) {
        self.push('{');
        for letter in self.rest.by_ref() {
            self.word.get_or_insert_default().push(letter);
            if letter == '}' {
                return;
            }
        }
    }

    /// Whether the quote is closed.
    fn quoted(&mut self, quote: char) -> bool {
        self.word.get_or_insert_default();
        while let Some(letter) = self.rest.next() {
            match letter {
                '\\' => {
                    let escaped = self.escaped();
                    self.word.get_or_insert_default().extend(escaped);
                }
                letter if letter == quote => return true,
                letter => self.push(letter),
            }
        }
        false
    }

    /// What a backslash within quotes makes of the next letters; keepalived.conf(5).
    fn escaped(&mut self) -> Option<char> {
        Some(match self.rest.next()? {
            'a' => '\x07',
            'b' => '\x08',
            'E' => '\x1b',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'c' => char::from(u8::try_from(self.rest.next()?).ok()? & 0x1f),
            'x' => self.number(16, usize::MAX, 0)?,
            digit @ '0'..='7' => self.number(8, 2, digit.to_digit(8)?)?,
            other => other,
        })
    }

    /// The letter whose number the next digits are.
    fn number(&mut self, radix: u32, digits_max: usize, first: u32) -> Option<char> {
        let mut number = first;
        for _ in 0..digits_max {
            let Some(digit) = self.rest.peek().and_then(|letter| letter.to_digit(radix)) else {
                break;
            };
            self.rest.next();
            number = number.saturating_mul(radix).saturating_add(digit);
        }
        char::from_u32(number)
    }
}
