//! Uploads a blob: in one request where its digest is known, else in pieces; and goes on from where the server is after a cut.

use reqwest::Method;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderValue};
use transship_core::{Body, Digest, Error, ErrorKind, Expect, Result, ResultExt, Stored};

use super::blob;
use super::feed::Feed;
use super::session::{Session, received};
use crate::client::{Call, Failure, Fetched, Idle, Payload, Repository, Stream, Tries};

/// How much of a body that passes once is kept, in bytes: what the buffers between us and the server may hold. Those of Linux grow
/// to 4 MiB on our side and 6 MiB on theirs, and both programs have their own.
const KEPT: u64 = 16 << 20;

/// The same of a body that can be read again: mostly that is spared, and what is beyond is read from the start.
const KEPT_AGAIN: u64 = 4 << 20;

/// Less than this is no progress: a server that cuts after each few bytes is given up in the end.
const PROGRESS: u64 = 64 << 10;

/// Uploads a blob. A session that was begun is used.
pub(crate) async fn upload(
    repository: &Repository,
    expect: &Expect,
    body: Body,
    session: Option<Session>,
) -> Result<Stored> {
    let body = body.expecting(expect)?;
    let chunk = repository.host.chunk_size();
    let keep = match chunk {
        Some(chunk) => chunk.max(KEPT),
        None if body.is_one_shot() => KEPT,
        None => KEPT_AGAIN,
    };
    let digest = body.expected().digest.clone();
    let what = match &digest {
        Some(digest) => format!("writing blob {digest} to {}", repository.path),
        None => format!("writing a blob to {}", repository.path),
    };
    let upload = Upload {
        size: body.size(),
        digest,
        feed: Feed::new(body, keep),
        repository: repository.clone(),
        session,
        chunk,
        keep,
        tries: repository.host.tries(),
        tried_at: 0,
        ending: false,
        denied: false,
        what,
    };
    let what = upload.what.clone();
    // It is large, and in every future that puts a blob.
    Box::pin(upload.run()).await.context(|| what)
}

struct Upload {
    repository: Repository,
    feed: Feed,
    /// What is known before.
    digest: Option<Digest>,
    size: Option<u64>,
    chunk: Option<u64>,
    /// How many of the last bytes can be sent again, at least.
    keep: u64,
    session: Option<Session>,
    tries: Tries,
    /// Where the tries were counted from.
    tried_at: u64,
    /// Whether the request that ends the session was sent: then the blob may be there.
    ending: bool,
    denied: bool,
    what: String,
}

/// What is done next.
#[derive(Debug)]
enum Step {
    /// All of it, in the request that ends the session.
    Whole(Digest, u64),
    /// What follows, or a part of it.
    Piece,
    /// The request that ends the session, with nothing in it.
    Finish(Stored),
    /// To find out where the server is.
    Resync(Failure),
    Done(Stored),
}

impl Upload {
    async fn run(mut self) -> Result<Stored> {
        let mut step = self.first();
        loop {
            let next = match step {
                Step::Whole(digest, size) => self.whole(digest, size).await,
                Step::Piece => self.piece().await,
                Step::Finish(stored) => self.finish(stored).await,
                Step::Resync(failure) => self.resync(failure).await.map_err(Failure::lasting),
                Step::Done(stored) => {
                    if let Some(session) = self.session.take() {
                        session.close();
                    }
                    return Ok(stored);
                }
            };
            step = match next {
                Ok(step) => step,
                Err(failure) => match self.feed.error() {
                    Some(cause) => return Err(cause),
                    None if failure.lasting => return Err(failure.error),
                    None => Step::Resync(failure),
                },
            };
        }
    }

    fn first(&self) -> Step {
        match (&self.digest, self.size, self.chunk) {
            // Of nothing there is nothing that could be checked on its way.
            (Some(digest), Some(size), None) if size > 0 => Step::Whole(digest.clone(), size),
            _ => Step::Piece,
        }
    }

    async fn session(&mut self) -> Result<&mut Session, Failure> {
        if self.session.is_none() {
            let session = Session::start(&self.repository).await.map_err(Failure::lasting)?;
            self.session = Some(session);
        }
        self.session.as_mut().ok_or_else(|| Failure::lasting(no_session()))
    }

    async fn whole(&mut self, digest: Digest, size: u64) -> Result<Step, Failure> {
        let what = self.what.clone();
        let call = self.session().await?.last_call(&digest, &what);
        self.ending = true;
        self.send(call, Some(size)).await?;
        Ok(Step::Done(Stored::new(digest, size)))
    }

