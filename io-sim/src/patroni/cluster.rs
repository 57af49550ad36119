//! What befalls a cluster, and what is seen of it from outside.

use openproxy_core::time::{Duration, Instant};

use super::{FIRST_TIMELINE, Fault, Key, Member, Patroni, Postgres, Published, Setup, TTL, View};
use crate::NodeId;
use crate::draw::{Draws, Stream};

/// The system identifier at the beginning.
const FIRST_SYSTEM: u64 = 7_711_713_585_392_945_889;

/// The cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(super) setup: Setup,
    pub(super) draws: Draws,
    pub(super) drawn: u64,
    pub(super) now: Instant,
    pub(super) dcs_is_up: bool,
    pub(super) is_paused: bool,
    pub(super) key: Option<Key>,
    /// A switchover under way: when the key is handed over, and to whom.
    pub(super) handover: Option<(Instant, usize)>,
    pub(super) timeline: u32,
    pub(super) system: u64,
    pub(super) members: Vec<Member>,
}

impl Cluster {
    /// A calm one, led by the first member.
    #[must_use]
    pub fn new(setup: &Setup, seed: u64, now: Instant) -> Self {
        let count = usize::from(setup.members);
        let published = |place| Published {
            postgres: if place == 0 { Postgres::Primary } else { Postgres::Replica },
            timeline: FIRST_TIMELINE,
        };
        let members = (0..count).map(published).collect();
        let view = View { leader: Some(0), is_paused: false, members };
        let mut cluster = Self {
            setup: setup.clone(),
            draws: Draws::new(seed),
            drawn: 0,
            now,
            dcs_is_up: true,
            is_paused: false,
            key: Some(Key { holder: 0, expires: now + TTL }),
            handover: None,
            timeline: FIRST_TIMELINE,
            system: FIRST_SYSTEM,
            members: Vec::new(),
        };
        for place in 0..count {
            let loop_at = now + cluster.millis(0, 10_000);
            cluster.members.push(Member {
                is_powered: true,
                patroni: Patroni::Up,
                postgres: published(place).postgres,
                timeline: FIRST_TIMELINE,
                is_linked: true,
                loop_at,
                listens_from: now,
                becomes: None,
                lost_since: None,
                asks_until: None,
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
        let is_driven = self.dcs_is_up && !self.is_paused;
        is_driven && self.handover.is_none() && self.members.iter().all(is_well)
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

    /// Whether something accepts connections to a member's API, though it may not answer.
    #[must_use]
    pub fn api_listens(&self, node: NodeId) -> bool {
        let member = self.members.get(node.index()).filter(|member| member.is_powered);
        member.is_some_and(|member| match member.patroni {
            Patroni::Up => member.listens_from <= self.now,
            Patroni::Hung => true,
            Patroni::Dead => false,
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
        let expires = self.key.filter(|_| self.dcs_is_up).map(|key| key.expires);
        members.chain(handover).chain(expires).min().unwrap_or(Instant::MAX)
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
        if self.dcs_is_up {
            self.expire_key();
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
            Fault::Pause => self.set_paused(true),
            Fault::Unpause => self.set_paused(false),
            Fault::Restore => self.begin_anew(self.timeline / 2),
            Fault::Reinitialise => {
                self.system += 1;
                self.begin_anew(0);
            }
        }
    }

    /// Everything is stopped, and goes on from this timeline, whoever leads.
    fn begin_anew(&mut self, timeline: u32) {
        (self.timeline, self.key, self.handover) = (timeline, None, None);
        for place in 0..self.members.len() {
            self.set_postgres(place, Postgres::Down);
            let member = &mut self.members[place];
            (member.becomes, member.timeline, member.failsafe) = (None, timeline, false);
            member.published = Published { postgres: Postgres::Down, timeline };
        }
        self.set_paused(false);
    }

    fn set_paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
        self.wake_all(5, 100);
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

    pub(super) fn reaches_dcs(&self, place: usize) -> bool {
        let member = &self.members[place];
        self.dcs_is_up && member.is_linked && member.is_powered
    }

    pub(super) fn live_view(&self) -> View {
        let key = self.key.filter(|key| key.expires > self.now);
        View {
            leader: key.map(|key| key.holder),
            is_paused: self.is_paused,
            members: self.members.iter().map(|member| member.published).collect(),
        }
    }

    pub(super) fn millis(&mut self, low: u64, high: u64) -> Duration {
        self.drawn += 1;
        Duration::from_millis(self.draws.between(Stream::Patroni, 0, self.drawn, low, high))
    }
}
