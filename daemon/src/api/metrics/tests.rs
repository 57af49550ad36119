//! The text is what Prometheus takes, and `docs/metrics.md` has the same metrics.

use std::collections::{BTreeMap, BTreeSet};

use openproxy_core::time::Instant;
use openproxy_core::vrrp::StateName;
use prometheus_client::metrics::MetricType;

use super::*;
use crate::api::document::tests::{facts, look, report};
use crate::discovery::document::tests::snapshot;

const DOCS: &str = include_str!("../../../../docs/metrics.md");
/// What speaks of metrics, and would say nothing if one were called otherwise.
const USERS: [(&str, &str); 2] = [
    ("rules", include_str!("../../../../contrib/prometheus/openproxy.rules.yml")),
    ("dashboard", include_str!("../../../../contrib/grafana/openproxy.json")),
];

/// A scrape of a daemon of which everything is known.
fn everything(use_it: impl FnOnce(Seen<'_>)) {
    let mut look = look(vec![report(StateName::Master)]);
    look.lateness.note(Instant::ZERO, Instant::from_millis(1));
    look.lateness.note(Instant::from_millis(5), Instant::from_millis(7));
    let (facts, known) = (facts(), snapshot());
    use_it(Seen { facts: &facts, look: Some(&look), known: Some(&known) });
}

fn text(format: Format) -> String {
    let mut text = String::new();
    everything(|seen| text = encode(seen, format).expect("it can be written"));
    text
}

fn kind(kind: MetricType) -> &'static str {
    match kind {
        MetricType::Counter => "counter",
        MetricType::Gauge => "gauge",
        MetricType::Histogram => "histogram",
        MetricType::Info | MetricType::Unknown => panic!("{kind:?} is none of ours"),
    }
}

/// What a family is called where it is asked for.
fn name(family: &Family) -> String {
    let unit = family.unit.as_ref().map_or_else(String::new, |unit| format!("_{}", unit.as_str()));
    let total = if matches!(family.kind, MetricType::Counter) { "_total" } else { "" };
    format!("{PREFIX}_{}{unit}{total}", family.name)
}

#[test]
fn every_metric_is_documented_as_it_is_and_no_other() {
    let rows = DOCS.lines().filter(|line| line.starts_with("| `openproxy_"));
    let documented: Vec<Vec<String>> = rows
        .map(|row| row.trim_matches('|').split('|').map(|c| c.trim().replace('`', "")).collect())
        .collect();
    let mut there = Vec::new();
    everything(|seen| {
        for family in families(seen) {
            let labels: BTreeSet<_> = family
                .series
                .keys()
                .map(|labels| labels.iter().map(|(l, _)| *l).collect::<Vec<_>>().join(", "))
                .collect();
            assert_eq!(labels.len(), 1, "{}: each series has the same labels", family.name);
            let unit = family.unit.as_ref().map_or("", |unit| unit.as_str());
            let labels = labels.into_iter().collect::<String>();
            let cells = [&name(&family), kind(family.kind), &labels, unit, family.help];
            there.push(cells.map(str::to_owned).to_vec());
        }
    });
    assert_eq!(documented, there);
}

#[test]
fn the_rules_and_the_dashboard_speak_of_metrics_that_are_there() {
    let mut names = BTreeSet::new();
    everything(|seen| {
        for family in families(seen) {
            let name = name(&family);
            if matches!(family.kind, MetricType::Histogram) {
                names.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
            } else {
                names.insert(name);
            }
        }
    });
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (user, text) in USERS {
        let words = text.split(|c| !is_of_name(c));
        let used: BTreeSet<_> = words.filter(|word| word.starts_with("openproxy_")).collect();
        assert!(used.len() > 10, "{user}: {used:?}");
        for word in used {
            assert!(names.contains(word), "{user}: {word}");
        }
    }
    let dashboard: serde_json::Value = serde_json::from_str(USERS[1].1).expect("JSON");
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
}

