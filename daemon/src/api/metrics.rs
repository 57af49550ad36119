//! `/metrics`: what is known of a daemon at the moment of a scrape, as Prometheus reads it.
//!
//! Nothing is counted here: all figures are those that the status has too. What isn't known has no
//! series, and never a 0 in its place. `docs/metrics.md` has every metric; a test holds the two
//! together.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `family` | a metric with its series |
//! | `process` | the metrics of the process and the VRRP thread |
//! | `routers` | those of each virtual router |
//! | `discovery` | those of each shard and each API |

mod discovery;
mod family;
mod process;
mod routers;

use std::fmt;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

use crate::discovery::driver::Snapshot;
use crate::process::Facts;
use crate::routers::Look;
use family::{Families, Family};

/// What every name begins with.
const PREFIX: &str = "openproxy";

/// What a scrape sees. What doesn't answer isn't there.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The process.
    pub facts: &'a Facts,
    /// The virtual routers.
    pub look: Option<&'a Look>,
    /// Discovery.
    pub known: Option<&'a Snapshot>,
}

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics, for whoever asks for it.
    OpenMetrics,
    /// Prometheus' own text format, which everybody reads.
    Prometheus,
}

impl Format {
    /// What suits this `Accept` best.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let mut kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default());
        if kinds.any(|kind| kind.trim().eq_ignore_ascii_case("application/openmetrics-text")) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// What it is called in HTTP.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All metrics, as text.
///
/// # Errors
/// Never: a `String` takes all that is written to it. The encoder can't know.
pub fn encode(seen: Seen<'_>, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Families(families(seen))));
    let mut text = String::new();
    match format {
        Format::OpenMetrics => text::encode(&mut text, &registry)?,
        Format::Prometheus => prometheus_text::encode(&mut text, &registry)?,
    }
    Ok(text)
}

fn families(seen: Seen<'_>) -> Vec<Family> {
    let mut families = process::families(seen);
    families.extend(seen.look.into_iter().flat_map(routers::families));
    families.extend(seen.known.into_iter().flat_map(discovery::families));
    families
}

#[cfg(test)]
pub(super) mod tests;
