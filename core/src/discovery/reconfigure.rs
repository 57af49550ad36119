//! Taking a new list of shards, and keeping what is known of those that stay.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::Cluster;
use super::config::{Address, EndpointKey, FileRole, PatroniConfig, Server, ShardConfig, ShardId};
use super::endpoint::{Endpoint, EndpointIx};
use super::seats::Seat;
use super::slots::{Pace, Speed, spread};
use super::topology::{Evidence, Named, NoneWhy, Primary, Replica, ReplicaKind, Rule, Topology};
use super::{Discovery, Home, Job, Output};
use crate::time::{Duration, Instant};

/// First requests are spread over this, or less if there are few.
const START_SPREAD_MAX: Duration = Duration::from_secs(1);
const START_SPREAD_EACH: Duration = Duration::from_millis(10);

/// What makes two shards share a cluster: the same servers, asked in the same way.
type Likeness = (Vec<Address>, PatroniConfig, Duration);

fn likeness(servers: &[Server], patroni: PatroniConfig, renew: Duration) -> Likeness {
    let mut addresses: Vec<Address> = servers.iter().map(|server| server.address.clone()).collect();
    addresses.sort();
    addresses.dedup();
    (addresses, patroni, renew)
}

impl Discovery {
    /// Discovers exactly these shards from now on. What is known of clusters and endpoints that
    /// stay is kept, and so are the fence and the primary of a shard whose servers change.
    pub fn reconfigure(&mut self, configs: &[ShardConfig], now: Instant) {
        let mut wanted: BTreeMap<Likeness, Vec<&ShardConfig>> = BTreeMap::new();
        let mut shards = BTreeMap::new();
        for config in configs {
            match config.patroni {
                Some(patroni) => {
                    let like = likeness(&config.servers, patroni, config.renew_interval);
                    wanted.entry(like).or_default().push(config);
                }
                None => {
                    let topology = by_file(config, now);
                    let known = self.shards.get(&config.id);
                    let same = matches!(known, Some(Home::File(old)) if old.is_like(&topology));
                    if !same {
                        self.ready.push_back(Output::TopologyChanged(config.id.clone()));
                    }
                    shards.insert(config.id.clone(), Home::File(topology));
                }
            }
        }
        let spread_over = self.start_spread(&wanted);
        let old = std::mem::take(&mut self.shards);
        let mut kept = BTreeSet::new();
        for (like, configs) in &wanted {
            let ids: BTreeSet<ShardId> = configs.iter().map(|config| config.id.clone()).collect();
            let place = self
                .find(like, &kept)
                .unwrap_or_else(|| self.found(configs, &old, &ids, spread_over, now));
            kept.insert(place);
            self.settle(place, ids.clone(), &old);
            shards.extend(ids.into_iter().map(|id| (id, Home::Cluster(place))));
        }
        self.shards = shards;
        self.drop_unwanted(&kept);
        for place in kept {
            self.review(place, now);
        }
    }

    fn start_spread(&self, wanted: &BTreeMap<Likeness, Vec<&ShardConfig>>) -> Duration {
        let fresh = wanted.keys().flat_map(|(addresses, patroni, _)| {
            addresses.iter().map(|address| key_of(address, patroni))
        });
        let fresh: BTreeSet<_> = fresh.filter(|key| !self.places.contains_key(key)).collect();
        let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
        let renew = wanted.keys().map(|(_, _, renew)| *renew).min().unwrap_or_default();
        START_SPREAD_EACH.saturating_mul(count).min(START_SPREAD_MAX).min(renew)
    }

    fn find(&self, like: &Likeness, kept: &BTreeSet<usize>) -> Option<usize> {
        self.clusters
            .iter()
            .position(|cluster| {
                cluster.as_ref().is_some_and(|cluster| {
                    likeness(&cluster.servers, cluster.patroni, cluster.renew_as_written) == *like
                })
            })
            .filter(|place| !kept.contains(place))
    }

    /// A new cluster, which takes over what was known of one of its shards.
    fn found(
        &mut self,
        configs: &[&ShardConfig],
        old: &BTreeMap<ShardId, Home>,
        ids: &BTreeSet<ShardId>,
        spread_over: Duration,
        now: Instant,
    ) -> usize {
        let place = self.clusters.len();
        let Some((config, patroni)) = configs.iter().find_map(|c| Some((c, c.patroni?))) else {
            return place;
        };
        let mut servers = config.servers.clone();
        let mut seen = BTreeSet::new();
        servers.retain(|server| seen.insert(server.address.clone()));
        let mut cluster = Cluster::new(now, servers, patroni, config.renew_interval);
        for (index, server) in cluster.servers.clone().into_iter().enumerate() {
            let first = now + (spread_over / 0x1_0000) * u32::from(spread(self.endpoints.len()));
            let key = key_of(&server.address, &patroni);
            let endpoint = self.place_of(key, patroni.timeout, first, now);
            if cluster.seat(endpoint).is_some() {
                // Two ports of one host share its Patroni: the first stands for it.
                continue;
            }
            let (address, name, listed) = (server.address, None, now);
            let configured = Some(index);
            cluster.seats.push(Seat { endpoint, address, configured, name, listed });
            self.join(endpoint, place);
        }
        let seats = u64::try_from(cluster.seats.len().max(1)).unwrap_or(1);
        cluster.cursor = usize::try_from(self.seed % seats).unwrap_or_default();
        let before = ids.iter().find_map(|id| match old.get(id)? {
            Home::Cluster(place) => self.cluster(*place),
            Home::File(_) => None,
        });
        if let Some(before) = before {
            cluster.inherit(before);
        }
        self.clusters.push(Some(Box::new(cluster)));
        place
    }

