//! A Patroni cluster without databases: members, their DCS, and who really accepts writes.
//!
//! It keeps to what was recorded of real ones: a leader holds a key that lasts for `ttl`, and demotes
//! itself before that ends when it can't renew it; the others race for a key that is gone; a leader
//! that hands over stops first; a Patroni that is killed leaves its PostgreSQL serving until, and
//! after, another is promoted; a member that is cut off from the DCS goes on showing what it saw last.

mod answer;

use openproxy_core::time::{Duration, Instant};

pub use answer::{Path, Reply, host};

use crate::NodeId;
use crate::draw::{Draws, Stream};

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
pub struct Setup {
    /// How many members.
    pub members: u8,
    /// The leader goes on without its DCS while all members agree.
    pub failsafe: bool,
    /// What its answers look like.
    pub version: Version,
}

/// The life of a leader key.
pub const TTL: Duration = Duration::from_secs(30);
/// Between two looks of a Patroni at its cluster.
pub const LOOP_WAIT: Duration = Duration::from_secs(10);
/// For how long a leader tries to reach its DCS.
pub const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
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
    failsafe: bool,
    published: Published,
    /// What it saw last, and until when it goes on showing that without its DCS.
    view: View,
    shows_until: Instant,
    writes_since: Option<Instant>,
}

/// The cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    setup: Setup,
    draws: Draws,
    drawn: u64,
    now: Instant,
    dcs_is_up: bool,
    key: Option<Key>,
    /// A switchover under way: when the key is handed over, and to whom.
    handover: Option<(Instant, usize)>,
    timeline: u32,
    members: Vec<Member>,
}

impl Cluster {
    /// A calm one, led by the first member.
    #[must_use]
    pub fn new(setup: &Setup, seed: u64, now: Instant) -> Self {
        let count = usize::from(setup.members);
        let published = |place| Published {
            postgres: if place == 0 { Postgres::Primary } else { Postgres::Replica },
            timeline: 1,
        };
        let view = View { leader: Some(0), members: (0..count).map(published).collect() };
        let mut cluster = Self {
            setup: setup.clone(),
            draws: Draws::new(seed),
            drawn: 0,
            now,
            dcs_is_up: true,
            key: Some(Key { holder: 0, expires: now + TTL }),
            handover: None,
            timeline: 1,
            members: Vec::new(),
        };
        for place in 0..count {
            let loop_at = now + cluster.millis(0, 10_000);
            cluster.members.push(Member {
                is_powered: true,
                patroni: Patroni::Up,
                postgres: published(place).postgres,
                timeline: 1,
                is_linked: true,
                loop_at,
                listens_from: now,
                becomes: None,
                lost_since: None,
                failsafe: false,
                published: published(place),
                view: view.clone(),
                shows_until: now,
                writes_since: (place == 0).then_some(now),
            });
        }
        cluster
    }

