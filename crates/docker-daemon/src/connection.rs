//! [`Connection`]: a connection for requests, one after the other, over a [`Stream`]; and [`Idle`], where one waits for the next
//! request.

use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, join};
use tokio::process::{Child, Command};
use tokio::runtime::{Handle, Id};
use tokio::task::JoinHandle;

use crate::http::Sent;

/// A task that ends with its owner.
#[derive(Debug)]
pub(crate) struct Task<T>(pub(crate) JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection. It is closed when this is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Sent>,
    task: Task<hyper::Result<()>>,
    _process: Option<Child>,
}

impl Connection {
    pub(crate) async fn over(stream: Stream) -> hyper::Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream.duplex)).await?;
        Ok(Self { sender, task: Task(tokio::spawn(connection)), _process: stream.process })
    }

    /// Sends a request, and waits for the headers of the answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Sent>,
    ) -> hyper::Result<Response<Incoming>> {
        match self.sender.send_request(request).await {
            // The connection ended before it took the request, and has the reason.
            Err(error) if error.is_canceled() => {
                let why = (&mut self.task.0).await.ok().and_then(Result::err);
                Err(why.unwrap_or(error))
            }
            sent => sent,
        }
    }
}

/// How long a connection may wait. After that a new one is made: a firewall on the way may have dropped the old one.
const FRESH: Duration = Duration::from_secs(10);

/// Where a connection waits whose last answer was read. By ssh a connection is a login, which may ask for a password, so one is kept
/// for a while. Elsewhere none is kept: a new one costs little, and the other side cannot close it between two requests.
#[derive(Clone, Debug)]
pub(crate) enum Idle {
    NotKept,
    /// With the runtime that drives it, and since when it waits.
    Kept(Arc<Mutex<Option<(Id, Instant, Connection)>>>),
}

impl Idle {
    pub(crate) fn keep(&self, connection: Option<Connection>) {
        if let (Self::Kept(place), Some(connection), Ok(handle)) =
            (self, connection, Handle::try_current())
        {
            let kept = Some((handle.id(), Instant::now(), connection));
            *place.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        }
    }

    /// The one that is kept, unless it was closed, is old or belongs to another runtime.
    pub(crate) async fn take(&self) -> Option<Connection> {
        let Self::Kept(place) = self else { return None };
        let kept = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (runtime, since, mut connection) = kept?;
        if runtime != Handle::current().id() || since.elapsed() > FRESH {
            return None;
        }
        connection.sender.ready().await.is_ok().then_some(connection)
    }
}

/// Two addresses are the same, whatever connections they have.
impl PartialEq for Idle {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Idle {}

/// A connection of any kind.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What a connection goes over.
pub(crate) struct Stream {
    duplex: Box<dyn Duplex>,
    /// It ends with the connection.
    process: Option<Child>,
}

impl Stream {
    pub(crate) fn of(duplex: impl Duplex + 'static) -> Self {
        Self { duplex: Box::new(duplex), process: None }
    }

    /// A process, which is spoken to through its pipes.
    pub(crate) fn of_process(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let pipes = child.stdout.take().zip(child.stdin.take());
        let (stdout, stdin) = pipes.ok_or_else(|| io::Error::other("ssh has no pipes"))?;
        Ok(Self { process: Some(child), ..Self::of(join(stdout, stdin)) })
    }
}
