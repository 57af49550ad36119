//! What each Patroni does when it looks at its cluster.

use super::{
    ASKED_FOR, Cluster, Key, LOOP_WAIT, Member, Patroni, Postgres, Published, RETRY_EVERY,
    RETRY_TIMEOUT, TTL,
};

impl Cluster {
    pub(super) fn switch_over(&mut self) {
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
    pub(super) fn look(&mut self, place: usize) {
        if !self.reaches_dcs(place) {
            self.members[place].loop_at = self.now + RETRY_EVERY;
            return self.live_without_dcs(place);
        }
        self.members[place].lost_since = None;
        self.members[place].failsafe = false;
        self.members[place].loop_at = self.now + LOOP_WAIT;
        if self.key.is_some() {
            self.members[place].asks_until = None;
        }
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
                if !self.is_paused {
                    self.start_postgres(place);
                }
            }
        }
    }

    fn follow(&mut self, place: usize, holder: usize) {
        let leader = &self.members[holder];
        let leads = leader.postgres == Postgres::Primary;
        let timeline = leader.timeline;
        match self.members[place].postgres {
            Postgres::Primary | Postgres::Down if self.is_paused => {}
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
        let postgres = self.members[place].postgres;
        match postgres {
            Postgres::Primary => self.take_key(place),
            Postgres::Replica | Postgres::Down if self.is_paused => {}
            // Whoever is seen to accept writes is left alone.
            Postgres::Replica if self.members.iter().any(leads) => {}
            Postgres::Replica => {
                if !self.waits_for_others(place) {
                    self.take_key(place);
                }
            }
            Postgres::Down => self.start_postgres(place),
            Postgres::Starting | Postgres::Stopping => {}
        }
    }

    /// Whether one that would like to lead still waits for what the others say of themselves.
    fn waits_for_others(&mut self, place: usize) -> bool {
        let hangs = |other: &Member| !other.is_powered || other.patroni == Patroni::Hung;
        let some_hang = self.members.iter().any(hangs);
        let until = self.members[place].asks_until;
        let until = until.or_else(|| some_hang.then_some(self.now + ASKED_FOR));
        let waits = until.is_some_and(|until| until > self.now);
        let member = &mut self.members[place];
        member.asks_until = until.filter(|_| waits);
        if let Some(until) = member.asks_until {
            member.loop_at = until;
        }
        waits
    }

    fn live_without_dcs(&mut self, place: usize) {
        let agreed = self.setup.failsafe
            && self.members.iter().all(|m| m.is_powered && m.patroni == Patroni::Up);
        let member = &mut self.members[place];
        // In pause, by what it saw last, nobody demotes itself.
        if member.postgres != Postgres::Primary || member.view.is_paused {
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

    pub(super) fn expire_key(&mut self) {
        if self.key.is_some_and(|key| key.expires <= self.now) {
            self.key = None;
            // All that watch it are told.
            self.wake_all(50, 1_000);
        }
    }

    /// The key is taken, and everybody that watches is told.
    pub(super) fn take_key(&mut self, place: usize) {
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

    pub(super) fn set_postgres(&mut self, place: usize, postgres: Postgres) {
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

    pub(super) fn wake_all(&mut self, low: u64, high: u64) {
        for place in 0..self.members.len() {
            let at = self.now + self.millis(low, high);
            if self.reaches_dcs(place) {
                let member = &mut self.members[place];
                member.loop_at = member.loop_at.min(at);
            }
        }
    }
}
