//! What is told of as it changes: lines of JSON, for as long as somebody reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::StatusCode;
use hyper::body::{Bytes, Frame};
use openproxy_core::vrrp::RouterKey;
use serde::Serialize;
use tokio::sync::{broadcast, mpsc};

use super::{Answer, Sources, checks, in_time, respond, tell, text};
use crate::discovery::document::{Document, ShardObject};
use crate::routers::LOOK_FRESH_FOR;
use crate::routers::document::RouterObject;
use crate::routers::history::Transition;

/// Lines that wait for somebody who watches.
const LINES_MAX: usize = 64;

/// What somebody watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Shards,
    /// Virtual routers as well.
    Everything,
}

/// A line for each shard, and each router if those are watched too, and one more for each change, for
/// as long as somebody reads. If nobody answers to begin with, that is said at once.
pub(super) async fn watch(sources: &Sources, what: What, query: &str) -> Answer {
    if query != "watch" {
        return text(StatusCode::BAD_REQUEST, "the only query is ?watch\n");
    }
    // First, so that nothing is missed between the two; a change may be told twice.
    let mut changes = sources.topologies.subscribe();
    let mut transitions = sources.history.follow();
    let (routers_answer, known) = match what {
        What::Shards => (true, in_time(sources.topologies.look()).await),
        What::Everything => {
            let (look, known) = sources.ask().await;
            (look.is_some(), known)
        }
    };
    let mut snapshot = match known {
        Some(snapshot) if routers_answer => snapshot,
        known => return tell(checks::health(routers_answer, known.is_some())),
    };
    let (lines, receiver) = mpsc::channel(LINES_MAX);
    let sources = sources.clone();
    tokio::spawn(async move {
        loop {
            for shard in Document::new(&snapshot).shards {
                if lines.send(line(&shard)).await.is_err() {
                    return;
                }
            }
            if what == What::Everything && send_routers(&sources, &lines, |_| true).await.is_none()
            {
                return;
            }
            if follow(&sources, what, (&mut changes, &mut transitions), &lines).await.is_none() {
                return;
            }
            let Ok(anew) = sources.topologies.look().await else { return };
            snapshot = anew;
        }
    });
    let frames = stream::unfold(receiver, async |mut receiver| {
        let line: Bytes = receiver.recv().await?;
        Some((Ok(Frame::data(line)), receiver))
    });
    respond(StatusCode::OK, "application/x-ndjson", StreamBody::new(frames).boxed())
}

/// A line for each of these routers; nothing when nobody reads, or there are none any more.
async fn send_routers(
    sources: &Sources,
    lines: &mpsc::Sender<Bytes>,
    is_one: impl Fn(&RouterKey) -> bool,
) -> Option<()> {
    let look = sources.routers.look().await.ok()?;
    for report in look.routers.iter().filter(|report| is_one(&report.config.key)) {
        let router = RouterObject::new(report, look.at, &sources.history);
        lines.send(line(&router)).await.ok()?;
    }
    Some(())
}

/// Hands on changes. Ends with something when some were missed, with nothing when nobody reads.
async fn follow(
    sources: &Sources,
    what: What,
    (changes, transitions): (
        &mut broadcast::Receiver<Arc<ShardObject>>,
        &mut broadcast::Receiver<Arc<Transition>>,
    ),
    lines: &mpsc::Sender<Bytes>,
) -> Option<()> {
    use broadcast::error::RecvError::{Closed, Lagged};
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(shard) => lines.send(line(&shard)).await.ok()?,
                Err(Lagged(_)) => return Some(()),
                Err(Closed) => return None,
            },
            transition = transitions.recv(), if what == What::Everything => match transition {
                Ok(transition) => {
                    let mut changed = BTreeSet::from([transition.router.clone()]);
                    // Many change together, and one look shows them all.
                    tokio::time::sleep(LOOK_FRESH_FOR).await;
                    while let Ok(another) = transitions.try_recv() {
                        changed.insert(another.router.clone());
                    }
                    send_routers(sources, lines, |router| changed.contains(router)).await?;
                }
                Err(Lagged(_)) => return Some(()),
                Err(Closed) => return None,
            },
            () = lines.closed() => return None,
        }
    }
}

fn line(object: &impl Serialize) -> Bytes {
    // It consists of texts, numbers and lists: all of that can be written.
    let mut line = serde_json::to_vec(object).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
