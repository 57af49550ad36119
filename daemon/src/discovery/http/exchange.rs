//! One request and its answer, on a connection that is there.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode, header};
use openproxy_core::discovery::AskPath;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::rustls;

use super::endpoint::Endpoint;
use super::error::{Excerpt, Part, Reason, Stage};
use super::stream::{Seen, Stream, TooMuch};
use super::{Answer, tls, within};

/// The longest body that is read, in bytes. A `/cluster` of a hundred members has a twentieth.
pub const BODY_LEN_MAX: usize = 1 << 20;
/// The longest head that is read, in bytes.
pub const HEAD_LEN_MAX: usize = 16 << 10;
/// The most headers that are read.
pub(super) const HEADERS_MAX: usize = 100;
/// What hyper may buffer of what has been read.
const BUFFER_LEN_MAX: usize = 64 << 10;

/// Asks, and reads the answer.
pub(super) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    endpoint: &Endpoint,
    path: &'static str,
    deadline: Instant,
) -> Result<Answer, Reason> {
    let seen = Seen::default();
    let stream = Stream::new(stream, seen.clone(), HEAD_LEN_MAX + BODY_LEN_MAX);
    let mut failure = Failure { seen, stage: Stage::Waiting };
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_LEN_MAX)
        .max_buf_size(BUFFER_LEN_MAX)
        .handshake(stream)
        .await
        .map_err(|error| failure.reason(&error))?;
    // It is part of this future, not a task: whoever drops us closes the socket.
    let mut connection = pin!(connection.fuse());

    let response = sender.send_request(request(endpoint, path));
    let response = within(Stage::Waiting, deadline, async {
        alongside(connection.as_mut(), response).await.map_err(|error| failure.reason(&error))
    })
    .await?;
    refuse_redirect(&response)?;

    let status = response.status().as_u16();
    failure.stage = Stage::Reading;
    let body = within(Stage::Reading, deadline, async {
        let body = collect(response.into_body(), &failure);
        alongside(connection.as_mut(), body.map(Ok))
            .await
            .map_err(|error| failure.reason(&error))?
    })
    .await?;
    Ok(Answer { status, body })
}

#[allow(
    clippy::expect_used,
    reason = "paths are our own, and a host's name has no characters that a header can't have"
)]
fn request(endpoint: &Endpoint, path: &'static str) -> Request<NoBody> {
    Request::get(path)
        .header(header::HOST, endpoint.authority())
        .header(header::USER_AGENT, concat!("openproxy/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "application/json")
        .header(header::CONNECTION, "close")
        .body(NoBody)
        .expect("a good request")
}

/// Drives the connection until the work on it is done. An error of the connection reaches the work
/// too; the connection's own tells more, if the work was merely cut off.
async fn alongside<T, C>(
    mut connection: Pin<&mut C>,
    work: impl Future<Output = hyper::Result<T>>,
) -> hyper::Result<T>
where
    C: Future<Output = hyper::Result<()>> + FusedFuture,
{
    let mut work = pin!(work);
    let mut error = None;
    poll_fn(|cx| {
        if !connection.is_terminated()
            && let Poll::Ready(Err(end)) = connection.as_mut().poll(cx)
        {
            error = Some(end);
        }
        work.as_mut().poll(cx).map_err(|end| {
            if end.is_canceled() || end.is_closed() { error.take().unwrap_or(end) } else { end }
        })
    })
    .await
}

async fn collect(mut body: Incoming, failure: &Failure) -> Result<Bytes, Reason> {
    let too_large = Reason::TooLarge { part: Part::Body };
    let mut bytes = Vec::new();
    // What is announced to be too long needn't be read for that.
    if body.size_hint().lower() > BODY_LEN_MAX as u64 {
        return Err(too_large);
    }
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| failure.reason(&error))?;
        // Anything but data is a trailer, which nobody needs.
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > BODY_LEN_MAX {
            return Err(too_large);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

fn refuse_redirect(response: &Response<Incoming>) -> Result<(), Reason> {
    if !response.status().is_redirection() {
        return Ok(());
    }
    let location = response.headers().get(header::LOCATION);
    let location = location.map(|value| value.as_bytes()).unwrap_or_default();
    let status = response.status().as_u16();
    Err(Reason::Redirect { status, location: Excerpt::new(location) })
}

/// The body, that begins like JSON, of a 200; or of the 503 by which `/health` says that PostgreSQL
/// doesn't run.
pub(super) fn expect_json(path: &str, answer: Answer) -> Result<Bytes, Reason> {
    let Answer { status, body } = answer;
    let is_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    let tells_all = path == AskPath::Health.as_str() && is_json;
    match StatusCode::from_u16(status) {
        Ok(StatusCode::OK) if is_json => Ok(body),
        Ok(StatusCode::OK) => Err(Reason::NotJson { beginning: Excerpt::new(&body) }),
        Ok(StatusCode::SERVICE_UNAVAILABLE) if tells_all => Ok(body),
        Ok(_) | Err(_) => Err(Reason::Status { status, beginning: Excerpt::new(&body) }),
    }
}

/// From what hyper says to what happened.
struct Failure {
    seen: Seen,
    stage: Stage,
}

impl Failure {
    fn reason(&self, error: &hyper::Error) -> Reason {
        if let Some(error) = error.source().and_then(|source| source.downcast_ref()) {
            return self.io_reason(error);
        }
        // Clients aren't given the method that would say so.
        if error.is_parse() && error.to_string() == "message head is too large" {
            return Reason::TooLarge { part: Part::Head };
        }
        if !(error.is_incomplete_message() || error.is_canceled() || error.is_closed()) {
            self.not_http(error)
        } else if self.stage == Stage::Waiting && self.seen.is_empty() {
            Reason::Empty
        } else {
            Reason::Truncated
        }
    }

    fn io_reason(&self, error: &io::Error) -> Reason {
        if let Some(inner) = error.get_ref() {
            if inner.is::<TooMuch>() {
                return Reason::TooLarge { part: Part::Body };
            }
            if let Some(error) = inner.downcast_ref::<rustls::Error>() {
                return tls::reason(error);
            }
        }
        let kind = error.kind();
        if is_reset(kind) {
            return Reason::Reset { stage: self.stage };
        }
        if kind == io::ErrorKind::UnexpectedEof {
            return Reason::Truncated;
        }
        // The body's framing, that is: hyper's own errors.
        if matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) {
            return self.not_http(error);
        }
        // An `io::Error` can't be cloned.
        let source = match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(kind, error.to_string()),
        };
        Reason::Io { stage: self.stage, source }
    }

    fn not_http(&self, error: &(dyn Error + 'static)) -> Reason {
        let beginning = Excerpt::new(&self.seen.beginning());
        Reason::NotHttp { detail: error.to_string(), beginning }
    }
}

/// Whether the other side, or something between, broke the connection off.
pub(super) fn is_reset(kind: io::ErrorKind) -> bool {
    use io::ErrorKind;
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
    )
}

/// The body of a GET.
struct NoBody;

impl Body for NoBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}
