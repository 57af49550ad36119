//! A world of three nodes that say what a test has them say.

use std::collections::BTreeMap;

use super::super::cluster::Cluster;
use super::super::*;
use super::lab::{Answer, Lab, World, at, shard, shard_id};
use crate::time::{Duration, Instant};

pub(super) const NODES: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

/// A node that says always the same.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) own: Result<String, AskFailure>,
    /// What `/health` says, where that is something else.
    pub(super) health: Option<Result<String, AskFailure>>,
    pub(super) view: Result<String, AskFailure>,
    pub(super) delay: Duration,
    pub(super) open: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Script(pub(super) BTreeMap<String, Node>);

impl World for Script {
    fn answer(&mut self, _: Instant, endpoint: &EndpointKey, path: AskPath) -> Answer {
        let Some(node) = self.0.get(endpoint.address.host.as_str()) else {
            return (Duration::ZERO, Err(AskFailure::Refused));
        };
        let answer = match path {
            AskPath::Patroni => node.own.clone(),
            AskPath::Health => node.health.clone().unwrap_or_else(|| node.own.clone()),
            AskPath::Cluster => node.view.clone(),
        };
        let hangs = matches!(answer, Err(AskFailure::TimedOut));
        (if hangs { Duration::from_secs(60) } else { node.delay }, answer)
    }

    fn probe(&mut self, _: Instant, address: &Address) -> (Duration, Result<(), ProbeFailure>) {
        let open = self.0.get(address.host.as_str()).is_some_and(|node| node.open);
        (Duration::from_millis(1), if open { Ok(()) } else { Err(ProbeFailure::Refused) })
    }
}

pub(super) fn own(index: usize, role: &str, state: &str, timeline: u32, more: &str) -> String {
    format!(
        r#"{{"state": "{state}", "role": "{role}", "timeline": {timeline}, {more}
            "database_system_identifier": "77", "patroni": {{"name": "n{index}"}}}}"#
    )
}

pub(super) fn primary(index: usize, timeline: u32) -> String {
    own(index, "primary", "running", timeline, r#""xlog": {"location": 1000000},"#)
}

pub(super) fn replica(index: usize, timeline: u32) -> String {
    let more = r#""replication_state": "streaming", "xlog": {"replayed_location": 999900},"#;
    own(index, "replica", "running", timeline, more)
}

/// A view in which `leader` holds the key on this timeline; 0 for nobody.
pub(super) fn view(leader: usize, timeline: u32) -> String {
    view_of(&[1, 2, 3], leader, timeline)
}

/// Likewise, with these members alone.
pub(super) fn view_of(members: &[usize], leader: usize, timeline: u32) -> String {
    let member = |index: &usize| {
        let (role, state) =
            if *index == leader { ("leader", "running") } else { ("replica", "streaming") };
        format!(
            r#"{{"name": "n{index}", "role": "{role}", "state": "{state}", "timeline": {timeline},
                "api_url": "http://10.0.0.{index}:8008/patroni", "host": "10.0.0.{index}",
                "port": 5432}}"#
        )
    };
    let members: Vec<_> = members.iter().map(member).collect();
    format!(r#"{{"members": [{}], "scope": "s"}}"#, members.join(","))
}

/// An answer with this field, too.
pub(super) fn with(body: &str, field: &str) -> String {
    body.replacen('{', &format!("{{{field}, "), 1)
}

pub(super) const UNLOCKED: &str = r#""cluster_unlocked": true"#;
pub(super) const FAILSAFE: &str = r#""failsafe_mode_is_active": true"#;

