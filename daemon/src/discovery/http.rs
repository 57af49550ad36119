//! How one question is put to a Patroni REST API.
//!
//! A question is one connection: resolve, connect, ask at once, read until the end, close. Patroni
//! serves its API with as few as five threads, and a connection without a request holds one of
//! them; so there is no pool, no keep-alive, no racing of addresses, and nothing of a question
//! outlives its future: dropping that closes the socket. One deadline holds over all of it.
//!
//! The code is the same over the kernel's TCP ([`TcpDialer`]) and over a simulated one: a [`Dial`]
//! resolves and connects, and time is tokio's. Nothing is spawned but lookups of names and reads of
//! certificate files, which block, and happen in production only.
//!
//! What the other side sends is never trusted: the head of an answer is bounded by
//! [`HEAD_LEN_MAX`], the body by [`BODY_LEN_MAX`], everything together by their sum; redirects are
//! not followed, and [`AskError`] says in one line who did what.

mod dial;
mod endpoint;
mod error;
mod exchange;
mod stream;
mod tls;

use std::future::Future;

use hyper::body::Bytes;
use tokio::time::{Instant, timeout_at};

pub use dial::{ADDRESSES_MAX, Dial, LOOKUPS_MAX, TcpDialer};
pub use endpoint::{Endpoint, Host, HostError, Scheme};
pub use error::{AskError, Excerpt, Part, Reason, Stage};
pub use exchange::{BODY_LEN_MAX, HEAD_LEN_MAX};
pub use tls::{TlsError, TlsFile, TlsNews, TlsSettings};

/// What an API answered, whatever its status; never a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code. Patroni says 503 with a good body on `/primary` of a replica.
    pub status: u16,
    /// The body. One without a length ends where the connection did: it may be cut off.
    pub body: Bytes,
}

/// Puts questions; all that it holds between two of them is what TLS needs.
///
/// `Client::default()` speaks plain HTTP, and HTTPS with the roots that the system trusts.
#[derive(Debug, Default)]
pub struct Client {
    tls: tls::Tls,
}

impl Client {
    /// A client whose TLS is set up like this. Reads the files that are named, which may block.
    ///
    /// # Errors
    /// When a file can't be used, a certificate comes without its key, or the name isn't one.
    pub fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        Ok(Self { tls: tls::Tls::new(settings)? })
    }

    /// What has happened to the certificate files since this was last asked: the latest only.
    pub fn poll_news(&self) -> Option<TlsNews> {
        self.tls.poll_news()
    }

    /// Asks for `path`, and waits for the whole answer until `deadline`.
    ///
    /// `path` is one of our own, such as `/cluster`.
    ///
    /// # Errors
    /// When there is no whole answer by then, or it is a redirect.
    ///
    /// # Panics
    /// When `path` isn't a path.
    pub async fn get<D: Dial>(
        &self,
        dial: &D,
        endpoint: &Endpoint,
        path: &'static str,
        deadline: Instant,
    ) -> Result<Answer, AskError> {
        let began = Instant::now();
        self.ask(dial, endpoint, path, deadline).await.map_err(|reason| AskError {
            endpoint: endpoint.clone(),
            path,
            elapsed: began.elapsed(),
            reason,
        })
    }

    /// [`get`](Self::get), for paths that answer with JSON whenever they answer at all: `/patroni` and
    /// `/cluster` by 200, `/health` by 503 as well, while PostgreSQL doesn't run.
    ///
    /// # Errors
    /// As there; also for any other status, but for `/health`'s 503 with JSON; and for a body that
    /// doesn't begin as JSON does. What comes after its first character is for the parser to judge.
    ///
    /// # Panics
    /// As there.
    pub async fn get_json<D: Dial>(
        &self,
        dial: &D,
        endpoint: &Endpoint,
        path: &'static str,
        deadline: Instant,
    ) -> Result<Bytes, AskError> {
        let began = Instant::now();
        let answer = self.get(dial, endpoint, path, deadline).await?;
        exchange::expect_json(path, answer).map_err(|reason| AskError {
            endpoint: endpoint.clone(),
            path,
            elapsed: began.elapsed(),
            reason,
        })
    }

    async fn ask<D: Dial>(
        &self,
        dial: &D,
        endpoint: &Endpoint,
        path: &'static str,
        deadline: Instant,
    ) -> Result<Answer, Reason> {
        match endpoint.scheme {
            Scheme::Http => {
                let stream = dial::connect(dial, endpoint, deadline).await?;
                exchange::exchange(stream, endpoint, path, deadline).await
            }
            Scheme::Https => {
                // Before there is a connection: it must not wait for our disk.
                let session =
                    within(Stage::Preparing, deadline, self.tls.session(endpoint)).await?;
                let stream = dial::connect(dial, endpoint, deadline).await?;
                let stream =
                    within(Stage::Handshaking, deadline, session.handshake(stream)).await?;
                exchange::exchange(stream, endpoint, path, deadline).await
            }
        }
    }
}

/// One stage of a question, cut off at the deadline.
async fn within<T>(
    stage: Stage,
    deadline: Instant,
    work: impl Future<Output = Result<T, Reason>>,
) -> Result<T, Reason> {
    timeout_at(deadline, work).await.unwrap_or(Err(Reason::TimedOut { stage }))
}
