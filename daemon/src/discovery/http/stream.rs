//! A connection as hyper wants it, which also remembers what came in.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at once.
const CHUNK_LEN: usize = 8192;
/// How much of the beginning is remembered, for people: an [`Excerpt`](super::Excerpt) of it.
const BEGINNING_LEN: usize = 320;

/// What has come in on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    beginning: Vec<u8>,
    len: usize,
}

/// More has come in than the whole answer may have, whatever it was: informational answers without
/// end, say.
#[derive(Debug, Error)]
#[error("too much was sent")]
pub(super) struct TooMuch;

/// The connection.
#[derive(Debug)]
pub(super) struct Stream<S> {
    inner: S,
    seen: Seen,
    len_max: usize,
}

impl Seen {
    pub(super) fn is_empty(&self) -> bool {
        self.lock().len == 0
    }

    pub(super) fn beginning(&self) -> Vec<u8> {
        self.lock().beginning.clone()
    }

    /// Adds it, and tells how much there has been.
    fn add(&self, bytes: &[u8]) -> usize {
        let mut inner = self.lock();
        inner.len += bytes.len();
        let missing = BEGINNING_LEN.saturating_sub(inner.beginning.len());
        inner.beginning.extend(bytes.iter().take(missing));
        inner.len
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Stream<S> {
    /// Fails once more than `len_max` bytes have come in.
    pub(super) fn new(inner: S, seen: Seen, len_max: usize) -> Self {
        Self { inner, seen, len_max }
    }
}

impl<S: AsyncRead + Unpin> Read for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // By way of a buffer of our own: to fill hyper's in place would need unsafe code.
        let mut chunk = [0; CHUNK_LEN];
        let len = out.remaining().min(CHUNK_LEN);
        let mut chunk = ReadBuf::new(chunk.get_mut(..len).unwrap_or_default());
        match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut chunk)) {
            // TLS without a farewell, as many servers end it. What is cut off in JSON isn't JSON.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Poll::Ready(Ok(()));
            }
            result => result?,
        }
        if self.seen.add(chunk.filled()) > self.len_max {
            return Poll::Ready(Err(io::Error::other(TooMuch)));
        }
        out.put_slice(chunk.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Write for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
