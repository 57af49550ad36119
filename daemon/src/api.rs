//! What a running daemon answers over HTTP, whoever the connection is from.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`checks`] | what load balancers and probes ask |
//! | [`duty`] | what an operator wants of virtual routers |
//! | [`document`] | everything that a daemon tells of itself, as JSON |
//! | [`metrics`] | what Prometheus reads |
//! | [`warnings`] | what of it needs somebody's attention |
//! | [`table`] | all of it as tables for people |
//! | [`page`] | the page for people |

pub mod checks;
pub mod document;
pub mod duty;
pub mod metrics;
pub mod page;
pub mod table;
pub mod warnings;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use openproxy_core::discovery::ShardId;
use openproxy_core::vrrp::RouterKey;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, mpsc};

use crate::discovery::document::{self as topology, ShardObject};
use crate::discovery::driver::Snapshot;
use crate::discovery::topologies::Topologies;
use crate::process::Process;
use crate::routers::document::RouterObject;
use crate::routers::history::{History, Transition};
use crate::routers::{LOOK_FRESH_FOR, Look, Routers};
use checks::{Question, Role, Verdict};
use document::Document;
use duty::{Query, Refused, STEP_DOWN_FOR, Wish};
use metrics::{Format, Seen};

/// How long a request may take to come in.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);
/// A thread that takes longer to answer hangs. Kubernetes gives a probe a second.
pub const ANSWER_TIME_MAX: Duration = Duration::from_millis(750);
/// Lines that wait for somebody who watches.
const LINES_MAX: usize = 64;

/// Said of any other path.
const PATHS: &str = "\
    there are /, /status and /topology, each of these two with ?watch, /metrics, /health, /ready,\n\
    /pools/POOL/shards/SHARD/{primary,replica,any} and /routers/INTERFACE/ROUTER_ID/master\n";

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// Who may do more than read: whoever can write to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody whom the socket's mode lets in.
    Socket,
    /// Anybody.
    Network,
}

/// Whatever knows something that can be asked for; clones are of the same.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The process.
    pub process: Process,
    /// The virtual routers.
    pub routers: Routers,
    /// What they did last.
    pub history: History,
    /// Discovery.
    pub topologies: Topologies,
}

impl Sources {
    /// What each thread knows now; nothing of one that doesn't answer.
    async fn ask(&self) -> (Option<Arc<Look>>, Option<Snapshot>) {
        tokio::join!(in_time(self.routers.look()), in_time(self.topologies.look()))
    }

    /// Everything that is known now.
    async fn look(&self) -> Document {
        let (look, known) = self.ask().await;
        Document::new(&self.process.facts(), look.as_deref(), &self.history, known.as_ref())
    }
}

/// An answer, if it comes.
async fn in_time<T, E>(answer: impl Future<Output = Result<T, E>>) -> Option<T> {
    tokio::time::timeout(ANSWER_TIME_MAX, answer).await.ok()?.ok()
}

