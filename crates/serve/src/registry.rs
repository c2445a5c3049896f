//! [`Registry`]: answers requests.

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{HeaderName, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::sync::Semaphore;
use transship_core::{Error, ErrorKind, Notice, Observer, Result};

use crate::blobs::{self, STREAMS};
use crate::credential::Credential;
use crate::current::Current;
use crate::names::FullName;
use crate::place::Place;
use crate::protocol::{Query, Refusal, Route, What};
use crate::push::{self, Incoming, Pushing, Writable};
use crate::reply::{self, Answer, Refused};
use crate::sending::Sending;
use crate::view::{NoRepository, View};
use crate::{lists, manifests};

/// A registry over places. It is read-only, but for a place that is [writable](Place::writable).
///
/// # Names
///
/// A request names a repository in one of these ways; the first that fits counts:
///
/// 1. with `?ns=HOST`, as containerd asks a mirror: the repository of that host;
/// 2. with its host in the path: `/v2/quay.io/a/b/..`;
/// 3. without its host, where only one host has that path; `library/` may be left out.
///
/// If several hosts have the path, the answer is 404, and says which. A request that changes something and names a host changes
/// nothing of another host.
///
/// An image whose name has neither `:` nor `/`, as layouts may have it, is served by that name as its tag in a repository that is
/// called as the place: `oci:/a/site` with an image `v1` is `site:v1`. An only image without any name is `site:latest`; others are
/// found by their digests there.
///
/// Where several places have one name, a delta counts before others, and else the last place.
#[derive(Debug)]
pub struct Registry {
    current: Arc<Current>,
    credential: Option<Credential>,
    streams: Arc<Semaphore>,
    writable: Option<Writable>,
    observer: Observer,
}

/// A repository that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repository {
    /// What it is asked for by; `None` where several hosts have its path, and `?ns=` has to say which.
    pub path: Option<String>,
    /// Its name with its host, where it has one.
    pub full_name: String,
    /// Its host, as in `?ns=`.
    pub host: Option<String>,
    /// Its tags, sorted.
    pub tags: Vec<String>,
    /// How many images it has, with and without tags.
    pub images: usize,
}

impl Registry {
    /// Reads which images the places have. The observer hears of each request, and what is wrong with images.
    ///
    /// # Errors
    /// Those of the transports.
    pub async fn open(places: Vec<Place>, observer: Observer) -> Result<Self> {
        let places: Arc<[Place]> = places.into();
        let writable = writable(&places)?;
        if let Some(writable) = &writable {
            writable.check().await?;
        }
        let current = Current::open(places, observer.clone()).await?;
        let streams = Arc::new(Semaphore::new(STREAMS));
        Ok(Self { current, credential: None, streams, writable, observer })
    }

    /// Answers only those who have a credential.
    #[must_use]
    pub fn with_credential(mut self, credential: Option<Credential>) -> Self {
        self.credential = credential;
        self
    }

    /// What is served now, sorted.
    pub async fn repositories(&self) -> Vec<Repository> {
        let view = self.view().await;
        let one = |(name, named): (&FullName, &crate::view::Named)| Repository {
            path: view.short(name).map(str::to_owned),
            full_name: name.to_string(),
            host: Some(name.host.clone()).filter(|host| !host.is_empty()),
            tags: named.tags.keys().cloned().collect(),
            images: named.images.len(),
        };
        view.repositories.iter().map(one).collect()
    }

    /// Answers a request.
    pub async fn respond<B>(&self, request: Request<B>) -> Response<Sending>
    where
        B: Body<Data = Bytes> + Unpin + Send,
        B::Error: Display,
    {
        self.tidy();
        let (head, body) = request.into_parts();
        let mut response = match self.answer(&head, &mut Incoming::new(body)).await {
            Ok(response) => response,
            Err(Refused::Told(refusal)) => reply::refusal(&refusal),
            Err(Refused::Logged(error)) => {
                self.observer.warn(error.to_string());
                reply::refusal(&reply::failed(&error))
            }
        };
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(credential) = &self.credential
        {
            reply::set(response.headers_mut(), WWW_AUTHENTICATE, credential.challenge());
        }
        response = reply::allowing(response, self.methods(head.uri.path()));
        let version = HeaderName::from_static("docker-distribution-api-version");
        reply::set(response.headers_mut(), version, "registry/2.0");
        let asked = format!("{} {}", head.method, head.uri);
        self.observer.notify(Notice::Request(format!("{asked}: {}", response.status().as_u16())));
        if head.method == Method::HEAD {
            return reply::headers_only(response);
        }
        let observer = self.observer.clone();
        response.map(|body| {
            body.on_failure(move |error| observer.warn(format!("{asked} was cut: {error}")))
        })
    }

