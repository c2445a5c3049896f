//! [`Feed`]: the bytes of one blob for one request after the other, from wherever the server says that it is.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use transship_core::{Body, Error, ErrorKind, Result, Stored};

use super::pump::{Chunk, Pump};
use crate::client::{Idle, Rate};
use crate::locked;

/// The bytes of one blob. They are read again from the start where the body can be, else the last of them are kept.
#[derive(Clone)]
pub(crate) struct Feed(Arc<Mutex<State>>);

struct State {
    again: Option<Body>,
    pump: Pump,
    /// The last bytes that came out of the pump, up to `taken`.
    kept: VecDeque<Bytes>,
    kept_size: u64,
    keep: u64,
    /// How many bytes came out of the pump.
    taken: u64,
    /// Which byte is next.
    at: u64,
    stored: Option<Stored>,
    error: Option<Error>,
    /// Which request may read: one that was given up must not take what the next one sends.
    turn: u64,
}

impl Feed {
    /// Keeps the last `keep` bytes for a second time.
    pub(crate) fn new(body: Body, keep: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            again: body.try_clone(),
            pump: Pump::new(body),
            kept: VecDeque::new(),
            kept_size: 0,
            keep,
            taken: 0,
            at: 0,
            stored: None,
            error: None,
            turn: 0,
        })))
    }

    /// Goes on at a byte that has passed already, or at the next one.
    ///
    /// # Errors
    /// When that byte is gone; the whole blob may be had again from where it came from.
    pub(crate) fn rewind(&self, to: u64) -> Result<()> {
        let mut state = self.state();
        state.turn += 1;
        if to > state.at {
            let message = format!("the server has {to} bytes, {} were sent", state.at);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        if to >= state.taken - state.kept_size {
            state.at = to;
            return Ok(());
        }
        let Some(body) = state.again.as_ref().and_then(Body::try_clone) else {
            let message = format!("the server has only {to} bytes, and what follows has passed");
            return Err(Error::new(ErrorKind::Unavailable, message));
        };
        state.pump = Pump::new(body);
        state.kept.clear();
        (state.kept_size, state.taken, state.at, state.stored) = (0, 0, to, None);
        Ok(())
    }

    /// Which byte is next.
    pub(crate) fn at(&self) -> u64 {
        self.state().at
    }

    /// What all bytes were, once they have all passed.
    pub(crate) fn end(&self) -> Option<Stored> {
        let state = self.state();
        state.stored.clone().filter(|_| state.at == state.taken)
    }

    /// Why the bytes ended too early.
    pub(crate) fn error(&self) -> Option<Error> {
        self.state().error.take()
    }

    /// Waits until so many bytes are there, or all. How many there are.
    pub(crate) async fn gather(&self, wanted: u64) -> Result<u64> {
        std::future::poll_fn(|context| {
            let mut state = self.state();
            loop {
                let there = state.taken.saturating_sub(state.at);
                if there >= wanted || state.stored.is_some() {
                    return Poll::Ready(Ok(there.min(wanted)));
                }
                match state.take(context) {
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// The next bytes, at most `limit`, as a request's body.
    pub(crate) fn piece(
        &self,
        limit: Option<u64>,
        idle: &Idle,
        rate: Option<Arc<Rate>>,
    ) -> reqwest::Body {
        let mut state = self.state();
        state.turn += 1;
        let (turn, idle) = (state.turn, idle.clone());
        let most = rate.as_ref().map_or(u64::MAX, |rate| rate.step());
        let piece = Piece { feed: self.clone(), turn, left: limit, most, idle: idle.clone() };
        let Some(rate) = rate else { return reqwest::Body::wrap_stream(piece) };
        reqwest::Body::wrap_stream(piece.then(move |next| {
            let (rate, idle) = (Arc::clone(&rate), idle.clone());
            async move {
                if let Ok(bytes) = &next {
                    rate.pass(bytes.len(), &idle).await;
                }
                next
            }
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0)
    }
}

impl State {
    /// Takes one chunk out of the pump. `false` at the end.
    fn take(&mut self, context: &mut Context<'_>) -> Poll<Result<bool>> {
        if self.stored.is_some() {
            return Poll::Ready(Ok(false));
        }
        let chunk = match self.pump.poll(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(Chunk::End(stored))) => {
                self.stored = Some(stored);
                return Poll::Ready(Ok(false));
            }
            Poll::Ready(Ok(Chunk::More(chunk))) => chunk,
        };
        let size = chunk.len() as u64;
        self.taken += size;
        // What lies before the next byte was read again to come here.
        if self.taken > self.at || self.keep > 0 {
            self.kept.push_back(chunk);
            self.kept_size += size;
        }
        Poll::Ready(Ok(true))
    }

    fn next(&mut self, limit: u64, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        while self.at >= self.taken {
            match self.take(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(false)) => return Poll::Ready(Ok(None)),
                Poll::Ready(Ok(true)) => {}
            }
        }
        let mut start = self.taken - self.kept_size;
        for chunk in &self.kept {
            let end = start + chunk.len() as u64;
            if self.at < end {
                let from = usize::try_from(self.at - start).unwrap_or(usize::MAX);
                let most = usize::try_from(limit).unwrap_or(usize::MAX);
                let bytes = chunk.slice(from..chunk.len().min(from.saturating_add(most)));
                self.at += bytes.len() as u64;
                self.forget();
                return Poll::Ready(Ok(Some(bytes)));
            }
            start = end;
        }
        Poll::Ready(Ok(None))
    }

    /// Lets go of what is neither to be sent nor to be kept.
    fn forget(&mut self) {
        while let Some(first) = self.kept.front() {
            let size = first.len() as u64;
            let ends = self.taken - self.kept_size + size;
            if ends > self.at || self.at - ends < self.keep {
                return;
            }
            self.kept.pop_front();
            self.kept_size -= size;
        }
    }
}

/// A part of a feed, as the body of one request.
struct Piece {
    feed: Feed,
    turn: u64,
    left: Option<u64>,
    /// How many bytes go at once.
    most: u64,
    idle: Idle,
}

impl Stream for Piece {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let limit = self.left.unwrap_or(u64::MAX).min(self.most);
        if limit == 0 {
            return Poll::Ready(None);
        }
        let feed = self.feed.clone();
        let mut state = feed.state();
        if state.turn != self.turn {
            return Poll::Ready(Some(Err(io::Error::other("this request was given up"))));
        }
        match state.next(limit, context) {
            Poll::Pending => {
                self.idle.pause();
                Poll::Pending
            }
            Poll::Ready(next) => {
                self.idle.touch();
                Poll::Ready(match next {
                    Ok(None) => {
                        self.idle.sent();
                        None
                    }
                    Ok(Some(bytes)) => {
                        self.left = self.left.map(|left| left - bytes.len() as u64);
                        if self.left == Some(0) {
                            self.idle.sent();
                        }
                        Some(Ok(bytes))
                    }
                    Err(error) => {
                        state.error = Some(error);
                        Some(Err(io::Error::other("the source of the bytes failed")))
                    }
                })
            }
        }
    }
}
