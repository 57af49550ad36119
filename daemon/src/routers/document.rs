//! A virtual router as others read it: JSON. `docs/status.md` describes every field; a test holds the
//! two together.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use openproxy_core::time::Instant;
use openproxy_core::vrrp::{
    AdvertPriority, CheckReport, Counters, Duty, LastAdvert, Preempt, Report, StateName, VipReport,
    Weight,
};
use serde::{Deserialize, Serialize};

use super::history::{History, Transition};

/// One of a few words that stay the same.
pub type Word = Cow<'static, str>;

/// One virtual router.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RouterObject {
    /// Interface, VRID and family, such as eth0/50/IPv4.
    pub name: String,
    /// The interface.
    pub interface: String,
    /// The VRID.
    pub router_id: u8,
    /// `IPv4` or `IPv6`.
    pub family: Word,
    /// The VRRP version.
    pub version: u8,
    /// `INITIALIZE`, `BACKUP`, `MASTER` or `LEAVING`.
    pub state: Word,
    /// How long it has been in that state; null while it hasn't left INITIALIZE since the start.
    pub since_ms: Option<u64>,
    /// Why it came into that state.
    pub reason: Option<String>,
    /// What keeps it in INITIALIZE.
    pub waits_for: Option<String>,
    /// After a stepdown: when it takes part again, at the latest.
    pub back_in_ms: Option<u64>,
    /// Its priority now.
    pub priority: u8,
    /// Its priority by the file.
    pub configured_priority: u8,
    /// Its own interval.
    pub advert_int_ms: u64,
    /// Whether it takes over from a MASTER of lower priority.
    pub preempt: bool,
    /// Its group.
    pub group: Option<String>,
    /// The address that it advertises from.
    pub source: Option<String>,
    /// The last valid advert of another router.
    pub last_advert: Option<LastAdvertObject>,
    /// Two MASTERs: a lesser one doesn't hear it.
    pub dual_master: bool,
    /// Its VIPs.
    pub vips: Vec<VipObject>,
    /// Its checks.
    pub checks: Vec<CheckObject>,
    /// How long it has been MASTER since the start, in all.
    pub master_ms: u64,
    /// What it did and saw since the start.
    pub counters: CountersObject,
    /// Its last transitions, oldest first.
    pub transitions: Vec<TransitionObject>,
}

/// An advert that was heard.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct LastAdvertObject {
    /// Who sent it.
    pub address: String,
    /// Its priority; 0 if that router has said that it goes.
    pub priority: u8,
    /// How long ago it arrived.
    pub age_ms: u64,
}

/// A VIP.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct VipObject {
    /// With its prefix length.
    pub address: String,
    /// It is on the interface of this node.
    pub held: bool,
    /// The kernel refused it when last asked.
    pub refused: bool,
}

/// A check.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CheckObject {
    /// As in the file, such as tcp 127.0.0.1:6432.
    pub check: String,
    /// `well`, `failed` or `unknown`.
    pub state: Word,
    /// What it adds to the priority when it fails; 0 if the router can't be MASTER then.
    pub weight: i16,
}

/// Counts since the start of the process.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CountersObject {
    /// Entries to MASTER.
    pub promotions: u64,
    /// Adverts sent.
    pub adverts_sent: u64,
    /// Adverts that could not be sent.
    pub sends_failed: u64,
    /// Valid adverts received.
    pub adverts_received: u64,
    /// Rounds of announcements.
    pub announcements: u64,
    /// Times that a lesser MASTER didn't hear this one.
    pub dual_masters: u64,
    /// VIPs that somebody else removed, and that were put back.
    pub vips_taken_away: u64,
    /// Announcements of these VIPs by others while MASTER.
    pub vips_claimed: u64,
    /// Times that the lease had passed at a wake-up.
    pub leases_lapsed: u64,
    /// Scripts that were started.
    pub hooks_started: u64,
    /// Scripts that failed or took too long.
    pub hooks_failed: u64,
}

