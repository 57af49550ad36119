//! `openproxy stepdown` and `openproxy maintenance`: what an operator wants of a running daemon,
//! and what becomes of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::{Method, StatusCode};
use openproxy::api::document::Document;
use openproxy::api::duty::Obeyed;
use openproxy::routers::document::RouterObject;
use openproxy_core::vrrp::StateName;

use super::client::{Failure, ask, encode, get, look, print, text};
use crate::cli::{MaintenanceArgs, StepDownArgs, Switch};
use crate::exit::Exit;
use crate::linux;

/// How often it is looked at what has become of a router.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Beyond four intervals, how long a successor may take to be heard: a second of skew, and some
/// more.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// Has MASTERs hand over, and keep out for a while.
pub(crate) fn step_down(args: &StepDownArgs) -> Exit {
    ask(&args.target.file, async |socket| {
        let path = format!("/stepdown?for={}", args.span.as_secs());
        let (names, exit) = leave(socket, &path, &args.target.routers).await?;
        // Who has come back already is not out any more.
        let (_, document) = look(socket).await?;
        let backs = named(&document, &names).filter_map(|router| router.back_in_ms);
        if let Some(ms) = backs.max() {
            say(&format!("back in {} s, or once nobody else serves", ms.div_ceil(1_000)))?;
        }
        Ok(exit)
    })
}

/// Takes routers out of service, or puts them into it again.
pub(crate) fn maintenance(args: &MaintenanceArgs) -> Exit {
    ask(&args.target.file, async |socket| match args.switch {
        Switch::On => Ok(leave(socket, "/maintenance/on?", &args.target.routers).await?.1),
        Switch::Off => {
            let names = wish(socket, "/maintenance/off?", &args.target.routers).await?;
            let (_, document) = look(socket).await?;
            for router in named(&document, &names) {
                let why = router.waits_for.as_ref().map(|why| format!(": {why}"));
                let (name, state) = (&router.name, &router.state);
                say(&format!("{name}: takes part again: {state}{}", why.unwrap_or_default()))?;
            }
            Ok(Exit::Clean)
        }
    })
}

/// Has routers leave, waits until they have, and tells who follows; which they are, and whether
/// each is served by somebody else.
async fn leave(
    socket: &Path,
    path: &str,
    routers: &[String],
) -> Result<(Vec<String>, Exit), Failure> {
    let (_, before) = look(socket).await?;
    let wished_at = linux::now();
    let names = wish(socket, path, routers).await?;
    let served = named(&before, &names).filter(|router| router.serves());
    let served: BTreeSet<String> = served.map(|router| router.name.clone()).collect();
    let (mut told, mut exit) = (BTreeSet::new(), Exit::Clean);
    loop {
        let (_, document) = look(socket).await?;
        let since = linux::now().since(wished_at);
        let mut waits = false;
        for router in named(&document, &names) {
            if told.contains(&router.name) {
                continue;
            }
            let Some(outcome) = Outcome::of(router, served.contains(&router.name), since) else {
                waits = true;
                continue;
            };
            say(&format!("{}: {}", router.name, outcome.text))?;
            exit = if outcome.is_well { exit } else { Exit::Warning };
            told.insert(router.name.clone());
        }
        if !waits {
            return Ok((names, exit));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What has become of a router that was to leave.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    text: String,
    is_well: bool,
}

impl Outcome {
    /// Of a router that served before, or didn't, `since` so long a time; nothing while that is
    /// open.
    fn of(router: &RouterObject, served: bool, since: Duration) -> Option<Self> {
        let heard = router.last_advert.as_ref();
        let heard = heard.filter(|a| a.priority > 0 && u128::from(a.age_ms) < since.as_millis());
        let patience = Duration::from_millis(4 * router.advert_int_ms) + HEARD_WITHIN;
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let is = |state: StateName| router.state == state.as_str();
        let (text, is_well) = if is(StateName::Leaving) {
            return None;
        } else if is(StateName::Master) {
            ("nobody has followed: it is MASTER again".to_owned(), false)
        } else if is(StateName::Backup) {
            ("takes part again already: BACKUP".to_owned(), true)
        } else if !served {
            ("takes no part".to_owned(), true)
        } else if let Some(advert) = heard {
            (format!("{} (priority {}) has taken over", advert.address, advert.priority), true)
        } else if router.since_ms.is_some_and(|ms| ms > patience_ms) {
            ("nobody has been heard in its place: its VIPs may be on no node".to_owned(), false)
        } else {
            return None;
        };
        Some(Self { text, is_well })
    }
}

/// The routers of these names, in the order of the document.
fn named<'a>(
    document: &'a Document,
    names: &'a [String],
) -> impl Iterator<Item = &'a RouterObject> {
    document.routers.iter().filter(|router| names.contains(&router.name))
}

