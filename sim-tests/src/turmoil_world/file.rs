//! A node's `openproxy.toml`, as the people who set up the scenario's cluster would write it.

use std::fmt::Write as _;
use std::time::Duration;

use openproxy_core::vrrp::{
    AdverInterval, Check, Handover, Preempt, RouterConfig, TrackConfig, Transport, Version, Weight,
};

use crate::scenario::Scenario;

/// The text of a file that says this.
///
/// # Panics
/// If it is something that no scenario says.
#[must_use]
pub(crate) fn text(scenario: &Scenario, config: &RouterConfig) -> String {
    let mut text = format!("[general]\nguard = {}\n\n[general.virtual_router]\n", scenario.guarded);
    let mut line = |key: &str, value: String| {
        writeln!(text, "{key} = {value}").expect("a string takes everything");
    };
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    let quoted = |item: &dyn std::fmt::Display| format!("\"{item}\"");
    line("interface", quoted(&config.key.interface));
    line("router_id", config.key.vrid.get().to_string());
    line("priority", config.priority.get().to_string());
    line("version", if config.version == Version::V2 { "2" } else { "3" }.to_owned());
    line("advert_int", interval(config.version, config.interval));
    line("vip_addresses", list(config.vips.iter().map(|vip| quoted(vip)).collect()));
    match &config.transport {
        Transport::Multicast => {}
        Transport::Unicast { source: None, peers } => {
            line("unicast_peers", list(peers.iter().map(|peer| quoted(peer)).collect()));
        }
        Transport::Unicast { source: Some(source), .. } => panic!("a source: {source}"),
    }
    match config.preempt {
        Preempt::Never => line("preempt", "false".to_owned()),
        Preempt::After(delay) => line("preempt_delay", seconds(delay)),
    }
    line("lease", config.lease.to_string());
    let refresh = config.garp_refresh.unwrap_or_default();
    line("garp_refresh", refresh.as_secs().to_string());
    let handover = match config.handover {
        Handover::Planned => "planned",
        Handover::Strict => "strict",
    };
    line("handover", quoted(&handover));
    line("hook_timeout", config.hooks.timeout.as_millis().to_string());
    let hooks = [
        ("pre_promote_script", &config.hooks.pre_promote),
        ("pre_demote_script", &config.hooks.pre_demote),
    ];
    for (key, hook) in hooks {
        if let Some(words) = hook {
            line(key, quoted(&words.join(" ")));
        }
    }
    line("track", list(config.track.iter().map(check).collect()));
    text
}

fn interval(version: Version, interval: AdverInterval) -> String {
    let centis = interval.centis();
    match version {
        Version::V2 => (centis / 100).to_string(),
        Version::V3 => format!("{}.{:02}", centis / 100, centis % 100),
    }
}

fn seconds(span: Duration) -> String {
    format!("{}.{:03}", span.as_secs(), span.subsec_millis())
}

fn check(track: &TrackConfig) -> String {
    let Check::Tcp(address) = &track.check else { panic!("a check of {:?}", track.check) };
    let weight = match track.weight {
        Weight::Fault => 0,
        Weight::Change(weight) => weight,
    };
    format!(
        "{{ tcp = \"{address}\", interval = {}, timeout = {}, fall = {}, rise = {}, weight = {weight} }}",
        track.interval.as_millis(),
        track.timeout.as_millis(),
        track.fall,
        track.rise,
    )
}