    /// Who accepts writes, and since when, in order.
    pub fn writers(&self) -> impl Iterator<Item = (NodeId, Instant)> + '_ {
        let members = (0_u8..).zip(&self.members);
        members.filter_map(|(place, member)| Some((NodeId(place), member.writes_since?)))
    }

    /// Who began to accept writes last.
    #[must_use]
    pub fn newest_writer(&self) -> Option<(NodeId, Instant)> {
        self.writers().max_by_key(|(_, since)| *since)
    }

    /// Whether everything works, and nothing is about to change.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        let is_well = |member: &Member| {
            member.is_powered
                && member.patroni == Patroni::Up
                && member.is_linked
                && member.becomes.is_none()
        };
        self.dcs_is_up && self.handover.is_none() && self.members.iter().all(is_well)
    }

    /// Whether a member's Patroni answers.
    #[must_use]
    pub fn answers(&self, node: NodeId) -> bool {
        let member = self.members.get(node.index());
        member.is_some_and(|member| {
            let listens = member.listens_from <= self.now;
            member.is_powered && member.patroni == Patroni::Up && listens
        })
    }

    /// Whether a member's PostgreSQL accepts connections; nothing if its machine is off.
    #[must_use]
    pub fn listens(&self, node: NodeId) -> Option<bool> {
        let member = self.members.get(node.index()).filter(|member| member.is_powered)?;
        Some(matches!(member.postgres, Postgres::Replica | Postgres::Primary))
    }

    /// When something happens next.
    #[must_use]
    pub fn next_at(&self) -> Instant {
        let members = self.members.iter().flat_map(|member| {
            let works = member.is_powered && member.patroni == Patroni::Up;
            let looks = works.then_some(member.loop_at);
            looks.into_iter().chain(member.becomes.map(|(at, _)| at))
        });
        let handover = self.handover.map(|(at, _)| at);
        members.chain(handover).min().unwrap_or(Instant::MAX)
    }

    /// Lets everything happen that is due.
    pub fn advance(&mut self, now: Instant) {
        self.now = now;
        for place in 0..self.members.len() {
            if let Some((_, becomes)) = self.members[place].becomes.filter(|(at, _)| *at <= now) {
                self.members[place].becomes = None;
                self.set_postgres(place, becomes);
            }
        }
        if let Some((_, to)) = self.handover.filter(|(at, _)| *at <= now) {
            self.handover = None;
            self.take_key(to);
        }
        for place in 0..self.members.len() {
            let member = &self.members[place];
            if member.is_powered && member.patroni == Patroni::Up && member.loop_at <= now {
                self.look(place);
            }
        }
    }

    /// Something befalls it.
    pub fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::SwitchOver => self.switch_over(),
            Fault::KillMachine(node) => {
                self.set_postgres(node.index(), Postgres::Down);
                let member = &mut self.members[node.index()];
                (member.is_powered, member.becomes) = (false, None);
            }
            Fault::StartMachine(node) => {
                let loop_at = self.now + self.millis(500, 3_000);
                let member = &mut self.members[node.index()];
                (member.is_powered, member.patroni, member.loop_at) = (true, Patroni::Up, loop_at);
                member.listens_from = loop_at;
                member.failsafe = false;
            }
            Fault::KillPatroni(node) => self.members[node.index()].patroni = Patroni::Dead,
            Fault::HangPatroni(node) => self.members[node.index()].patroni = Patroni::Hung,
            Fault::StartPatroni(node) | Fault::ResumePatroni(node) => {
                let loop_at = self.now + self.millis(1, 300);
                let member = &mut self.members[node.index()];
                if member.patroni == Patroni::Dead {
                    member.listens_from = loop_at;
                }
                (member.patroni, member.loop_at) = (Patroni::Up, loop_at);
            }
            Fault::CutDcs(node) => self.lose_dcs(node.index(), |member| member.is_linked = false),
            Fault::MendDcs(node) => self.members[node.index()].is_linked = true,
            Fault::StopDcs => {
                for place in 0..self.members.len() {
                    self.lose_dcs(place, |_| {});
                }
                self.dcs_is_up = false;
            }
            Fault::StartDcs => self.dcs_is_up = true,
        }
    }

    /// A member sees the DCS for the last time: what it sees now, it goes on to show.
    fn lose_dcs(&mut self, place: usize, cut: impl FnOnce(&mut Member)) {
        let shows_for = self.millis(0, 18_000);
        let view = self.live_view();
        let reaches = self.reaches_dcs(place);
        let member = &mut self.members[place];
        if reaches {
            (member.view, member.shows_until) = (view, self.now + shows_for);
        }
        cut(member);
    }

    fn switch_over(&mut self) {
        let Some(key) = self.key.filter(|_| self.dcs_is_up) else { return };
        let is_well = |place: &usize| {
            let member = &self.members[*place];
            *place != key.holder
                && member.postgres == Postgres::Replica
                && member.patroni == Patroni::Up
                && self.reaches_dcs(*place)
        };
        let Some(to) = (0..self.members.len()).find(is_well) else { return };
        let leader = &self.members[key.holder];
        let can = leader.postgres == Postgres::Primary && leader.patroni == Patroni::Up;
        if !can || !self.reaches_dcs(key.holder) || self.handover.is_some() {
            return;
        }
        self.demote(key.holder);
        self.members[key.holder].published.postgres = Postgres::Stopping;
        self.handover = Some((self.now + self.millis(1_200, 2_000), to));
    }

    /// One look of a Patroni at its cluster.
    fn look(&mut self, place: usize) {
        if !self.reaches_dcs(place) {
            self.members[place].loop_at = self.now + RETRY_EVERY;
            return self.live_without_dcs(place);
        }
        self.expire_key();
        self.members[place].lost_since = None;
        self.members[place].failsafe = false;
        self.members[place].loop_at = self.now + LOOP_WAIT;
        match self.key {
            Some(key) if key.holder == place => self.lead(place),
            Some(key) => self.follow(place, key.holder),
            None => self.race(place),
        }
        let member = &mut self.members[place];
        if member.postgres != Postgres::Stopping {
            let Member { postgres, timeline, .. } = *member;
            member.published = Published { postgres, timeline };
        }
    }

    fn lead(&mut self, place: usize) {
        self.key = Some(Key { holder: place, expires: self.now + TTL });
        if self.handover.is_some() {
            return;
        }
        match self.members[place].postgres {
            Postgres::Primary => {}
            Postgres::Replica => self.promote(place),
            Postgres::Down | Postgres::Starting | Postgres::Stopping => {
                // It can't lead: the others may.
                self.key = None;
                self.wake_all(50, 1_000);
                self.start_postgres(place);
            }
        }
    }

    fn follow(&mut self, place: usize, holder: usize) {
        let leader = &self.members[holder];
        let leads = leader.postgres == Postgres::Primary;
        let timeline = leader.timeline;
        match self.members[place].postgres {
            Postgres::Primary => self.demote(place),
            Postgres::Down => self.start_postgres(place),
            // Rewound, if it must be.
            Postgres::Replica if leads => self.members[place].timeline = timeline,
            Postgres::Starting | Postgres::Replica | Postgres::Stopping => {}
        }
    }

    fn race(&mut self, place: usize) {
        if self.handover.is_some() {
            return;
        }
        let leads = |other: &Member| {
            other.is_powered && other.patroni == Patroni::Up && other.postgres == Postgres::Primary
        };
        match self.members[place].postgres {
            Postgres::Primary => self.take_key(place),
            // Whoever is seen to accept writes is left alone.
            Postgres::Replica if !self.members.iter().any(leads) => self.take_key(place),
            Postgres::Down => self.start_postgres(place),
            Postgres::Replica | Postgres::Starting | Postgres::Stopping => {}
        }
    }

    fn live_without_dcs(&mut self, place: usize) {
        let agreed = self.setup.failsafe
            && self.members.iter().all(|m| m.is_powered && m.patroni == Patroni::Up);
        let member = &mut self.members[place];
        if member.postgres != Postgres::Primary {
            member.failsafe = false;
            return;
        }
        let lost_since = *member.lost_since.get_or_insert(self.now);
        if self.now.since(lost_since) < RETRY_TIMEOUT {
            return;
        }
        member.failsafe = agreed;
        if !agreed {
            self.demote(place);
        }
    }

    fn expire_key(&mut self) {
        if self.key.is_some_and(|key| key.expires <= self.now) {
            self.key = None;
            // All that watch it are told.
            self.wake_all(50, 1_000);
        }
    }

    /// The key is taken, and everybody that watches is told.
    fn take_key(&mut self, place: usize) {
        self.key = Some(Key { holder: place, expires: self.now + TTL });
        if self.members[place].postgres == Postgres::Replica {
            self.promote(place);
        }
        self.wake_all(5, 100);
    }

    fn promote(&mut self, place: usize) {
        if self.members[place].becomes.is_none() {
            let at = self.now + self.millis(300, 1_200);
            self.members[place].becomes = Some((at, Postgres::Primary));
        }
    }

    fn demote(&mut self, place: usize) {
        self.set_postgres(place, Postgres::Stopping);
        self.start_postgres(place);
    }

    fn start_postgres(&mut self, place: usize) {
        let at = self.now + self.millis(1_000, 3_000);
        let member = &mut self.members[place];
        if member.postgres == Postgres::Down {
            member.postgres = Postgres::Starting;
        }
        member.becomes = Some((at, Postgres::Replica));
    }

    fn set_postgres(&mut self, place: usize, postgres: Postgres) {
        let promoted = postgres == Postgres::Primary;
        self.timeline += u32::from(promoted);
        let soon = self.now + self.millis(100, 1_000);
        let member = &mut self.members[place];
        member.postgres = postgres;
        member.writes_since = promoted.then_some(self.now);
        if promoted {
            member.timeline = self.timeline;
        }
        // What it publishes of that comes a little later.
        member.loop_at = member.loop_at.min(soon);
    }

    fn wake_all(&mut self, low: u64, high: u64) {
        for place in 0..self.members.len() {
            let at = self.now + self.millis(low, high);
            if self.reaches_dcs(place) {
                let member = &mut self.members[place];
                member.loop_at = member.loop_at.min(at);
            }
        }
    }

    fn reaches_dcs(&self, place: usize) -> bool {
        let member = &self.members[place];
        self.dcs_is_up && member.is_linked && member.is_powered
    }

    fn live_view(&self) -> View {
        let key = self.key.filter(|key| key.expires > self.now);
        View {
            leader: key.map(|key| key.holder),
            members: self.members.iter().map(|member| member.published).collect(),
        }
    }

    fn millis(&mut self, low: u64, high: u64) -> Duration {
        self.drawn += 1;
        Duration::from_millis(self.draws.between(Stream::Patroni, 0, self.drawn, low, high))
    }
}

#[cfg(test)]
mod tests;
