//! The metrics of each shard, and of each of Patroni's APIs.

use openproxy_core::discovery::{Address, NoneWhy, Primary, ShardId, Topology};
use prometheus_client::registry::Unit;

use super::family::{Family, Labels, Value};
use crate::discovery::document::{STATUSES, status_word};
use crate::discovery::driver::{EndpointState, Snapshot};

pub(super) fn families(known: &Snapshot) -> Vec<Family> {
    let mut families = of_primaries(known);
    families.extend(of_replicas(known));
    families.extend(of_apis(&known.endpoints));
    families
}

fn of_primaries(known: &Snapshot) -> Vec<Family> {
    let shards = known.shards.iter();
    let status = shards.clone().flat_map(|(id, shard)| {
        let is = status_word(&shard.primary);
        STATUSES.map(|word| {
            let mut labels = labels(id);
            labels.push(("status", word.to_owned()));
            (labels, (word == is).into())
        })
    });
    let named = shards.clone().filter_map(|(id, shard)| Some((id, shard.primary.named()?)));
    let info = named.clone().map(|(id, named)| (server(id, &named.address), true.into()));
    let age = named.clone().filter(|(_, named)| named.evidence.source.is_some());
    let age = age.map(|(id, named)| (labels(id), known.at.since(named.evidence.at).into()));
    let timeline = named
        .filter_map(|(id, named)| Some((labels(id), u64::from(named.evidence.timeline?.0).into())));
    let each = |value: fn(&Topology) -> bool| {
        shards.clone().map(move |(id, shard)| (labels(id), value(shard).into()))
    };
    let changes = shards
        .clone()
        .map(|(id, _)| (labels(id), known.changes.get(id).copied().unwrap_or_default().into()));
    let expected = each(|shard| {
        let is_open = matches!(shard.primary, Primary::None(NoneWhy::Unknown));
        !shard.standby_cluster && !is_open
    });
    vec![
        Family::gauge("shard_primary_status", "1 for the status of its primary, 0 for the others.")
            .with_all(status),
        Family::gauge("shard_primary_info", "Always 1; who is named as primary, however surely.")
            .with_all(info),
        Family::gauge(
            "shard_primary_expected",
            "0 where nobody can be named: a standby cluster, or a file that leaves it open.",
        )
        .with_all(expected),
        Family::gauge(
            "shard_primary_evidence_age",
            "Age of the answer by which the primary is named.",
        )
        .in_unit(Unit::Seconds)
        .with_all(age),
        Family::gauge("shard_timeline", "The timeline of the primary that is named.")
            .with_all(timeline),
        Family::counter("shard_topology_changes", "Changes of its topology that matter.")
            .with_all(changes),
        Family::gauge("shard_paused", "1 while Patroni is paused.").with_all(each(|s| s.paused)),
        Family::gauge("shard_failsafe", "1 while Patroni keeps the primary without its DCS.")
            .with_all(each(|s| s.failsafe)),
    ]
}

fn of_replicas(known: &Snapshot) -> [Family; 3] {
    let shards = known.shards.iter();
    let lag = shards.clone().flat_map(|(id, shard)| {
        let replicas = shard.replicas.iter();
        replicas.filter_map(|r| Some((server(id, &r.address), r.lag_bytes?.into())))
    });
    let eligible = |shard: &Topology| shard.replicas.iter().filter(|r| r.eligible).count();
    [
        Family::gauge("shard_replicas", "Its replicas.")
            .with_all(shards.clone().map(|(id, shard)| (labels(id), shard.replicas.len().into()))),
        Family::gauge("shard_replicas_eligible", "Replicas that reads may go to.")
            .with_all(shards.map(|(id, shard)| (labels(id), eligible(shard).into()))),
        Family::gauge("shard_replica_lag", "Log that a replica has still to replay.")
            .in_unit(Unit::Bytes)
            .with_all(lag),
    ]
}

fn of_apis(apis: &[EndpointState]) -> [Family; 3] {
    let with = |api: &EndpointState, more: Option<(&'static str, &str)>| -> Labels {
        let url = ("url", api.key.to_string());
        [url].into_iter().chain(more.map(|(label, word)| (label, word.to_owned()))).collect()
    };
    let results = apis.iter().flat_map(|api| {
        let results = [("answer", api.counters.answers), ("failure", api.counters.failed())];
        results.map(|(word, count)| (with(api, Some(("result", word))), Value::from(count)))
    });
    let failures = apis.iter().flat_map(|api| {
        let kinds = api.failures_by_kind().into_iter();
        kinds.map(|(kind, count)| (with(api, Some(("kind", kind))), count.into()))
    });
    [
        Family::counter("patroni_requests", "Questions to an API of Patroni, by how they ended.")
            .with_all(results),
        Family::counter(
            "patroni_failures",
            "Questions that failed, by kind; no series for a kind that hasn't happened.",
        )
        .with_all(failures),
        Family::gauge("patroni_failing", "1 while an API doesn't answer as it should.")
            .with_all(apis.iter().map(|api| (with(api, None), api.failure.is_some().into()))),
    ]
}

fn labels(id: &ShardId) -> Labels {
    vec![("pool", id.pool.to_string()), ("shard", id.shard.to_string())]
}

fn server(id: &ShardId, address: &Address) -> Labels {
    let mut labels = labels(id);
    labels.push(("host", address.host.as_str().to_owned()));
    labels.push(("port", address.port.to_string()));
    labels
}
