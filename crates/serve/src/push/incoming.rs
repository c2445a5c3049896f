//! [`Incoming`]: the body of a request.

use std::fmt::Display;
use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use hyper::StatusCode;
use hyper::body::{Body, Frame};
use tokio::time::{Instant, timeout_at};

use crate::pace::{Pace, Patience, WINDOW};
use crate::protocol::Refusal;

/// What is written at once.
const PIECE: usize = 256 << 10;

/// The body of a request, read in pieces.
pub(crate) struct Incoming<B> {
    body: B,
    ended: bool,
    pace: Pace,
}

impl<B> Incoming<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    pub(crate) fn new(body: B) -> Self {
        Self { body, ended: false, pace: Pace::new(WINDOW) }
    }

    /// The next bytes, several frames together; `None` at the end. What came before an error is given first.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let mut piece = BytesMut::new();
        while piece.len() < PIECE && !self.ended {
            match self.frame().await? {
                None => self.ended = true,
                Some(Ok(frame)) => piece.extend(frame.into_data().ok()),
                Some(Err(_)) if !piece.is_empty() => break,
                Some(Err(error)) => return Err(broken(&error.to_string())),
            }
        }
        Ok(Some(piece.freeze()).filter(|piece| !piece.is_empty()))
    }

    /// The next frame, as long as the client sends fast enough.
    async fn frame(&mut self) -> Result<Option<Result<Frame<Bytes>, B::Error>>, Refusal> {
        loop {
            let Patience::Until(until) = self.pace.wait(Instant::now()) else {
                return Err(broken("what comes is too slow"));
            };
            let frame = poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            if let Ok(frame) = timeout_at(until, frame).await {
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                self.pace.moved(data.map_or(0, Bytes::len) as u64, Instant::now());
                return Ok(frame);
            }
        }
    }

    /// All of it.
    pub(crate) async fn all(&mut self, limit: u64) -> Result<Bytes, Refusal> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if (all.len() + piece.len()) as u64 > limit {
                let why = format!("it has more than {limit} bytes");
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", why));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

fn broken(why: &str) -> Refusal {
    Refusal::bad("BLOB_UPLOAD_INVALID", format!("the request broke off: {why}"))
}
