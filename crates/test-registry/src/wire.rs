//! The connection below HTTP, where bytes can be sent that no HTTP server would.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What goes out in place of all that HTTP would send; then the connection ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Raw(Arc<Mutex<Option<Bytes>>>);

impl Raw {
    pub(super) fn send(&self, bytes: Bytes) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
    }

    fn left(&self) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A connection whose output can be replaced.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    raw: Raw,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, raw: Raw) -> Self {
        Self { stream, raw }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(mut raw) = self.raw.left() else {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        };
        while raw.has_remaining() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &raw))?;
            raw.advance(written);
            self.raw.send(raw.clone());
        }
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        // What HTTP wanted to say is swallowed.
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
