//! [`Host`]: one registry. Sends requests, again where that may help, follows redirects, and authenticates to it alone.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use transship_core::{
    Digest, Error, ErrorKind, Notice, Observer, Result, ResultExt, Sparse, run_blocking,
};

use super::address::Guard;
use super::attempt::{Failure, Reached, named};
use super::auth::Auth;
use super::call::{Answer, Call, Fetched, ReadFailure, Who};
use super::limit::{Limit, Permit};
use super::patience::{Away, Patience};
use super::problem::{self, PROBLEM_LIMIT};
use super::rate::Rate;
use super::retry::{self, Tries, UNREACHABLE};
use super::shared::Shared;
use crate::Credential;
use crate::config::{Endpoint, GivenCredential, Server};
use crate::configs::Configs;
use crate::locked;
use crate::tls::Trust;

/// One registry, as people name it (`docker.io`, `localhost:5000`).
pub(crate) struct Host {
    pub(super) shared: Arc<Shared>,
    pub(super) name: String,
    pub(super) trust: Trust,
    given: GivenCredential,
    /// How a `hosts.toml` says that it is spoken to.
    pub(super) server: Option<Arc<Server>>,
    pub(super) base: OnceCell<Url>,
    certificates: OnceCell<Option<PathBuf>>,
    pub(super) auth: Auth,
    reads: Arc<Limit>,
    /// Apart: the body of a write may be a read of the same host, and must not wait for it.
    writes: Arc<Limit>,
    /// How many more blobs, or pieces of them, may be on their way here.
    slots: Arc<Semaphore>,
    pub(super) warned: AtomicBool,
    pub(super) away: Away,
    /// Whether there was a warning that tags beside images may not be read.
    warned_of_tags: AtomicBool,
    /// Where blobs are known to be: from there they can be mounted.
    placed: Mutex<HashMap<Digest, String>>,
    pub(crate) configs: Configs,
    listing: tokio::sync::Mutex<()>,
}

