//! The states of a virtual router, each with the data that only it has.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::AdverInterval;
use crate::event::Blocker;
use crate::io::{Generation, MacAddress};
use crate::time::{Duration, Instant};

/// A state without its data, for logs, hooks and status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StateName {
    /// Not taking part.
    Initialize,
    /// Listening.
    Backup,
    /// Advertising, and holding the VIPs.
    Master,
    /// Holding the VIPs until whoever follows has them.
    Leaving,
}

impl StateName {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Initialize, Self::Backup, Self::Master, Self::Leaving];

    /// The name in capitals, as the RFCs and hooks have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initialize => "INITIALIZE",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Leaving => "LEAVING",
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a virtual router (RFC 9568 §6.4), and our own between MASTER and the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Initialize(Blocker),
    Backup(Backup),
    Master(Master),
    Leaving(Leaving),
}

impl State {
    pub(super) const fn name(&self) -> StateName {
        match self {
            Self::Initialize(_) => StateName::Initialize,
            Self::Backup(_) => StateName::Backup,
            Self::Master(_) => StateName::Master,
            Self::Leaving(_) => StateName::Leaving,
        }
    }
}

/// What only a BACKUP has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backup {
    /// When no advert has come for too long (RFC 9568 §6.2 Active_Down_Timer).
    pub(super) master_down_at: Instant,
    /// The MASTER said priority 0.
    pub(super) released: bool,
    /// A better router whose version 2 interval isn't ours: no promotion before this.
    pub(super) hold: Option<(IpAddr, Instant)>,
    /// Since when adverts of a lesser MASTER have been heard; `preempt_delay` counts from it.
    pub(super) lesser_since: Option<Instant>,
    /// The last advert that a MASTER owes after it has yielded.
    pub(super) farewell: Option<Farewell>,
    /// The timer has fired, and the router waits for the others of its group.
    pub(super) waits_for_group: bool,
}

impl Backup {
    pub(super) fn until(master_down_at: Instant) -> Self {
        Self {
            master_down_at,
            released: false,
            hold: None,
            lesser_since: None,
            farewell: None,
            waits_for_group: false,
        }
    }

    /// When it becomes MASTER.
    pub(super) fn promote_at(&self) -> Instant {
        if self.waits_for_group {
            return Instant::MAX;
        }
        self.hold.map_or(self.master_down_at, |(_, until)| self.master_down_at.max(until))
    }
}

/// One last advert, sent once the VIPs are off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Farewell {
    /// At the latest then.
    pub(super) send_by: Instant,
    /// The winner's interval: a third router may learn from this advert.
    pub(super) interval: AdverInterval,
}

/// What only a MASTER has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Master {
    /// When the next advert is due, on the router's grid (RFC 9568 §6.2 Adver_Timer).
    pub(super) advertise_at: Instant,
    /// An advert could not be sent: when it is tried again, without moving the grid.
    pub(super) retry_at: Option<Instant>,
    /// The advert whose result is awaited, and when it was sent.
    pub(super) sent: Option<(Generation, Instant)>,
    /// The last advert could not be sent, as far as is known.
    pub(super) is_mute: bool,
    /// When the leases pass by our clock.
    pub(super) lease_until: Instant,
    /// Adverts sent before this don't renew.
    pub(super) renew_at: Instant,
    /// What lesser MASTERs heard in this turn are to be answered.
    pub(super) owed: Owed,
    /// A lesser MASTER doesn't hear us.
    pub(super) is_dual: bool,
    /// A claim of a VIP by another is answered from then on.
    pub(super) reclaim_at: Instant,
    /// One came before that, and is still to be answered.
    pub(super) reclaim_owed: bool,
}

/// What a MASTER owes to lesser ones, at the end of the turn in which it heard them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owed {
    /// An advert.
    pub(super) assert: bool,
    /// An announcement of the VIPs.
    pub(super) announce: bool,
}

impl Owed {
    pub(super) fn is_due(self) -> bool {
        self.assert || self.announce
    }
}

/// What only one has that hands over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    /// How long after a priority 0 whoever follows has followed.
    pub(super) within: Duration,
    /// The VIPs come off then, or priority 0 is said once more.
    pub(super) until: Instant,
    /// Whether another priority 0 is to cover the loss of the first.
    pub(super) zero_left: bool,
    /// The priority 0 whose result is awaited.
    pub(super) sent: Option<Generation>,
    /// Who advertises in its place.
    pub(super) successor: Option<IpAddr>,
    /// Who has announced VIPs as its own, and which.
    pub(super) announced: Option<(MacAddress, Vec<IpAddr>)>,
    /// When the leases pass by our clock.
    pub(super) lease_until: Instant,
    /// When they are renewed: no advert goes with it.
    pub(super) renew_at: Instant,
}
