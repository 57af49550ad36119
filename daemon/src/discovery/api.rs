//! What a running daemon answers over HTTP, whoever the connection is from.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use openproxy_core::discovery::ShardId;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, mpsc};

use super::document::{Document, ShardObject};
use super::topologies::Topologies;

/// How long a request may take to come in.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);
/// Lines that wait for somebody who watches.
const LINES_MAX: usize = 64;

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// Who may do more than read: whoever can write to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody whom the socket's mode lets in.
    Socket,
    /// Anybody.
    Network,
}

/// Serves one connection until it ends; how it ends is the other side's business.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    caller: Caller,
    topologies: Topologies,
) {
    let service = service_fn(|request| {
        let topologies = topologies.clone();
        async move { Ok::<_, Infallible>(answer(&request, caller, &topologies).await) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: &Request<Incoming>, caller: Caller, topologies: &Topologies) -> Answer {
    let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
    match (request.method(), &path[..]) {
        (&Method::GET, ["topology"]) => match request.uri().query() {
            Some("watch") => watch(topologies),
            None => topology(topologies).await,
            Some(_) => text(StatusCode::BAD_REQUEST, "the only query is ?watch\n"),
        },
        (&Method::POST, ["forget", pool, shard]) if caller == Caller::Socket => {
            forget(topologies, pool, shard).await
        }
        (_, ["topology"] | ["forget", _, _]) => {
            text(StatusCode::METHOD_NOT_ALLOWED, "not like this, or not from here\n")
        }
        _ => text(StatusCode::NOT_FOUND, "there is /topology, and /topology?watch\n"),
    }
}

async fn topology(topologies: &Topologies) -> Answer {
    match topologies.look().await {
        Ok(snapshot) => json(&Document::new(&snapshot)),
        Err(ended) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{ended}\n")),
    }
}

async fn forget(topologies: &Topologies, pool: &str, shard: &str) -> Answer {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into();
    let shard = ShardId { pool: decode(pool), shard: decode(shard) };
    match topologies.forget(shard).await {
        Ok(true) => text(StatusCode::OK, "forgotten\n"),
        Ok(false) => text(StatusCode::NOT_FOUND, "no shard with use_patroni = true\n"),
        Err(ended) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{ended}\n")),
    }
}

/// A line for each shard, and one more for each change, for as long as somebody reads.
fn watch(topologies: &Topologies) -> Answer {
    let (lines, receiver) = mpsc::channel(LINES_MAX);
    let topologies = topologies.clone();
    tokio::spawn(async move {
        // First, so that nothing is missed between the two; a change may be told twice.
        let mut changes = topologies.subscribe();
        loop {
            let Ok(snapshot) = topologies.look().await else { return };
            for shard in Document::new(&snapshot).shards {
                if lines.send(line(&shard)).await.is_err() {
                    return;
                }
            }
            if follow(&mut changes, &lines).await.is_none() {
                return;
            }
        }
    });
    let frames = stream::unfold(receiver, async |mut receiver| {
        let line: Bytes = receiver.recv().await?;
        Some((Ok(Frame::data(line)), receiver))
    });
    respond(StatusCode::OK, "application/x-ndjson", StreamBody::new(frames).boxed())
}

/// Hands on changes. Ends with something when some were missed, with nothing when nobody reads.
async fn follow(
    changes: &mut broadcast::Receiver<Arc<ShardObject>>,
    lines: &mpsc::Sender<Bytes>,
) -> Option<()> {
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(shard) => lines.send(line(&shard)).await.ok()?,
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(()),
                Err(broadcast::error::RecvError::Closed) => return None,
            },
            () = lines.closed() => return None,
        }
    }
}

fn line(shard: &ShardObject) -> Bytes {
    // It consists of texts, numbers and lists: all of that can be written.
    let mut line = serde_json::to_vec(shard).unwrap_or_default();
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
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    response
}
