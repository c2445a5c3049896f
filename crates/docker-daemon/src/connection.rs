//! [`Connection`]: a connection for requests, one after the other; and [`Idle`], where one waits for the next request.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use crate::connect::Stream;
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
    _task: Task<()>,
}

impl Connection {
    pub(crate) async fn over(stream: Stream) -> hyper::Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let task = tokio::spawn(async move {
            // What fails here fails the request, too.
            let _ = connection.await;
        });
        Ok(Self { sender, _task: Task(task) })
    }

    /// Sends a request, and waits for the headers of the answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Sent>,
    ) -> hyper::Result<Response<Incoming>> {
        self.sender.send_request(request).await
    }
}

/// A connection whose last answer was read. By ssh each is a login, and may ask for a password, so that one is kept; elsewhere a new one
/// costs little, and none can be closed by the other side meanwhile.
#[derive(Clone, Debug)]
pub(crate) enum Idle {
    Closed,
    Kept(Arc<Mutex<Option<Connection>>>),
}

impl Idle {
    pub(crate) fn keep(&self, connection: Option<Connection>) {
        if let Self::Kept(place) = self {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = connection;
        }
    }

    /// The one that is kept, unless it was closed.
    pub(crate) async fn take(&self) -> Option<Connection> {
        let Self::Kept(place) = self else { return None };
        let mut kept = place.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        kept.sender.ready().await.is_ok().then_some(kept)
    }
}

/// Two addresses are the same, whatever connections they have.
impl PartialEq for Idle {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Idle {}
