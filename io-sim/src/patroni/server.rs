//! A member's machine as a host of turmoil: hyper in place of Patroni's HTTP server, and
//! PostgreSQL's port.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;
use turmoil::net::{TcpListener, TcpStream};

use super::{Cluster, Path, Reply};
use crate::NodeId;

/// Where Patroni's API listens.
pub const API_PORT: u16 = 8008;
/// Where PostgreSQL listens.
pub const POSTGRES_PORT: u16 = 5432;

/// A cluster that several hosts share.
#[derive(Debug)]
pub struct Shared {
    cluster: RefCell<Cluster>,
    changed: Notify,
}

impl Shared {
    /// Shares a cluster.
    #[must_use]
    pub fn new(cluster: Cluster) -> Rc<Self> {
        Rc::new(Self { cluster: RefCell::new(cluster), changed: Notify::new() })
    }

    /// Looks at the cluster.
    pub fn look<R>(&self, look: impl FnOnce(&Cluster) -> R) -> R {
        look(&self.cluster.borrow())
    }

    /// Lets something happen to the cluster; its hosts see it when they run next.
    pub fn change<R>(&self, change: impl FnOnce(&mut Cluster) -> R) -> R {
        let result = change(&mut self.cluster.borrow_mut());
        self.changed.notify_waiters();
        result
    }

    async fn wait(&self, until: impl Fn(&Cluster) -> bool) {
        loop {
            let changed = self.changed.notified();
            if self.look(&until) {
                return;
            }
            changed.await;
        }
    }
}

/// Runs a member's machine, inside its host of turmoil.
///
/// # Errors
/// If a port can't be had.
pub async fn serve(shared: Rc<Shared>, node: NodeId) -> turmoil::Result {
    let never = tokio::select! {
        biased;
        failed = serve_api(&shared, node) => failed,
        failed = serve_postgres(&shared, node) => failed,
    };
    match never? {}
}

async fn serve_postgres(shared: &Shared, node: NodeId) -> io::Result<Infallible> {
    let listens = |cluster: &Cluster| cluster.listens(node) == Some(true);
    loop {
        shared.wait(listens).await;
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, POSTGRES_PORT)).await?;
        loop {
            tokio::select! {
                biased;
                () = shared.wait(|cluster| !listens(cluster)) => break,
                accepted = listener.accept() => drop(accepted?),
            }
        }
    }
}

async fn serve_api(shared: &Rc<Shared>, node: NodeId) -> io::Result<Infallible> {
    loop {
        shared.wait(|cluster| cluster.api_listens(node)).await;
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, API_PORT)).await?;
        // They end with the process that they are of.
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                () = shared.wait(|cluster| !cluster.api_listens(node)) => break,
                accepted = listener.accept() => {
                    connections.push(converse(Rc::clone(shared), node, accepted?.0));
                }
                Some(()) = connections.next() => {}
            }
        }
    }
}

/// One question on one connection, as Patroni's HTTP/1.0 has it. However it ends, nobody else cares.
async fn converse(shared: Rc<Shared>, node: NodeId, stream: TcpStream) {
    let answer = service_fn(move |request| answer(Rc::clone(&shared), node, request));
    let connection =
        http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), answer);
    let _ = connection.await;
}

async fn answer(
    shared: Rc<Shared>,
    node: NodeId,
    request: Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let path = match request.uri().path() {
        "/patroni" | "/health" => Path::Patroni,
        "/cluster" => Path::Cluster,
        _ => {
            let mut nothing = Response::default();
            *nothing.status_mut() = StatusCode::NOT_FOUND;
            return Ok(nothing);
        }
    };
    let reply = || shared.look(|cluster| cluster.reply(node, path));
    // Whoever hangs goes on where it was, once it does.
    shared.wait(|cluster| cluster.reply(node, path) != Reply::Silence).await;
    let is_unwell = || !shared.look(|cluster| cluster.postgres_runs(node));
    match reply() {
        Reply::Body(body) => {
            let mut answer = Response::new(Full::from(body));
            if request.uri().path() == "/health" && is_unwell() {
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            Ok(answer)
        }
        Reply::Closed | Reply::Refused | Reply::Silence => {
            Err(io::ErrorKind::ConnectionAborted.into())
        }
    }
}
