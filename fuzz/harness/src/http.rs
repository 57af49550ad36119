//! What a server sends to the HTTP client.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use openproxy::discovery::http::{BODY_LEN_MAX, Client, Dial, Endpoint, HEAD_LEN_MAX, Scheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::patroni::assert_short_line;
use crate::runtime::block_on;

/// How long a question may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// What hyper may have read beyond what it was asked for.
const READ_AHEAD_MAX: usize = 64 << 10;

/// How a server sends: in pieces of so many bytes; whether it hangs at the end, and whether it waits
/// until it is asked; then what.
///
/// # Panics
/// When it takes longer than it may, reads more than it may, or can't be told of in one line.
pub fn http_response(data: &[u8]) {
    let Some(([piece, hangs], sent)) = data.split_first_chunk() else { return };
    let server = Server {
        sent: sent.to_vec(),
        piece: usize::from(*piece).max(1),
        hangs: hangs & 1 != 0,
        talks_first: hangs & 2 != 0,
        taken: Rc::default(),
        asked: Rc::default(),
    };
    block_on(ask(server));
}

async fn ask(server: Server) {
    let host = "127.0.0.1".parse().expect("an address");
    let endpoint = Endpoint { scheme: Scheme::Http, host, port: 8008 };
    let (begun, taken) = (Instant::now(), Rc::clone(&server.taken));
    let answer = Client::default().get_json(&server, &endpoint, "/patroni", begun + TIMEOUT).await;
    assert!(begun.elapsed() <= TIMEOUT + Duration::from_millis(1), "{:?}", begun.elapsed());
    assert!(taken.get() <= HEAD_LEN_MAX + BODY_LEN_MAX + READ_AHEAD_MAX, "{}", taken.get());
    match answer {
        Ok(body) => {
            assert!(body.len() <= BODY_LEN_MAX);
            let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
            assert!(first.is_some_and(|first| b"{[".contains(first)), "{body:?}");
        }
        Err(error) => assert_short_line(&error.to_string()),
    }
}

/// A server that has been connected to.
#[derive(Clone, Debug)]
struct Server {
    sent: Vec<u8>,
    piece: usize,
    hangs: bool,
    talks_first: bool,
    /// How much was read.
    taken: Rc<Cell<usize>>,
    asked: Rc<Asked>,
}

/// Whether a request has come, and who waits for that.
#[derive(Debug, Default)]
struct Asked {
    has_come: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

impl Dial for Server {
    type Stream = Self;

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        unreachable!("it is an address")
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<Self> {
        Ok(self.clone())
    }
}

impl AsyncRead for Server {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.talks_first && !self.asked.has_come.get() {
            self.asked.reader.replace(Some(context.waker().clone()));
            return Poll::Pending;
        }
        let rest = self.sent.get(self.taken.get()..).unwrap_or_default();
        if rest.is_empty() && self.hangs {
            return Poll::Pending;
        }
        let len = rest.len().min(self.piece).min(buf.remaining());
        buf.put_slice(&rest[..len]);
        self.taken.set(self.taken.get() + len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Server {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.asked.has_come.set(true);
        if let Some(reader) = self.asked.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