/// What a linter would say: a type before the series, names of their type, nothing twice.
#[test]
fn both_formats_are_what_their_standards_ask_for() {
    for (format, end) in [(Format::OpenMetrics, Some("# EOF")), (Format::Prometheus, None)] {
        let text = text(format);
        assert_eq!(text.lines().filter(|line| *line == "# EOF").count(), end.iter().count());
        assert!(text.ends_with('\n') && end.is_none_or(|end| text.trim_end().ends_with(end)));
        let (mut types, mut helped, mut series) =
            (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        for line in text.lines() {
            match line.split_once(' ').expect("words") {
                ("#", rest) if rest.starts_with("TYPE ") => {
                    let (name, kind) = rest[5..].split_once(' ').expect("a type");
                    assert!(helped.contains(name), "{line}");
                    assert_eq!(types.insert(name, kind), None, "{line}");
                }
                ("#", rest) if rest.starts_with("HELP ") => {
                    let (name, help) = rest[5..].split_once(' ').expect("a text");
                    assert!(
                        helped.insert(name) && help.ends_with('.') | help.contains(';'),
                        "{line}"
                    );
                }
                ("#", _) => {}
                _ => {
                    let (labelled, value) = line.rsplit_once(' ').expect("a value");
                    assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
                    assert!(series.insert(labelled), "{line}: twice");
                    let name = labelled.split('{').next().unwrap_or_default();
                    let family = match format {
                        Format::OpenMetrics => name.strip_suffix("_total").unwrap_or(name),
                        Format::Prometheus => name,
                    };
                    let histogram =
                        ["_bucket", "_sum", "_count"].iter().find_map(|p| name.strip_suffix(p));
                    let kind = types.get(histogram.unwrap_or(family)).expect(line);
                    assert_eq!(*kind == "counter", name.ends_with("_total"), "{line}");
                    assert_eq!(*kind == "histogram", histogram.is_some(), "{line}");
                }
            }
        }
        assert!(series.len() > 80, "{}", series.len());
    }
}

#[test]
fn figures_are_those_of_the_status() {
    let text = text(Format::Prometheus);
    let router = "interface=\"eth0\",router_id=\"50\",family=\"IPv4\"";
    let shard = "pool=\"p\",shard=\"0\"";
    for line in [
        "openproxy_file_loaded_timestamp_seconds 0.0".to_owned(),
        "openproxy_guard_watching 1".to_owned(),
        "openproxy_log_lines_dropped_total 7".to_owned(),
        "openproxy_discarded_packets_total{reason=\"ttl\"} 0".to_owned(),
        "openproxy_timer_lateness_seconds_bucket{le=\"0.001\"} 0".to_owned(),
        "openproxy_timer_lateness_seconds_bucket{le=\"0.0025\"} 1".to_owned(),
        "openproxy_timer_lateness_seconds_bucket{le=\"+Inf\"} 1".to_owned(),
        "openproxy_timer_lateness_seconds_sum 0.002".to_owned(),
        format!("openproxy_router_state{{{router},state=\"MASTER\"}} 1"),
        format!("openproxy_router_state{{{router},state=\"LEAVING\"}} 0"),
        format!("openproxy_router_priority{{{router}}} 100"),
        format!("openproxy_router_master_seconds_total{{{router}}} 0.6"),
        format!("openproxy_router_last_advert_age_seconds{{{router}}} 0.5"),
        format!("openproxy_router_checks{{{router},result=\"well\"}} 1"),
        format!("openproxy_shard_primary_status{{{shard},status=\"kept\"}} 1"),
        format!("openproxy_shard_primary_evidence_age_seconds{{{shard}}} 0.25"),
        format!("openproxy_shard_replica_lag_bytes{{{shard},host=\"::1\",port=\"5432\"}} 5"),
        format!("openproxy_shard_topology_changes_total{{{shard}}} 3"),
        "openproxy_patroni_failures_total{url=\"http://10.0.0.1:5432\",kind=\"refused\"} 3"
            .to_owned(),
        "openproxy_patroni_failing{url=\"http://10.0.0.1:5432\"} 1".to_owned(),
    ] {
        assert!(text.lines().any(|there| there == line), "{line}\n{text}");
    }
}

#[test]
fn what_is_not_known_has_no_series() {
    let mut facts = facts();
    (facts.guard, facts.log_lines_dropped) = (crate::process::GuardState::Off, None);
    let seen = Seen { facts: &facts, look: None, known: None };
    let text = encode(seen, Format::Prometheus).expect("it can be written");
    for absent in ["guard", "log_lines", "router_", "shard_", "patroni_", "lateness", "discarded"] {
        assert!(!text.contains(&format!("openproxy_{absent}")), "{absent}: {text}");
    }
    assert!(text.contains("openproxy_thread_answers{thread=\"vrrp\"} 0\n"), "{text}");
    let mut silent = report(StateName::Initialize);
    silent.last_advert = None;
    let (stopping, known) = (report(StateName::Leaving), snapshot());
    // A router that is in the file again while the old one still hands over: the new one counts.
    let look = look(vec![stopping, silent]);
    let seen = Seen { facts: &facts, look: Some(&look), known: Some(&known) };
    let text = encode(seen, Format::Prometheus).expect("it can be written");
    assert!(!text.contains("last_advert_age"), "{text}");
    assert!(text.contains("state=\"INITIALIZE\"} 1\n") && text.contains("state=\"LEAVING\"} 0\n"));
}

#[test]
fn open_metrics_is_for_who_asks_for_it() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2,*/*;q=0.1";
    for (accept, expected) in [
        (prometheus, Format::OpenMetrics),
        ("text/plain, Application/OpenMetrics-Text", Format::OpenMetrics),
        ("text/plain;version=0.0.4", Format::Prometheus),
        ("*/*", Format::Prometheus),
        ("", Format::Prometheus),
    ] {
        assert_eq!(Format::accepted(accept), expected, "{accept}");
    }
}
