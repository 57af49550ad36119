//! Files, conditions, parameters, comments and quotes.

use super::super::note::Notes;
use super::super::{source, tree};
use super::{FILE, HOST, Memory, told};
use std::path::Path;

/// The lines that are left of files.
fn lines(files: &Memory) -> (Vec<String>, Vec<String>) {
    let mut notes = Notes::default();
    let lines = source::read(Path::new(FILE), HOST, files, &mut notes).expect("it can be read");
    let lines = lines.into_iter().map(|line| format!("{} {}", line.place, line.text)).collect();
    (lines, notes.0.iter().map(ToString::to_string).collect())
}

fn check(cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        let (lines, notes) = lines(&Memory::default().with(FILE, text));
        let texts: Vec<_> = lines.iter().filter_map(|line| Some(line.split_once(' ')?.1)).collect();
        assert_eq!(texts, *expected, "{text}");
        assert!(notes.is_empty(), "{text}: {notes:?}");
    }
}

#[test]
fn comments_end_with_the_line_but_not_within_quotes() {
    check(&[
        ("a # b\n! c\n  d!e\n", &["a", "d"]),
        ("a \"# b\" '! c' # d\n", &["a \"# b\" '! c'"]),
        ("a \"\\\" # b\" # c", &["a \"\\\" # b\""]),
        ("a ${_HASH} ${_BANG}", &["a # !"]),
    ]);
}

#[test]
fn conditions_choose_the_lines_of_this_node() {
    check(&[
        ("@node1 a\n@node2 b\n@^node1 c\n@^node2 d\n@ e\n@node1", &["a", "d"]),
        ("@node1 @^node2 a\n@node1 @node2 b", &["a"]),
    ]);
}

#[test]
fn parameters_are_replaced_where_they_are_used() {
    check(&[
        (
            "$BASE=10.2.${SUB}\n$SUB=0\n${BASE}.100/32\n$SUB=10\n${BASE}.100/32\n",
            &["10.2.0.100/32", "10.2.10.100/32"],
        ),
        (
            "$A=1\na $A b\na $A.b $AB ${AB}\n$1=2\na $1",
            &["a 1 b", "a $A.b $AB ${AB}", "$1=2", "a $1"],
        ),
        ("@node1 $P=240\n@node2 $P=200\npriority $P", &["priority 240"]),
        ("$IF=@node1\n$IF a\n$NOT=@node2\n$NOT b", &["a"]),
        ("$E=\na${E}b ${_INSTANCE}", &["ab node1"]),
        (
            "$V= \\\nvrrp_instance V${N} { \\\n@node1 priority 1 \\\n@node2 priority 2 \\\n}\n\
             $N=5\n$V\n$N=6\n$V",
            &["vrrp_instance V5 {", "priority 1", "}", "vrrp_instance V6 {", "priority 1", "}"],
        ),
        ("a \\\nb", &["a b"]),
    ]);
}

#[test]
fn includes_are_followed_from_the_folder_of_the_file() {
    let files = Memory::default()
        .with(FILE, "include sub/*.conf\nincludea {one,two}.inc\ninclude none/*\ninclude none\nb")
        .with("sub/1.conf", "$N=1\ninclude deeper/x\n")
        .with("sub/2.conf", "n $N in ${_PWD}\n")
        .with("sub/deeper/x", "deep ${_PWD}")
        .with("two.inc", "two");
    let (lines, notes) = lines(&files);
    assert_eq!(
        lines,
        [
            "sub/deeper/x:1 deep sub/deeper",
            "sub/2.conf:1 n 1 in sub",
            "two.inc:1 two",
            "k.conf:5 b",
        ]
    );
    assert_eq!(
        notes,
        [
            "k.conf:3: info: include: none/* matches no file",
            "k.conf:4: decide: include: none is no file",
        ]
    );
}

#[test]
fn what_never_ends_is_refused() {
    let cases = [
        ("include k.conf", "k.conf:1: too many files are included"),
        ("$A=${A}\n${A}", "k.conf:2: parameters make too much of this line"),
        ("$A=${A}${A}x\n${A}", "k.conf:2: parameters make too much of this line"),
        ("a {\nb {\n}\n", "k.conf:1: the block that begins here is not closed"),
        ("{\n}", "k.conf:1: this block has no keyword before it"),
        ("a { } {\n}", "k.conf:1: this block has no keyword before it"),
    ];
    for (text, expected) in cases {
        let error = Memory::default().with(FILE, text).convert(FILE).expect_err("unreadable");
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let deep = "a {\n".repeat(40) + &"}\n".repeat(40);
    let error = Memory::default().with(FILE, &deep).convert(FILE).expect_err("too deep");
    assert_eq!(error.to_string(), "k.conf:33: blocks are nested too deeply");
    let error = Memory::default().convert(FILE).expect_err("missing");
    assert_eq!(error.to_string(), "k.conf: can't be read: there is no such file");
}

#[test]
fn what_is_not_expanded_is_told() {
    let text = "~SEQ(A, 0, 3) a ${A}\n@node1 include x\na ${_RANDOM 1 5}\n}\na \"b";
    let converted = Memory::default().with(FILE, text).convert(FILE).expect("readable");
    assert_eq!(
        told(&converted),
        [
            "1 Decide ~SEQ(A, 0, 3) a ${A}",
            "2 Decide include x",
            "3 Decide _RANDOM",
            "4 Decide }",
            "5 Decide quote",
            "3 Decide a",
            "5 Decide a",
        ]
    );
}

/// Statements as `words { … }`.
fn statements(text: &str) -> String {
    let mut notes = Notes::default();
    let files = Memory::default().with(FILE, text);
    let lines = source::read(Path::new(FILE), HOST, &files, &mut notes).expect("readable");
    let found = tree::parse(&lines, &mut notes).expect("braces match");
    shown(&found)
}

fn shown(statements: &[tree::Statement]) -> String {
    let texts = statements.iter().map(|statement| match &statement.block {
        None => statement.words.join("|"),
        Some(inner) => format!("{} {{ {} }}", statement.words.join("|"), shown(inner)),
    });
    texts.collect::<Vec<_>>().join("; ")
}

#[test]
fn braces_stand_where_they_like() {
    let cases = [
        ("a b {\nc d\n}\ne", "a|b { c|d }; e"),
        ("a b\n{\nc d }\n", "a|b { c|d }"),
        ("a{b{c}d}e", "a { b { c }; d }; e"),
        ("a { b c\nd }", "a { b|c; d }"),
        ("a ${X} \"{ }\"", "a|${X}|{ }"),
        ("a \"\" 'b \"c\"' d\"e f\"g", "a||b \"c\"|de fg"),
        ("a \"x\\ty\\x41\\102\\\\\\cA\"", "a|x\ty\u{41}B\\\u{1}"),
    ];
    for (text, expected) in cases {
        assert_eq!(statements(text), expected, "{text}");
    }
}
