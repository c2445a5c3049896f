//! The registry as a test holds it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{HOST, HeaderMap};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use transship_core::{Digest, sha256};

use super::auth::{Auth, User};
use super::exchange::{Exchange, Log};
use super::faults::{Rule, Schedule};
use super::options::{Listen, Locations, Options, Tls};
use super::serve;
use super::store::{Blob, Store};
use super::tls::Certificates;
use super::tokens::Tokens;

/// A registry that serves until it is dropped.
#[derive(Debug)]
pub struct Registry {
    shared: Arc<Shared>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Registry {
    /// Starts one on a free port of the loopback address.
    ///
    /// # Errors
    /// No socket, no thread, no certificate.
    pub fn start(options: Options) -> io::Result<Self> {
        let address = match options.listen {
            Listen::V4 => "127.0.0.1:0",
            Listen::V6 => "[::1]:0",
        };
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let host = listener.local_addr()?.to_string();
        let certificates = match options.tls {
            Tls::Off => None,
            Tls::On(ask) => Some(Certificates::make(ask)?),
        };
        let shared = Arc::new(Shared::new(options, host, certificates));
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let serving = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("registry".to_owned())
            .spawn(move || runtime.block_on(serve::run(listener, serving, ended)))?;
        Ok(Self { shared, end: Some(end), thread: Some(thread) })
    }

    /// `HOST:PORT`, as it stands in references.
    pub fn host(&self) -> &str {
        &self.shared.host
    }

    /// `http://HOST:PORT` or `https://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.shared.scheme(), self.shared.host)
    }

    /// The certificate to trust, as PEM; `None` without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.shared.certificates.as_ref().map(|made| made.ca.as_str())
    }

    /// A client certificate that holds and its key, as PEM; `None` without TLS.
    pub fn client_pem(&self) -> Option<(&str, &str)> {
        let made = self.shared.certificates.as_ref()?;
        Some((&made.client, &made.client_key))
    }

    /// What was asked and answered so far, in the order asked.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.log.exchanges()
    }

    /// The number of requests of a method whose path holds a text.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let fits = |one: &Exchange| one.method == method && one.path.contains(path);
        self.exchanges().iter().filter(|one| fits(one)).count()
    }

    /// Forgets what was asked so far.
    pub fn forget_exchanges(&self) {
        self.shared.log.clear();
    }

    /// Adds a fault to the schedule.
    pub fn inject(&self, rule: Rule) {
        self.shared.schedule.add(rule);
    }

    /// Empties the schedule.
    pub fn clear_faults(&self) {
        self.shared.schedule.clear();
    }

    /// Faults that have not happened yet, without those that always happen.
    pub fn pending_faults(&self) -> usize {
        self.shared.schedule.pending()
    }

    /// Ends all access tokens that were given.
    pub fn expire_tokens(&self) {
        self.shared.tokens.expire();
    }

    /// A new refresh token (identity token) of a user; `None` for one that is not known, or without token auth.
    pub fn refresh_token(&self, user: &str) -> Option<String> {
        let Auth::Token(how) = &self.shared.options.auth else { return None };
        let user: &User = how.users.iter().find(|known| known.name == user)?;
        Some(self.shared.tokens.refresh_token(user))
    }

    /// Stores a blob.
    pub fn put_blob(&self, repository: &str, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = sha256(&bytes);
        self.shared.store().put_blob(repository, digest.as_ref(), Blob::new(bytes));
        digest
    }

    /// Stores a manifest as it is, and shows it under a tag. Nothing is checked.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Digest {
        let bytes = bytes.into();
        let digest = sha256(&bytes);
        let mut store = self.shared.store();
        let held = store.repository_mut(repository);
        let text = held.put_manifest(media_type, bytes);
        if let Some(tag) = tag {
            held.tags.insert(tag.to_owned(), text);
        }
        digest
    }

    /// A blob of a repository.
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        self.shared.store().blob(repository, digest).map(Blob::to_bytes)
    }

    /// A manifest by tag or digest: its media type and bytes.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Bytes)> {
        let store = self.shared.store();
        let (_, manifest) = store.repository(repository)?.manifest(reference)?;
        Some((manifest.media_type.clone(), manifest.bytes.clone()))
    }

    /// The tags of a repository and the digests that they show, sorted.
    pub fn tags(&self, repository: &str) -> Vec<(String, String)> {
        let store = self.shared.store();
        let tags = store.repository(repository).map(|held| held.tags.clone());
        tags.unwrap_or_default().into_iter().collect()
    }

    /// The repositories that hold something, sorted.
    pub fn repositories(&self) -> Vec<String> {
        self.shared.store().repositories().map(str::to_owned).collect()
    }

    /// The number of upload sessions that are open.
    pub fn sessions(&self) -> usize {
        self.shared.store().sessions()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it was printed; tests see what it left undone.
            let _ = thread.join();
        }
    }
}

/// A gzip member that becomes so many zeros.
pub fn gzip_of_zeros(size: u64) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    io::copy(&mut io::Read::take(io::repeat(0), size), &mut encoder)?;
    encoder.flush()?;
    Ok(encoder.finish()?.into())
}

/// What the thread and its owner share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) certificates: Option<Certificates>,
    pub(super) tokens: Tokens,
    pub(super) schedule: Schedule,
    pub(super) log: Log,
    host: String,
    store: Mutex<Store>,
    busy: Arc<AtomicUsize>,
}

impl Shared {
    fn new(options: Options, host: String, certificates: Option<Certificates>) -> Self {
        Self {
            options,
            certificates,
            tokens: Tokens::default(),
            schedule: Schedule::default(),
            log: Log::default(),
            host,
            store: Mutex::default(),
            busy: Arc::default(),
        }
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request until the result is dropped.
    pub(super) fn enter(&self) -> Busy {
        let before = self.busy.fetch_add(1, Ordering::Relaxed);
        let most = self.options.most_at_once.unwrap_or(usize::MAX);
        Busy { busy: Arc::clone(&self.busy), too_many: before >= most }
    }

    /// The scheme and host as the client named them.
    pub(super) fn base(&self, headers: &HeaderMap) -> String {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or(&self.host);
        format!("{}://{host}", self.scheme())
    }

    pub(super) fn location(&self, headers: &HeaderMap, path: &str) -> String {
        match self.options.locations {
            Locations::Relative => path.to_owned(),
            Locations::Absolute => format!("{}{path}", self.base(headers)),
        }
    }

    fn scheme(&self) -> &'static str {
        if self.certificates.is_some() { "https" } else { "http" }
    }
}

#[derive(Debug)]
pub(super) struct Busy {
    busy: Arc<AtomicUsize>,
    too_many: bool,
}

impl Busy {
    pub(super) fn too_many(&self) -> bool {
        self.too_many
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }
}
