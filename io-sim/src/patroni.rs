//! A Patroni cluster without databases: members, their DCS, and who really accepts writes.
//!
//! It keeps to what was recorded of real ones: a leader holds a key that lasts for `ttl`, and demotes
//! itself before that ends when it can't renew it; the others race for a key that is gone; a leader
//! that hands over stops first; a Patroni that is killed leaves its PostgreSQL serving until, and
//! after, another is promoted; a member that is cut off from the DCS goes on showing what it saw last.

mod answer;
mod cluster;
mod ha;
mod server;
#[cfg(test)]
mod tests;

use openproxy_core::time::{Duration, Instant};

pub use answer::{Path, Reply, host};
pub use cluster::Cluster;
pub use server::{API_PORT, POSTGRES_PORT, Shared, serve};

use crate::NodeId;

/// A Patroni whose answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Version {
    /// 2.1: roles are `master`, no scope, replicas run.
    V2,
    /// 3.0: likewise.
    V3,
    /// 4.0: roles are `primary`.
    V40,
    /// 4.1: with positions.
    V41,
}

/// How a cluster is set up.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// How many members.
    pub members: u8,
    /// The leader goes on without its DCS while all members agree.
    pub failsafe: bool,
    /// What its answers look like.
    pub version: Version,
}

/// The first timeline: the cluster has a past.
const FIRST_TIMELINE: u32 = 5;
/// The life of a leader key.
pub const TTL: Duration = Duration::from_secs(30);
/// Between two looks of a Patroni at its cluster.
pub const LOOP_WAIT: Duration = Duration::from_secs(10);
/// For how long a leader tries to reach its DCS.
pub const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one that would like to lead waits for another's word of itself.
const ASKED_FOR: Duration = Duration::from_secs(2);
/// A member without its DCS looks this often.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// What PostgreSQL does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Postgres {
    /// Nothing.
    Down,
    /// It starts, as a replica.
    Starting,
    /// It follows.
    Replica,
    /// It accepts writes.
    Primary,
    /// It was primary, and stops.
    Stopping,
}

/// What Patroni does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patroni {
    /// It works.
    Up,
    /// It was stopped, and hangs.
    Hung,
    /// It was killed.
    Dead,
}

/// What befalls a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The leader hands over to a healthy replica.
    SwitchOver,
    /// A machine loses its power.
    KillMachine(NodeId),
    /// And has it back.
    StartMachine(NodeId),
    /// A Patroni is killed; PostgreSQL goes on.
    KillPatroni(NodeId),
    /// It is started again.
    StartPatroni(NodeId),
    /// A Patroni is stopped (SIGSTOP); PostgreSQL goes on.
    HangPatroni(NodeId),
    /// It goes on.
    ResumePatroni(NodeId),
    /// A member is cut off from the DCS.
    CutDcs(NodeId),
    /// The cut is mended.
    MendDcs(NodeId),
    /// The DCS is gone.
    StopDcs,
    /// It is back.
    StartDcs,
    /// Somebody pauses the cluster: nobody is promoted, demoted or started any more.
    Pause,
    /// And lets it go on.
    Unpause,
    /// Everything is stopped, and a backup of half as many timelines ago started.
    Restore,
    /// Everything is stopped, and another database started: a new system identifier, timeline 1.
    Reinitialise,
}

/// The leader key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    holder: usize,
    expires: Instant,
}

/// What a member has published of itself, in its last loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Published {
    postgres: Postgres,
    timeline: u32,
}

/// The DCS as somebody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct View {
    leader: Option<usize>,
    is_paused: bool,
    members: Vec<Published>,
}

#[derive(Clone, Debug)]
struct Member {
    is_powered: bool,
    patroni: Patroni,
    postgres: Postgres,
    timeline: u32,
    is_linked: bool,
    /// When its Patroni looks next.
    loop_at: Instant,
    /// Its API listens from its first look on.
    listens_from: Instant,
    /// What PostgreSQL becomes, and when.
    becomes: Option<(Instant, Postgres)>,
    /// Since when it tries to reach the DCS.
    lost_since: Option<Instant>,
    /// Until when it waits for the others' word, before it takes the key.
    asks_until: Option<Instant>,
    failsafe: bool,
    published: Published,
    /// What it saw last, and until when it goes on showing that without its DCS.
    view: View,
    shows_until: Instant,
    writes_since: Option<Instant>,
}