    /// Gives a cluster its shards, and tells those that are new to it what it knows.
    fn settle(&mut self, place: usize, ids: BTreeSet<ShardId>, old: &BTreeMap<ShardId, Home>) {
        let Some(cluster) = self.clusters.get_mut(place).and_then(Option::as_mut) else { return };
        if cluster.ready {
            let known = |id: &&ShardId| !matches!(old.get(*id), Some(Home::Cluster(_)));
            let fresh = ids.iter().filter(known).cloned();
            self.ready.extend(fresh.map(Output::TopologyChanged));
        }
        cluster.shards = ids;
    }

    fn drop_unwanted(&mut self, kept: &BTreeSet<usize>) {
        for place in 0..self.clusters.len() {
            if kept.contains(&place) {
                continue;
            }
            let Some(cluster) = self.clusters.get_mut(place).and_then(Option::take) else {
                continue;
            };
            self.due.remove(&(cluster.review_at, Job::Review(place)));
            self.due.remove(&(cluster.probe_at, Job::Probe(place)));
            for seat in &cluster.seats {
                self.leave(seat.endpoint, place);
            }
        }
    }

    /// The endpoint of this key, as it is or new.
    pub(super) fn place_of(
        &mut self,
        key: EndpointKey,
        timeout: Duration,
        first: Instant,
        now: Instant,
    ) -> EndpointIx {
        if let Some(ix) = self.places.get(&key) {
            let ix = *ix;
            if let Some(endpoint) = self.endpoint_mut(ix) {
                endpoint.timeout = timeout;
            }
            return ix;
        }
        let ix = self.endpoints.len();
        let pace = Pace { speed: Speed::Calm, phase: spread(ix) };
        let endpoint = Endpoint::new(key.clone(), timeout, pace, first.max(now));
        self.endpoints.push(Some(Box::new(endpoint)));
        self.places.insert(key, ix);
        self.relist(ix);
        ix
    }

    pub(super) fn join(&mut self, ix: EndpointIx, place: usize) {
        if let Some(endpoint) = self.endpoint_mut(ix)
            && !endpoint.clusters.contains(&place)
        {
            endpoint.clusters.push(place);
        }
    }

    /// An endpoint is no longer part of a cluster. If of none, it is forgotten when it would be asked
    /// again: whoever puts it back meanwhile finds its question under way, and its budget.
    pub(super) fn leave(&mut self, ix: EndpointIx, place: usize) {
        if let Some(endpoint) = self.endpoint_mut(ix) {
            endpoint.clusters.retain(|other| *other != place);
        }
    }

    /// Nobody wants to know of this endpoint any more.
    pub(super) fn forget_endpoint(&mut self, ix: EndpointIx) {
        let Some(endpoint) = self.endpoints.get_mut(ix).and_then(Option::take) else { return };
        self.due.remove(&(endpoint.due_at, Job::Ask(ix)));
        self.places.remove(&endpoint.key);
    }
}

impl Cluster {
    /// Takes over what bound another list of servers of the same shard to its past.
    fn inherit(&mut self, before: &Self) {
        let stays = |ix: EndpointIx| self.seat(ix).is_some();
        self.incumbent = before.incumbent.clone().filter(|i| stays(i.endpoint));
        self.former = before.former;
        self.fence.clone_from(&before.fence);
        self.ready = before.ready;
        self.system = before.system;
        self.paused = before.paused;
        self.topology = before.topology.clone();
        for seat in &mut self.seats {
            if let Some(known) = before.seat(seat.endpoint) {
                (seat.name, seat.address) = (known.name.clone(), known.address.clone());
            }
        }
    }
}

fn key_of(server: &Address, patroni: &PatroniConfig) -> EndpointKey {
    let address = Address { host: server.host.clone(), port: patroni.port };
    EndpointKey { scheme: patroni.scheme, address }
}

/// The topology of a shard without Patroni.
fn by_file(config: &ShardConfig, now: Instant) -> Topology {
    let mut topology = Topology::unknown(NoneWhy::Unknown);
    for server in &config.servers {
        let address = server.address.clone();
        match server.role {
            FileRole::Primary if topology.primary.named().is_none() => {
                let (rule, source, timeline) = (Rule::File, None, None);
                let evidence = Evidence { rule, source, at: now, timeline };
                topology.primary = Primary::Confirmed(Named { name: None, address, evidence });
            }
            FileRole::Primary | FileRole::Auto | FileRole::Replica => {
                topology.replicas.push(Replica {
                    name: None,
                    address,
                    kind: ReplicaKind::Other,
                    state: None,
                    lag_bytes: None,
                    no_load_balance: false,
                    eligible: server.role == FileRole::Replica,
                    configured: true,
                });
            }
        }
    }
    topology
}