/// A connection that brings bytes of a blob, one of those that the host may get at once.
#[derive(Debug)]
pub(crate) struct Slot(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

/// The most pieces of blobs that are on their way at once; each may be held in memory.
const SLOTS: usize = 8;

/// Of how many blobs it is remembered where they are.
const PLACED: usize = 100_000;

impl Host {
    pub(crate) fn new(shared: Arc<Shared>, endpoint: &Endpoint, trust: Trust) -> Arc<Self> {
        let most = shared.options.connections.get();
        Arc::new(Self {
            shared,
            name: endpoint.host.clone(),
            trust,
            given: endpoint.given,
            server: endpoint.via.as_ref().map(|via| Arc::clone(&via.server)),
            base: OnceCell::new(),
            certificates: OnceCell::new(),
            auth: Auth::default(),
            reads: Limit::new(most),
            writes: Limit::new(most),
            slots: Arc::new(Semaphore::new(most.min(SLOTS))),
            warned: AtomicBool::new(false),
            away: Away::default(),
            warned_of_tags: AtomicBool::new(false),
            placed: Mutex::default(),
            configs: Configs::of_host(),
            listing: tokio::sync::Mutex::default(),
        })
    }

    /// Whether indexes here may lack children.
    pub(crate) fn sparse(&self) -> Sparse {
        self.shared.sparse()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether two hosts are one, so that blobs can be mounted from one repository to another.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.name == other.name
    }

    pub(crate) fn place(&self, digest: &Digest, repository: &str) {
        let mut placed = locked(&self.placed);
        if placed.len() < PLACED {
            placed.entry(digest.clone()).or_insert_with(|| repository.to_owned());
        }
    }

    pub(crate) fn placed(&self, digest: &Digest) -> Option<String> {
        locked(&self.placed).get(digest).cloned()
    }

    /// Warns once that a tag beside an image may not be read, and counts as absent.
    pub(crate) fn warn_of_tag(&self, tag: &str, error: &Error, observer: &Observer) {
        if !self.warned_of_tags.swap(true, Ordering::Relaxed) {
            observer.warn(format!("{tag} and others like it count as absent: {error}"));
        }
    }

    /// The right to change lists of referrers: one at a time, so that we lose none of our own.
    pub(crate) async fn listing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.listing.lock().await
    }

    /// A connection for the bytes of a blob, if one is free. Blobs come without one too; only pieces need one.
    pub(crate) fn slot(&self) -> Option<Slot> {
        Arc::clone(&self.slots).try_acquire_owned().ok().map(Slot)
    }

    pub(crate) fn has_slot(&self) -> bool {
        self.slots.available_permits() > 0
    }

    pub(crate) fn tries(&self) -> Tries {
        Tries::new(&self.shared.options)
    }

    pub(crate) fn idle_timeout(&self) -> std::time::Duration {
        self.shared.options.idle_timeout
    }

    /// How many bytes a second may pass, if not all.
    pub(crate) fn rate(&self) -> Option<Arc<Rate>> {
        self.shared.rate.clone()
    }

    pub(crate) fn chunk_size(&self) -> Option<u64> {
        self.shared.options.chunk_size
    }

    /// Whether no host has to prove who it is.
    pub(super) fn verifies_nothing(&self) -> bool {
        self.shared.options.tls_verify == Some(false)
    }

    /// Checks a place that this host names: that it is no file, no step down to plain HTTP, and nothing that only we can reach.
    pub(crate) fn check_named(&self, named: &Url) -> Result<()> {
        let plain_is_fine =
            self.base.get().is_some_and(|base| base.scheme() == "http") || self.may_be_plain();
        let refused = match named.scheme() {
            "https" => None,
            "http" if plain_is_fine => None,
            "http" => Some("to plain HTTP".to_owned()),
            other => Some(format!("to a place of scheme {other:?}")),
        };
        if let Some(refused) = refused {
            let message = format!("{} sends us {refused}", self.name);
            return Err(Error::new(ErrorKind::Denied, message));
        }
        self.guard(named).check(named)
    }

    /// A place that this host names as a whole URL; it is [checked](Self::check_named).
    pub(super) fn named(&self, text: &str) -> Result<Url> {
        let whole = Url::parse(text).map_err(not_a_url)?;
        let named = match self.base.get() {
            Some(base) => named(text, base)?,
            None => whole,
        };
        self.check_named(&named)?;
        Ok(named)
    }

    /// The headers with which `/v2/` refuses a stranger.
    pub(super) async fn ping(&self, observer: &Observer) -> Option<HeaderMap> {
        let url = self.base.get()?.join("v2/").ok()?;
        let call = Call::new(Method::GET, url, format!("asking what {} wants", self.name));
        let answer = self.attempt_plain(&call.heard_by(observer)).await.ok()?;
        (answer.status == StatusCode::UNAUTHORIZED).then_some(answer.headers)
    }

    /// What is not gone to at a place: nothing is forbidden at the host that a person named.
    pub(super) fn guard(&self, place: &Url) -> Guard {
        if self.is_home(place) { Guard::Open } else { Guard::named_by(&self.name) }
    }

    /// Whether a place is on the machine of this host, on whatever port.
    pub(super) fn is_on_machine(&self, place: &Url) -> bool {
        self.base.get().is_some_and(|base| base.host() == place.host())
    }

    /// The folder with its certificates, which is found under the name that people give it.
    pub(super) async fn certificates(&self) -> Result<Option<&PathBuf>> {
        let find = || self.shared.certificates(&self.name);
        Ok(self.certificates.get_or_try_init(find).await?.as_ref())
    }

    /// Whether a place is this host itself. Nowhere else are credentials sent.
    pub(super) fn is_home(&self, place: &Url) -> bool {
        self.base.get().is_some_and(|base| base.origin() == place.origin())
    }

    /// The credential that was given, where it is for this host.
    pub(crate) fn given_credential(&self) -> Option<&Credential> {
        self.shared.options.credential.as_ref().filter(|_| self.given == GivenCredential::Sent)
    }

    /// Who sends a request, so that it can be said what to do about a refusal.
    pub(super) fn who(&self, call: &Call) -> Who {
        let host = self.name.clone();
        let found = self.auth.found_credential(call.scopes.own());
        match (self.given_credential(), found) {
            (Some(Credential::Bearer(_)), _) => Who::GivenToken(host),
            (None, Some(Credential::Bearer(_))) => Who::StoredToken(host),
            (Some(_), _) | (_, Some(_)) => Who::User(host),
            (None, None) if self.shared.options.anonymous => Who::Unsaid,
            (None, None) => Who::Stranger(host),
        }
    }

    /// The credential that is given or found for a repository.
    pub(crate) async fn find_credential(
        &self,
        repository: &str,
        observer: &Observer,
    ) -> Result<Option<Credential>> {
        if let Some(given) = self.given_credential() {
            return Ok(Some(given.clone()));
        }
        if self.shared.options.anonymous {
            return Ok(None);
        }
        let credentials = Arc::clone(&self.shared.credentials);
        let (host, repository) = (self.name.clone(), repository.to_owned());
        let observer = observer.clone();
        run_blocking(move |_| credentials.find(&host, &repository, &observer)).await
    }

    /// Sends a request, again where that may help, and reads the answer, of at most `limit` bytes.
    pub(crate) fn fetch<'a>(
        &'a self,
        call: &'a Call,
        limit: u64,
    ) -> BoxFuture<'a, Result<Fetched>> {
        Box::pin(self.retry(call, move || self.fetch_once(call, limit)))
    }

    /// Sends a request, again where that may help, up to the headers of its answer.
    pub(crate) fn open<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(self.retry(call, move || self.open_once(call)))
    }

    /// Makes attempts at a request until one succeeds.
    pub(super) async fn retry<T, F>(&self, call: &Call, attempt: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut tries = call.patience.tries(self.tries());
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(failure) => {
                    self.wait(failure, call, &mut tries).await.context(|| &call.what)?;
                }
            }
        }
    }

    pub(crate) async fn fetch_once(&self, call: &Call, limit: u64) -> Result<Fetched, Failure> {
        let _permit = self.permit(call).await;
        let answer = self.reach(call).await?;
        // The length in the answer to HEAD is that of what is not sent; to others, a few words are no harm.
        let limit = if call.method == Method::HEAD { u64::MAX } else { limit.max(PROBLEM_LIMIT) };
        self.read(answer, limit).await
    }

    async fn open_once(&self, call: &Call) -> Result<Answer, Failure> {
        let _permit = self.permit(call).await;
        let answer = self.reach(call).await?;
        if answer.status.is_success() || answer.status == StatusCode::RANGE_NOT_SATISFIABLE {
            self.limit(call).grow();
            return Ok(answer);
        }
        let fetched = self.read(answer, 0).await?;
        Err(Failure::lasting(fetched.error()))
    }

    /// One attempt, which shows whether the host can be reached.
    fn reach<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            let answer = self.attempt(call).await;
            self.note(call.patience, answer.as_ref().err(), &call.observer);
            answer
        })
    }

    pub(super) fn note(&self, patience: Patience, failure: Option<&Failure>, observer: &Observer) {
        let unreachable = failure.filter(|failure| !failure.lasting).map(|failure| &failure.error);
        self.away.note(&self.name, patience, unreachable, observer);
    }

    pub(super) async fn read(&self, answer: Answer, limit: u64) -> Result<Fetched, Failure> {
        let limit = if answer.status.is_success() { limit } else { PROBLEM_LIMIT };
        let fetched = answer.all(limit).await.map_err(|torn| match torn {
            ReadFailure::Cut(error) => Failure::cut(error),
            ReadFailure::Refused(error) => Failure::lasting(error),
        })?;
        if problem::is_transient(fetched.status, &fetched.bytes) {
            if fetched.status == StatusCode::TOO_MANY_REQUESTS {
                self.reads.shrink();
                self.writes.shrink();
            }
            let after = retry::asked(&fetched.headers);
            return Err(Failure { after, ..Failure::cut(fetched.error()) });
        }
        self.reads.grow();
        Ok(fetched)
    }

    /// Waits before the next try.
    pub(crate) async fn wait(
        &self,
        failure: Failure,
        call: &Call,
        tries: &mut Tries,
    ) -> Result<()> {
        if !call.repeats() {
            return Err(failure.error);
        }
        self.wait_for(failure, &call.what, tries, &call.observer).await
    }

    /// As [`wait`](Self::wait), for what is sent again in another way.
    pub(crate) async fn wait_for(
        &self,
        failure: Failure,
        what: &str,
        tries: &mut Tries,
        observer: &Observer,
    ) -> Result<()> {
        let most = match failure.reached {
            Reached::Server => u32::MAX,
            Reached::Nothing | Reached::NoTls => UNREACHABLE,
        };
        let wait = if failure.lasting { None } else { tries.next(most, failure.after) };
        let Some(wait) = wait else {
            // It has been tried often enough, in all layers.
            return Err(failure.error.with_retryable(false));
        };
        observer.notify(Notice::Retrying { what: what.to_owned(), why: failure.error.to_string() });
        sleep(wait).await;
        Ok(())
    }

    async fn permit(&self, call: &Call) -> Permit {
        self.limit(call).acquire().await
    }

    fn limit(&self, call: &Call) -> &Arc<Limit> {
        if call.is_read() { &self.reads } else { &self.writes }
    }
}

pub(crate) fn not_a_url(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unexpected, "this is no URL").caused_by(error)
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("name", &self.name)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}
