//! Bodies: of answers, sent as slow and as far as a fault wants; of requests, counted and cut.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming};
use tokio::time::{Sleep, sleep};

use super::exchange::Entry;
use super::reply::{Content, Failure};

/// How long what was sent before a cut has to reach the socket.
const FLUSH: Duration = Duration::from_millis(2);

/// So many bytes, then a pause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) bytes: usize,
    pub(super) pause: Duration,
}

/// The body of an answer. Its size is not announced here: the header says what it says.
pub(super) struct Sending {
    pieces: VecDeque<Bytes>,
    again: Option<Bytes>,
    /// Bytes until the connection breaks.
    cut: Option<u64>,
    pace: Option<Pace>,
    waiting: Option<Pin<Box<Sleep>>>,
    cut_now: bool,
    sent: Box<dyn Fn(usize) + Send + Sync>,
}

impl Sending {
    pub(super) fn new(
        content: Content,
        cut: Option<u64>,
        pace: Option<Pace>,
        sent: Box<dyn Fn(usize) + Send + Sync>,
    ) -> Self {
        let (pieces, again) = match content {
            Content::Pieces(pieces) => (pieces, None),
            Content::Endless(first, again) => (vec![first], Some(again)),
        };
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        Self { pieces, again, cut, pace, waiting: None, cut_now: false, sent }
    }

    /// The next bytes, within the pace and before the cut.
    fn next(&mut self) -> Option<Bytes> {
        let mut piece = self.pieces.pop_front().or_else(|| self.again.clone())?;
        let cut = self.cut.map_or(usize::MAX, |cut| usize::try_from(cut).unwrap_or(usize::MAX));
        let most = cut.min(self.pace.map_or(usize::MAX, |pace| pace.bytes.max(1)));
        if piece.len() > most {
            self.pieces.push_front(piece.split_off(most));
        }
        self.cut = self.cut.map(|cut| cut - piece.len() as u64);
        (self.sent)(piece.len());
        Some(piece)
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(waiting) = &mut self.waiting {
            std::task::ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        if self.cut_now {
            return Poll::Ready(Some(Err(cut())));
        }
        if self.cut == Some(0) {
            // hyper flushes what it has while the body is pending.
            self.cut_now = true;
            self.waiting = Some(Box::pin(sleep(FLUSH)));
            return self.poll_frame(cx);
        }
        let next = self.next();
        if next.is_some() {
            self.waiting = self.pace.map(|pace| Box::pin(sleep(pace.pause)));
        }
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("cut", &self.cut).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Feed {
    incoming: Incoming,
    entry: Arc<Entry>,
    /// Bytes until the connection breaks.
    cut: Option<u64>,
}

impl Feed {
    pub(super) fn new(incoming: Incoming, entry: Arc<Entry>) -> Self {
        Self { incoming, entry, cut: None }
    }

    pub(super) fn cut_after(&mut self, bytes: u64) {
        self.cut = Some(bytes);
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if self.cut == Some(0) {
                return Err(Failure::Broken(cut()));
            }
            let frame = poll_fn(|cx| Pin::new(&mut self.incoming).poll_frame(cx)).await;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| Failure::Broken(io::Error::other(error)))?;
            let Ok(mut bytes) = frame.into_data() else { continue };
            if let Some(left) = &mut self.cut {
                bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= bytes.len() as u64;
            }
            self.entry.received(bytes.len());
            return Ok(Some(bytes));
        }
    }

    /// All of it; `None` if it is longer than the limit.
    pub(super) async fn all(&mut self, limit: usize) -> Result<Option<Bytes>, Failure> {
        let mut all = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            all.extend_from_slice(&bytes);
            if all.len() > limit {
                return Ok(None);
            }
        }
        Ok(Some(all.freeze()))
    }

    /// Reads what is left: a client that is still sending would see a reset in place of the answer.
    pub(super) async fn drain(&mut self) {
        while let Ok(Some(_)) = self.next().await {}
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "cut by a fault")
}
