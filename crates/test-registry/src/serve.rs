//! Connections, and the way of a request through faults, rights and handlers.

use std::fmt::Write as _;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::select;
use hyper::body::Incoming;
use hyper::header::{EXPECT, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use transship_serve::protocol::{Query, Route, What};

use super::auth::{Auth, Caller, basic, right, scheme};
use super::body::{Feed, Sending};
use super::exchange::Entry;
use super::faults::Fault;
use super::handle::Shared;
use super::reply::{Failure, Reply, unsupported};
use super::tokens::{SERVICE, TOKEN_PATH};
use super::uploads::Upload;
use super::wire::{Raw, Wire};
use super::{blobs, faults, manifests, pages};

/// The most bytes of a form that asks for a token.
const FORM_LIMIT: usize = 64 * 1024;

/// Takes connections until its owner ends it or is gone.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>, end: oneshot::Receiver<()>) {
    let accepting = async {
        loop {
            // What fails here is one connection.
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, Arc::clone(&shared)));
            }
        }
    };
    let _ = select(pin!(accepting), end).await;
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    match &shared.certificates {
        None => http(stream, shared, false).await,
        Some(certificates) => {
            // A client that does not trust us goes away.
            let Ok(stream) = certificates.acceptor.accept(stream).await else { return };
            let certificate = stream.get_ref().1.peer_certificates().is_some();
            http(stream, shared, certificate).await;
        }
    }
}

async fn http<S>(stream: S, shared: Arc<Shared>, certificate: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let raw = Raw::default();
    let wire = TokioIo::new(Wire::new(stream, raw.clone()));
    let service = service_fn(|request| {
        let exchange = Exchanging {
            entry: shared.log.begin(&request, certificate),
            shared: Arc::clone(&shared),
            raw: raw.clone(),
        };
        exchange.answer(request)
    });
    // An error is a connection that broke, and often was meant to.
    let _ = http1::Builder::new().serve_connection(wire, service).await;
}

struct Exchanging {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    raw: Raw,
}

impl Exchanging {
    /// An error breaks the connection.
    async fn answer(self, request: Request<Incoming>) -> Result<Response<Sending>, io::Error> {
        let (head, incoming) = request.into_parts();
        let asked = head.uri.path_and_query().map_or("", |asked| asked.as_str());
        let fault = self.shared.schedule.due(head.method.as_str(), asked);
        if fault.is_some() {
            self.entry.faulty();
        }
        let busy = self.shared.enter();
        let mut feed = Feed::new(incoming, Arc::clone(&self.entry));
        let early = match &fault {
            Some(fault) => {
                self.before(fault, asked, &head.method, &head.headers, &mut feed).await?
            }
            None if busy.too_many() => Some(too_many()),
            None => None,
        };
        let outcome = match early {
            Some(reply) => Err(reply.into()),
            None => self.handle(&head, &mut feed, fault.as_ref()).await,
        };
        let mut reply = match outcome {
            Ok(reply) => reply,
            Err(Failure::Broken(error)) => return Err(error),
            Err(Failure::Refused(reply)) => {
                // A client that waits for 100 Continue has not sent the body, and need not.
                if !head.headers.contains_key(EXPECT) {
                    feed.drain().await;
                }
                *reply
            }
        };
        if let Some(fault) = &fault {
            self.after(fault, &mut reply, head.uri.path())?;
        }
        if let Some(Fault::Late(by)) = fault {
            tokio::time::sleep(by).await;
        }
        self.entry.answered(reply.status.as_u16());
        let entry = self.entry;
        Ok(reply.into_response(head.method == Method::HEAD, move |bytes| {
            // Busy until the last byte is sent.
            let _ = &busy;
            entry.sent(bytes);
        }))
    }

    /// What a fault does before the request is looked at.
    async fn before(
        &self,
        fault: &Fault,
        asked: &str,
        method: &Method,
        headers: &HeaderMap,
        feed: &mut Feed,
    ) -> Result<Option<Reply>, io::Error> {
        Ok(match fault {
            Fault::Status { status, retry_after } => {
                let status = StatusCode::from_u16(*status).map_err(io::Error::other)?;
                let reply = Reply::error(status, "UNAVAILABLE", "a fault on schedule");
                Some(match retry_after {
                    Some(after) => reply.header("retry-after", &after.value()),
                    None => reply,
                })
            }
            Fault::CutRequest { after } => {
                feed.cut_after(*after);
                None
            }
            Fault::Close => return Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            Fault::Stall => pending::<Option<Reply>>().await,
            Fault::Redirect { to } => {
                let to = to.replace("{path}", asked);
                Some(Reply::new(StatusCode::TEMPORARY_REDIRECT).header("location", &to))
            }
            Fault::ExpiredToken => {
                let route = Route::parse(asked.split('?').next().unwrap_or_default()).ok();
                Some(self.challenge(route.as_ref(), method, headers, "invalid_token"))
            }
            Fault::Raw(bytes) => {
                self.raw.send(bytes.clone());
                Some(Reply::new(StatusCode::OK))
            }
            _ => None,
        })
    }

