//! The daemon's side: HTTP on a Unix socket, and on a TCP port if the file names one.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
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
use openproxy::config::StatusConfig;
use openproxy::discovery::document::{Document, ShardObject};
use openproxy_core::discovery::ShardId;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::task::JoinSet;

use crate::discovery_thread::Topologies;

/// Connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// How long a request may take to come in.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);
/// Lines that wait for somebody who watches.
const LINES_MAX: usize = 64;
/// After a refused connection, a little rest: out of file descriptors, most likely.
const ACCEPT_REST: Duration = Duration::from_millis(100);

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// Who may do more than read: whoever can write to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Socket,
    Network,
}

/// Serves as the file says.
#[derive(Debug)]
pub(crate) struct StatusServer {
    topologies: Topologies,
    config: Option<StatusConfig>,
    /// The socket that is ours to remove.
    socket: Option<PathBuf>,
    listeners: JoinSet<()>,
}

impl StatusServer {
    /// One that doesn't serve yet.
    pub(crate) fn new(topologies: Topologies) -> Self {
        Self { topologies, config: None, socket: None, listeners: JoinSet::new() }
    }

    /// Serves like this from now on; needs a runtime. What can't be served is told, and is no
    /// reason for anything else to stop.
    pub(crate) fn apply(&mut self, config: &StatusConfig) {
        if self.config.as_ref() == Some(config) {
            return;
        }
        self.close();
        self.config = Some(config.clone());
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let path = config.socket.display();
        match bind(&config.socket) {
            Ok(listener) => {
                self.socket = Some(config.socket.clone());
                let (topologies, permits) = (self.topologies.clone(), Arc::clone(&permits));
                self.listeners.spawn(async move {
                    serve(listener, Caller::Socket, topologies, permits).await;
                });
            }
            Err(error) => {
                tracing::warn!("no status on {path}: {error}; [general.status] socket moves it");
            }
        }
        if let Some(address) = config.listen {
            let topologies = self.topologies.clone();
            self.listeners.spawn(async move {
                match TcpListener::bind(address).await {
                    Ok(listener) => {
                        serve(listener, Caller::Network, topologies, permits).await;
                    }
                    Err(error) => tracing::error!("no status on {address}: {error}"),
                }
            });
        }
    }

    fn close(&mut self) {
        self.listeners.abort_all();
        if let Some(socket) = self.socket.take() {
            // Somebody may have removed it before.
            let _ = fs::remove_file(socket);
        }
    }
}

impl Drop for StatusServer {
    fn drop(&mut self) {
        self.close();
    }
}

/// Listens on a path, in the place of a daemon that has died there.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        if StdUnixStream::connect(path).is_ok() {
            return Err(io::Error::other("another daemon serves there"));
        }
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// What both kinds of listeners do.
trait Accept {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

async fn serve(
    listener: impl Accept,
    caller: Caller,
    topologies: Topologies,
    permits: Arc<Semaphore>,
) {
    let mut connections = JoinSet::new();
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        // What has ended is not to be kept.
        while connections.try_join_next().is_some() {}
        let Ok(stream) = listener.next().await else {
            tokio::time::sleep(ACCEPT_REST).await;
            continue;
        };
        let topologies = topologies.clone();
        connections.spawn(async move {
            let _permit = permit;
            let service = service_fn(|request| {
                let topologies = topologies.clone();
                async move { Ok::<_, Infallible>(answer(&request, caller, &topologies).await) }
            });
            // How a connection ends is the other side's business.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST_TIME_MAX)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
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
