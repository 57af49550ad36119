//! What a running daemon answers over HTTP, whoever the connection is from.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`checks`] | what load balancers and probes ask |
//! | [`duty`] | what an operator wants of virtual routers |
//! | `endpoint` | all that can be asked for, and how |
//! | [`document`] | everything that a daemon tells of itself, as JSON |
//! | [`metrics`] | what Prometheus reads |
//! | [`warnings`] | what of it needs somebody's attention |
//! | [`table`] | all of it as tables for people |
//! | `watch` | a line for each change |
//! | [`page`] | the page for people |

pub mod checks;
pub mod document;
pub mod duty;
mod endpoint;
pub mod metrics;
pub mod page;
pub mod table;
pub mod warnings;
mod watch;

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use openproxy_core::discovery::ShardId;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::discovery::document as topology;
use crate::discovery::driver::Snapshot;
use crate::discovery::topologies::Topologies;
use crate::process::Process;
use crate::routers::history::History;
use crate::routers::{Look, Routers};
use checks::{Question, Role, Verdict};
use document::Document;
use duty::{Query, Refused, STEP_DOWN_FOR, Wish};
use endpoint::{Endpoint, Names};
use metrics::{Format, Seen};
use watch::{What, watch};

/// How long a request may take to come in.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);
/// A thread that takes longer to answer hangs. Kubernetes gives a probe a second.
pub const ANSWER_TIME_MAX: Duration = Duration::from_millis(750);

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
    let found = Endpoint::at(request.uri().path());
    let answer = match found {
        Some((endpoint, names)) => reply(endpoint, names, request, caller, sources).await,
        None => text(StatusCode::NOT_FOUND, &all_paths()),
    };
    let asks_for_options = request.method() == Method::OPTIONS;
    let (mut head, body) = answer.into_parts();
    if let Some((endpoint, _)) = found
        && (asks_for_options || head.status == StatusCode::METHOD_NOT_ALLOWED)
    {
        let methods = HeaderValue::from_static(endpoint.access().methods(caller));
        head.headers.insert(ALLOW, methods);
    }
    // HAProxy's checks of old look at the status, and expect no body.
    let body = if asks_for_options { Full::default().boxed() } else { body };
    Response::from_parts(head, body)
}

/// What an endpoint says, if it may be asked like this.
async fn reply(
    endpoint: Endpoint,
    names: Names<'_>,
    request: &Request<Incoming>,
    caller: Caller,
    sources: &Sources,
) -> Answer {
    let mut methods = endpoint.access().methods(caller).split(", ");
    if !methods.any(|method| method == request.method().as_str()) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "not like this, or not from here\n");
    }
    let query = request.uri().query();
    if let Some(pair) = endpoint.not_understood(query) {
        return text(StatusCode::BAD_REQUEST, &format!("{pair} is not understood here\n"));
    }
    let [first, second, third] = names;
    match endpoint {
        Endpoint::Page => page(),
        Endpoint::Status => match query {
            None => json(&sources.look().await),
            Some(query) => watch(sources, What::Everything, query).await,
        },
        Endpoint::Topology => match query {
            None => topology(&sources.topologies).await,
            Some(query) => watch(sources, What::Shards, query).await,
        },
        Endpoint::Metrics => scrape(request, sources).await,
        Endpoint::Health => {
            let (look, known) = sources.ask().await;
            tell(checks::health(look.is_some(), known.is_some()))
        }
        Endpoint::Ready => tell(checks::ready(&sources.look().await)),
        Endpoint::Shard(role) => {
            check_shard((first, second), role, query, &sources.topologies).await
        }
        Endpoint::Router => check_router((first, second), None, sources).await,
        Endpoint::RouterOfFamily => check_router((first, second), Some(third), sources).await,
        Endpoint::Forget => forget(&sources.topologies, first, second).await,
        Endpoint::StepDown => {
            obey(sources, query, |span| Wish::StepDown(span.unwrap_or(STEP_DOWN_FOR))).await
        }
        Endpoint::MaintenanceOn => obey(sources, query, |_| Wish::Maintenance).await,
        Endpoint::MaintenanceOff => obey(sources, query, |_| Wish::Full).await,
    }
}

/// Said of any other path.
fn all_paths() -> String {
    let paths = Endpoint::ALL.iter().map(|endpoint| endpoint.path().to_owned() + "\n");
    "there is nothing here, but at\n".to_owned() + &paths.collect::<String>()
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
    wish: impl FnOnce(Option<Duration>) -> Wish,
) -> Answer {
    let obeyed = match Query::read(query) {
        Ok(Query { span, names }) => duty::obey(&sources.routers, &names, wish(span)).await,
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

/// A part of a path.
fn decode(part: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy()
}

fn tell(verdict: Verdict) -> Answer {
    text(verdict.status, &verdict.text)
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
