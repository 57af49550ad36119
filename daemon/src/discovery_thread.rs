//! The thread of discovery: everything between Patroni and what the rest of the daemon makes of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use openproxy::discovery::document::ShardObject;
use openproxy::discovery::driver::{self, News, Settings};
use openproxy::discovery::http::{LOOKUPS_MAX, TcpDialer, TlsNews};
use openproxy::discovery::topologies::Topologies;
use openproxy::discovery::tracking::LocalHosts;
use openproxy_core::io::Command;
use openproxy_core::time::Instant;
use openproxy_core::vrrp::RouterKey;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::linux;
use crate::logging;
use crate::room;

/// Requests that wait for the thread.
const REQUESTS_MAX: usize = 256;
/// Changes that a consumer may be behind before it has to look anew.
const CHANGES_MAX: usize = 1_024;
/// Lookups of names, and a few reads of certificate files.
const BLOCKING_MAX: usize = LOOKUPS_MAX + 8;
/// How long the addresses of this node are believed.
const LOCAL_FRESH_FOR: Duration = Duration::from_secs(1);

/// Starts the thread. The receiver gets nothing, and ends with the thread.
pub(crate) fn start(
    settings: Settings,
    to_vrrp: mpsc::Sender<Command>,
) -> io::Result<(Topologies, oneshot::Receiver<()>)> {
    let (requests, asked) = mpsc::channel(REQUESTS_MAX);
    let (changes, _) = broadcast::channel(CHANGES_MAX);
    let topologies = Topologies::new(requests, changes.clone());
    let (running, ended) = oneshot::channel();
    let runtime = room::runtime("lookup", BLOCKING_MAX)?;
    thread::Builder::new().name("discovery".to_owned()).spawn(move || {
        // Dropped with the thread, however that ends.
        let _running = running;
        let mut publisher = Publisher::new(changes, to_vrrp);
        let publish = |news: News<'_>| publisher.publish(news);
        let (dial, local) = (TcpDialer::default(), LocalAddresses::default());
        runtime.block_on(driver::run(settings, seed(), dial, linux::now, local, asked, publish));
        // A lookup that hangs holds nobody up.
        runtime.shutdown_background();
    })?;
    Ok((topologies, ended))
}

/// A number that no other daemon has.
fn seed() -> u64 {
    // Its keys are random.
    RandomState::new().hash_one(std::process::id())
}

/// Hands on what discovery tells, without ever waiting.
struct Publisher {
    changes: broadcast::Sender<Arc<ShardObject>>,
    to_vrrp: mpsc::Sender<Command>,
    /// Weights that the virtual routers haven't taken yet.
    weights: BTreeMap<RouterKey, i32>,
    /// Those that the log has been told of, but for zero.
    told: BTreeMap<RouterKey, i32>,
}

impl Publisher {
    fn new(changes: broadcast::Sender<Arc<ShardObject>>, to_vrrp: mpsc::Sender<Command>) -> Self {
        Self { changes, to_vrrp, weights: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// Says why a router's priority is about to change.
    fn tell(&mut self, router: &RouterKey, weight: i32) {
        let was = if weight == 0 {
            self.told.remove(router)
        } else {
            self.told.insert(router.clone(), weight)
        };
        if was.unwrap_or_default() != weight {
            tracing::info!("{router}: track_patroni: the priority is changed by {weight}");
        }
    }

    fn publish(&mut self, news: News<'_>) {
        match news {
            News::Event(event) => logging::report_discovery(event),
            News::Topology(id, topology, now) => {
                // Nobody may listen at the moment.
                let _ = self.changes.send(Arc::new(ShardObject::new(id, topology, now)));
            }
            News::Weight(router, weight) => {
                self.tell(&router, weight);
                self.weights.insert(router, weight);
            }
            News::Tls(TlsNews::Reloaded) => {
                tracing::info!("certificate files have changed; the new ones are used");
            }
            News::Tls(TlsNews::Kept(error)) => tracing::error!(
                "certificate files have changed and can't be used; the last good ones go on: {error}"
            ),
            News::TlsUnusable(error) => {
                tracing::error!("Patroni can't be asked over TLS: {error}");
            }
        }
        self.hand_on_weights();
    }

    /// What doesn't fit now is sent with the next news: the last weight of a router counts.
    fn hand_on_weights(&mut self) {
        while let Some((router, weight)) = self.weights.pop_first() {
            match self.to_vrrp.try_send(Command::Weigh(router.clone(), weight)) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                Err(mpsc::error::TrySendError::Full(_)) => {
                    self.weights.insert(router, weight);
                    return;
                }
            }
        }
    }
}

/// The addresses of this node, asked of the kernel once in a while.
#[derive(Debug, Default)]
struct LocalAddresses(RefCell<Option<(Instant, Vec<IpAddr>)>>);

impl LocalHosts for LocalAddresses {
    fn is_local(&self, ip: IpAddr) -> bool {
        let now = linux::now();
        let mut known = self.0.borrow_mut();
        if known.as_ref().is_none_or(|(asked_at, _)| *asked_at + LOCAL_FRESH_FOR <= now) {
            // Without a descriptor to ask with, they are what they were.
            let before = known.take().map(|(_, addresses)| addresses);
            let found = linux::local_addresses().or(before);
            *known = found.map(|addresses| (now, addresses));
        }
        known.as_ref().is_some_and(|(_, addresses)| addresses.contains(&ip))
    }
}
