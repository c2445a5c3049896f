//! Uploads a blob: in one request where its digest is known, else in pieces; and goes on from where the server is after a cut.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderValue};
use transship_core::{Body, Digest, Error, ErrorKind, Expect, Result, ResultExt, Stored};

use super::blob;
use super::feed::Feed;
use super::recover::{Ranges, Recovery, Setback};
use super::session::{Session, received};
use crate::client::{Call, Failure, Fetched, Idle, Payload, Repository, Stream, keeps_method};

/// How much of a body that passes once is kept, in bytes: what the buffers between us and the server may hold. Those of Linux grow
/// to 4 MiB on our side and 6 MiB on theirs, and both programs have their own.
const KEPT: u64 = 16 << 20;

/// The same of a body that can be read again: mostly that is spared, and what is beyond is read from the start.
const KEPT_AGAIN: u64 = 4 << 20;

/// The largest least size of a piece that a server gets, in bytes: a piece is in memory before it is sent. Where more is wanted, what
/// is left is sent as one piece, which is never too small.
const LARGEST_ASKED: u64 = KEPT;

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
        recovery: Recovery::new(repository),
        began: 0,
        ending: false,
        what,
    };
    let what = upload.what.clone();
    // It is large, and in every future that puts a blob.
    Box::pin(upload.run()).await.context(|| what)
}

pub(super) struct Upload {
    pub(super) repository: Repository,
    pub(super) feed: Feed,
    /// What is known before.
    digest: Option<Digest>,
    size: Option<u64>,
    /// The size of the pieces; `None`: in one.
    pub(super) chunk: Option<u64>,
    /// How many of the last bytes can be sent again, at least.
    pub(super) keep: u64,
    pub(super) session: Option<Session>,
    pub(super) recovery: Recovery,
    /// The first byte of the request that was sent last.
    pub(super) began: u64,
    /// Whether the request that ends the session was sent: then the blob may be there.
    pub(super) ending: bool,
    pub(super) what: String,
}

