//! `openproxy check`: everything that is wrong with a file, and what would run.

mod shards;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use openproxy::config::{Loaded, crash_overlap};
use openproxy_core::vrrp::{
    Check, IntervalMismatch, Lease, Preempt, RouterConfig, TrackConfig, Transport, Version, Weight,
    master_down_interval,
};

use crate::exit::Exit;
use crate::file;
use crate::linux;

/// Prints all of it.
pub(crate) fn run(path: &Path) -> Exit {
    let (found, exit, would_run) = match file::load(path) {
        Ok((_, loaded)) => {
            let would_run = describe(&loaded);
            let (exit, tls) = shards::check_tls(&loaded.discovery);
            let mut found = linux::distrusted(&path.display().to_string(), &loaded);
            let exit = if found.is_empty() { exit } else { Exit::Config };
            found.extend(loaded.notes);
            (found, exit, tls + &would_run)
        }
        Err(found) => (found, Exit::Config, String::new()),
    };
    let mut text: String = found.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
    text += &would_run;
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => exit,
        Err(_) => Exit::System,
    }
}

/// What would run.
fn describe(loaded: &Loaded) -> String {
    let mut text = String::new();
    let count = loaded.routers.len();
    // Writing to a string can't fail.
    let _ = writeln!(
        text,
        "{count} virtual router{} would run; the file is read again every {}",
        if count == 1 { "" } else { "s" },
        seconds(loaded.renew_interval)
    );
    if let Some(priority) = loaded.realtime_priority() {
        let _ = writeln!(
            text,
            "under SCHED_FIFO with priority {priority}, in locked memory, as far as it may"
        );
    }
    for router in &loaded.routers {
        let _ = describe_router(&mut text, router);
    }
    shards::describe(&mut text, &loaded.discovery);
    text += rolling_change(&loaded.routers);
    text
}

fn describe_router(text: &mut String, router: &RouterConfig) -> std::fmt::Result {
    let interval = router.interval;
    let down = master_down_interval(router.version, router.priority, interval);
    writeln!(
        text,
        "\n{}: VRRP version {}, priority {}, an advert every {interval}",
        router.key, router.version, router.priority
    )?;
    let vips: Vec<_> = router.vips.iter().map(ToString::to_string).collect();
    writeln!(text, "  VIPs        {}", vips.join(", "))?;
    match &router.transport {
        Transport::Multicast => writeln!(text, "  adverts     by multicast")?,
        Transport::Unicast { source, peers } => {
            let peers: Vec<_> = peers.iter().map(ToString::to_string).collect();
            let from = source.map_or_else(String::new, |source| format!(" from {source}"));
            writeln!(text, "  adverts     by unicast to {}{from}", peers.join(", "))?;
        }
    }
    writeln!(text, "  takes over  {} after the MASTER's last advert", seconds(down))?;
    match crash_overlap(router) {
        None => writeln!(text, "  lease       off: a dead process leaves its VIPs behind")?,
        Some(overlap) => {
            let secs = Lease::of(interval).secs;
            let promise = if overlap.is_zero() {
                "never two holders after a crash of the MASTER".to_owned()
            } else {
                format!("two holders for up to {} after a crash of the MASTER", seconds(overlap))
            };
            writeln!(text, "  lease       {secs} s: {promise}")?;
        }
    }
    match router.preempt {
        Preempt::Never => writeln!(text, "  preempts    never")?,
        Preempt::After(delay) if delay.is_zero() => {}
        Preempt::After(delay) => writeln!(text, "  preempts    after {}", seconds(delay))?,
    }
    let hooks = [("promote", &router.hooks.pre_promote), ("demote", &router.hooks.pre_demote)];
    for (name, command) in hooks {
        if let Some(command) = command {
            let timeout = seconds(router.hooks.timeout);
            writeln!(text, "  {name:<10}  {} (at most {timeout})", quoted(command))?;
        }
    }
    if let Some(group) = &router.group {
        writeln!(text, "  group       {group}")?;
    }
    router.track.iter().try_for_each(|track| describe_track(text, track))
}

fn describe_track(text: &mut String, track: &TrackConfig) -> std::fmt::Result {
    let subject = match &track.check {
        Check::Tcp(address) => format!("TCP {address}"),
        Check::Command(command) => format!("command {}", quoted(command)),
        Check::Interface(interface) => format!("interface {interface}"),
    };
    let effect = match track.weight {
        Weight::Fault => "not MASTER while it fails".to_owned(),
        Weight::Change(weight) => format!("priority {weight:+} while it fails"),
    };
    writeln!(text, "  track       {subject} every {}: {effect}", seconds(track.interval))
}

