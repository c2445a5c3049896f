//! [`Session`]: an upload that the server knows of, and that is cancelled when it is given up.

use std::time::Duration;

use futures_util::future::{Either, select};
use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode, Url};
use tokio::sync::oneshot;
use transship_core::{Digest, Error, ErrorKind, Result, ResultExt, cancelled, spawn_to_end};

use crate::client::{Call, Fetched, Patience, Repository, location};

/// How long giving up a session may take.
const CANCEL: Duration = Duration::from_secs(2);

/// An upload that the server knows of.
#[derive(Debug)]
pub(crate) struct Session {
    repository: Repository,
    location: Url,
    /// The least size of a piece that is not the last, in bytes.
    pub(crate) least: u64,
    open: bool,
}

/// What a server does when it is asked for a mount.
#[derive(Debug)]
pub(crate) enum Mounted {
    There,
    /// It cannot, and begins an upload.
    Upload(Session),
}

impl Session {
    pub(crate) async fn start(repository: &Repository) -> Result<Self> {
        let call =
            repository.call(Method::POST, "blobs/uploads/", "beginning an upload to").await?;
        let repository = repository.clone();
        begin(async move {
            let fetched = repository.fetch(&call, 0).await?.success();
            Self::of(&repository, &fetched.context(|| call.what.clone())?).context(|| call.what)
        })
        .await
    }

    /// Asks for a blob of another repository of the host.
    pub(crate) async fn mount(
        repository: &Repository,
        digest: &Digest,
        from: &str,
    ) -> Result<Mounted> {
        let asked = repository.with(Patience::Probe);
        let mut call = asked.call(Method::POST, "blobs/uploads/", "mounting a blob to").await?;
        call.url.query_pairs_mut().append_pair("mount", digest.as_ref()).append_pair("from", from);
        call.scopes = call.scopes.and_pull(from);
        let repository = repository.clone();
        begin(async move {
            let fetched = repository.fetch(&call, 0).await?.success();
            let fetched = fetched.context(|| call.what.clone())?;
            match fetched.status {
                StatusCode::CREATED => Ok(Mounted::There),
                StatusCode::ACCEPTED => {
                    Self::of(&repository, &fetched).map(Mounted::Upload).context(|| call.what)
                }
                // Neither what was asked for nor an upload.
                _ => Err(fetched.error().context(call.what)),
            }
        })
        .await
    }

    fn of(repository: &Repository, fetched: &Fetched) -> Result<Self> {
        let least =
            fetched.header("oci-chunk-min-length").and_then(|text| text.trim().parse().ok());
        let location = location(fetched.headers.get(LOCATION), &fetched.url)?;
        repository.host.check_named(&location)?;
        let (repository, least) = (repository.clone(), least.unwrap_or(0));
        Ok(Self { repository, location, least, open: true })
    }

    /// The server says where to go on: where it was, if it says nothing.
    pub(crate) fn moved(&mut self, fetched: &Fetched) -> Result<()> {
        let Some(said) = fetched.headers.get(LOCATION) else { return Ok(()) };
        let to = location(Some(said), &fetched.url)?;
        self.repository.host.check_named(&to)?;
        self.location = to;
        Ok(())
    }

    pub(crate) fn call(&self, method: Method, what: &str) -> Call {
        self.repository.call_to(method, self.location.clone(), what)
    }

    /// The request that ends the session with a blob.
    pub(crate) fn last_call(&self, digest: &Digest, what: &str) -> Call {
        let mut call = self.call(Method::PUT, what);
        call.url.query_pairs_mut().append_pair("digest", digest.as_ref());
        call
    }

    /// How many bytes the server has; `None` when it does not know the session any more, or not for sure.
    pub(crate) async fn status(&mut self) -> Result<Option<u64>> {
        let call = self.call(Method::GET, "asking how far an upload is");
        let fetched = self.repository.fetch(&call, 0).await?;
        if !fetched.status.is_success() {
            return Ok(None);
        }
        self.moved(&fetched)?;
        // `0-0` is said of one byte and of none.
        Ok(received(&fetched)?.filter(|received| *received > 1))
    }

    /// The session is over; there is nothing to cancel.
    pub(crate) fn close(mut self) {
        self.open = false;
    }
}

/// Awaits the answer to a request that may begin an upload. When this is dropped, the answer is still awaited for a moment: without its
/// location, the upload could not be cancelled.
async fn begin<T: Send + 'static>(
    request: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let (mut to, answer) = oneshot::channel();
    drop(spawn_to_end(async move {
        let given_up = Box::pin(async {
            to.closed().await;
            tokio::time::sleep(CANCEL).await;
        });
        let Either::Left((answer, given_up)) = select(Box::pin(request), given_up).await else {
            return;
        };
        drop(given_up);
        // A session that nobody awaits is dropped here, and so cancelled.
        drop(to.send(answer));
    }));
    answer.await.unwrap_or_else(|_| Err(cancelled()))
}

/// How many bytes an answer says that there are.
pub(crate) fn received(fetched: &Fetched) -> Result<Option<u64>> {
    let Some(range) = fetched.header("range") else { return Ok(None) };
    let range = range.trim().trim_start_matches("bytes=").trim_start_matches("bytes ");
    let last = range.strip_prefix("0-").and_then(|last| last.parse::<u64>().ok());
    match last.and_then(|last| last.checked_add(1)) {
        Some(count) => Ok(Some(count)),
        None => Err(Error::new(ErrorKind::Corrupt, format!("the server has bytes {range:?}"))),
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let call = self.call(Method::DELETE, "giving up an upload");
        let host = std::sync::Arc::clone(&self.repository.host);
        drop(spawn_to_end(async move {
            // Once, and not for long: a session that stays expires.
            let _ = tokio::time::timeout(CANCEL, host.fetch_once(&call, 0)).await;
        }));
    }
}
