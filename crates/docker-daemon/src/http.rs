//! Requests: bodies that are sent and received as streams.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
pub use hyper::Method;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Request, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use transship_core::{Error, ErrorKind, Result};

pub use crate::connect::{Address, Program};
use crate::connection::{Connection, Idle};
use crate::engine::{Chunks, Piece, kind_of};
use crate::reply;

/// The most bytes of an answer other than a save: the list of some 100,000 images.
pub const ANSWER_LIMIT: usize = 64 << 20;

/// How long an engine may take for one answer that is small: a list, what it says of an image, a name. One with many images on a slow
/// disk takes seconds.
pub const ANSWER: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 120 });

/// The same where it removes something: layers of many files on a slow disk take minutes.
pub const REMOVAL: Duration = Duration::from_secs(600);

/// How long it may be silent while it saves or loads, before it is asked whether it still runs. It prepares a save, and unpacks a load,
/// without a word, as long as the image is large.
const SILENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });

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

/// The answer to a request, up to its body.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    /// Of a save or load: whom to ask whether it still runs.
    engine: Option<Address>,
    /// Whether the body was read to its end.
    is_read: bool,
    connection: Option<Connection>,
    /// Where the connection goes when the body was read.
    idle: Idle,
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
            let frame = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx));
            let frame = match &self.engine {
                Some(engine) => engine.while_it_runs(frame).await?,
                None => within(ANSWER, frame).await?,
            };
            match frame {
                None => {
                    self.is_read = true;
                    return Ok(None);
                }
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

impl Drop for Answer {
    fn drop(&mut self) {
        if self.is_read || self.body.is_end_stream() {
            self.idle.keep(self.connection.take());
        }
    }
}

impl Address {
    /// What an engine is asked first, by [`ask_first`](Self::ask_first).
    ///
    /// # Errors
    /// Those of the requests; `Unavailable` when it accepts connections and does not answer.
    pub async fn first<T>(&self, requests: impl Future<Output = Result<T>>) -> Result<T> {
        let limit = if self.is_ssh() { FIRST_ANSWER_BY_SSH } else { FIRST_ANSWER };
        within(limit, requests).await?
    }

    /// As [`ask`](Self::ask). What breaks off was never an engine, perhaps.
    ///
    /// # Errors
    /// As there.
    pub async fn ask_first(&self, method: Method, path: &str) -> Result<Answer> {
        self.try_to_ask(method, path).await.map_err(|failed| {
            let Failed::BrokenOff(_) = failed else { return failed.into() };
            let error = Error::from(failed).with_hint(self.why_no_answer());
            if self.is_ssh() { error.context("no engine answers by ssh") } else { error }
        })
    }

    /// Sends a request, and waits for the headers of the answer, which is small.
    ///
    /// # Errors
    /// `Unavailable` when nobody answers in [`ANSWER`] or [`REMOVAL`]; a refusal, with the words of the engine.
    pub async fn ask(&self, method: Method, path: &str) -> Result<Answer> {
        Ok(self.try_to_ask(method, path).await?)
    }

    async fn try_to_ask(&self, method: Method, path: &str) -> Result<Answer, Failed> {
        let limit = if method == Method::DELETE { REMOVAL } else { ANSWER };
        let answer =
            async { self.send(self.connection().await?, method, path, Sent::Nothing).await };
        Ok(self.refused(within(limit, answer).await??).await?)
    }

    /// Asks for a save, or sends a load. These take as long as they need, while the engine runs: where it is silent for long, it is
    /// asked for something small.
    ///
    /// # Errors
    /// `Unavailable` when nobody answers; a refusal, with the words of the engine.
    pub async fn ask_for_long(&self, method: Method, path: &str, body: Sent) -> Result<Answer> {
        let connection = within(ANSWER, self.connection()).await??;
        let mut answer = self.while_it_runs(self.send(connection, method, path, body)).await??;
        answer.engine = Some(self.clone());
        self.refused(answer).await
    }

    async fn refused(&self, answer: Answer) -> Result<Answer> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        let status = answer.status;
        let said = answer.all(ANSWER_LIMIT).await.unwrap_or_default();
        let error = refusal(status, &said);
        // The words of servers for such a request: "an HTTP request to an HTTPS server".
        let is_plain =
            status == StatusCode::BAD_REQUEST && String::from_utf8_lossy(&said).contains("HTTPS");
        Err(if is_plain { error.hint(self.wants_tls()) } else { error })
    }

    async fn send(
        &self,
        mut over: Connection,
        method: Method,
        path: &str,
        body: Sent,
    ) -> Result<Answer, Failed> {
        let path = format!("{}{path}", self.base());
        // A tar may be answered before its end, and the rest of it is not to be waited for.
        let idle = match body {
            Sent::Tar(_) => Idle::NotKept,
            Sent::Nothing => self.idle().clone(),
        };
        let answer = over.send(request(method, &path, body)?).await.map_err(Failed::BrokenOff)?;
        let (head, body) = answer.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            engine: None,
            is_read: false,
            connection: Some(over),
            idle,
        })
    }

    /// The connection that is idle, or a new one.
    async fn connection(&self) -> Result<Connection, Failed> {
        if let Some(idle) = self.idle().take().await {
            return Ok(idle);
        }
        // The handshake of TLS is a large future.
        let stream = Box::pin(self.connect()).await?;
        Connection::over(stream).await.map_err(Failed::BrokenOff)
    }

    /// Waits for what an engine does at length, as long as it answers a ping. By ssh none is sent, for a connection of its own may ask
    /// a person for a password; ssh notices itself that the other side has gone.
    async fn while_it_runs<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let mut work = pin!(work);
        if self.is_ssh() {
            return Ok(work.await);
        }
        loop {
            if let Ok(done) = timeout(SILENCE, &mut work).await {
                return Ok(done);
            }
            let ping = async {
                Ok(self
                    .send(self.connection().await?, Method::GET, "/_ping", Sent::Nothing)
                    .await?)
            };
            if let Err(silent) = self.first(ping).await {
                // What was done meanwhile counts.
                return timeout(Duration::ZERO, &mut work).await.map_err(|_| silent);
            }
        }
    }
}

