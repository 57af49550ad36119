//! The cluster that the stand-in for Patroni tells of: who leads, and what each node says.

use serde_json::{Value, json};

use super::net::address;

/// Where the stand-ins listen.
pub(crate) const API_PORT: u16 = 8008;
/// Where a PostgreSQL would.
pub(crate) const POSTGRES_PORT: u16 = 5432;

/// A made-up cluster, as it is at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// How many nodes there are.
    pub(crate) nodes: usize,
    /// Who holds the leader key.
    pub(crate) leader: Option<usize>,
    /// The timeline that the leader writes, or the last one wrote.
    pub(crate) timeline: u32,
    /// The leader is about to hand over, and accepts no writes any more.
    pub(crate) is_leaving: bool,
    /// A node whose Patroni is dead.
    pub(crate) silent: Option<usize>,
}

impl Script {
    /// A calm one, led by the first node.
    pub(crate) const fn new(nodes: usize) -> Self {
        Self { nodes, leader: Some(0), timeline: 1, is_leaving: false, silent: None }
    }

    /// What a node answers, if it does.
    pub(crate) fn answer(&self, node: usize, path: &str) -> Option<Value> {
        if self.silent == Some(node) {
            return None;
        }
        match path {
            "/patroni" | "/health" => Some(self.own(node)),
            "/cluster" => Some(self.cluster()),
            _ => None,
        }
    }

    /// As Patroni 4.1 answers to `/patroni`.
    fn own(&self, node: usize) -> Value {
        let leads = self.leader == Some(node);
        let state = if leads && self.is_leaving { "stopping" } else { "running" };
        let mut answer = json!({
            "state": state,
            "role": if leads { "primary" } else { "replica" },
            "server_version": 150_015,
            "timeline": self.timeline,
            "database_system_identifier": "7711713585392945889",
            "xlog": if leads {
                json!({ "location": 67_108_960 })
            } else {
                json!({ "received_location": 67_108_960, "replayed_location": 67_108_960 })
            },
            "patroni": { "version": "4.1.5", "scope": "lab", "name": name(node) },
        });
        if !leads && self.leader.is_some() {
            answer["replication_state"] = json!("streaming");
        }
        if self.leader.is_none() {
            answer["cluster_unlocked"] = json!(true);
        }
        answer
    }

    /// As Patroni 4.1 answers to `/cluster`.
    fn cluster(&self) -> Value {
        let members: Vec<Value> = (0..self.nodes).map(|node| self.member(node)).collect();
        json!({ "members": members, "scope": "lab" })
    }

    fn member(&self, node: usize) -> Value {
        let (leads, host) = (self.leader == Some(node), address(node).to_string());
        let mut member = json!({
            "name": name(node),
            "role": if leads { "leader" } else { "replica" },
            "state": if leads { "running" } else { "streaming" },
            "api_url": format!("http://{host}:{API_PORT}/patroni"),
            "host": host,
            "port": POSTGRES_PORT,
            "timeline": self.timeline,
        });
        if leads
            && self.is_leaving
            && let Some(member) = member.as_object_mut()
        {
            member.remove("timeline");
        }
        member
    }
}

/// A node's name in the made-up cluster.
fn name(node: usize) -> String {
    format!("node-{}", node + 1)
}

#[cfg(test)]
mod tests {
    use openproxy_core::discovery::{ClusterAnswer, NodeAnswer};

    use super::*;

    fn own(script: &Script, node: usize) -> NodeAnswer {
        let answer = script.answer(node, "/patroni").expect("an answer");
        NodeAnswer::parse(answer.to_string().as_bytes()).expect("Patroni's form")
    }

    fn cluster(script: &Script) -> ClusterAnswer {
        let answer = script.answer(2, "/cluster").expect("an answer");
        ClusterAnswer::parse(answer.to_string().as_bytes()).expect("Patroni's form")
    }

    #[test]
    fn every_answer_is_one_of_patroni_s_and_nothing_in_it_is_odd() {
        let mut script = Script::new(3);
        assert!(own(&script, 0).is_running_primary() && !own(&script, 1).is_running_primary());
        assert_eq!((own(&script, 0).odd.count, cluster(&script).odd.count), (0, 0));
        assert_eq!(cluster(&script).members.len(), 3);
        script.is_leaving = true;
        assert!(!own(&script, 0).is_running_primary());
        assert_eq!(cluster(&script).leader().map(|leader| leader.timeline), Some(None));
        (script.leader, script.is_leaving) = (None, false);
        assert!(own(&script, 1).cluster_unlocked && cluster(&script).leader().is_none());
        script.silent = Some(0);
        assert!(script.answer(0, "/patroni").is_none() && script.answer(1, "/what").is_none());
    }
}