    fn after(&self, fault: &Fault, reply: &mut Reply, path: &str) -> Result<(), io::Error> {
        if matches!(fault, Fault::CutBeforeAnswer) {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        faults::spoil(fault, reply, path, self.shared.log.count());
        Ok(())
    }

    async fn handle(
        &self,
        head: &hyper::http::request::Parts,
        feed: &mut Feed,
        fault: Option<&Fault>,
    ) -> Result<Reply, Failure> {
        let query = Query::parse(head.uri.query().unwrap_or_default());
        if head.uri.path() == TOKEN_PATH {
            return self.token(&head.method, &query, &head.headers, feed).await;
        }
        let route = Route::parse(head.uri.path())?;
        let caller = self.caller(&route, &head.method, &head.headers)?;
        match &route {
            Route::In { repository, what: what @ (What::Uploads | What::Session(_)) } => {
                let mut upload = Upload {
                    shared: &self.shared,
                    method: &head.method,
                    name: repository,
                    query: &query,
                    headers: &head.headers,
                    caller: &caller,
                    feed,
                };
                match what {
                    What::Session(id) => upload.go_on(id).await,
                    _ => upload.begin().await,
                }
            }
            Route::In { repository, what: What::Manifest(wanted) } => {
                let (method, headers) = (&head.method, &head.headers);
                let reference = wanted.to_string();
                manifests::answer(&self.shared, method, repository, &reference, headers, feed).await
            }
            Route::In { repository, what: What::Blob(digest) } => {
                let (method, digest) = (&head.method, digest.to_string());
                blobs::answer(&self.shared, method, repository, &digest, &head.headers, fault)
            }
            _ => self.list(&route, &head.method, &query),
        }
    }

    fn list(&self, route: &Route, method: &Method, query: &Query) -> Result<Reply, Failure> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(unsupported("this is only read"));
        }
        match route {
            Route::Catalog => pages::catalog(&self.shared, query),
            Route::In { repository, what: What::Tags } => {
                pages::tags(&self.shared, repository, query)
            }
            Route::In { repository, what: What::Referrers(digest) } => {
                pages::referrers(&self.shared, repository, digest.as_ref(), query)
            }
            _ => Ok(Reply::new(StatusCode::OK)
                .header("docker-distribution-api-version", "registry/2.0")
                .json("application/json", &serde_json::json!({}))),
        }
    }

    async fn token(
        &self,
        method: &Method,
        query: &Query,
        headers: &HeaderMap,
        feed: &mut Feed,
    ) -> Result<Reply, Failure> {
        let Auth::Token(how) = &self.shared.options.auth else {
            return Err(unsupported("no tokens are given here"));
        };
        let form = feed.all(FORM_LIMIT).await?;
        let form = form.ok_or_else(|| Reply::new(StatusCode::PAYLOAD_TOO_LARGE))?;
        Ok(self.shared.tokens.answer(how, method, query, headers, &form))
    }

    /// The user of the request, if they may do this.
    fn caller(
        &self,
        route: &Route,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Caller, Failure> {
        let (caller, error) = match &self.shared.options.auth {
            Auth::Open => return Ok(Caller::Anybody),
            Auth::Basic(users) => {
                (basic(users, headers).cloned().map(Caller::User), "insufficient_scope")
            }
            Auth::Token(_) => {
                let token = scheme(headers, "bearer");
                let error = token.map_or("", |_| "invalid_token");
                (token.and_then(|token| self.shared.tokens.caller(token)), error)
            }
        };
        let Some(caller) = caller else {
            return Err(self.challenge(Some(route), method, headers, error).into());
        };
        match right(route, method) {
            Some((repository, action)) if !caller.may(repository, action) => {
                if matches!(caller, Caller::User(_)) {
                    let why = format!("this is not yours to {}", action.as_str());
                    return Err(Reply::error(StatusCode::FORBIDDEN, "DENIED", why).into());
                }
                Err(self.challenge(Some(route), method, headers, "insufficient_scope").into())
            }
            _ => Ok(caller),
        }
    }

    /// 401, and how to get further.
    fn challenge(
        &self,
        route: Option<&Route>,
        method: &Method,
        headers: &HeaderMap,
        error: &str,
    ) -> Reply {
        let reply =
            Reply::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
        if !matches!(self.shared.options.auth, Auth::Token(_)) {
            return reply.header("www-authenticate", "Basic realm=\"in-process registry\"");
        }
        let realm = format!("{}{TOKEN_PATH}", self.shared.base(headers));
        let mut challenge = format!("Bearer realm=\"{realm}\",service=\"{SERVICE}\"");
        match route.and_then(|route| right(route, method)) {
            Some(("", _)) => challenge += ",scope=\"registry:catalog:*\"",
            Some((name, action)) => {
                // Writing needs reading too, as in the challenge of docker-registry.
                let read = if action == super::Action::Push { "pull," } else { "" };
                let action = action.as_str();
                let _ = write!(challenge, ",scope=\"repository:{name}:{read}{action}\"");
            }
            None => {}
        }
        if !error.is_empty() {
            let _ = write!(challenge, ",error=\"{error}\"");
        }
        reply.header("www-authenticate", &challenge)
    }
}

fn too_many() -> Reply {
    Reply::error(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "too many requests at once")
}
