//! [`Socket`]: the connection to containerd. One HTTP/2 connection carries all calls of one runtime.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::{Handle, Id};
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use transship_core::{Error, ErrorKind, Result};

/// How many bytes of one answer may be on their way. The socket is local, so that more is no faster and takes memory.
const STREAM_WINDOW: u32 = 512 << 10;

/// How many bytes of all answers may be on their way: the most that HTTP/2 allows. A blob that is half read occupies its
/// [`STREAM_WINDOW`] until its reader goes on, so with a lower limit a few such blobs would stop every other answer. Memory is limited by
/// the number of open blobs, each with its own window.
/// <https://www.rfc-editor.org/rfc/rfc9113.html#section-6.9>
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// How long containerd may take for the first call of a connection.
const FIRST_ANSWER: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });

/// How long it may take for the beginning of another answer. None takes long: it has at most the list of the images, or the first of a
/// blob's bytes.
const ANSWER: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 120 });

/// The same where something is deleted, for which containerd waits until it has collected what is not needed.
const DELETION: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 600 });

/// The socket of a containerd.
pub(crate) struct Socket {
    path: PathBuf,
    /// What named it.
    from: &'static str,
    /// Its task belongs to the runtime that made it.
    current: Mutex<Option<(Id, Connection)>>,
}

impl Socket {
    pub(crate) fn new(path: PathBuf, from: &'static str) -> Self {
        Self { path, from, current: Mutex::default() }
    }

    /// Where it is, and what named it.
    pub(crate) fn shown(&self) -> String {
        format!("{} (from {})", self.path.display(), self.from)
    }

    /// The connection of this runtime, a new one if there is none or it has ended.
    pub(crate) async fn connection(&self) -> Result<Connection> {
        let runtime = Handle::current().id();
        if let Some((id, connection)) =
            &*self.current.lock().unwrap_or_else(PoisonError::into_inner)
            && *id == runtime
            && !connection.sender.is_closed()
        {
            return Ok(connection.clone());
        }
        let connection = self.connect().await?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some((runtime, connection.clone()));
        Ok(connection)
    }

    #[cfg(unix)]
    async fn connect(&self) -> Result<Connection> {
        let stream = tokio::net::UnixStream::connect(&self.path).await;
        let stream = stream.map_err(|error| self.unreachable(error))?;
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|why| BrokenOff { why, by: Peer::Unknown }.error(self))?;
        tokio::spawn(async move {
            // What fails here fails the calls, too.
            let _ = connection.await;
        });
        Ok(Connection { sender, answered: Arc::default() })
    }

    #[cfg(not(unix))]
    async fn connect(&self) -> Result<Connection> {
        let message = format!("{}: there are no such sockets on this system", self.path.display());
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    fn unreachable(&self, error: io::Error) -> Error {
        let shown = self.shown();
        if error.kind() == io::ErrorKind::PermissionDenied {
            return Error::new(ErrorKind::Denied, format!("no permission for the socket {shown}"))
                .caused_by(error)
                .hint("containerd's socket belongs to root: use sudo, or a group that its config names");
        }
        Error::new(ErrorKind::Unavailable, format!("no containerd answers at {shown}"))
            .caused_by(error)
            .hint(usual(&self.path).unwrap_or_else(|| format!("start containerd, or {ANOTHER}")))
    }

    /// Where another one may be.
    pub(crate) fn elsewhere(&self) -> String {
        usual(&self.path).unwrap_or_else(|| ANOTHER.to_owned())
    }
}

/// There was no answer for that time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoAnswer(Duration);

impl NoAnswer {
    /// What is said of a socket.
    pub(crate) fn error(self, at: &Socket) -> Error {
        let (shown, limit) = (at.shown(), self.0.as_secs());
        let message = format!("what listens at {shown} has not answered for {limit} seconds");
        Error::new(ErrorKind::Unavailable, message)
            .hint("containerd is stopped or hangs: look at its log, and start it again")
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there was no answer")
    }
}

impl std::error::Error for NoAnswer {}

