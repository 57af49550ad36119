//! What a router is and did, for whoever looks: nothing in here decides anything.

use std::net::IpAddr;

use super::{Duty, VirtualRouter};
use crate::event::{Blocker, Reason};
use crate::time::{Duration, Instant};
use crate::vrrp::state::State;
use crate::vrrp::{
    AdverInterval, AdvertPriority, CheckReport, Priority, RouterConfig, StateName, VipReport,
};

/// Counts of what a router did and saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Entries to MASTER.
    pub promotions: u64,
    /// Changes of state, by the state that was entered: INITIALIZE, BACKUP, MASTER, LEAVING.
    pub entered: [u64; StateName::ALL.len()],
    /// Adverts sent.
    pub adverts_sent: u64,
    /// Adverts that could not be sent.
    pub sends_failed: u64,
    /// Valid adverts received.
    pub adverts_received: u64,
    /// Priority 0 received from routers that were not the MASTER last heard.
    pub zeros_ignored: u64,
    /// Adverts with a checksum over the message alone.
    pub message_only_checksums: u64,
    /// Rounds of announcements (gratuitous ARP, neighbour advertisements).
    pub announcements: u64,
    /// Times that a lesser MASTER didn't hear us.
    pub dual_masters: u64,
    /// VIPs put back after somebody else had removed them.
    pub vips_taken_away: u64,
    /// Announcements of our VIPs by others while MASTER.
    pub vips_claimed: u64,
    /// Times that our own lease had passed at a wake-up.
    pub leases_lapsed: u64,
    /// Hooks started.
    pub hooks_started: u64,
    /// Hooks that failed or took too long.
    pub hooks_failed: u64,
}

/// A valid advert that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastAdvert {
    /// Who sent it.
    pub source: IpAddr,
    /// Its priority.
    pub priority: AdvertPriority,
    /// When it arrived.
    pub at: Instant,
}

/// What of a router is only told of.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// When it came into its state, and why; nothing since it began.
    changed: Option<(Instant, Reason)>,
    /// How long it was MASTER before its present state.
    was_master_for: Duration,
    pub(super) last_advert: Option<LastAdvert>,
}

/// A router at a moment. Cheap to make: what is long is shared.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it was told to be.
    pub config: RouterConfig,
    /// Its state.
    pub state: StateName,
    /// Since when, and why; nothing while it has been in INITIALIZE from the start.
    pub changed: Option<(Instant, Reason)>,
    /// What keeps it in INITIALIZE.
    pub blocker: Option<Blocker>,
    /// What an operator wants of it.
    pub duty: Duty,
    /// Its priority now, failed checks counted.
    pub priority: Priority,
    /// What following a primary adds to it.
    pub discovered_weight: i32,
    /// The address that it advertises from.
    pub source: Option<IpAddr>,
    /// The interval by which it judges silence.
    pub master_interval: AdverInterval,
    /// The last valid advert of another router.
    pub last_advert: Option<LastAdvert>,
    /// A lesser MASTER doesn't hear it.
    pub is_dual: bool,
    /// Its VIPs, in the order of the file.
    pub vips: Vec<VipReport>,
    /// Its checks, in the order of the file.
    pub checks: Vec<CheckReport>,
    /// How long it has been MASTER in all.
    pub master_for: Duration,
    /// What it did and saw.
    pub counters: Counters,
}

impl VirtualRouter {
    /// What it is at this moment.
    #[must_use]
    pub fn report(&self, now: Instant) -> Report {
        let (blocker, is_dual) = match &self.state {
            State::Initialize(blocker) => (Some(blocker.clone()), false),
            State::Master(master) => (None, master.is_dual),
            State::Backup(_) | State::Leaving(_) => (None, false),
        };
        Report {
            config: self.config.clone(),
            state: self.state(),
            changed: self.record.changed.clone(),
            blocker,
            duty: self.duty,
            priority: self.priority,
            discovered_weight: self.discovered_weight,
            source: self.source(),
            master_interval: self.master_interval.get(),
            last_advert: self.record.last_advert,
            is_dual,
            vips: self.vips.report(),
            checks: self.tracking.report(),
            master_for: self.record.master_for(self.state(), now),
            counters: self.counters,
        }
    }

    /// The state changes now: to be called while the old one is still there.
    pub(super) fn record_change(&mut self, now: Instant, to: StateName, reason: &Reason) {
        self.record.was_master_for = self.record.master_for(self.state(), now);
        self.record.changed = Some((now, reason.clone()));
        if let Some(count) = self.counters.entered.get_mut(to as usize) {
            *count += 1;
        }
    }
}

impl Record {
    /// How long the router has been MASTER in all, if it is in this state.
    fn master_for(&self, state: StateName, now: Instant) -> Duration {
        match (state, &self.changed) {
            (StateName::Master, Some((since, _))) => self.was_master_for + now.since(*since),
            _ => self.was_master_for,
        }
    }
}
