//! What somebody sends to the status socket.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use openproxy::api::{Caller, REQUEST_TIME_MAX, Sources, serve};
use openproxy::discovery::driver::{Request, Snapshot};
use openproxy::discovery::topologies::Topologies;
use openproxy::driver::Lateness;
use openproxy::process::Process;
use openproxy::routers::history::History;
use openproxy::routers::{Look, Routers};
use openproxy_core::discovery::{NoneWhy, Topology};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::timeout;

use crate::runtime::block_on;

/// What fits between the two ends.
const PIPE_LEN: usize = 64 << 10;
/// So long after the last request has come in, or has failed to, it is over.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Whether it comes by the network, then the bytes of a connection.
///
/// # Panics
/// When the connection stays open, or is answered with something else than HTTP.
pub fn control_request(data: &[u8]) {
    let Some((flags, sent)) = data.split_first() else { return };
    let caller = if flags & 1 == 0 { Caller::Socket } else { Caller::Network };
    // A change can be watched for as long as somebody likes.
    let watches = sent.windows(5).any(|window| window.eq_ignore_ascii_case(b"watch"));
    if !watches {
        block_on(talk(caller, sent.to_vec()));
    }
}

async fn talk(caller: Caller, sent: Vec<u8>) {
    let (requests, asked) = mpsc::channel(8);
    let (changes, _) = broadcast::channel(8);
    let (ours, theirs) = duplex(PIPE_LEN);
    let (looks, looked) = mpsc::channel(8);
    let (commands, _nobody) = mpsc::channel(8);
    let sources = Sources {
        process: Process::new("openproxy.toml".into()),
        routers: Routers::new(looks, commands),
        history: History::default(),
        topologies: Topologies::new(requests, changes),
    };
    tokio::select! {
        biased;
        never = discover(asked) => match never {},
        never = route(looked) => match never {},
        () = exchange(ours, sent, caller, theirs, sources) => {}
    }
}

async fn exchange(
    mut ours: DuplexStream,
    sent: Vec<u8>,
    caller: Caller,
    theirs: DuplexStream,
    sources: Sources,
) {
    let asks = async {
        // A server that has heard enough closes.
        let _ = ours.write_all(&sent).await;
        let mut answer = Vec::new();
        let _ = ours.read_to_end(&mut answer).await;
        answer
    };
    let both = async { tokio::join!(asks, serve(theirs, caller, sources)) };
    let ended = timeout(REQUEST_TIME_MAX + ENDS_WITHIN, both).await;
    let (answer, ()) = ended.expect("the connection is closed");
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{answer:?}");
}

/// Stands in for virtual routers: there are none.
async fn route(mut looked: mpsc::Receiver<oneshot::Sender<Look>>) -> Infallible {
    let none = Supervisor::new(Vec::new());
    while let Some(answer) = looked.recv().await {
        let _ = answer.send(Look::at(&none, Lateness::default(), Instant::ZERO));
    }
    pending().await
}

/// Stands in for discovery: no shards, and nothing to forget.
async fn discover(mut asked: mpsc::Receiver<Request>) -> Infallible {
    while let Some(request) = asked.recv().await {
        match request {
            Request::Reconfigure(_) => {}
            // Whoever asked may be gone.
            Request::Look(answer) => {
                let _ = answer.send(Snapshot {
                    at: Instant::ZERO,
                    shards: Vec::new(),
                    changes: BTreeMap::new(),
                    endpoints: Vec::new(),
                });
            }
            Request::LookAt(_, answer) => {
                let topology = Topology::unknown(NoneWhy::Starting);
                let _ = answer.send(Some((topology, Instant::ZERO)));
            }
            Request::Forget(_, answer) => {
                let _ = answer.send(false);
            }
        }
    }
    pending().await
}
