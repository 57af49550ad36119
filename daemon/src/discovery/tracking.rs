//! Virtual routers that follow a primary (`track_patroni`): which looks they take, and when.
//!
//! What a look means is the core's to say ([`openproxy_core::discovery::coupling`]). Here it is
//! decided that one is due, since something new was learnt, and which hosts are this node's.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};

use openproxy_core::discovery::coupling::{Coupling, Track};
use openproxy_core::discovery::{Discovery, Host, Port, ShardId, Topology};
use openproxy_core::time::{Duration, Instant};
use openproxy_core::vrrp::RouterKey;

/// How long the addresses of a name are believed.
const NAME_FRESH_FOR: Duration = Duration::from_secs(30);

/// A virtual router that follows a primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedRouter {
    /// Which.
    pub key: RouterKey,
    /// How.
    pub track: Track,
    /// Whose primary: that of any of these.
    pub shards: Vec<ShardId>,
}

/// Which addresses are this node's own. One that moves between nodes, a VIP, is nobody's.
pub trait LocalHosts {
    /// Whether this one is.
    fn is_local(&self, ip: IpAddr) -> bool;
}

/// All routers that follow one.
#[derive(Debug)]
pub(super) struct Tracking<L> {
    local: L,
    routers: Vec<Follower>,
    names: BTreeMap<Host, Name>,
    vips: BTreeSet<IpAddr>,
    /// A probe has ended since the last look.
    has_probed: bool,
}

#[derive(Debug)]
struct Follower {
    router: TrackedRouter,
    coupling: Coupling,
    /// When the answers were asked for that the last look went by.
    looked_at: Vec<Instant>,
}

/// What is known of a name.
#[derive(Debug)]
struct Name {
    /// The last that was found.
    addresses: Vec<IpAddr>,
    /// When it was.
    found_at: Option<Instant>,
    is_under_way: bool,
}

impl<L: LocalHosts> Tracking<L> {
    pub(super) fn new(local: L) -> Self {
        Self {
            local,
            routers: Vec::new(),
            names: BTreeMap::new(),
            vips: BTreeSet::new(),
            has_probed: false,
        }
    }

    /// Follows for exactly these routers; one that stays goes by what it has found until its next
    /// look. All weights that hold now, those of routers that no longer follow among them: nothing.
    pub(super) fn reconfigure(
        &mut self,
        routers: Vec<TrackedRouter>,
        vips: BTreeSet<IpAddr>,
    ) -> Vec<(RouterKey, i32)> {
        self.vips = vips;
        let mut old = std::mem::take(&mut self.routers);
        for router in routers {
            let position = old.iter().position(|follower| follower.router.key == router.key);
            let follower = match position.map(|position| old.swap_remove(position)) {
                Some(mut known) => {
                    known.coupling.retrack(router.track);
                    if known.router != router {
                        known.looked_at.clear();
                    }
                    Follower { router, ..known }
                }
                None => {
                    let coupling = Coupling::new(router.track);
                    Follower { router, coupling, looked_at: Vec::new() }
                }
            };
            self.routers.push(follower);
        }
        let key = |follower: &Follower| follower.router.key.clone();
        let mut weights: BTreeMap<_, _> = old.iter().map(|gone| (key(gone), 0)).collect();
        weights.extend(
            self.routers.iter().map(|follower| (key(follower), follower.coupling.weight())),
        );
        weights.into_iter().collect()
    }

    /// A probe has ended.
    pub(super) fn has_probed(&mut self) {
        self.has_probed = true;
    }

    /// When [`Self::look`] is due though nothing new is learnt; [`Instant::MAX`] for never.
    pub(super) fn poll_timeout(&self) -> Instant {
        let due = self.routers.iter().map(|follower| follower.coupling.due_at());
        due.min().unwrap_or(Instant::MAX)
    }

