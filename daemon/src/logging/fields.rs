//! Events as fields, which programs read in the place of words. `docs/logs.md` describes all of them;
//! a test holds the two together.

use std::fmt::{self, Display};

use openproxy_core::discovery::{self, ShardId, Subject};
use openproxy_core::event::{Event, EventKind};

/// What the fields of [`Fields`] are called in the log. Text leaves them out: its words have them.
pub(super) const NAMES: [&str; 13] = [
    "event",
    "router",
    "from",
    "to",
    "reason",
    "vip",
    "source",
    "interface",
    "hook",
    "check",
    "error",
    "shards",
    "endpoint",
];

type Shown<'a> = Option<&'a dyn Display>;

/// An event's parts.
#[derive(Default)]
pub(super) struct Fields<'a> {
    /// What happened: a word that stays the same.
    pub(super) event: &'static str,
    pub(super) router: Shown<'a>,
    pub(super) from: Shown<'a>,
    pub(super) to: Shown<'a>,
    pub(super) reason: Shown<'a>,
    pub(super) vip: Shown<'a>,
    pub(super) source: Shown<'a>,
    pub(super) interface: Option<&'a str>,
    pub(super) hook: Option<&'static str>,
    pub(super) check: Shown<'a>,
    pub(super) error: Shown<'a>,
    pub(super) shards: Option<Shards<'a>>,
    pub(super) endpoint: Shown<'a>,
}

/// Names of shards, with commas between them.
pub(super) struct Shards<'a>(&'a [ShardId]);

impl Display for Shards<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, shard) in self.0.iter().enumerate() {
            f.write_str(if position == 0 { "" } else { "," })?;
            shard.fmt(f)?;
        }
        Ok(())
    }
}

impl<'a> Fields<'a> {
    /// Of an event of the virtual routers.
    pub(super) fn of(event: &'a Event) -> Self {
        let router = event.router.as_ref().map(|router| router as &dyn Display);
        Self { router, ..Self::of_kind(&event.kind) }
    }

    fn of_kind(kind: &'a EventKind) -> Self {
        match kind {
            EventKind::StateChanged { from, to, reason, priority: _ } => Self {
                from: Some(from),
                to: Some(to),
                reason: Some(reason),
                ..Self::named("state_changed")
            },
            EventKind::Waiting(blocker) => Self { reason: Some(blocker), ..Self::named("waiting") },
            EventKind::Discarded { error, source, untold: _ } => {
                Self { error: Some(error), ..Self::from_source("discarded", source) }
            }
            EventKind::VipAcquired(vip) => Self::of_vip("vip_acquired", vip),
            EventKind::ConnectionsReset(_) => Self::named("connections_reset"),
            EventKind::VipReleased(vip) => Self::of_vip("vip_released", vip),
            EventKind::VipRefused(vip, error) => {
                Self { error: Some(error), ..Self::of_vip("vip_refused", vip) }
            }
            EventKind::VipRemovalFailed(vip, error) => {
                Self { error: Some(error), ..Self::of_vip("vip_removal_failed", vip) }
            }
            EventKind::VipTakenAway(vip) => Self::of_vip("vip_taken_away", vip),
            EventKind::VipConverted(vip, _) => Self::of_vip("vip_converted", vip),
            EventKind::VipForeign(vip, _) => Self::of_vip("vip_foreign", vip),
            EventKind::LeftoverRemoved(address) => Self::of_vip("leftover_removed", &address.ip),
            EventKind::VipClaimed(ip, mac) => {
                Self { source: Some(mac), ..Self::of_vip("vip_claimed", ip) }
            }
            EventKind::ServingInPart(_) => Self::named("serving_in_part"),
            EventKind::SendFailed(error) => Self::failed("send_failed", error),
            EventKind::SocketFailed(interface, error) => {
                Self { interface: Some(interface), ..Self::failed("socket_failed", error) }
            }
            EventKind::HookStarted(kind) => {
                Self { hook: Some(kind.key()), ..Self::named("hook_started") }
            }
            EventKind::HookEnded(kind, result) => {
                let error = result.as_ref().err().map(|error| error as &dyn Display);
                Self { hook: Some(kind.key()), error, ..Self::named("hook_ended") }
            }
            EventKind::HookTimedOut(kind) => {
                Self { hook: Some(kind.key()), ..Self::named("hook_timed_out") }
            }
            EventKind::CheckChanged(check, failure) => {
                let error = failure.as_ref().map(|failure| failure as &dyn Display);
                Self { check: Some(check), error, ..Self::named("check_changed") }
            }
            EventKind::PriorityChanged(from, to) => {
                Self { from: Some(from), to: Some(to), ..Self::named("priority_changed") }
            }
            EventKind::LongInterval { source, .. } => Self::from_source("long_interval", source),
            EventKind::VipListMismatch(source) => Self::from_source("vip_list_mismatch", source),
            EventKind::GlobalFirst(source) => Self::from_source("global_first", source),
            EventKind::OwnPeer => Self::named("own_peer"),
            EventKind::DualMaster(source) => Self::from_source("dual_master", source),
            EventKind::DualMasterEnded => Self::named("dual_master_ended"),
            EventKind::NetlinkOverrun => Self::named("netlink_overrun"),
            EventKind::Reloaded { .. } => Self::named("reloaded"),
            EventKind::Released => Self::named("released"),
        }
    }

