//! Whatever the bytes are, nothing panics and what is written loads.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::keywords::{GLOBAL, GROUP, INSTANCE, SCRIPT, TOP};
use super::{FILE, Memory, loaded};

/// What a file of keepalived consists of.
fn words() -> Vec<&'static str> {
    let mut words = vec![
        "{",
        "}",
        "\n",
        " ",
        "\"",
        "'",
        "\\",
        "$A=",
        "$A",
        "${A}",
        "@node1 ",
        "@",
        "~SEQ",
        "#",
        "!",
        "include k.conf",
        "eth0",
        "eth1",
        "MASTER",
        "1",
        "255",
        "300",
        "0.5",
        "192.0.2.1",
        "192.0.2.2/24",
        "2001:db8::1",
        "weight -5 reverse",
        "weight 9",
        "V",
        "dev",
        "label",
    ];
    words.extend(TOP.iter().map(|keyword| keyword.name));
    words.extend(GLOBAL.iter().map(|keyword| keyword.name));
    words.extend(GROUP.iter().map(|keyword| keyword.name));
    words.extend(SCRIPT.iter().map(|keyword| keyword.name));
    words.extend(INSTANCE.iter().map(|keyword| keyword.name));
    words
}

/// A block of a kind with some of its lines.
fn block(kind: &'static str, names: Vec<&'static str>) -> impl Strategy<Value = String> {
    let value = select(words());
    vec((select(names), value.clone(), value), 0..12).prop_map(move |lines| {
        let lines: String = lines
            .into_iter()
            .map(|(name, one, two)| match name {
                "virtual_ipaddress" | "track_script" | "track_interface" | "unicast_peer" => {
                    format!("{name} {{\n{one}\n{two}\n}}\n")
                }
                name => format!("{name} {one}\n"),
            })
            .collect();
        format!("{kind} V {{\n{lines}}}\n")
    })
}

fn file() -> impl Strategy<Value = String> {
    let instance = || block("vrrp_instance", INSTANCE.iter().map(|word| word.name).collect());
    let script = block("vrrp_script", SCRIPT.iter().map(|word| word.name).collect());
    let group = block("vrrp_sync_group", GROUP.iter().map(|word| word.name).collect());
    (script, group, instance(), instance()).prop_map(|(a, b, c, d)| a + &b + &c + &d)
}

fn holds(bytes: Vec<u8>) {
    let mut files = Memory::default();
    files.0.insert(FILE.into(), bytes);
    match files.convert(FILE) {
        Ok(converted) => {
            let _ = loaded(&converted);
            for note in &converted.notes {
                assert_eq!(note.to_string().lines().count(), 1, "{note}");
            }
        }
        Err(unreadable) => assert_eq!(unreadable.to_string().lines().count(), 1),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_taken(bytes in vec(any::<u8>(), 0..512)) {
        holds(bytes);
    }

    #[test]
    fn any_words_are_taken(words in vec(select(words()), 0..80)) {
        holds(words.join(" ").into_bytes());
    }

    #[test]
    fn any_blocks_are_taken(file in file()) {
        holds(file.into_bytes());
    }
}