    /// Lets every router look for which something new was learnt; the weights that have changed.
    pub(super) fn look(&mut self, discovery: &Discovery, now: Instant) -> Vec<(RouterKey, i32)> {
        let has_probed = std::mem::take(&mut self.has_probed);
        let mut weights = Vec::new();
        for follower in &mut self.routers {
            let shards: Vec<(&Topology, Port)> = follower
                .router
                .shards
                .iter()
                .filter_map(|id| Some((discovery.topology(id)?, discovery.primary_port(id, now))))
                .collect();
            let confirmed = shards.iter().filter_map(|(topology, _)| topology.primary.confirmed());
            let basis: Vec<Instant> = confirmed.map(|named| named.evidence.at).collect();
            let is_due = match follower.router.track {
                Track::PrimaryReachable { .. } => has_probed || follower.coupling.due_at() <= now,
                Track::LocalPrimary => basis != follower.looked_at,
            };
            if !is_due {
                continue;
            }
            follower.looked_at = basis;
            let (names, local, vips) = (&self.names, &self.local, &self.vips);
            // Where a primary runs whose name isn't resolved yet, nobody knows.
            let known = shards.iter().filter(|(topology, _)| match follower.router.track {
                Track::PrimaryReachable { .. } => true,
                Track::LocalPrimary => {
                    let named = topology.primary.confirmed();
                    named.is_some_and(|named| addresses(names, &named.address.host).is_some())
                }
            });
            let look = follower.router.track.look(known.copied(), |host| {
                let addresses = addresses(names, host).unwrap_or_default();
                addresses.into_iter().any(|ip| !vips.contains(&ip) && local.is_local(ip))
            });
            if follower.coupling.take(now, look) {
                weights.push((follower.router.key.clone(), follower.coupling.weight()));
            }
        }
        self.note_names(discovery);
        weights
    }

    /// The names whose addresses are to be looked up now.
    pub(super) fn names_wanted(&mut self, now: Instant) -> Vec<Host> {
        let mut wanted = Vec::new();
        for (host, name) in &mut self.names {
            let is_fresh = name.found_at.is_some_and(|at| now < at + NAME_FRESH_FOR);
            if !name.is_under_way && !is_fresh {
                name.is_under_way = true;
                wanted.push(host.clone());
            }
        }
        wanted
    }

    /// Takes what a lookup has found; a name that isn't found now keeps what was found before.
    pub(super) fn handle_resolved(
        &mut self,
        now: Instant,
        host: Host,
        found: io::Result<Vec<SocketAddr>>,
    ) {
        let Some(name) = self.names.get_mut(&host) else { return };
        name.is_under_way = false;
        name.found_at = Some(now);
        if let Ok(found) = found {
            name.addresses = found.iter().map(SocketAddr::ip).collect();
        }
    }

    /// Keeps a place for each name that a router must know the addresses of.
    fn note_names(&mut self, discovery: &Discovery) {
        let mut wanted = BTreeSet::new();
        for follower in &self.routers {
            match follower.router.track {
                Track::PrimaryReachable { .. } => {}
                Track::LocalPrimary => wanted.extend(names(discovery, &follower.router)),
            }
        }
        self.names.retain(|host, _| wanted.contains(host));
        for host in wanted {
            self.names.entry(host).or_insert(Name {
                addresses: Vec::new(),
                found_at: None,
                is_under_way: false,
            });
        }
    }
}

/// The hosts of a router's primaries that are names.
fn names<'a>(
    discovery: &'a Discovery,
    router: &'a TrackedRouter,
) -> impl Iterator<Item = Host> + use<'a> {
    let topologies = router.shards.iter().filter_map(|id| discovery.topology(id));
    let hosts = topologies.filter_map(|topology| topology.primary.confirmed());
    let hosts = hosts.map(|named| &named.address.host);
    hosts.filter(|host| host.as_str().parse::<IpAddr>().is_err()).cloned()
}

/// The addresses of a host, as far as they are known.
fn addresses(names: &BTreeMap<Host, Name>, host: &Host) -> Option<Vec<IpAddr>> {
    match host.as_str().parse() {
        Ok(ip) => Some(vec![ip]),
        Err(_) => {
            let name = names.get(host)?;
            (!name.addresses.is_empty()).then(|| name.addresses.clone())
        }
    }
}

#[cfg(test)]
mod tests;