#[derive(Debug)]
pub(super) enum Step {
    /// All of it, in the request that ends the session.
    Whole(Digest, u64),
    /// What follows, or a part of it.
    Piece,
    /// The request that ends the session, with nothing in it.
    Finish(Stored),
    /// To find out what can be done about it.
    Recover(Setback),
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
                Step::Recover(setback) => self.recover(setback).await.map_err(Setback::Lasting),
                Step::Done(stored) => {
                    if let Some(session) = self.session.take() {
                        session.close();
                    }
                    return Ok(stored);
                }
            };
            step = match next {
                Ok(step) => step,
                Err(setback) => match (self.feed.error(), setback) {
                    (Some(cause), _) => return Err(cause),
                    (None, Setback::Lasting(error)) => return Err(error),
                    (None, setback) => Step::Recover(setback),
                },
            };
        }
    }

    /// How it begins, and begins again.
    pub(super) fn first(&self) -> Step {
        match (&self.digest, self.size, self.chunk) {
            // Of nothing there is nothing that could be checked on its way.
            (Some(digest), Some(size), None) if size > 0 => Step::Whole(digest.clone(), size),
            _ => Step::Piece,
        }
    }

    async fn session(&mut self) -> Result<&mut Session, Setback> {
        if self.session.is_none() {
            let session = Session::start(&self.repository).await.map_err(Setback::Lasting)?;
            self.session = Some(session);
        }
        self.session.as_mut().ok_or_else(|| Setback::Lasting(no_session()))
    }

    async fn whole(&mut self, digest: Digest, size: u64) -> Result<Step, Setback> {
        let what = self.what.clone();
        let call = self.session().await?.last_call(&digest, &what);
        self.ending = true;
        let stored = Stored::new(digest, size);
        self.send(call, Some(size), Some(&stored)).await?;
        Ok(Step::Done(stored))
    }

    async fn piece(&mut self) -> Result<Step, Setback> {
        let what = self.what.clone();
        let least = self.session().await?.least;
        let length = match self.chunk.map(|chunk| (chunk, chunk.max(least))) {
            Some((chunk, wanted)) if wanted <= chunk.max(LARGEST_ASKED) => {
                Some(self.feed.gather(wanted).await.map_err(Setback::Lasting)?)
            }
            _ => self.size.map(|size| size - self.feed.at()),
        };
        let mut call = self.session().await?.call(Method::PATCH, &what);
        if let Some(length) = length.filter(|length| *length > 0) {
            let at = self.feed.at();
            let range = format!("{at}-{}", at + length - 1);
            call.headers.insert(CONTENT_RANGE, value(&range)?);
        }
        if length != Some(0)
            && let Some(fetched) = self.send(call, length, None).await?
        {
            self.session().await?.moved(&fetched).map_err(Setback::Lasting)?;
            self.acknowledged(&fetched)?;
        }
        // The end may not have been seen when all bytes were sent.
        self.feed.gather(1).await.map_err(Setback::Lasting)?;
        Ok(self.feed.end().map_or(Step::Piece, Step::Finish))
    }

    /// A piece was taken. What some servers say about where they are is of this piece alone, or of the first: the digest at the end
    /// decides, and what they say only where that was wrong.
    fn acknowledged(&mut self, fetched: &Fetched) -> Result<(), Setback> {
        let sent = self.feed.at();
        let odd = |there: &u64| *there != sent && *there > 1;
        if let Some(there) = received(fetched).ok().flatten().filter(odd) {
            if self.recovery.ranges == Ranges::Obeyed {
                let message = format!("the server took {there} bytes, {sent} were sent");
                let error = Error::new(ErrorKind::Unavailable, message);
                return Err(Setback::Passing(Failure::cut(error)));
            }
            self.recovery.ranges = Ranges::Odd;
        }
        self.recovery.progressed(sent);
        Ok(())
    }

    async fn finish(&mut self, stored: Stored) -> Result<Step, Setback> {
        let what = self.what.clone();
        let call = self.session().await?.last_call(&stored.digest, &what);
        (self.ending, self.began) = (true, self.feed.at());
        if let Some(fetched) = self.end(call, &stored).await? {
            self.accepted(fetched)?;
        }
        Ok(Step::Done(stored))
    }

    /// Sends what follows, of which there are `length` bytes where that is known, to wherever the server sends it on. With
    /// `stored`, it ends the upload; `None` when that is there before the answer is.
    async fn send(
        &mut self,
        mut call: Call,
        length: Option<u64>,
        stored: Option<&Stored>,
    ) -> Result<Option<Fetched>, Setback> {
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        self.began = self.feed.at();
        let host = Arc::clone(&self.repository.host);
        let mut hops = 0;
        loop {
            let idle = match stored {
                Some(_) => self.patient(),
                None => Idle::new(host.idle_timeout()),
            };
            call.payload =
                Payload::Stream(Stream::new(self.feed.piece(length, &idle, host.rate()), length));
            call.idle = Some(idle.clone());
            let fetched = match stored {
                Some(stored) => match self.watch(&call, &idle, stored).await? {
                    Some(fetched) => fetched,
                    None => return Ok(None),
                },
                None => host.fetch_once(&call, 0).await?,
            };
            if !keeps_method(fetched.status) {
                return self.accepted(fetched).map(Some);
            }
            hops += 1;
            call.url = host
                .redirected(&fetched.headers, &fetched.url, hops)
                .and_then(|url| self.feed.rewind(self.began).map(|()| url))
                .map_err(Setback::Lasting)?;
        }
    }

    /// The blob, if the request that ends the session has arrived, and only its answer was lost.
    pub(super) async fn is_there(&mut self) -> Result<Option<Stored>> {
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
}

fn value(text: &str) -> Result<HeaderValue, Setback> {
    HeaderValue::from_str(text).map_err(|error| {
        let error = Error::new(ErrorKind::Unexpected, "this is no header").caused_by(error);
        Setback::Lasting(error)
    })
}

fn no_session() -> Error {
    Error::new(ErrorKind::Unexpected, "there is no upload session")
}
