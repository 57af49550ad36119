//! From an endpoint to a connection, one address after the other.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task;
use tokio::time::{Instant, timeout_at};

use super::endpoint::Endpoint;
use super::error::{Reason, Stage};
use super::within;

/// How many of a name's addresses are tried.
pub const ADDRESSES_MAX: usize = 8;
/// How many names a [`TcpDialer`] looks up at a time. Each keeps a thread of the runtime's blocking
/// ones busy, for half a minute and longer when DNS is silent, whether anybody still waits or not.
pub const LOOKUPS_MAX: usize = 32;

/// The network, as far as an asker needs it.
pub trait Dial {
    /// A connection; closed when it is dropped.
    type Stream: AsyncRead + AsyncWrite + Unpin;

    /// The addresses of a name, the best first. May take for ever.
    fn resolve(&self, name: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>>;

    /// Connects. May take for ever; when it is dropped, there is no connection.
    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// Connects to an endpoint: to one of its addresses at a time, since a race would leave the server
/// with connections that ask nothing. Each may take an equal part of the time that is left.
pub(super) async fn connect<D: Dial>(
    dial: &D,
    endpoint: &Endpoint,
    deadline: Instant,
) -> Result<D::Stream, Reason> {
    let addresses = resolve(dial, endpoint, deadline).await?;
    let mut reason = Reason::Unresolved { source: io::ErrorKind::NotFound.into() };
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let now = Instant::now();
        let turn = now + deadline.saturating_duration_since(now) / left;
        left -= 1;
        reason = match timeout_at(turn, dial.connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Reason::Refused,
            Ok(Err(source)) => Reason::Unreachable { source },
            Err(_) => Reason::TimedOut { stage: Stage::Connecting },
        };
    }
    Err(reason)
}

async fn resolve<D: Dial>(
    dial: &D,
    endpoint: &Endpoint,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, Reason> {
    if let Some(address) = endpoint.host.address() {
        return Ok(vec![SocketAddr::new(address, endpoint.port)]);
    }
    let name = endpoint.host.name().unwrap_or_default();
    let mut addresses = within(Stage::Resolving, deadline, async {
        let found = dial.resolve(name, endpoint.port).await;
        found.map_err(|source| Reason::Unresolved { source })
    })
    .await?;
    addresses.truncate(ADDRESSES_MAX);
    Ok(addresses)
}

/// The kernel's TCP and the system's resolver. A clone shares its lookups.
///
/// A lookup can't be cut off, so askers for a name that is being looked up wait for the same
/// lookup: a resolver that is silent costs one thread for each name, and [`LOOKUPS_MAX`] at most.
/// The runtime that it is used in should have that many blocking threads to spare.
#[derive(Clone, Debug)]
pub struct TcpDialer {
    lookups: Arc<Mutex<Lookups>>,
    permits: Arc<Semaphore>,
}

/// Those under way, by name.
type Lookups = BTreeMap<Box<str>, watch::Receiver<Found>>;

/// What a lookup found; `None` until it has.
type Found = Option<Result<Vec<SocketAddr>, Arc<io::Error>>>;

impl Default for TcpDialer {
    fn default() -> Self {
        Self { lookups: Arc::default(), permits: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Dial for TcpDialer {
    type Stream = TcpStream;

    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.resolve_by(name, port, |name| (name, 0).to_socket_addrs().map(Iterator::collect)).await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl TcpDialer {
    async fn resolve_by(
        &self,
        name: &str,
        port: u16,
        lookup: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> io::Result<Vec<SocketAddr>> {
        let mut found = self.look_up(name, lookup).await?;
        let found = found.wait_for(Option::is_some).await;
        let found = found.map_err(|_| io::Error::other("the lookup came to no end"))?;
        match &*found {
            Some(Ok(addresses)) => {
                Ok(addresses.iter().map(|address| SocketAddr::new(address.ip(), port)).collect())
            }
            // An error of the resolver has no kind worth keeping.
            Some(Err(error)) => Err(io::Error::other(Arc::clone(error))),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Joins the lookup of this name that is under way, or begins one once there is room.
    async fn look_up(
        &self,
        name: &str,
        lookup: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> io::Result<watch::Receiver<Found>> {
        if let Some(found) = under_way(&self.lock(), name) {
            return Ok(found);
        }
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        let mut lookups = self.lock();
        // Another may have begun it meanwhile.
        if let Some(found) = under_way(&lookups, name) {
            return Ok(found);
        }
        let (tell, found) = watch::channel(None);
        lookups.insert(name.into(), found.clone());
        let (dialer, name) = (self.clone(), Box::<str>::from(name));
        task::spawn_blocking(move || {
            let addresses = lookup(&name).map_err(Arc::new);
            // Who comes from now on gets a lookup of its own, and who waits has this one.
            dialer.lock().remove(&name);
            tell.send_replace(Some(addresses));
            drop(permit);
        });
        Ok(found)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lookups> {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lookup of this name, unless it came to no end.
fn under_way(lookups: &Lookups, name: &str) -> Option<watch::Receiver<Found>> {
    lookups.get(name).filter(|found| found.has_changed().is_ok()).cloned()
}

#[cfg(test)]
mod tests;
