//! The daemon's side: HTTP on a Unix socket, and on a TCP port if the file names one.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openproxy::api::{self, Caller, Sources};
use openproxy::config::StatusConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::linux;

/// Connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// After a refused connection, a little rest: out of file descriptors, most likely.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// Whether there is room for us doesn't matter where another daemon may be.
const KNOCK_FOR: Duration = Duration::from_millis(1);

/// Serves as the file says.
#[derive(Debug)]
pub(crate) struct StatusServer {
    sources: Sources,
    config: Option<StatusConfig>,
    /// The socket that is ours to remove.
    socket: Option<PathBuf>,
    listeners: JoinSet<()>,
}

impl StatusServer {
    /// One that doesn't serve yet.
    pub(crate) fn new(sources: Sources) -> Self {
        Self { sources, config: None, socket: None, listeners: JoinSet::new() }
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
                let (sources, permits) = (self.sources.clone(), Arc::clone(&permits));
                let path = config.socket.clone();
                self.listeners.spawn(async move {
                    let place = path.display().to_string();
                    serve(listener, &place, Caller::Socket, sources, permits).await;
                });
            }
            Err(error) => {
                tracing::warn!("no status on {path}: {error}; [general.status] socket moves it");
            }
        }
        if let Some(address) = config.listen {
            let sources = self.sources.clone();
            self.listeners.spawn(async move {
                match TcpListener::bind(address).await {
                    Ok(listener) => {
                        let place = address.to_string();
                        serve(listener, &place, Caller::Network, sources, permits).await;
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
        let connected = linux::connect_within(path, KNOCK_FOR);
        // One that has no room for another is there all the same.
        if connected.map_or_else(|error| error.kind() == io::ErrorKind::TimedOut, |_| true) {
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
    place: &str,
    caller: Caller,
    sources: Sources,
    permits: Arc<Semaphore>,
) {
    let mut connections = JoinSet::new();
    let mut is_told = false;
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        // What has ended is not to be kept.
        while connections.try_join_next().is_some() {}
        let stream = match listener.next().await {
            Ok(stream) => stream,
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!("no connection on {place}: {error}");
                }
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        is_told = false;
        let sources = sources.clone();
        connections.spawn(async move {
            let _permit = permit;
            api::serve(stream, caller, sources).await;
        });
    }
}