/// What to do where a containerd has answered before.
pub(crate) const ENDED: &str = "containerd has ended: look at its log, and start it again";

/// The connection ended before an answer.
#[derive(Debug)]
pub(crate) struct BrokenOff {
    why: hyper::Error,
    by: Peer,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
enum Peer {
    /// One that has answered before.
    Containerd,
    /// One that has answered nothing yet: perhaps a program that speaks something else.
    Unknown,
}

impl BrokenOff {
    /// What is said of a socket.
    pub(crate) fn error(&self, at: &Socket) -> Error {
        let message = format!("what listens at {} broke off the connection", at.shown());
        let error = Error::new(ErrorKind::Unavailable, message).caused_by(self.why.to_string());
        match self.by {
            Peer::Containerd => error.hint(ENDED),
            Peer::Unknown => error.hint(format!(
                "it may be the socket of another program, as docker's: {}",
                at.elsewhere()
            )),
        }
    }
}

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was broken off")
    }
}

impl std::error::Error for BrokenOff {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.why)
    }
}

/// Where else a containerd often listens.
const USUAL: [&str; 3] = [
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/docker/containerd/containerd.sock",
];

/// How another one is named.
const ANOTHER: &str = "name another socket: CONTAINERD_ADDRESS, or the option containerd-address";

/// Other sockets that are there.
fn usual(tried: &Path) -> Option<String> {
    let there: Vec<_> = USUAL
        .iter()
        .filter(|path| Path::new(path) != tried && Path::new(path).exists())
        .map(|path| format!("CONTAINERD_ADDRESS={path}"))
        .collect();
    (!there.is_empty()).then(|| format!("another socket is there: {}", there.join(", ")))
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.path).finish()
    }
}

/// Requests of one connection.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Body>,
    /// Whether there was an answer to a call.
    answered: Arc<AtomicBool>,
}

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.sender.poll_ready(context).map_err(|error| broken_off(error, &self.answered))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let deletes = request.uri().path().ends_with("/Delete");
        let (mut sender, answered) = (self.sender.clone(), Arc::clone(&self.answered));
        Box::pin(async move {
            let answer = async {
                poll_fn(|context| sender.poll_ready(context)).await?;
                sender.send_request(request).await
            };
            let answer = async { answer.await.map_err(|error| broken_off(error, &answered)) };
            let limit = match answered.load(Ordering::Relaxed) {
                false => FIRST_ANSWER,
                true if deletes => DELETION,
                true => ANSWER,
            };
            let answer = within(limit, answer).await?;
            answered.store(true, Ordering::Relaxed);
            Ok(answer)
        })
    }
}

/// Waits for containerd so long.
async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    timeout(limit, answer).await.unwrap_or_else(|_| {
        let mut status = Status::deadline_exceeded("no answer");
        status.set_source(Arc::new(NoAnswer(limit)));
        Err(status)
    })
}

fn broken_off(why: hyper::Error, answered: &AtomicBool) -> Status {
    let by = if answered.load(Ordering::Relaxed) { Peer::Containerd } else { Peer::Unknown };
    let mut status = Status::unavailable("containerd broke off the connection");
    status.set_source(Arc::new(BrokenOff { why, by }));
    status
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use transship_core::{ReadOptions, Settings, Transport as _};

    use super::*;

    #[tokio::test]
    async fn one_that_accepts_and_never_answers_is_an_error_with_its_socket() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s").display().to_string();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let settings = Settings::new().with("containerd", "containerd-address", &socket);
        let store = crate::ContainerdStore::new(&settings);
        let (at, all) = (store.parse("x:1").unwrap(), store.parse("").unwrap());
        let read = store.source(&at, &ReadOptions::default()).await.map(drop);
        let list = store.archives().unwrap().read(&all, &ReadOptions::default()).await.map(drop);
        for error in [read, list].map(Result::unwrap_err) {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            let text = error.to_string();
            assert!(text.contains(&socket) && text.contains("has not answered for 1"), "{text}");
        }
    }
}
