//! One request over one connection: bodies that are sent and received as streams.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
pub use hyper::Method;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use transship_core::{Error, ErrorKind, Result};

use crate::connect::Stream;
pub use crate::connect::{Address, Program};
use crate::engine::{Chunks, Piece, kind_of};
use crate::reply;

/// The most bytes of an answer other than a save: the list of some 100,000 images.
pub const ANSWER_LIMIT: usize = 64 << 20;

/// How long an engine may take for the first thing that it is asked. One that its socket starts needs some of it.
const FIRST_ANSWER: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });

/// The same behind ssh, which may ask a person for a password.
const FIRST_ANSWER_BY_SSH: Duration = Duration::from_secs(120);

/// The body of a request. A tar whose pieces end without [`Piece::End`] is cut off, so that the engine knows that it is not
/// whole.
#[derive(Debug)]
pub enum Sent {
    /// It has none.
    Nothing,
    /// A tar.
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
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    _connection: Task<()>,
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All of it, of at most `limit` bytes.
    ///
    /// # Errors
    /// `LimitExceeded`; `Unavailable` when it ends early.
    pub async fn all(mut self, limit: usize) -> Result<Vec<u8>> {
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

#[async_trait]
impl Chunks for Answer {
    async fn next(&mut self) -> Result<Option<Bytes>> {
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
}

impl Address {
    /// What an engine is asked first. Later requests may take as long as they need: a load is answered when it is done.
    ///
    /// # Errors
    /// Those of the requests; `Unavailable` when it accepts connections and does not answer.
    pub async fn first<T>(&self, requests: impl Future<Output = Result<T>>) -> Result<T> {
        let limit = if self.is_ssh() { FIRST_ANSWER_BY_SSH } else { FIRST_ANSWER };
        timeout(limit, requests).await.unwrap_or_else(|_| {
            let message = format!("there was no answer for {} seconds", limit.as_secs());
            Err(Error::new(ErrorKind::Unavailable, message).hint(
                "what listens there is stopped or hangs: look at its log, and start it again",
            ))
        })
    }

    /// Sends a request over a connection of its own, and waits for the headers of the answer.
    ///
    /// # Errors
    /// `Unavailable` when nobody answers; a refusal, with the words of the engine.
    pub async fn ask(&self, method: Method, path: &str, body: Sent) -> Result<Answer> {
        let stream = self.connect().await?;
        let path = format!("{}{path}", self.base());
        let answer = send(stream, method, &path, body).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let status = answer.status;
        let said = answer.all(ANSWER_LIMIT).await.unwrap_or_default();
        Err(refusal(status, &said))
    }
}

fn refusal(status: StatusCode, said: &[u8]) -> Error {
    let words = reply::message(said).unwrap_or_else(|| format!("it answers {status}"));
    let kind = match status.as_u16() {
        404 => ErrorKind::NotFound,
        401 | 403 => ErrorKind::Denied,
        409 => ErrorKind::Conflict,
        // podman says so for what is not there, too.
        500 => kind_of(&words),
        502..=504 => ErrorKind::Unavailable,
        // podman says so of a save of what is not there, and docker of a name that is none to it.
        400 if matches!(kind_of(&words), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
            kind_of(&words)
        }
        400..=499 => ErrorKind::Unsupported,
        _ => ErrorKind::Unexpected,
    };
    let is_of_version = status == StatusCode::BAD_REQUEST && words.contains("API version");
    let error = Error::new(kind, words);
    if is_of_version {
        return error.hint("DOCKER_API_VERSION sets the version of the API that is asked for, and without it the newest is that both know: update the older of the two");
    }
    error
}

/// Reads a JSON answer.
///
/// # Errors
/// `Corrupt`.
pub fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "the engine's answer is malformed").caused_by(error)
    })
}

/// Sends a request, and waits for the headers of the answer.
async fn send(stream: Stream, method: Method, path: &str, body: Sent) -> Result<Answer> {
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
pub fn encoded(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_engines_words() {
        for (status, said, kind, words) in [
            (404, r#"{"message":"No such image: x:1"}"#, ErrorKind::NotFound, "No such image: x:1"),
            (
                409,
                r#"{"message":"image is being used"}"#,
                ErrorKind::Conflict,
                "image is being used",
            ),
            (
                400,
                r#"{"message":"client version 1.52 is too new"}"#,
                ErrorKind::Unsupported,
                "too new",
            ),
            (
                500,
                r#"{"cause":"image not known","message":"x: image not known","response":500}"#,
                ErrorKind::NotFound,
                "x: image not known",
            ),
            (
                400,
                r#"{"message":"invalid reference format"}"#,
                ErrorKind::InvalidInput,
                "invalid reference format",
            ),
            (
                500,
                r#"{"cause":"invalid reference format","message":"normalizing name \"[::1]:5000/x\": invalid reference format"}"#,
                ErrorKind::InvalidInput,
                "[::1]:5000/x",
            ),
            (500, "oops", ErrorKind::Unexpected, "500"),
        ] {
            let error = refusal(StatusCode::from_u16(status).unwrap(), said.as_bytes());
            assert_eq!(error.kind(), kind, "{said}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
