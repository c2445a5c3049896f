//! [`Server`]: takes connections for a registry.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

use transship_core::{Error, ErrorKind, Result};

use crate::pace::WINDOW;
use crate::registry::Registry;
use crate::stalls::Stalls;
use crate::tls::Tls;

/// How many connections are open at once. More wait until one of these ends.
const CONNECTIONS: usize = 512;

/// How long a client has for its handshake, and for the head of each request. A connection on which nothing is asked ends then, too.
const HEAD: Duration = Duration::from_secs(30);

/// How often is looked for what clients left behind, while nobody asks.
const TIDY: Duration = Duration::from_secs(60);

/// The most bytes of a head.
const HEAD_LIMIT: usize = 32 << 10;

/// How long to wait where no connection can be taken because too many files are open.
const PAUSE: Duration = Duration::from_millis(50);

/// How connections are taken.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServerOptions {
    /// The certificate; without one, connections are not encrypted.
    pub tls: Option<Tls>,
    /// End when nothing was asked for so long.
    pub exit_idle: Option<Duration>,
}

impl ServerOptions {
    transship_core::setters! {
        with_tls(tls: Option<Tls>)
        with_exit_idle(exit_idle: Option<Duration>)
    }
}

/// A server for a registry, over HTTP/1.1.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    registry: Arc<Registry>,
    options: ServerOptions,
    activity: Arc<Activity>,
}

/// The answers that are being sent, and when the last one ended.
#[derive(Debug)]
struct Activity {
    answers: AtomicUsize,
    last: Mutex<Instant>,
}

/// One of them.
struct Answering(Arc<Activity>);

impl Server {
    /// Binds an address, `ADDR:PORT`; a port of 0 becomes a free one. Connections are taken by [`run`](Self::run).
    ///
    /// # Errors
    /// `InvalidInput` for what is no address of this machine, `Unavailable` for one that is in use, `Denied` for a port that only
    /// root may bind.
    pub async fn bind(address: &str, registry: Registry, options: ServerOptions) -> Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|e| not_bound(address, e))?;
        let address = listener.local_addr().map_err(|e| not_bound(address, e))?;
        let activity = Activity { answers: AtomicUsize::new(0), last: Mutex::new(Instant::now()) };
        let (registry, activity) = (Arc::new(registry), Arc::new(activity));
        Ok(Self { listener, address, registry, options, activity })
    }

    /// The address that is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes connections until it was idle for as long as the options say; without that, for ever. When its future is dropped, all
    /// connections are cut.
    pub async fn run(&self) {
        self.activity.touch();
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        let mut tidy = interval(TIDY);
        loop {
            let taken = async {
                // It is never closed.
                let permit = Arc::clone(&permits).acquire_owned().await.ok();
                (permit, self.listener.accept().await)
            };
            tokio::select! {
                (permit, taken) = taken => match taken {
                    Ok((stream, _)) => {
                        let connection = self.connection(stream);
                        connections.spawn(async move {
                            connection.await;
                            drop(permit);
                        });
                    }
                    Err(_) => sleep(PAUSE).await,
                },
                Some(_) = connections.join_next() => {}
                _ = tidy.tick() => self.registry.tidy(),
                () = self.idle() => return,
            }
        }
    }

    fn connection(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + use<> {
        let (registry, activity) = (Arc::clone(&self.registry), Arc::clone(&self.activity));
        let tls = self.options.tls.clone();
        async move {
            // Answers are written whole.
            let _ = stream.set_nodelay(true);
            match tls {
                None => http(Stalls::new(stream, WINDOW), registry, activity).await,
                Some(Tls(acceptor)) => {
                    // A client that does not trust the certificate goes away.
                    let stream = acceptor.accept(Stalls::new(stream, WINDOW));
                    if let Ok(Ok(stream)) = timeout(HEAD, stream).await {
                        http(stream, registry, activity).await;
                    }
                }
            }
        }
    }

    async fn idle(&self) {
        let Some(most) = self.options.exit_idle else { return std::future::pending().await };
        loop {
            let last = if self.activity.answers.load(Ordering::Relaxed) == 0 {
                self.activity.last()
            } else {
                Instant::now()
            };
            if last.elapsed() >= most {
                return;
            }
            sleep_until(last + most).await;
        }
    }
}

fn not_bound(address: &str, error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let (kind, hint) = match error.kind() {
        Io::AddrInUse => {
            (ErrorKind::Unavailable, "another program listens there: give a free port, or 0")
        }
        Io::PermissionDenied => (ErrorKind::Denied, "ports below 1024 are for root"),
        _ => (ErrorKind::InvalidInput, "the form is ADDR:PORT, with an address of this machine"),
    };
    Error::new(kind, format!("listening on {address}")).caused_by(error).hint(hint)
}

async fn http<S>(stream: S, registry: Arc<Registry>, activity: Arc<Activity>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let (registry, answering) = (Arc::clone(&registry), Answering::new(&activity));
        async move {
            let mut response = registry.respond(request).await;
            response.body_mut().keep(answering);
            Ok::<_, Infallible>(response)
        }
    });
    // An error is a connection that broke, or whose answer was cut because its content is wrong; the registry says so.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Activity {
    fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answering {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.answers.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.touch();
        self.0.answers.fetch_sub(1, Ordering::Relaxed);
    }
}
