//! The topology as a table for people.

use std::fmt::Write as _;

use openproxy::discovery::document::{Document, PrimaryObject, ReplicaObject, ShardObject};

/// All of it. What needs somebody's attention comes first.
pub(super) fn render(document: &Document) -> String {
    let mut text = String::new();
    for warning in warnings(document) {
        // Writing to a string can't fail; likewise below.
        let _ = writeln!(text, "! {warning}");
    }
    if document.shards.is_empty() {
        text += "no shards\n";
    }
    let names = document.shards.iter().map(|shard| name(shard).chars().count());
    let width = names.max().unwrap_or_default();
    for shard in &document.shards {
        let _ = writeln!(text, "{:width$}  {}", name(shard), shard.primary.reason);
        for replica in &shard.replicas {
            let _ = writeln!(text, "{:width$}  {}", "", replica_line(replica));
        }
        for address in &shard.foreign {
            let address = host_and_port(&address.host, address.port);
            let _ = writeln!(text, "{:width$}  {address}: another database", "");
        }
    }
    text
}

/// How bad it is, for a script: 0 for well, 1 for a warning, 2 for something critical.
pub(super) fn severity(document: &Document) -> u8 {
    let of_shard = |shard: &ShardObject| match &*shard.primary.status {
        "confirmed" => 0,
        "none" if shard.standby_cluster || shard.primary.why.as_deref() == Some("unknown") => 0,
        "none" => 2,
        _ => 1,
    };
    let of_endpoints = u8::from(document.endpoints.iter().any(|api| api.failure.is_some()));
    document.shards.iter().map(of_shard).max().unwrap_or_default().max(of_endpoints)
}

fn warnings(document: &Document) -> Vec<String> {
    let mut warnings = Vec::new();
    for shard in &document.shards {
        let name = name(shard);
        if !matches!(&*shard.primary.status, "confirmed") && !shard.standby_cluster {
            warnings.push(format!("{name}: {}", headline(&shard.primary)));
        }
        if shard.paused {
            warnings.push(format!("{name}: Patroni is paused"));
        }
        if shard.failsafe {
            warnings.push(format!("{name}: Patroni works without its DCS (failsafe mode)"));
        }
        if shard.primary_unconfigured {
            warnings.push(format!("{name}: the primary isn't among the servers of the file"));
        }
    }
    for api in &document.endpoints {
        if let Some(failure) = &api.failure {
            warnings.push(format!("{}: {failure}", api.url));
        }
    }
    warnings
}

fn headline(primary: &PrimaryObject) -> String {
    match (&*primary.status, &primary.address.host, primary.address.port) {
        ("none", ..) => "no primary".to_owned(),
        (status, Some(host), Some(port)) => {
            let age = primary.age_ms.map_or_else(String::new, |ms| {
                format!(", last confirmed {}.{} s ago", ms / 1_000, ms % 1_000 / 100)
            });
            format!("{} is {status}{age}", host_and_port(host, port))
        }
        (status, ..) => status.to_owned(),
    }
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

fn name(shard: &ShardObject) -> String {
    format!("{}/{}", shard.pool, shard.shard)
}

fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