/// A change of state.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TransitionObject {
    /// When, in UTC as RFC 3339 has it.
    pub at: String,
    /// From which state.
    pub from: Word,
    /// To which.
    pub to: Word,
    /// Why.
    pub reason: String,
}

impl RouterObject {
    /// A router as it was at `now`.
    #[must_use]
    pub fn new(report: &Report, now: Instant, history: &History) -> Self {
        let config = &report.config;
        let since = report.changed.as_ref();
        Self {
            name: config.key.to_string(),
            interface: config.key.interface.to_string(),
            router_id: config.key.vrid.get(),
            family: config.key.family.to_string().into(),
            version: config.version.number(),
            state: state_word(report.state),
            since_ms: since.map(|(at, _)| millis(now.since(*at))),
            reason: since.map(|(_, reason)| reason.to_string()),
            waits_for: report.blocker.as_ref().map(ToString::to_string),
            back_in_ms: match report.duty {
                Duty::SteppedDown { until } => Some(millis(until.since(now))),
                Duty::Full | Duty::Maintenance => None,
            },
            priority: report.priority.get(),
            configured_priority: config.priority.get(),
            advert_int_ms: millis(config.interval.duration()),
            preempt: config.preempt != Preempt::Never,
            group: config.group.as_deref().map(str::to_owned),
            source: report.source.map(|source| source.to_string()),
            last_advert: report.last_advert.map(|advert| LastAdvertObject::new(&advert, now)),
            dual_master: report.is_dual,
            vips: report.vips.iter().map(VipObject::new).collect(),
            checks: report.checks.iter().map(CheckObject::new).collect(),
            master_ms: millis(report.master_for),
            counters: CountersObject::new(&report.counters),
            transitions: history.of(&config.key).iter().map(TransitionObject::new).collect(),
        }
    }

    /// Whether it is MASTER, or still serves as one that hands over.
    #[must_use]
    pub fn serves(&self) -> bool {
        [StateName::Master, StateName::Leaving].iter().any(|state| self.state == state.as_str())
    }
}

impl LastAdvertObject {
    fn new(advert: &LastAdvert, now: Instant) -> Self {
        Self {
            address: advert.source.to_string(),
            priority: match advert.priority {
                AdvertPriority::Zero => 0,
                AdvertPriority::Of(priority) => priority.get(),
            },
            age_ms: millis(now.since(advert.at)),
        }
    }
}

impl VipObject {
    fn new(report: &VipReport) -> Self {
        Self { address: report.vip.to_string(), held: report.held, refused: report.refused }
    }
}

impl CheckObject {
    fn new(report: &CheckReport) -> Self {
        Self {
            check: report.check.to_string(),
            state: match report.is_well {
                None => "unknown",
                Some(true) => "well",
                Some(false) => "failed",
            }
            .into(),
            weight: match report.weight {
                Weight::Fault => 0,
                Weight::Change(weight) => weight,
            },
        }
    }
}

impl CountersObject {
    fn new(counters: &Counters) -> Self {
        Self {
            promotions: counters.promotions,
            adverts_sent: counters.adverts_sent,
            sends_failed: counters.sends_failed,
            adverts_received: counters.adverts_received,
            announcements: counters.announcements,
            dual_masters: counters.dual_masters,
            vips_taken_away: counters.vips_taken_away,
            vips_claimed: counters.vips_claimed,
            leases_lapsed: counters.leases_lapsed,
            hooks_started: counters.hooks_started,
            hooks_failed: counters.hooks_failed,
        }
    }
}

impl TransitionObject {
    /// As it is told.
    #[must_use]
    pub fn new(transition: &Arc<Transition>) -> Self {
        Self {
            at: humantime::format_rfc3339_millis(transition.at).to_string(),
            from: state_word(transition.from),
            to: state_word(transition.to),
            reason: transition.reason.to_string(),
        }
    }
}

fn state_word(state: StateName) -> Word {
    state.as_str().into()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
