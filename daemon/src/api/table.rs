//! Everything as tables for people.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::document::{Document, ProcessObject};
use super::warnings::host_and_port;
use crate::discovery::document::{ReplicaObject, ShardObject};
use crate::routers::document::RouterObject;

/// Transitions that are shown.
const TRANSITIONS_MAX: usize = 8;

/// All of it. What needs somebody's attention comes first.
#[must_use]
pub fn render(document: &Document) -> String {
    let mut text = String::new();
    for warning in &document.warnings {
        // Writing to a string can't fail; likewise below.
        let _ = writeln!(text, "{}: {}", warning.level.to_uppercase(), warning.text);
    }
    if !document.warnings.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(text, "{}\n", process_line(&document.process));
    if !document.routers.is_empty() {
        let _ = writeln!(text, "{}\n", routers(&document.routers));
        let _ = writeln!(text, "{}\n", transitions(&document.routers));
    }
    if !document.shards.is_empty() {
        let _ = writeln!(text, "{}", shards(&document.shards));
    }
    if document.routers.is_empty() && document.shards.is_empty() {
        text += "no virtual routers and no shards\n";
    }
    text
}

fn process_line(process: &ProcessObject) -> String {
    format!(
        "openproxy {} on {}, process {}, up {}, guard {}, {}{}",
        process.version,
        process.host,
        process.pid,
        duration(process.uptime_ms),
        process.guard,
        process.file,
        if process.stopping { ", stopping" } else { "" },
    )
}

fn routers(routers: &[RouterObject]) -> String {
    let mut table =
        columns(&["router", "state", "for", "priority", "MASTER", "VIPs on this node", "why"]);
    for router in routers {
        let held: Vec<&str> =
            router.vips.iter().filter(|vip| vip.held).map(|vip| &*vip.address).collect();
        table.add_row([
            Cell::new(&router.name),
            Cell::new(&router.state),
            Cell::new(router.since_ms.map_or_else(|| "-".to_owned(), duration)),
            Cell::new(priority(router)).set_alignment(CellAlignment::Right),
            Cell::new(master(router)),
            Cell::new(if held.is_empty() { "-".to_owned() } else { held.join(" ") }),
            Cell::new(
                router.waits_for.as_ref().or(router.reason.as_ref()).map_or("-", |why| &**why),
            ),
        ]);
    }
    table.trim_fmt()
}

fn priority(router: &RouterObject) -> String {
    if router.priority == router.configured_priority {
        router.priority.to_string()
    } else {
        format!("{} ({})", router.priority, router.configured_priority)
    }
}

fn master(router: &RouterObject) -> String {
    match (&*router.state, &router.last_advert) {
        ("MASTER" | "LEAVING", _) => "this node".to_owned(),
        ("BACKUP", Some(advert)) if advert.priority > 0 => {
            format!("{} ({})", advert.address, advert.priority)
        }
        _ => "-".to_owned(),
    }
}

/// The last ones of all routers, the latest first.
fn transitions(routers: &[RouterObject]) -> String {
    let mut all: Vec<_> = routers
        .iter()
        .flat_map(|router| router.transitions.iter().map(move |change| (router, change)))
        .collect();
    all.sort_by(|(_, a), (_, b)| b.at.cmp(&a.at));
    let mut table = columns(&["last transitions", "router", "", "why"]);
    for (router, change) in all.into_iter().take(TRANSITIONS_MAX) {
        let states = format!("{} -> {}", change.from, change.to);
        table.add_row([&change.at, &router.name, &states, &change.reason]);
    }
    table.trim_fmt()
}

fn shards(shards: &[ShardObject]) -> String {
    let mut table = columns(&["shard", "primary, and replicas"]);
    for shard in shards {
        table.add_row([format!("{}/{}", shard.pool, shard.shard), shard.primary.reason.clone()]);
        for replica in &shard.replicas {
            table.add_row([String::new(), replica_line(replica)]);
        }
        for address in &shard.foreign {
            let address = host_and_port(&address.host, address.port);
            table.add_row([String::new(), format!("{address}: another database")]);
        }
    }
    table.trim_fmt()
}

/// A table without lines, whose rows are as long as they are: terminals wrap, and scripts cut.
fn columns(names: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(names);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// The two greatest units of a time.
fn duration(ms: u64) -> String {
    let text = humantime::format_duration(Duration::from_secs(ms / 1_000)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn replica_line(replica: &ReplicaObject) -> String {
    let address = host_and_port(&replica.address.host, replica.address.port);
    let mut line = match &replica.name {
        Some(name) => format!("{name} ({address})"),
        None => address,
    };
    let state = replica.state.as_deref().unwrap_or("silent");
    let _ = write!(line, ": {} replica, {state}", replica.kind);
    if let Some(lag) = replica.lag_bytes {
        let _ = write!(line, ", {lag} bytes behind");
    }
    if replica.no_load_balance {
        line += ", noloadbalance";
    }
    if !replica.configured {
        line += ", not in the file";
    }
    line += if replica.eligible { ", eligible" } else { ", not eligible" };
    line
}
