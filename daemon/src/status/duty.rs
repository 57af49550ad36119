//! `openproxy stepdown` and `openproxy maintenance`: what an operator wants of a running daemon, and
//! what becomes of it.

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
/// Beyond four intervals, how long a successor may take to be heard: a second of skew, and some more.
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

/// Has routers leave, waits until they have, and tells who follows; which they are, and whether each is
/// served by somebody else.
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
    /// Of a router that served before, or didn't, `since` so long a time; nothing while that is open.
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