/// How to change what all nodes must share, one after the other.
fn rolling_change(routers: &[RouterConfig]) -> &'static str {
    let mut v2 = routers.iter().filter(|router| router.version == Version::V2).peekable();
    if v2.peek().is_none() {
        return "";
    }
    if v2.all(|router| router.interval_mismatch == IntervalMismatch::Hold) {
        "\nTo change advert_int of version 2 on running nodes: first the BACKUPs, the lowest \
         priority first, the MASTER last.\nA node that hears a better one with another advert_int \
         holds off meanwhile; keepalived doesn't, stop it first.\n"
    } else {
        "\nTo change advert_int of version 2 on running nodes: stop all but one first. With \
         v2_interval_mismatch = \"discard\"\ntwo nodes with different values are both MASTER.\n"
    }
}

/// A span in seconds, to the millisecond, without closing zeros.
fn seconds(span: Duration) -> String {
    let millis = span.as_nanos().div_ceil(1_000_000);
    let text = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A command line as a shell would take it.
fn quoted(command: &[String]) -> String {
    shlex::try_join(command.iter().map(String::as_str)).unwrap_or_else(|_| command.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str) -> String {
        describe(&openproxy::config::load("openproxy.toml", text).expect("good"))
    }

    #[test]
    fn the_documented_file_is_described() {
        let text = described(
            "[general.virtual_router]\ninterface = \"eno1\"\nrouter_id = 50\npriority = 150\n\
             advert_int = 3\nvip_addresses = [ \"192.168.0.200/24\" ]\n\
             pre_promote_script = \"/home/opensql/startup.sh 'a b'\"\n\
             unicast_peers = [ \"192.168.0.7\", \"192.168.0.8\" ]\n",
        );
        assert_eq!(
            text,
            "1 virtual router would run; the file is read again every 5 s\n\n\
             eno1/50/IPv4: VRRP version 2, priority 150, an advert every 3 s\n\
             \x20 VIPs        192.168.0.200/24\n\
             \x20 adverts     by unicast to 192.168.0.7, 192.168.0.8\n\
             \x20 takes over  9.415 s after the MASTER's last advert\n\
             \x20 lease       7 s: never two holders after a crash of the MASTER\n\
             \x20 promote     /home/opensql/startup.sh 'a b' (at most 10 s)\n\n\
             To change advert_int of version 2 on running nodes: first the BACKUPs, the lowest \
             priority first, the MASTER last.\nA node that hears a better one with another \
             advert_int holds off meanwhile; keepalived doesn't, stop it first.\n"
        );
    }

    #[test]
    fn options_are_described_where_they_differ_from_the_default() {
        let text = described(
            "[general]\nrenew_interval = 1500\n[general.virtual_router]\ninterface = \"eno1\"\n\
             router_id = 1\npriority = 200\nversion = 3\nadvert_int = 0.1\nlease = false\n\
             vip_addresses = [ \"192.0.2.1/24\" ]\npreempt_delay = 2.5\n\
             track = [ { tcp = \"127.0.0.1:6432\", weight = -50 }, { interface = \"eno2\" } ]\n",
        );
        assert_eq!(
            text,
            "1 virtual router would run; the file is read again every 1.5 s\n\n\
             eno1/1/IPv4: VRRP version 3, priority 200, an advert every 0.1 s\n\
             \x20 VIPs        192.0.2.1/24\n\
             \x20 adverts     by multicast\n\
             \x20 takes over  0.322 s after the MASTER's last advert\n\
             \x20 lease       off: a dead process leaves its VIPs behind\n\
             \x20 preempts    after 2.5 s\n\
             \x20 track       TCP 127.0.0.1:6432 every 1 s: priority -50 while it fails\n\
             \x20 track       interface eno2 every 1 s: not MASTER while it fails\n"
        );
    }

    #[test]
    fn realtime_is_told_where_there_is_something_that_it_is_for() {
        let router = "[general.virtual_router]\ninterface = \"eno1\"\nrouter_id = 1\n\
                      priority = 200\nadvert_int = 1\nvip_addresses = [ \"192.0.2.1/24\" ]\n";
        let line = "under SCHED_FIFO with priority 20, in locked memory, as far as it may\n";
        let general = "[general]\nrealtime = 20\n";
        assert!(described(&format!("{general}{router}")).contains(line));
        assert!(!described(router).contains("SCHED_FIFO"));
        assert!(!described(general).contains("SCHED_FIFO"));
    }

    #[test]
    fn a_file_that_is_missing_is_a_configuration_error() {
        assert_eq!(run(Path::new("/nowhere/openproxy.toml")), Exit::Config);
    }
}