async fn wish(socket: &Path, path: &str, routers: &[String]) -> Result<Vec<String>, Failure> {
    let query = routers.iter().map(|name| format!("&router={}", encode(name)));
    let response =
        get(socket, Method::POST, &(path.to_owned() + &query.collect::<String>())).await?;
    if response.status() != StatusCode::OK {
        return Err(text(response).await?.into());
    }
    let body = response.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice::<Obeyed>(&body)?.routers)
}

fn say(line: &str) -> std::io::Result<()> {
    print(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn router(state: &str, since_ms: u64, advert: Option<(u8, u64)>) -> RouterObject {
        let advert = advert.map(|(priority, age_ms)| {
            json!({ "address": "10.0.0.2", "priority": priority, "age_ms": age_ms })
        });
        let counters = [
            "promotions",
            "adverts_sent",
            "sends_failed",
            "adverts_received",
            "announcements",
            "dual_masters",
            "vips_taken_away",
            "vips_claimed",
            "leases_lapsed",
            "hooks_started",
            "hooks_failed",
        ];
        let counters: serde_json::Map<_, _> =
            counters.into_iter().map(|name| (name.to_owned(), json!(0))).collect();
        let router = json!({
            "name": "eth0/50/IPv4", "interface": "eth0", "router_id": 50, "family": "IPv4",
            "version": 2, "state": state, "since_ms": since_ms, "reason": null,
            "waits_for": null, "back_in_ms": null, "priority": 100, "configured_priority": 100,
            "advert_int_ms": 1_000, "preempt": true, "group": null, "source": null,
            "last_advert": advert, "dual_master": false, "vips": [], "checks": [],
            "master_ms": 0, "counters": counters, "transitions": []
        });
        serde_json::from_value(router).expect("a router")
    }

    #[test]
    fn what_has_become_of_a_router_is_told_once_it_is_known() {
        let since = Duration::from_millis(2_000);
        let successor = "10.0.0.2 (priority 50) has taken over";
        let resumed = "nobody has followed: it is MASTER again";
        let nobody = "nobody has been heard in its place: its VIPs may be on no node";
        // The last advert with its age; what was served; what is told.
        let table = [
            ("LEAVING", 500, Some((50, 10)), true, None),
            ("INITIALIZE", 500, Some((50, 10)), true, Some((successor, true))),
            ("INITIALIZE", 500, Some((50, 2_000)), true, None),
            ("INITIALIZE", 500, Some((0, 10)), true, None),
            ("INITIALIZE", 6_000, None, true, None),
            ("INITIALIZE", 6_001, None, true, Some((nobody, false))),
            ("INITIALIZE", 500, Some((50, 10)), false, Some(("takes no part", true))),
            ("MASTER", 10, None, true, Some((resumed, false))),
            ("BACKUP", 10, None, true, Some(("takes part again already: BACKUP", true))),
        ];
        for (state, since_ms, advert, served, expected) in table {
            let outcome = Outcome::of(&router(state, since_ms, advert), served, since);
            let outcome = outcome.as_ref().map(|outcome| (&*outcome.text, outcome.is_well));
            assert_eq!(outcome, expected, "{state}, {since_ms} ms, {advert:?}");
        }
    }
}
