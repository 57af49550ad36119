//! HTTPS: who is trusted, who we say we are, and files that change while we run.
//!
//! Files are compared by content, once a second at most: neither a time of modification that is too
//! coarse nor a file that is moved into place can deceive that. What is half written isn't used: the
//! last good set goes on, and [`TlsNews`] says so once.

mod files;
mod reason;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OnceCell;
use tokio::task;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::endpoint::Endpoint;
use super::error::{Reason, Stage};
use super::exchange::is_reset;
use files::Files;
pub use files::{TlsError, TlsFile};
pub(super) use reason::reason;

/// How often files are looked at, at most.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a question waits for that look; then it goes on with what it has. A disk that hangs must
/// not make us blind.
const CHECK_WAIT_MAX: Duration = Duration::from_millis(100);

/// How HTTPS is spoken. All files are PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificates that are trusted, and no others; without it, the system's.
    pub ca: Option<PathBuf>,
    /// The name or address that the server's certificate must be for; without it, the endpoint's.
    pub server_name: Option<String>,
    /// Our certificate, and what is between it and its CA.
    pub certificate: Option<PathBuf>,
    /// Its private key, not encrypted.
    pub key: Option<PathBuf>,
}

/// What has happened to the files.
#[derive(Debug)]
pub enum TlsNews {
    /// They have changed, and count from now on.
    Reloaded,
    /// They have changed, and can't be used; the last good ones go on. Told once for each reason.
    Kept(TlsError),
}

/// What a client has for TLS.
#[derive(Debug, Default)]
pub(super) struct Tls {
    server_name: Option<ServerName<'static>>,
    shared: Arc<Shared>,
    /// Whether the first load is done: the system's roots wait for the first question.
    first: OnceCell<()>,
}

#[derive(Debug, Default)]
struct Shared {
    settings: TlsSettings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    loaded: Option<Loaded>,
    /// The text of the last complaint, until the files are good again.
    complaint: Option<String>,
    news: Option<TlsNews>,
    checked_at: Option<Instant>,
    is_checking: bool,
}

#[derive(Debug)]
struct Loaded {
    files: Files,
    config: Arc<ClientConfig>,
}

/// What one connection needs.
#[derive(Debug)]
pub(super) struct Session {
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Tls {
    pub(super) fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        let server_name = match &settings.server_name {
            Some(name) => Some(
                ServerName::try_from(name.clone())
                    .map_err(|_| TlsError::ServerName { name: name.clone() })?,
            ),
            None => None,
        };
        let has_files = settings.has_files();
        let shared = Shared { settings, state: Mutex::default() };
        if has_files {
            shared.load()?;
        }
        Ok(Self { server_name, shared: Arc::new(shared), first: OnceCell::new() })
    }

    pub(super) fn poll_news(&self) -> Option<TlsNews> {
        self.shared.lock().news.take()
    }

    /// What the next connection is to be made with.
    pub(super) async fn session(&self, endpoint: &Endpoint) -> Result<Session, Reason> {
        let name = match (&self.server_name, endpoint.host.address()) {
            (Some(name), _) => name.clone(),
            (None, Some(address)) => address.into(),
            (None, None) => ServerName::try_from(endpoint.host.to_string()).map_err(|_| {
                let detail = format!("no certificate can be for the name {:?}", endpoint.host);
                Reason::Tls { detail }
            })?,
        };
        self.check().await;
        let config = match self.shared.config() {
            Some(config) => config,
            None => self.load_first().await?,
        };
        Ok(Session { name, config })
    }

    /// Looks at the files, if it's time to and there are any.
    async fn check(&self) {
        if !self.shared.settings.has_files() || !self.shared.begin_check(Instant::now()) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let check = task::spawn_blocking(move || shared.check());
        // It goes on without us, and whoever asks next has what it finds.
        let _ = timeout(CHECK_WAIT_MAX, check).await;
    }

    async fn load_first(&self) -> Result<Arc<ClientConfig>, Reason> {
        let load = || async {
            let shared = Arc::clone(&self.shared);
            let load = task::spawn_blocking(move || shared.load()).await;
            let load = load.map_err(|error| Reason::Tls { detail: error.to_string() })?;
            load.map_err(|source| Reason::TlsSetup { source })
        };
        self.first.get_or_try_init(load).await?;
        let none = || Reason::Tls { detail: "no configuration was loaded".to_owned() };
        self.shared.config().ok_or_else(none)
    }
}

impl TlsSettings {
    fn has_files(&self) -> bool {
        self.ca.is_some() || self.certificate.is_some() || self.key.is_some()
    }
}

impl Shared {
    fn config(&self) -> Option<Arc<ClientConfig>> {
        self.lock().loaded.as_ref().map(|loaded| Arc::clone(&loaded.config))
    }

    fn load(&self) -> Result<(), TlsError> {
        let files = Files::read(&self.settings)?;
        let config = Arc::new(files.config(&self.settings)?);
        self.lock().loaded = Some(Loaded { files, config });
        Ok(())
    }

    /// Whether the files are to be looked at, which must then be done.
    fn begin_check(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let is_due = state.checked_at.is_none_or(|at| now >= at + CHECK_INTERVAL);
        let begins = is_due && !state.is_checking;
        if begins {
            state.checked_at = Some(now);
            state.is_checking = true;
        }
        begins
    }

    fn check(&self) {
        let found = self.reread();
        let mut state = self.lock();
        state.is_checking = false;
        match found {
            Ok(Some(loaded)) => {
                state.loaded = Some(loaded);
                state.complaint = None;
                state.news = Some(TlsNews::Reloaded);
            }
            Ok(None) => state.complaint = None,
            Err(error) => {
                let complaint = error.to_string();
                if state.complaint.as_ref() != Some(&complaint) {
                    state.complaint = Some(complaint);
                    state.news = Some(TlsNews::Kept(error));
                }
            }
        }
    }

    /// What the files have, unless that is what is in use.
    fn reread(&self) -> Result<Option<Loaded>, TlsError> {
        let files = Files::read(&self.settings)?;
        if self.lock().loaded.as_ref().is_some_and(|loaded| loaded.files == files) {
            return Ok(None);
        }
        let config = Arc::new(files.config(&self.settings)?);
        Ok(Some(Loaded { files, config }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        stream: S,
    ) -> Result<TlsStream<S>, Reason> {
        let connector = TlsConnector::from(self.config);
        connector.connect(self.name, stream).await.map_err(handshake_reason)
    }
}

fn handshake_reason(error: io::Error) -> Reason {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return reason(error);
    }
    if is_reset(error.kind()) {
        return Reason::Reset { stage: Stage::Handshaking };
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let detail = "the connection was closed during the handshake".to_owned();
        return Reason::Tls { detail };
    }
    Reason::Io { stage: Stage::Handshaking, source: error }
}