    async fn piece(&mut self) -> Result<Step, Failure> {
        let (what, chunk) = (self.what.clone(), self.chunk);
        let session = self.session().await?;
        let least = session.least;
        let mut call = session.call(Method::PATCH, &what);
        let length = match chunk {
            Some(chunk) => {
                let wanted = chunk.max(least);
                Some(self.feed.gather(wanted).await.map_err(Failure::lasting)?)
            }
            None => self.size.map(|size| size - self.feed.at()),
        };
        if let Some(length) = length.filter(|length| *length > 0) {
            let at = self.feed.at();
            let range = format!("{at}-{}", at + length - 1);
            call.headers.insert(CONTENT_RANGE, value(&range)?);
        }
        let sent_to =
            if length == Some(0) { Ok(None) } else { self.send(call, length).await.map(Some) };
        if let Some(fetched) = sent_to? {
            let session = self.session().await?;
            session.moved(&fetched).map_err(Failure::lasting)?;
            let sent = self.feed.at();
            if let Ok(Some(there)) = received(&fetched)
                && there != sent
                && there > 1
            {
                let message = format!("the server took {there} bytes, {sent} were sent");
                return Err(Failure::cut(Error::new(ErrorKind::Unavailable, message)));
            }
            self.progressed(sent);
        }
        // The end may not have been seen when all bytes were sent.
        self.feed.gather(1).await.map_err(Failure::lasting)?;
        Ok(self.feed.end().map_or(Step::Piece, Step::Finish))
    }

    async fn finish(&mut self, stored: Stored) -> Result<Step, Failure> {
        let what = self.what.clone();
        let call = self.session().await?.last_call(&stored.digest, &what);
        self.ending = true;
        let fetched = self.repository.host.fetch_once(&call, 0).await?;
        self.accepted(fetched)?;
        Ok(Step::Done(stored))
    }

    /// Sends what follows, of which there are `length` bytes where that is known.
    async fn send(&mut self, mut call: Call, length: Option<u64>) -> Result<Fetched, Failure> {
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let idle = Idle::new(self.repository.host.idle_timeout());
        let body = self.feed.piece(length, &idle);
        call.payload = Payload::Stream(Stream::new(body, length, idle));
        let fetched = self.repository.host.fetch_once(&call, 0).await?;
        self.accepted(fetched)
    }

    fn accepted(&mut self, fetched: Fetched) -> Result<Fetched, Failure> {
        match fetched.status.as_u16() {
            200..=299 => Ok(fetched),
            // The server is elsewhere, or has lost the session.
            404 | 416 => Err(Failure::cut(fetched.error().with_retryable(true))),
            // A token that expired on the way.
            401 if !self.denied => {
                self.denied = true;
                Err(Failure::cut(fetched.error()))
            }
            _ => Err(Failure::lasting(fetched.error())),
        }
    }

    /// Finds out where the server is.
    async fn resync(&mut self, failure: Failure) -> Result<Step> {
        let Repository { host, observer, .. } = &self.repository;
        let (host, observer) = (std::sync::Arc::clone(host), observer.clone());
        host.wait_for(failure, &self.what, &mut self.tries, &observer).await?;
        if let Some(stored) = self.is_there().await? {
            return Ok(Step::Done(stored));
        }
        let there = match &mut self.session {
            // A session that cannot be asked is as good as none.
            Some(session) => session.status().await.unwrap_or(None),
            None => None,
        };
        let mut gone = None;
        if let Some(there) = there {
            match self.feed.rewind(there) {
                Ok(()) => {
                    // More of what is cut than is kept must not be on its way again. It is in several requests now anyway.
                    self.chunk.get_or_insert(self.keep / 2);
                    self.progressed(there);
                    return Ok(self.feed.end().map_or(Step::Piece, Step::Finish));
                }
                Err(error) => gone = Some(error),
            }
        }
        // From the start, in a new session; the old one is given up.
        self.session = None;
        self.feed.rewind(0).map_err(|error| gone.unwrap_or(error))?;
        self.tried_at = 0;
        Ok(self.first())
    }

    /// The blob, if the request that ends the session has arrived, and only its answer was lost.
    async fn is_there(&mut self) -> Result<Option<Stored>> {
        let ended = self.feed.end();
        let Some(digest) = ended.map(|stored| stored.digest).or(self.digest.clone()) else {
            return Ok(None);
        };
        if !std::mem::take(&mut self.ending) {
            return Ok(None);
        }
        let mut want = Expect::digest(digest);
        want.size = self.size;
        blob::has(&self.repository, &want).await
    }

    fn progressed(&mut self, at: u64) {
        if at >= self.tried_at + PROGRESS {
            self.tries.reset();
            self.tried_at = at;
        }
    }
}

fn value(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|error| {
        let error = Error::new(ErrorKind::Unexpected, "this is no header").caused_by(error);
        Failure::lasting(error)
    })
}

fn no_session() -> Error {
    Error::new(ErrorKind::Unexpected, "there is no upload session")
}