    /// Removes what clients left behind, also while nobody asks.
    pub(crate) fn tidy(&self) {
        if let Some(writable) = &self.writable {
            writable.tidy();
        }
    }

    /// The methods that a path answers.
    fn methods(&self, path: &str) -> &'static str {
        match Route::parse(path) {
            Ok(Route::In { what, .. }) if self.writable.is_some() => push::methods(&what),
            _ => reply::READ,
        }
    }

    async fn answer<B>(&self, head: &Parts, incoming: &mut Incoming<B>) -> Answer
    where
        B: Body<Data = Bytes> + Unpin + Send,
        B::Error: Display,
    {
        self.admit(head)?;
        let route = Route::parse(head.uri.path())?;
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let host = query.get("ns").filter(|host| !host.is_empty());
        if let (Some(writable), Route::In { repository, what }) = (&self.writable, &route)
            && push::takes(&head.method, what)
        {
            let (registry, path, query) = (self, repository.as_str(), &query);
            let push = Pushing { writable, registry, head, path, host, query, incoming };
            return push.answer(what).await;
        }
        reply::only_read(&head.method)?;
        let (path, what) = match route {
            Route::Ping => return Ok(reply::json("application/json", &json!({}))),
            Route::Catalog => return lists::catalog(&*self.view().await, &query),
            Route::In { repository, what } => (repository, what),
        };
        let view = self.view().await;
        let repository = self.repository(&view, (&path, host), &what)?;
        self.read(&view, (&path, &repository), &what, &query, head).await
    }

    /// Refuses those who have no credential, where one is wanted.
    fn admit(&self, head: &Parts) -> Result<(), Refusal> {
        if self.credential.as_ref().is_none_or(|credential| credential.fits(&head.headers)) {
            return Ok(());
        }
        let why = "this registry wants a credential";
        Err(Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", why))
    }

    /// The repository that a request reads.
    fn repository(
        &self,
        view: &View,
        (path, host): (&str, Option<&str>),
        what: &What,
    ) -> Result<FullName, Refusal> {
        match view.find(path, host) {
            Ok(found) => Ok(found.clone()),
            // What was uploaded is there before its first manifest.
            Err(NoRepository::Unknown) if self.writable.is_some() && what.is_by_digest() => {
                Ok(FullName::new("", path))
            }
            Err(why) => {
                let refusal = lists::no_repository(path, &why);
                if matches!(why, NoRepository::Ambiguous(_)) {
                    self.observer.warn(&*refusal.message);
                }
                Err(refusal)
            }
        }
    }

    /// What is in a repository.
    async fn read(
        &self,
        view: &Arc<View>,
        (path, repository): (&str, &FullName),
        what: &What,
        query: &Query,
        head: &Parts,
    ) -> Answer {
        let (method, headers) = (&head.method, &head.headers);
        match what {
            What::Tags => lists::tags(view, path, repository, query),
            What::Referrers(digest) => {
                lists::referrers(view, path, repository, digest, query).await
            }
            What::Manifest(wanted) => manifests::answer(view, repository, wanted, headers).await,
            What::Blob(digest) => {
                if let Some(writable) = &self.writable
                    && let Some(file) = writable.blob(digest).await?
                {
                    return blobs::whole(view, file, digest, method, headers).await;
                }
                blobs::answer(view, repository, digest, method, headers, &self.streams).await
            }
            What::Uploads | What::Session(_) => {
                Err(Refusal::unsupported("nothing is pushed to here").into())
            }
        }
    }

    /// All images as they are now.
    pub(crate) async fn view(&self) -> Arc<View> {
        self.current.view().await
    }
}

/// The one place that is pushed to.
fn writable(places: &[Place]) -> Result<Option<Writable>> {
    let mut all = places.iter().filter_map(|place| Some((place, place.writable.clone()?)));
    let Some((place, how)) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(Error::new(ErrorKind::InvalidInput, "only one place can be pushed to"));
    }
    let (transport, reference) = (Arc::clone(&place.transport), place.reference.clone());
    Writable::new(transport, reference, how).map(Some)
}