    /// Of an event of discovery.
    pub(super) fn of_discovery(event: &'a discovery::Event) -> Self {
        let fields = Self::of_discovery_kind(&event.kind);
        match &event.subject {
            Subject::Endpoint(key) => Self { endpoint: Some(key), ..fields },
            Subject::Shards(shards) => Self { shards: Some(Shards(shards)), ..fields },
        }
    }

    fn of_discovery_kind(kind: &'a discovery::EventKind) -> Self {
        use discovery::EventKind as Kind;
        match kind {
            Kind::EndpointFailed(failure) => Self::failed("endpoint_failed", failure),
            Kind::EndpointAnswers => Self::named("endpoint_answers"),
            Kind::ClusterHangs => Self::named("cluster_hangs"),
            Kind::OddAnswer(_) => Self::named("odd_answer"),
            Kind::PrimaryChanged { from, to } => {
                Self { from: Some(from), to: Some(to), ..Self::named("primary_changed") }
            }
            Kind::Conflict(_) => Self::named("conflict"),
            Kind::ConflictEnded => Self::named("conflict_ended"),
            Kind::TimelineRegressed { from, to, why } => Self {
                from: Some(from),
                to: Some(to),
                reason: Some(why),
                ..Self::named("timeline_regressed")
            },
            Kind::Forgotten(_) => Self::named("forgotten"),
            Kind::SystemChanged { from, to } => {
                Self { from: Some(from), to: Some(to), ..Self::named("system_changed") }
            }
            Kind::MixedSystems(_) => Self::named("mixed_systems"),
            Kind::MixedScopes(_) => Self::named("mixed_scopes"),
            Kind::UnconfiguredPrimary(address) => {
                Self::from_source("unconfigured_primary", address)
            }
            Kind::StaleView { by } => Self::from_source("stale_view", by),
        }
    }

    fn named(event: &'static str) -> Self {
        Self { event, ..Self::default() }
    }

    fn of_vip(event: &'static str, vip: &'a dyn Display) -> Self {
        Self { vip: Some(vip), ..Self::named(event) }
    }

    fn from_source(event: &'static str, source: &'a dyn Display) -> Self {
        Self { source: Some(source), ..Self::named(event) }
    }

    fn failed(event: &'static str, error: &'a dyn Display) -> Self {
        Self { error: Some(error), ..Self::named(event) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::NAMES;

    const DOCS: &str = include_str!("../../../docs/logs.md");

    /// The words in the first column of a chapter's table.
    fn documented(chapter: &str) -> BTreeSet<&'static str> {
        let (_, text) = DOCS.split_once(&format!("\n## {chapter}\n")).expect("the chapter");
        let text = text.split("\n## ").next().unwrap_or_default();
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.filter_map(|row| row.split('`').next()).collect()
    }

    #[test]
    fn every_field_and_every_event_is_documented_and_no_other() {
        let always = ["timestamp", "level", "message"];
        assert_eq!(documented("Fields"), always.into_iter().chain(NAMES).collect());
        // An event's word is nowhere but in a match, which the compiler keeps whole.
        let (code, _) = include_str!("fields.rs").split_once("#[cfg(test)]").expect("code");
        let is_word = |text: &&str| {
            text.contains('_') && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                || ["waiting", "discarded", "reloaded", "released", "conflict", "forgotten"]
                    .contains(text)
        };
        // Every second part of a text that is split at its quotation marks is between two.
        let words = code.split('"').skip(1).step_by(2).filter(is_word);
        assert_eq!(documented("Events"), words.collect());
    }
}