/// Serves one connection until it ends; how it ends is the other side's business.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, caller: Caller, sources: Sources) {
    let service = service_fn(|request| {
        let sources = sources.clone();
        async move { Ok::<_, Infallible>(answer(&request, caller, &sources).await) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: &Request<Incoming>, caller: Caller, sources: &Sources) -> Answer {
    let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
    let topologies = &sources.topologies;
    match (request.method(), &path[..], request.uri().query()) {
        (&Method::GET, [""], _) => page(),
        (&Method::GET, ["status"], None) => json(&sources.look().await),
        (&Method::GET, ["status"], Some("watch")) => watch(sources, What::Everything).await,
        (&Method::GET, ["topology"], None) => topology(topologies).await,
        (&Method::GET, ["topology"], Some("watch")) => watch(sources, What::Shards).await,
        (&Method::GET, ["status" | "topology"], Some(_)) => {
            text(StatusCode::BAD_REQUEST, "the only query is ?watch\n")
        }
        (&Method::POST, ["forget", pool, shard], _) if caller == Caller::Socket => {
            forget(topologies, pool, shard).await
        }
        (&Method::POST, ["stepdown"], query) if caller == Caller::Socket => {
            obey(sources, query, |span| Some(Wish::StepDown(span.unwrap_or(STEP_DOWN_FOR)))).await
        }
        (&Method::POST, ["maintenance", "on"], query) if caller == Caller::Socket => {
            obey(sources, query, |span| span.is_none().then_some(Wish::Maintenance)).await
        }
        (&Method::POST, ["maintenance", "off"], query) if caller == Caller::Socket => {
            obey(sources, query, |span| span.is_none().then_some(Wish::Full)).await
        }
        (
            _,
            ["" | "status" | "topology" | "stepdown"]
            | ["forget", _, _]
            | ["maintenance", "on" | "off"],
            _,
        ) => text(StatusCode::METHOD_NOT_ALLOWED, "not like this, or not from here\n"),
        (&Method::GET | &Method::HEAD, path, query) => {
            for_machines(path, query, request, sources).await
        }
        (&Method::OPTIONS, path, query) => {
            // HAProxy's checks of old look at the status, and expect no body.
            let (mut head, _) = for_machines(path, query, request, sources).await.into_parts();
            head.headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
            Response::from_parts(head, Full::default().boxed())
        }
        _ => text(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS\n"),
    }
}

/// What load balancers, probes and Prometheus ask.
async fn for_machines(
    path: &[&str],
    query: Option<&str>,
    request: &Request<Incoming>,
    sources: &Sources,
) -> Answer {
    match path {
        ["metrics"] => scrape(request, sources).await,
        ["health"] => {
            let (look, known) = sources.ask().await;
            tell(checks::health(look.is_some(), known.is_some()))
        }
        ["ready"] => tell(checks::ready(&sources.look().await)),
        ["pools", pool, "shards", shard, role] => match Role::named(role) {
            Some(role) => check_shard((pool, shard), role, query, &sources.topologies).await,
            None => text(StatusCode::NOT_FOUND, "there are primary, replica and any\n"),
        },
        ["routers", interface, id, "master"] => check_router((interface, id), None, sources).await,
        ["routers", interface, id, family, "master"] => {
            check_router((interface, id), Some(family), sources).await
        }
        _ => text(StatusCode::NOT_FOUND, PATHS),
    }
}

async fn scrape(request: &Request<Incoming>, sources: &Sources) -> Answer {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    let (facts, (look, known)) = (sources.process.facts(), sources.ask().await);
    let seen = Seen { facts: &facts, look: look.as_deref(), known: known.as_ref() };
    // A String takes all that is written to it.
    let text = metrics::encode(seen, format).unwrap_or_default();
    respond(StatusCode::OK, format.content_type(), Full::from(text).boxed())
}

async fn check_shard(
    (pool, shard): (&str, &str),
    role: Role,
    query: Option<&str>,
    topologies: &Topologies,
) -> Answer {
    let question = match Question::parse(role, query) {
        Ok(question) => question,
        Err(reason) => return text(StatusCode::BAD_REQUEST, &(reason + "\n")),
    };
    let shard = ShardId { pool: decode(pool).into(), shard: decode(shard).into() };
    match in_time(topologies.look_at(shard)).await {
        Some(Some(shard)) => tell(question.of(&shard)),
        Some(None) => text(StatusCode::NOT_FOUND, "no such shard\n"),
        None => discovery_hangs(),
    }
}

async fn check_router(
    (interface, id): (&str, &str),
    family: Option<&str>,
    sources: &Sources,
) -> Answer {
    let Some(look) = in_time(sources.routers.look()).await else {
        return tell(checks::health(false, true));
    };
    checks::is_master(&look.routers, &decode(interface), id, family)
        .map_or_else(|| text(StatusCode::NOT_FOUND, "no such virtual router\n"), tell)
}

fn page() -> Answer {
    let mut answer =
        respond(StatusCode::OK, "text/html; charset=utf-8", Full::from(page::HTML).boxed());
    let policy = HeaderValue::from_static(page::CONTENT_SECURITY_POLICY);
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    answer
}

async fn topology(topologies: &Topologies) -> Answer {
    match in_time(topologies.look()).await {
        Some(snapshot) => json(&topology::Document::new(&snapshot)),
        None => discovery_hangs(),
    }
}

async fn forget(topologies: &Topologies, pool: &str, shard: &str) -> Answer {
    let shard = ShardId { pool: decode(pool).into(), shard: decode(shard).into() };
    match in_time(topologies.forget(shard)).await {
        Some(true) => text(StatusCode::OK, "forgotten\n"),
        Some(false) => text(StatusCode::NOT_FOUND, "no shard with use_patroni = true\n"),
        None => discovery_hangs(),
    }
}

/// Said where discovery alone would know.
fn discovery_hangs() -> Answer {
    tell(checks::health(true, false))
}

async fn obey(
    sources: &Sources,
    query: Option<&str>,
    wish: impl FnOnce(Option<Duration>) -> Option<Wish>,
) -> Answer {
    let read = Query::read(query).and_then(|Query { span, names }| {
        let refused = || Refused::Query("maintenance has no end".to_owned());
        Ok((wish(span).ok_or_else(refused)?, names))
    });
    let obeyed = match read {
        Ok((wish, names)) => duty::obey(&sources.routers, &names, wish).await,
        Err(refused) => Err(refused),
    };
    let status = match &obeyed {
        Ok(obeyed) => return json(obeyed),
        Err(Refused::Query(_)) => StatusCode::BAD_REQUEST,
        Err(Refused::Unknown(_)) => StatusCode::NOT_FOUND,
        Err(Refused::Silent | Refused::Ended(_)) => StatusCode::SERVICE_UNAVAILABLE,
    };
    text(status, &obeyed.map_or_else(|refused| format!("{refused}\n"), |_| String::new()))
}

/// What somebody watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Shards,
    Everything,
}

/// A line for each shard, and each router if those are watched too, and one more for each change, for
/// as long as somebody reads. If nobody answers to begin with, that is said at once.
async fn watch(sources: &Sources, what: What) -> Answer {
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
            for shard in topology::Document::new(&snapshot).shards {
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

/// A part of a path.
fn decode(part: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy()
}

fn tell(verdict: Verdict) -> Answer {
    text(verdict.status, &verdict.text)
}

fn line(object: &impl Serialize) -> Bytes {
    // It consists of texts, numbers and lists: all of that can be written.
    let mut line = serde_json::to_vec(object).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

fn json(document: &impl Serialize) -> Answer {
    let mut body = serde_json::to_vec_pretty(document).unwrap_or_default();
    body.push(b'\n');
    respond(StatusCode::OK, "application/json", Full::from(body).boxed())
}

fn text(status: StatusCode, text: &str) -> Answer {
    respond(status, "text/plain; charset=utf-8", Full::from(text.to_owned()).boxed())
}

fn respond(status: StatusCode, kind: &'static str, body: BoxBody<Bytes, Infallible>) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
