//! `openproxy.toml`, with its notes as comments.

use std::fmt::Write as _;

use toml::Value;

use super::checks::{Check, Track};
use super::note::{Note, Urgency};
use super::settle::{Router, decimal};
use crate::config::OneLine;

const WIDTH: usize = 100;

/// A table.
pub(super) fn table(router: &Router) -> String {
    let mut text = "[[general.virtual_router]]\n".to_owned();
    let mut line = |key: &str, value: String| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{key} = {value}");
    };
    let list = |items: Vec<String>| format!("[ {} ]", items.join(", "));
    line("interface", quoted(&router.interface));
    line("router_id", router.vrid.to_string());
    line("priority", router.priority.to_string());
    line("advert_int", decimal(router.interval_centis, 2));
    line("version", router.version.to_string());
    let vips = router.vips.iter().map(|vip| quoted(&format!("{}/{}", vip.ip, vip.prefix_len)));
    line("vip_addresses", list(vips.collect()));
    if !router.peers.is_empty() {
        let peers = router.peers.iter().map(|ip| quoted(&ip.to_string()));
        line("unicast_peers", list(peers.collect()));
    }
    if let Some(source) = router.source {
        line("unicast_source", quoted(&source.to_string()));
    }
    if !router.preempts {
        line("preempt", false.to_string());
    }
    if router.preempt_delay_ms > 0 {
        line("preempt_delay", decimal(router.preempt_delay_ms, 3));
    }
    line("garp_refresh", router.garp_refresh_secs.to_string());
    if router.is_strict {
        line("strict", true.to_string());
    }
    if router.is_message_only {
        line("checksum", quoted("message-only"));
    }
    if let Some(group) = &router.group {
        line("group", quoted(group));
    }
    if !router.tracks.is_empty() {
        let tracks = router.tracks.iter().map(|track| format!("    {},\n", check(track)));
        line("track", format!("[\n{}]", tracks.collect::<String>()));
    }
    text
}

fn check(track: &Track) -> String {
    let subject = match &track.check {
        Check::Tcp(address) => format!("tcp = {}", quoted(address)),
        Check::Command(words) => {
            let words = words.iter().map(String::as_str);
            // A NUL, which no command line may have; the table is found wrong then.
            let line = shlex::try_join(words).unwrap_or_default();
            format!("command = {}", quoted(&line))
        }
        Check::Interface(name) => format!("interface = {}", quoted(name)),
    };
    let pace = track.pace.map_or_else(String::new, |[interval, timeout, fall, rise]| {
        format!(", interval = {interval}, timeout = {timeout}, fall = {fall}, rise = {rise}")
    });
    let weight =
        if track.weight == 0 { String::new() } else { format!(", weight = {}", track.weight) };
    format!("{{ {subject}{pace}{weight} }}")
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Lines of comment.
pub(super) fn comment(text: &str) -> String {
    let mut clean = String::new();
    // Writing to a string can't fail.
    let _ = OneLine(&mut clean).write_str(text);
    let mut comment = String::new();
    let mut line = "#".to_owned();
    for word in clean.split(' ') {
        if line.len() > 3 && line.chars().count() + 1 + word.chars().count() > WIDTH {
            comment += &line;
            comment.push('\n');
            "#  ".clone_into(&mut line);
        }
        line.push(' ');
        line += word;
    }
    comment + &line + "\n"
}

/// Notes as comments.
pub(super) fn comments(notes: &[Note]) -> String {
    notes.iter().map(|note| comment(&note.to_string())).collect()
}

/// What the whole file begins with.
pub(super) fn head(file: &str, notes: &[Note]) -> String {
    let mut text = comment(&format!("From {file}, by openproxy convert."));
    let decisions = notes.iter().filter(|note| note.urgency == Urgency::Decide).count();
    if decisions > 0 {
        text +=
            &comment(&format!("Look at each \"decide\" here ({decisions}), then take it away."));
    }
    text
}

/// A table that can't be used as it is, as a comment.
pub(super) fn disabled(table: &str) -> String {
    table.lines().map(|line| format!("# {line}\n")).collect()
}
