//! What a member's REST API says.

use openproxy_core::time::Instant;
use serde_json::{Value, json};

use super::{Cluster, Patroni, Postgres, Published, Version, View};
use crate::NodeId;

/// What an API is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// The node about itself.
    Patroni,
    /// The cluster, as its DCS has it.
    Cluster,
}

/// What comes of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nobody listens.
    Refused,
    /// Nothing comes.
    Silence,
    /// The connection is closed without an answer.
    Closed,
    /// This body.
    Body(String),
}

impl Cluster {
    /// What a member's API answers now.
    #[must_use]
    pub fn reply(&self, node: NodeId, path: Path) -> Reply {
        let Some(member) = self.members.get(node.index()) else { return Reply::Silence };
        match (member.is_powered, member.patroni) {
            (false, _) | (true, Patroni::Hung) => Reply::Silence,
            (true, Patroni::Dead) => Reply::Refused,
            (true, Patroni::Up) if self.now < member.listens_from => Reply::Refused,
            (true, Patroni::Up) => match path {
                Path::Patroni => Reply::Body(self.own(node.index()).to_string()),
                Path::Cluster => self.view_reply(node.index()),
            },
        }
    }

    /// Whether a node says that its PostgreSQL runs.
    #[must_use]
    pub fn postgres_runs(&self, node: NodeId) -> bool {
        let postgres = self.members.get(node.index()).map(|member| member.postgres);
        matches!(postgres, Some(Postgres::Replica | Postgres::Primary))
    }

    fn view_reply(&self, place: usize) -> Reply {
        let member = &self.members[place];
        if self.reaches_dcs(place) {
            Reply::Body(self.view(&self.live_view()).to_string())
        } else if self.now < member.shows_until {
            Reply::Body(self.view(&member.view).to_string())
        } else {
            match self.setup.version {
                Version::V41 | Version::V40 => Reply::Silence,
                Version::V2 | Version::V3 => Reply::Closed,
            }
        }
    }

    fn own(&self, place: usize) -> Value {
        let member = &self.members[place];
        let (state, leads) = match member.postgres {
            Postgres::Down => ("stopped", false),
            Postgres::Starting => ("starting", false),
            Postgres::Replica => ("running", false),
            Postgres::Primary => ("running", true),
            Postgres::Stopping => ("stopping", true),
        };
        let role = if leads { self.word_for_primary() } else { "replica" };
        let mut answer = json!({
            "state": state,
            "role": role,
            "server_version": 150_015,
            "database_system_identifier": self.system.to_string(),
            "patroni": { "version": self.number(), "scope": "sim" },
        });
        if state == "running" {
            answer["timeline"] = json!(member.timeline);
            answer["xlog"] = if leads {
                json!({ "location": 67_108_960 })
            } else {
                json!({ "received_location": 67_108_960, "replayed_location": 67_108_960 })
            };
        }
        if matches!(self.setup.version, Version::V40 | Version::V41) {
            answer["patroni"]["name"] = json!(name(place));
            if state == "running" && !leads {
                answer["replication_state"] = json!("streaming");
            }
        }
        if self.is_unlocked(place) {
            answer["cluster_unlocked"] = json!(true);
        }
        if self.seen_paused(place) {
            answer["pause"] = json!(true);
        }
        if member.failsafe {
            answer["failsafe_mode_is_active"] = json!(true);
        }
        answer
    }

    /// Whether a member knows of no leader.
    fn is_unlocked(&self, place: usize) -> bool {
        if self.reaches_dcs(place) {
            self.live_view().leader.is_none()
        } else {
            self.now >= self.members[place].shows_until
        }
    }

    fn seen_paused(&self, place: usize) -> bool {
        if self.reaches_dcs(place) { self.is_paused } else { self.members[place].view.is_paused }
    }

    fn view(&self, view: &View) -> Value {
        let members = view.members.iter().enumerate();
        let members: Vec<Value> = members
            .map(|(place, published)| self.member(place, view.leader == Some(place), *published))
            .collect();
        let mut answer = json!({ "members": members });
        if matches!(self.setup.version, Version::V40 | Version::V41) {
            answer["scope"] = json!("sim");
        }
        if view.is_paused {
            answer["pause"] = json!(true);
        }
        answer
    }

    fn member(&self, place: usize, leads: bool, published: Published) -> Value {
        let streams = matches!(self.setup.version, Version::V40 | Version::V41);
        let state = match published.postgres {
            Postgres::Down => "stopped",
            Postgres::Starting => "starting",
            Postgres::Replica if streams && !leads => "streaming",
            Postgres::Replica | Postgres::Primary => "running",
            Postgres::Stopping => "stopping",
        };
        let mut member = json!({
            "name": name(place),
            "role": if leads { "leader" } else { "replica" },
            "state": state,
            "host": host(place),
            "port": 5432,
            "api_url": format!("http://{}:8008/patroni", host(place)),
        });
        if matches!(published.postgres, Postgres::Replica | Postgres::Primary) {
            member["timeline"] = json!(published.timeline);
        }
        member
    }

    const fn word_for_primary(&self) -> &'static str {
        match self.setup.version {
            Version::V2 | Version::V3 => "master",
            Version::V40 | Version::V41 => "primary",
        }
    }

    const fn number(&self) -> &'static str {
        match self.setup.version {
            Version::V2 => "2.1.7",
            Version::V3 => "3.0.2",
            Version::V40 => "4.0.5",
            Version::V41 => "4.1.5",
        }
    }

    /// The time of the last that happened.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }
}

/// A member's name.
fn name(place: usize) -> String {
    format!("n{place}")
}

/// The host of a member.
#[must_use]
pub fn host(place: usize) -> String {
    format!("10.0.0.{}", place + 1)
}
