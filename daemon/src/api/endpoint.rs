//! All that can be asked for: the list that requests are routed by.
//!
//! `docs/http.md` has it as a table, and a test holds the two together.

use super::Caller;
use super::checks::Role;

/// The names in a path, as they are written; empty ones fill up.
pub(super) type Names<'a> = [&'a str; 3];

/// What can be asked for. One that isn't in [`Endpoint::ALL`] is never constructed, which the
/// compiler tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Endpoint {
    Page,
    Status,
    Topology,
    Metrics,
    Health,
    Ready,
    Shard(Role),
    /// A virtual router, whatever its family.
    Router,
    /// A virtual router of one family.
    RouterOfFamily,
    Forget,
    StepDown,
    MaintenanceOn,
    MaintenanceOff,
}

impl Endpoint {
    pub(super) const ALL: [Self; 15] = [
        Self::Page,
        Self::Status,
        Self::Topology,
        Self::Metrics,
        Self::Health,
        Self::Ready,
        Self::Shard(Role::Primary),
        Self::Shard(Role::Replica),
        Self::Shard(Role::Any),
        Self::Router,
        Self::RouterOfFamily,
        Self::Forget,
        Self::StepDown,
        Self::MaintenanceOn,
        Self::MaintenanceOff,
    ];

    /// Where it is. A word in capital letters is whatever name stands there.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Page => "/",
            Self::Status => "/status",
            Self::Topology => "/topology",
            Self::Metrics => "/metrics",
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Shard(Role::Primary) => "/pools/POOL/shards/SHARD/primary",
            Self::Shard(Role::Replica) => "/pools/POOL/shards/SHARD/replica",
            Self::Shard(Role::Any) => "/pools/POOL/shards/SHARD/any",
            Self::Router => "/routers/INTERFACE/ROUTER_ID/master",
            Self::RouterOfFamily => "/routers/INTERFACE/ROUTER_ID/FAMILY/master",
            Self::Forget => "/forget/POOL/SHARD",
            Self::StepDown => "/stepdown",
            Self::MaintenanceOn => "/maintenance/on",
            Self::MaintenanceOff => "/maintenance/off",
        }
    }

    /// Who may ask for it, and how.
    pub(super) const fn access(self) -> Access {
        match self {
            Self::Page | Self::Status | Self::Topology => Access::Read,
            Self::Metrics
            | Self::Health
            | Self::Ready
            | Self::Shard(_)
            | Self::Router
            | Self::RouterOfFamily => Access::Probe,
            Self::Forget | Self::StepDown | Self::MaintenanceOn | Self::MaintenanceOff => {
                Access::Command
            }
        }
    }

    /// The keys that may stand behind the question mark; nothing where nobody looks there.
    const fn keys(self) -> Option<&'static [&'static str]> {
        match self {
            // Who probes and scrapes may add what it likes, as Prometheus does by `params`.
            Self::Page | Self::Metrics | Self::Health | Self::Ready => None,
            Self::Status | Self::Topology => Some(&["watch"]),
            Self::Shard(Role::Primary) => Some(&["host", "port", "stale"]),
            Self::Shard(Role::Replica) => Some(&["host", "port", "lag"]),
            Self::Shard(Role::Any) => Some(&["host", "port", "lag", "stale"]),
            Self::Router | Self::RouterOfFamily | Self::Forget => Some(&[]),
            Self::StepDown => Some(&["for", "router"]),
            Self::MaintenanceOn | Self::MaintenanceOff => Some(&["router"]),
        }
    }

    /// What of a query has no meaning here: a question that is written wrongly is never answered.
    pub(super) fn not_understood(self, query: Option<&str>) -> Option<&str> {
        let keys = self.keys()?;
        let mut pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs.find(|pair| !keys.contains(&pair.split('=').next().unwrap_or_default()))
    }

    /// What is there, and the names in the path.
    pub(super) fn at(path: &str) -> Option<(Self, Names<'_>)> {
        Self::ALL.into_iter().find_map(|endpoint| Some((endpoint, endpoint.names_in(path)?)))
    }

    fn names_in(self, path: &str) -> Option<Names<'_>> {
        let mut names = Names::default();
        let mut places = names.iter_mut();
        let (mut parts, mut words) = (path.split('/'), self.path().split('/'));
        loop {
            match (parts.next(), words.next()) {
                (None, None) => return Some(names),
                (Some(part), Some(word)) if stands_for_a_name(word) => *places.next()? = part,
                (Some(part), Some(word)) if part == word => {}
                (Some(_) | None, Some(_) | None) => return None,
            }
        }
    }
}

fn stands_for_a_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// Who may ask, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody may read it.
    Read,
    /// Everybody may, and the status alone will do.
    Probe,
    /// It changes something: it takes whoever may write to the socket.
    Command,
}

impl Access {
    /// The methods that this caller may use, as the header `Allow` has them.
    pub(super) const fn methods(self, caller: Caller) -> &'static str {
        match (self, caller) {
            (Self::Read, Caller::Socket | Caller::Network) => "GET",
            (Self::Probe, Caller::Socket | Caller::Network) => "GET, HEAD, OPTIONS",
            (Self::Command, Caller::Socket) => "POST",
            (Self::Command, Caller::Network) => "",
        }
    }
}

#[cfg(test)]
mod tests;
