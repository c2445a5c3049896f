//! [`Stalls`]: a connection whose other end has to go on reading, fast enough.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::pace::{Pace, Patience};

/// Ends a connection that takes too little of what is written to it.
#[derive(Debug)]
pub(crate) struct Stalls<S> {
    stream: S,
    pace: Pace,
    /// While a write waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Stalls<S> {
    /// It is looked at after each time of waiting that is so long.
    pub(crate) fn new(stream: S, window: Duration) -> Self {
        Self { stream, pace: Pace::new(window), timer: None }
    }

    /// Passes on what a write gave, unless that is too slow.
    fn timed<T>(
        &mut self,
        context: &mut Context<'_>,
        gave: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(ready) = gave {
            self.timer = None;
            let bytes = ready.as_ref().map_or(0, bytes);
            self.pace.moved(bytes as u64, Instant::now());
            return Poll::Ready(ready);
        }
        loop {
            let until = match self.pace.wait(Instant::now()) {
                Patience::Until(until) => until,
                Patience::Over => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalls<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalls<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let gave = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.timed(context, gave, |written| *written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let gave = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.timed(context, gave, |written| *written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gave = Pin::new(&mut self.stream).poll_flush(context);
        self.timed(context, gave, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gave = Pin::new(&mut self.stream).poll_shutdown(context);
        self.timed(context, gave, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::sleep;

    use super::*;

    const WINDOW: Duration = Duration::from_millis(200);

    /// What becomes of 1 MiB for a reader that takes so many bytes every 20 ms.
    async fn sent_to(each: usize) -> io::Result<()> {
        let (ours, mut theirs) = duplex(16 << 10);
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; each];
            while theirs.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                sleep(Duration::from_millis(20)).await;
            }
        });
        let sent = Stalls::new(ours, WINDOW).write_all(&vec![0; 1 << 20]).await;
        reader.abort();
        sent
    }

    #[tokio::test]
    async fn a_reader_of_a_byte_now_and_then_is_cut() {
        let begun = Instant::now();
        assert_eq!(sent_to(1).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < 10 * WINDOW, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_reader_that_goes_on_gets_all() {
        let (ours, mut theirs) = duplex(16 << 10);
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; 256 << 10];
            // Each pause is half of a window.
            for _ in 0..4 {
                sleep(WINDOW / 2).await;
                theirs.read_exact(&mut buffer).await.unwrap();
            }
        });
        Stalls::new(ours, WINDOW).write_all(&vec![0; 1 << 20]).await.unwrap();
        reader.await.unwrap();
    }
}