/// Why there is no answer.
enum Failed {
    /// The connection ended in its place.
    BrokenOff(hyper::Error),
    Other(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::BrokenOff(error) => cut("the engine broke off", error),
            Failed::Other(error) => error,
        }
    }
}

/// Waits for an engine so long.
async fn within<T>(limit: Duration, answer: impl Future<Output = T>) -> Result<T> {
    timeout(limit, answer).await.map_err(|_| {
        let message = format!("there was no answer for {} seconds", limit.as_secs());
        Error::new(ErrorKind::Unavailable, message)
            .hint("what listens there is stopped or hangs: look at its log, and start it again")
    })
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

fn request(method: Method, path: &str, body: Sent) -> Result<Request<Sent>> {
    let mut request = Request::builder().method(method).uri(path).header(HOST, "docker");
    if matches!(body, Sent::Tar(_)) {
        request = request.header(CONTENT_TYPE, "application/x-tar");
    }
    request
        .body(body)
        .map_err(|error| Error::new(ErrorKind::Unexpected, "making a request").caused_by(error))
}

fn cut(what: &'static str, error: hyper::Error) -> Error {
    Error::new(ErrorKind::Unavailable, what)
        .caused_by(error)
        .hint("it may have been stopped: look at the engine's log")
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

    /// An engine that answers what is asked of it after so many seconds.
    #[cfg(unix)]
    fn engine(folder: &std::path::Path, seconds: fn(&str) -> u64) -> Address {
        use std::io::{Read as _, Write as _};

        let socket = folder.join("s");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut head = [0; 4096];
                    let read = stream.read(&mut head).unwrap();
                    let asked = String::from_utf8_lossy(&head[..read]).into_owned();
                    std::thread::sleep(Duration::from_secs(seconds(&asked)));
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
                });
            }
        });
        Address::unix(socket, Program::Docker)
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_is_small_has_a_limit_and_what_is_long_has_none_while_the_engine_runs() {
        let folder = tempfile::tempdir().unwrap();
        let at = engine(folder.path(), |asked| if asked.contains("_ping") { 0 } else { 4 });
        let error = at.ask(Method::GET, "/images/json").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("no answer for 1 seconds"), "{error}");
        let saved = at.ask_for_long(Method::GET, "/images/get", Sent::Nothing).await.unwrap();
        assert_eq!(saved.all(10).await.unwrap(), b"OK");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_save_of_an_engine_that_is_stopped_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let at = engine(folder.path(), |_| 600);
        let error = at.ask_for_long(Method::GET, "/images/get", Sent::Nothing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }

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
