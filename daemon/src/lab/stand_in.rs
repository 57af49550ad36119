//! The stand-in for Patroni: its REST API and a PostgreSQL port on each node, as the script says.

use std::convert::Infallible;
use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::error::{Context, LabError};
use super::net::{Lan, address};
use super::script::{API_PORT, POSTGRES_PORT, Script};

/// The script that all of them play.
#[derive(Clone, Debug)]
pub(crate) struct StandIn(Arc<Mutex<Script>>);

impl StandIn {
    /// Starts one on each node, on a thread that ends with the lab.
    pub(crate) fn start(lan: &Lan) -> Result<Self, LabError> {
        let stand_in = Self(Arc::new(Mutex::new(Script::new(lan.nodes.len()))));
        let mut listeners = Vec::new();
        for (node, namespace) in lan.nodes.iter().enumerate() {
            listeners.push(
                namespace.run(|| Ok((listen(node, API_PORT)?, listen(node, POSTGRES_PORT)?)))?,
            );
        }
        let shared = stand_in.clone();
        thread::Builder::new()
            .name("stand-in".to_owned())
            .spawn(move || shared.serve(listeners))
            .context("start the stand-in for Patroni")?;
        Ok(stand_in)
    }

    /// The script, to be changed.
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, listeners: Vec<(StdListener, StdListener)>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            for (node, (api, postgres)) in listeners.into_iter().enumerate() {
                let (Ok(api), Ok(postgres)) =
                    (TcpListener::from_std(api), TcpListener::from_std(postgres))
                else {
                    return;
                };
                let stand_in = self.clone();
                tokio::spawn(async move {
                    while let Ok((stream, _)) = api.accept().await {
                        tokio::spawn(stand_in.clone().answer(node, stream));
                    }
                });
                // Whoever connects finds that somebody listens.
                tokio::spawn(async move { while postgres.accept().await.is_ok() {} });
            }
            std::future::pending::<()>().await;
        });
    }

    /// Answers one question, or closes the connection as a Patroni that dies does.
    async fn answer(self, node: usize, stream: TcpStream) {
        if self.script().silent == Some(node) {
            return;
        }
        let service = service_fn(async |request: Request<Incoming>| {
            let answer = self.script().answer(node, request.uri().path());
            let mut response = Response::new(Full::<Bytes>::default());
            match answer {
                Some(answer) => *response.body_mut() = answer.to_string().into(),
                None => *response.status_mut() = StatusCode::NOT_FOUND,
            }
            Ok::<_, Infallible>(response)
        });
        // How a connection ends is the daemon's business.
        let _ = http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }
}

fn listen(node: usize, port: u16) -> Result<StdListener, LabError> {
    let listener = StdListener::bind((address(node), port)).context("listen on a node")?;
    listener.set_nonblocking(true).context("listen on a node")?;
    Ok(listener)
}
