//! What load balancers and probes ask: a status, and a text that says why. Pure.
//!
//! `docs/checks.md` has them all, and what to make of them.

use std::fmt::Write as _;

use hyper::StatusCode;
use openproxy_core::discovery::Host;
use openproxy_core::vrrp::{Report, StateName};
use percent_encoding::percent_decode_str;

use super::document::{Document, no_answer};
use super::warnings::host_and_port;
use crate::discovery::document::{ReplicaObject, ShardObject};

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// 200 for yes, 503 for no.
    pub status: StatusCode,
    /// Why.
    pub text: String,
}

impl Verdict {
    fn new(is_so: bool, text: impl Into<String>) -> Self {
        let status = if is_so { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Self { status, text: text.into() }
    }
}

/// Whether all threads answer: if one doesn't, a restart is what helps.
#[must_use]
pub fn health(routers_answer: bool, discovery_answers: bool) -> Verdict {
    let threads = [("the virtual routers", routers_answer), ("discovery", discovery_answers)];
    let silent = threads.into_iter().filter(|(_, answers)| !answers);
    let silent: String = silent.map(|(thread, _)| no_answer(thread) + "\n").collect();
    Verdict::new(
        silent.is_empty(),
        if silent.is_empty() { "all threads answer\n" } else { &silent },
    )
}

/// Whether all is there that should be: nothing is critical, and the process isn't about to end.
#[must_use]
pub fn ready(document: &Document) -> Verdict {
    let mut text = String::new();
    if document.process.stopping {
        text += "it was asked to stop\n";
    }
    for warning in document.warnings.iter().filter(|warning| warning.is_critical()) {
        text += &warning.text;
        text += "\n";
    }
    Verdict::new(text.is_empty(), if text.is_empty() { "nothing is critical\n" } else { &text })
}

/// Whether this node serves as these virtual routers: both families of one, if none is named.
/// Nothing if there is none of that name.
#[must_use]
pub fn is_master(
    routers: &[Report],
    interface: &str,
    id: &str,
    family: Option<&str>,
) -> Option<Verdict> {
    let is_it = |report: &&Report| {
        let key = &report.config.key;
        *key.interface == *interface
            && key.vrid.get().to_string() == id
            && family.is_none_or(|family| key.family.to_string().eq_ignore_ascii_case(family))
    };
    let (mut text, mut serves) = (String::new(), true);
    for report in routers.iter().filter(is_it) {
        serves &= matches!(report.state, StateName::Master | StateName::Leaving);
        let _ = writeln!(text, "{}: {}", report.config.key, report.state);
    }
    (!text.is_empty()).then(|| Verdict::new(serves, text))
}

/// What a server is asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The primary.
    Primary,
    /// A replica that reads may go to.
    Replica,
    /// Either.
    Any,
}

/// A question about the servers of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    role: Role,
    host: Option<Host>,
    port: Option<u16>,
    /// How far behind a replica may be.
    lag_bytes_max: Option<u64>,
    /// Whether a primary that nothing confirms any more is one.
    accepts_kept: bool,
}

impl Question {
    /// As it is asked, with what is behind the question mark; which keys a role has is the
    /// endpoint's.
    ///
    /// # Errors
    /// With what is wrong, in words for people: a check that is written wrongly should never pass.
    pub fn parse(role: Role, query: Option<&str>) -> Result<Self, String> {
        let (host, port, lag_bytes_max) = (None, None, None);
        let mut question = Self { role, host, port, lag_bytes_max, accepts_kept: false };
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy();
            match key {
                "host" if !value.is_empty() => question.host = Some(Host::new(&value)),
                "port" => question.port = Some(number(key, &value)?),
                "lag" => question.lag_bytes_max = Some(number(key, &value)?),
                "stale" if value == "ok" => question.accepts_kept = true,
                _ => return Err(format!("{pair} is not understood here")),
            }
        }
        Ok(question)
    }

    /// The answer, with a line for each server that is asked for.
    #[must_use]
    pub fn of(&self, shard: &ShardObject) -> Verdict {
        let (mut text, mut is_there) = (String::new(), false);
        let primary = &shard.primary;
        if let (Some(host), Some(port)) = (&primary.address.host, primary.address.port)
            && self.is_about(host, port)
        {
            is_there |= self.accepts_primary(&primary.status);
            line(&mut text, host, port, &format!("primary, {}", primary.status));
        } else if primary.address.host.is_none() {
            let _ = writeln!(text, "no primary: {}", primary.reason);
        }
        for replica in &shard.replicas {
            let (host, port) = (&replica.address.host, replica.address.port);
            if self.is_about(host, port) {
                is_there |= self.accepts_replica(replica);
                line(&mut text, host, port, &what(replica));
            }
        }
        for foreign in shard.foreign.iter().filter(|f| self.is_about(&f.host, f.port)) {
            line(&mut text, &foreign.host, foreign.port, "of another database");
        }
        if text.is_empty() {
            text += "no such server is known\n";
        }
        Verdict::new(is_there, text)
    }

    fn is_about(&self, host: &str, port: u16) -> bool {
        self.host.as_ref().is_none_or(|wanted| *wanted == Host::new(host))
            && self.port.is_none_or(|wanted| wanted == port)
    }

    fn accepts_primary(&self, status: &str) -> bool {
        match self.role {
            Role::Replica => false,
            Role::Primary | Role::Any => {
                status == "confirmed" || self.accepts_kept && status == "kept"
            }
        }
    }

    fn accepts_replica(&self, replica: &ReplicaObject) -> bool {
        // How far behind it is may be unknown: then it isn't known to be within a bound.
        let is_near = |max| replica.lag_bytes.is_some_and(|lag| lag <= max);
        match self.role {
            Role::Primary => false,
            Role::Replica | Role::Any => replica.eligible && self.lag_bytes_max.is_none_or(is_near),
        }
    }
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{key}={value}: not a number that is possible here"))
}

fn what(replica: &ReplicaObject) -> String {
    let eligible = if replica.eligible { "eligible" } else { "not eligible" };
    let lag = replica.lag_bytes.map_or_else(String::new, |lag| format!(", {lag} bytes behind"));
    format!("replica, {eligible}{lag}")
}

fn line(text: &mut String, host: &str, port: u16, what: &str) {
    // A String takes all that is written to it.
    let _ = writeln!(text, "{}: {what}", host_and_port(host, port));
}

#[cfg(test)]
mod tests;