pub(super) fn paused(body: &str) -> String {
    with(body, r#""pause": true"#)
}

/// Three healthy nodes, the first of which is primary on timeline 5.
pub(super) fn healthy() -> Script {
    let node = |index: usize| Node {
        own: Ok(if index == 1 { primary(1, 5) } else { replica(index, 5) }),
        health: None,
        view: Ok(view(1, 5)),
        delay: Duration::from_millis(2),
        open: true,
    };
    Script((1..=3).map(|index| (format!("10.0.0.{index}"), node(index))).collect())
}

/// So many healthy clusters, each like [`healthy`] in a network of its own, and their shards.
pub(super) fn clusters(count: usize) -> (Script, Vec<ShardConfig>) {
    let mut script = Script::default();
    let mut shards = Vec::new();
    for cluster in 0..count {
        let there = |text: String| text.replace("10.0.0.", &format!("10.0.{cluster}."));
        for (host, node) in healthy().0 {
            let (own, view) = (node.own.map(there), node.view.map(there));
            script.0.insert(there(host), Node { own, view, ..node });
        }
        let hosts = NODES.map(|host| there(host.to_owned()));
        let hosts = hosts.each_ref().map(String::as_str);
        shards.push(ShardConfig { id: shard_id(&cluster.to_string()), ..shard(&hosts) });
    }
    (script, shards)
}

pub(super) type Rules = Lab<Script>;

pub(super) fn lab(script: Script) -> Rules {
    Lab::new(script, &[shard(&NODES)], at(0))
}

impl Rules {
    pub(super) fn node(&mut self, index: usize) -> &mut Node {
        self.world.0.get_mut(&format!("10.0.0.{index}")).expect("a node")
    }

    pub(super) fn first_cluster(&self) -> &Cluster {
        self.discovery.cluster(0).expect("a cluster")
    }

    pub(super) fn pass(&mut self, millis: u64) -> &Primary {
        let end = self.now + Duration::from_millis(millis);
        self.run(end, |_| {});
        self.primary()
    }

    /// Has a node's Patroni fail in this way, whatever it is asked.
    pub(super) fn fails(&mut self, index: usize, failure: &AskFailure) {
        let node = self.node(index);
        (node.own, node.view) = (Err(failure.clone()), Err(failure.clone()));
    }

    /// The primary as it is judged at this very moment, as a reload does.
    pub(super) fn judged_at(&mut self, now: Instant) -> &Primary {
        self.run(now, |_| {});
        self.discovery.reconfigure(&[shard(&NODES)], now);
        self.primary()
    }

    /// Runs until something holds; after how long.
    pub(super) fn wait(&mut self, millis: u64, wanted: impl Fn(&Self) -> bool) -> Duration {
        let from = self.now;
        while !wanted(self) {
            assert!(self.now < from + Duration::from_millis(millis), "{}", self.primary());
            self.pass(5);
        }
        self.now.since(from)
    }

    /// What a node was asked, from the `from`th of all requests on.
    pub(super) fn asked_of(&self, index: usize, from: usize) -> Vec<(Instant, AskPath)> {
        self.asked_of_host(&format!("10.0.0.{index}"), from)
    }

    /// When a node was asked for this, likewise.
    pub(super) fn asked_for(&self, path: AskPath, index: usize, from: usize) -> Vec<Instant> {
        let asked = self.asked_of(index, from).into_iter();
        asked.filter(|(_, of)| *of == path).map(|(at, _)| at).collect()
    }

    /// When anybody was asked for `/cluster`, likewise.
    pub(super) fn views_asked(&self, from: usize) -> Vec<Instant> {
        let asked = self.asked[from..].iter().filter(|(_, _, path)| *path == AskPath::Cluster);
        asked.map(|(at, ..)| *at).collect()
    }

    pub(super) fn views(&mut self, view: &str) {
        (1..=3).for_each(|index| self.node(index).view = Ok(view.to_owned()));
    }

    pub(super) fn confirmed(&self) -> Option<&str> {
        self.primary().confirmed().and_then(|named| named.name.as_deref())
    }

    /// By which rule one is confirmed.
    pub(super) fn rule(&self) -> Option<Rule> {
        self.primary().confirmed().map(|named| named.evidence.rule)
    }

    pub(super) fn has_event(&self, wanted: impl Fn(&EventKind) -> bool) -> bool {
        self.count_events(wanted) > 0
    }

    pub(super) fn count_events(&self, wanted: impl Fn(&EventKind) -> bool) -> usize {
        self.told(wanted).len()
    }

    /// In which words these were told.
    pub(super) fn told(&self, wanted: impl Fn(&EventKind) -> bool) -> Vec<String> {
        let events = self.events.iter().filter(|(_, event)| wanted(&event.kind));
        events.map(|(_, event)| event.to_string()).collect()
    }
}

/// The first node's Patroni is silent: its key and its port are all that speaks for it.
pub(super) fn by_key() -> Rules {
    let mut lab = started();
    lab.fails(1, &AskFailure::Refused);
    lab.pass(5_000);
    assert_eq!(lab.rule(), Some(Rule::LeaderKey));
    lab
}

/// A healthy cluster of the first two nodes alone.
pub(super) fn pair() -> Rules {
    let mut script = healthy();
    script.0.remove(NODES[2]);
    script.0.values_mut().for_each(|node| node.view = Ok(view_of(&[1, 2], 1, 5)));
    let mut lab = Lab::new(script, &[shard(&NODES[..2])], at(0));
    lab.pass(6_000);
    assert_eq!(lab.confirmed(), Some("n1"));
    lab
}

/// Milliseconds between each and the next.
pub(super) fn gaps(times: &[Instant]) -> Vec<u128> {
    times.windows(2).map(|two| two[1].since(two[0]).as_millis()).collect()
}

/// The healthy lab, with its first node confirmed.
pub(super) fn started() -> Rules {
    let mut lab = lab(healthy());
    lab.pass(6_000);
    assert_eq!(lab.confirmed(), Some("n1"));
    lab
}
