//! `POST /stepdown` and `POST /maintenance/on` or `off`: what an operator wants of virtual routers.

use std::collections::BTreeSet;
use std::time::Duration;

use openproxy_core::vrrp::{Duty, Report, RouterKey};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::document::no_answer;
use super::in_time;
use crate::routers::{Ended, Routers};

/// How long a router keeps out, unless somebody says otherwise.
pub const STEP_DOWN_FOR: Duration = Duration::from_secs(60);
/// Whoever wants longer wants maintenance.
pub const STEP_DOWN_FOR_MAX: Duration = Duration::from_secs(86_400);

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To hand over, and to keep out for this long while another serves.
    StepDown(Duration),
    /// To hand over, and to keep out.
    Maintenance,
    /// To take part again.
    Full,
}

/// What the answer says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Obeyed {
    /// The routers that do as was wished, whole groups among them.
    pub routers: Vec<String>,
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The query isn't understood.
    #[error("{0}")]
    Query(String),
    /// There are no such routers, or not exactly one.
    #[error("{0}")]
    Unknown(String),
    /// Their thread hangs.
    #[error("{}", no_answer("the virtual routers"))]
    Silent,
    /// There is nobody to obey.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// What a query says: how long, and which routers; all if none is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// `for`, in seconds.
    pub span: Option<Duration>,
    /// Each `router`.
    pub names: Vec<String>,
}

impl Query {
    /// Reads what stands behind the question mark.
    ///
    /// # Errors
    /// If there is anything else.
    pub fn read(query: Option<&str>) -> Result<Self, Refused> {
        let mut read = Self::default();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy();
            match key {
                "for" => read.span = Some(span(&value)?),
                "router" => read.names.push(value.into_owned()),
                _ => return Err(Refused::Query(format!("{key} isn't for or router"))),
            }
        }
        Ok(read)
    }
}

fn span(text: &str) -> Result<Duration, Refused> {
    let span = text.parse().ok().map(Duration::from_secs);
    let allowed = Duration::from_secs(1)..=STEP_DOWN_FOR_MAX;
    span.filter(|span| allowed.contains(span)).ok_or_else(|| {
        let secs = STEP_DOWN_FOR_MAX.as_secs();
        Refused::Query(format!("for must be a whole number of seconds from 1 to {secs}"))
    })
}

/// Has routers do what is wished, and answers once they do.
///
/// # Errors
/// Why nothing is done.
pub async fn obey(routers: &Routers, names: &[String], wish: Wish) -> Result<Obeyed, Refused> {
    let look = in_time(routers.look()).await.ok_or(Refused::Silent)?;
    let keys = resolve(&look.routers, names)?;
    let duty = match wish {
        Wish::StepDown(span) => Duty::SteppedDown { until: look.at + span },
        Wish::Maintenance => Duty::Maintenance,
        Wish::Full => Duty::Full,
    };
    routers.set_duty(&keys, duty).await?;
    Ok(Obeyed { routers: keys.iter().map(ToString::to_string).collect() })
}

/// The routers of these names, and of their groups; all of them if there are no names.
fn resolve(reports: &[Report], names: &[String]) -> Result<BTreeSet<RouterKey>, Refused> {
    let keys: BTreeSet<&RouterKey> = reports.iter().map(|report| &report.config.key).collect();
    if keys.is_empty() {
        return Err(Refused::Unknown("there are no virtual routers".to_owned()));
    }
    let list =
        |keys: &[&RouterKey]| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut named = BTreeSet::new();
    for name in names {
        let is_it = |key: &&&RouterKey| {
            key.to_string() == *name || format!("{}/{}", key.interface, key.vrid) == *name
        };
        let found: Vec<&RouterKey> = keys.iter().filter(is_it).copied().collect();
        match &found[..] {
            [] => {
                let all: Vec<_> = keys.iter().copied().collect();
                let text = format!("there is no virtual router {name}, but {}", list(&all));
                return Err(Refused::Unknown(text));
            }
            [key] => drop(named.insert((*key).clone())),
            several => {
                let text = format!("{name} is more than one: {}", list(several));
                return Err(Refused::Unknown(text));
            }
        }
    }
    if names.is_empty() {
        return Ok(keys.into_iter().cloned().collect());
    }
    let configs = || reports.iter().map(|report| &report.config);
    let groups: BTreeSet<_> =
        configs().filter(|c| named.contains(&c.key)).filter_map(|c| c.group.clone()).collect();
    let others = configs().filter(|c| c.group.as_ref().is_some_and(|g| groups.contains(g)));
    named.extend(others.map(|config| config.key.clone()));
    Ok(named)
}

#[cfg(test)]
mod tests {
    use openproxy_core::vrrp::{Family, StateName, Vrid};

    use super::*;
    use crate::api::document::tests::report;

    fn reports() -> Vec<Report> {
        let all = [
            ("eth0", 50, Family::V4, None),
            ("eth0", 50, Family::V6, None),
            ("eth0", 51, Family::V4, Some("pair")),
            ("eth1", 51, Family::V4, Some("pair")),
        ];
        let reports = all.map(|(interface, vrid, family, group)| {
            let mut report = report(StateName::Master);
            let vrid = Vrid::new(vrid).expect("in range");
            report.config.key = RouterKey { interface: interface.into(), vrid, family };
            report.config.group = group.map(Into::into);
            report
        });
        reports.to_vec()
    }

    fn resolved(names: &[&str]) -> Result<Vec<String>, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let keys = resolve(&reports(), &names).map_err(|refused| refused.to_string())?;
        Ok(keys.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn routers_are_named_as_in_the_status_and_a_group_goes_together() {
        let all = ["eth0/50/IPv4", "eth0/50/IPv6", "eth0/51/IPv4", "eth1/51/IPv4"];
        let table: [(&[&str], &[&str]); 4] = [
            (&[], &all),
            (&["eth0/50/IPv6"], &["eth0/50/IPv6"]),
            (&["eth1/51"], &["eth0/51/IPv4", "eth1/51/IPv4"]),
            (&["eth0/50/IPv4", "eth0/50/IPv4"], &["eth0/50/IPv4"]),
        ];
        for (names, expected) in table {
            let expected = expected.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(resolved(names), Ok(expected), "{names:?}");
        }
    }

    #[test]
    fn a_name_of_none_or_of_several_is_refused_with_what_there_is() {
        let several = "eth0/50 is more than one: eth0/50/IPv4, eth0/50/IPv6";
        assert_eq!(resolved(&["eth0/51", "eth0/50"]), Err(several.to_owned()));
        let none = resolved(&["eth9/50"]).expect_err("there is none");
        assert!(
            none.starts_with("there is no virtual router eth9/50, but eth0/50/IPv4, "),
            "{none}"
        );
        let refused = resolve(&[], &[]).expect_err("nobody is there");
        assert_eq!(refused.to_string(), "there are no virtual routers");
    }

    #[test]
    fn a_query_says_how_long_and_who() {
        let read = Query::read(Some("for=600&router=eth0%2F50%2FIPv4&router=a/1"));
        let span = Some(Duration::from_secs(600));
        let names = vec!["eth0/50/IPv4".to_owned(), "a/1".to_owned()];
        assert_eq!(read, Ok(Query { span, names }));
        for none in [None, Some("")] {
            assert_eq!(Query::read(none), Ok(Query::default()));
        }
        for wrong in ["for", "for=", "for=0", "for=-1", "for=1.5", "for=86401", "force", "x=1"] {
            assert!(matches!(Query::read(Some(wrong)), Err(Refused::Query(_))), "{wrong}");
        }
    }
}
