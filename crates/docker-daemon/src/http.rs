//! One request over one connection: bodies that are sent and received as streams.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use transship_core::{Error, ErrorKind, Result};

use crate::connect::Stream;

/// A part of a body that is sent.
#[derive(Debug)]
pub(crate) enum Piece {
    Bytes(Bytes),
    /// The body is whole. Without it, the connection is cut off, so that the engine knows that it is not.
    End,
}

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Sent {
    Nothing,
    Tar(Receiver<Piece>),
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self::Tar(pieces) = self.get_mut() else { return Poll::Ready(None) };
        pieces.poll_recv(cx).map(|piece| match piece {
            Some(Piece::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => None,
            None => Some(Err(io::Error::other("the image was abandoned"))),
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Tar(_) => SizeHint::default(),
        }
    }
}

/// A task that ends with its owner.
#[derive(Debug)]
pub(crate) struct Task<T>(pub(crate) JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The answer to a request, up to its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    _connection: Task<()>,
}

impl Answer {
    /// Some bytes; none at the end.
    ///
    /// # Errors
    /// `Unavailable` when the connection ends before the body does.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let frame = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(error)) => return Err(cut("the engine's answer ends early", error)),
            }
        }
    }

    /// All of it, of at most `limit` bytes.
    pub(crate) async fn all(mut self, limit: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await? {
            if all.len() + bytes.len() > limit {
                let message = format!("the engine's answer has more than {limit} bytes");
                return Err(Error::new(ErrorKind::LimitExceeded, message));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }
}

/// Sends a request, and waits for the headers of the answer.
pub(crate) async fn send(stream: Stream, method: Method, path: &str, body: Sent) -> Result<Answer> {
    let failed = |error| cut("the engine broke off", error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let connection = Task(tokio::spawn(async move {
        // What fails here fails the request, too.
        let _ = connection.await;
    }));
    let mut request = Request::builder().method(method).uri(path).header(HOST, "docker");
    if matches!(body, Sent::Tar(_)) {
        request = request.header(CONTENT_TYPE, "application/x-tar");
    }
    let request = request
        .body(body)
        .map_err(|error| Error::new(ErrorKind::Unexpected, "making a request").caused_by(error))?;
    let answer = sender.send_request(request).await.map_err(failed)?;
    let (head, body) = answer.into_parts();
    Ok(Answer { status: head.status, headers: head.headers, body, _connection: connection })
}

fn cut(what: &'static str, error: hyper::Error) -> Error {
    Error::new(ErrorKind::Unavailable, what).caused_by(error)
}

/// A text as a part of a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                out.push(char::from(byte));
            }
            _ => {
                // A text takes everything.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
