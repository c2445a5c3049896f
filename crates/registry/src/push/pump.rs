//! [`Pump`]: the bytes of a [`Body`] for asynchronous code, and what they were once all have passed.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;
use transship_core::{Body, Cancel, Result, Stored, cancelled, run_blocking};

/// Chunks that may wait to be sent.
const WAITING: usize = 2;

/// The bytes of a body. Dropping it stops the reading.
pub(crate) struct Pump {
    work: Option<Pin<Box<dyn Future<Output = Result<Stored>> + Send>>>,
    chunks: mpsc::Receiver<Bytes>,
    end: Option<Result<Stored>>,
}

impl Pump {
    /// Starts with the first poll.
    pub(crate) fn new(body: Body) -> Self {
        let (send, chunks) = mpsc::channel(WAITING);
        let work = run_blocking(move |cancel| pass_on(body, cancel, &send));
        Self { work: Some(Box::pin(work)), chunks, end: None }
    }

    /// The next chunk; at the end, what all of them were.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Chunk>> {
        if let Some(work) = &mut self.work
            && let Poll::Ready(end) = work.as_mut().poll(context)
        {
            self.end = Some(end);
            self.work = None;
        }
        match self.chunks.poll_recv(context) {
            Poll::Ready(Some(chunk)) => Poll::Ready(Ok(Chunk::More(chunk))),
            Poll::Ready(None) if self.work.is_some() => Poll::Pending,
            Poll::Ready(None) => {
                Poll::Ready(self.end.take().unwrap_or_else(|| Err(cancelled())).map(Chunk::End))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// What comes out of a pump.
#[derive(Debug)]
pub(crate) enum Chunk {
    More(Bytes),
    End(Stored),
}

fn pass_on(body: Body, cancel: &Cancel, send: &mpsc::Sender<Bytes>) -> Result<Stored> {
    let mut chunks = body.chunks(cancel)?;
    // One chunk is held back, so that the last byte never leaves before the digest was found true.
    let mut held: Option<Bytes> = None;
    while let Some(chunk) = chunks.next_shared()? {
        if let Some(previous) = held.replace(chunk)
            && send.blocking_send(previous).is_err()
        {
            return Err(cancelled());
        }
    }
    let stored = chunks.finish()?;
    if let Some(last) = held {
        send.blocking_send(last).map_err(|_| cancelled())?;
    }
    Ok(stored)
}
