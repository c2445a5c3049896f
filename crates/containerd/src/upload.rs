//! [`Upload`]: one blob being written, from where an earlier attempt stopped.

use std::collections::HashMap;
use std::future::pending;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tonic::{Code, Status, Streaming};
use transship_core::{
    Body, Cancel, Digest, DigestAlgorithm, Error, ErrorKind, LayerType, MediaType, Observer,
    Result, Stored, cancelled, is_index_type, run_blocking,
};

use crate::api::{Containerd, size};
use crate::lease::{Lease, random};
use crate::proto::{WriteAction, WriteRequest, WriteResponse};

/// The most bytes of one request. Each is copied when it is sent, and several blobs are written at once.
const PIECE: usize = 256 << 10;

/// Requests that may wait to be sent.
const WAITING: usize = 2;

/// The first and the longest pause while somebody else writes the same blob.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(2));

/// How long a wait is not worth a word.
const QUIET: Duration = Duration::from_secs(1);

/// How a blob is written.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    pub(crate) containerd: &'a Containerd,
    pub(crate) lease: &'a Lease,
    /// Of the blob, from the time at which it is there.
    pub(crate) labels: HashMap<String, String>,
    pub(crate) observer: &'a Observer,
    pub(crate) lock_timeout: Option<Duration>,
}

/// What a blob is called while it is written, and what it has to be.
#[derive(Clone, Debug)]
struct Ingest {
    /// As containerd's own client calls it, so that an upload that any client began is resumed.
    r#ref: String,
    digest: Option<Digest>,
    size: Option<u64>,
}

/// What containerd has of a blob.
enum Begun {
    /// All.
    There,
    /// So many bytes; the rest can be sent.
    Part(Box<Session>),
}

/// A stream to containerd, which holds the lock of the blob.
struct Session {
    send: Sender<WriteRequest>,
    answers: Streaming<WriteResponse>,
    offset: u64,
}

/// Why a session failed.
enum Setback {
    /// The source of the bytes.
    Source(Error),
    /// containerd.
    Said(Status),
}

impl Upload<'_> {
    /// Writes a blob that is not there. Bytes that containerd has already are read and checked all the same.
    pub(crate) async fn put(&self, body: Body) -> Result<Stored> {
        let ingest = Ingest::of(&body)?;
        let session = match self.begin(&ingest).await? {
            Begun::There => {
                return run_blocking(move |cancel| body.chunks(cancel)?.finish()).await;
            }
            Begun::Part(session) => session,
        };
        let offset = session.offset;
        let again = body.try_clone();
        match self.send(&ingest, *session, body).await {
            Ok(stored) => Ok(stored),
            Err(Setback::Source(error)) => {
                // What was cut can go on later. What is wrong, and what nobody can ask for again, goes.
                if error.kind() == ErrorKind::Corrupt || ingest.digest.is_none() {
                    self.containerd.abort(&ingest.r#ref).await?;
                }
                Err(error)
            }
            Err(Setback::Said(status)) if status.code() == Code::FailedPrecondition => {
                self.containerd.abort(&ingest.r#ref).await?;
                let error = self.containerd.error(status).await;
                match again.filter(|_| offset > 0) {
                    // What an earlier attempt left was of other bytes.
                    Some(body) => Box::pin(self.put(body)).await,
                    None if offset > 0 => Err(Error::new(
                        ErrorKind::Unavailable,
                        "what an earlier attempt left of the blob was of other bytes, and is gone now",
                    )
                    .caused_by(error)),
                    None => Err(Error::new(ErrorKind::Corrupt, "containerd refuses the bytes")
                        .caused_by(error)),
                }
            }
            Err(Setback::Said(status)) => {
                if ingest.digest.is_none() {
                    self.containerd.abort(&ingest.r#ref).await?;
                }
                Err(self.containerd.error(status).await)
            }
        }
    }

    /// Gets a blob that another namespace has, if containerd shares them. `None` where its bytes have to be sent.
    pub(crate) async fn take(&self, digest: &Digest, size: u64) -> Result<Option<Stored>> {
        let stored = Stored::new(digest.clone(), size);
        let r#ref = format!("{}-{digest}", kind(None));
        let ingest = Ingest { r#ref, digest: Some(digest.clone()), size: Some(size) };
        let session = match self.begin(&ingest).await? {
            Begun::There => return Ok(Some(stored)),
            Begun::Part(session) => session,
        };
        if session.offset == size && size > 0 {
            let committed = self.commit(&ingest, *session, &stored).await;
            return match committed {
                Ok(()) => Ok(Some(stored)),
                Err(status) => Err(self.containerd.error(status).await),
            };
        }
        let is_new = session.offset == 0;
        drop(session);
        if is_new {
            self.containerd.abort(&ingest.r#ref).await?;
        }
        Ok(None)
    }

    /// Opens a stream, and waits while another client writes the blob.
    async fn begin(&self, ingest: &Ingest) -> Result<Begun> {
        let lease = self.lease.id().await?;
        let (began, mut pause, mut quiet) = (Instant::now(), PAUSES.0, true);
        loop {
            let status = match self.stat(lease, ingest).await? {
                Ok(session) => return Ok(Begun::Part(Box::new(session))),
                Err(status) => status,
            };
            match status.code() {
                Code::AlreadyExists => return Ok(Begun::There),
                Code::Unavailable if status.message().contains("locked") => {}
                _ => return Err(self.containerd.error(status).await),
            }
            if self.lock_timeout.is_some_and(|timeout| began.elapsed() >= timeout) {
                let error = self.containerd.error(status).await;
                return Err(error.context("another client writes the same blob"));
            }
            if quiet && began.elapsed() >= QUIET {
                quiet = false;
                self.observer
                    .warn(format!("waiting for another client that writes {}", ingest.r#ref));
            }
            sleep(pause).await?;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn stat(&self, lease: &str, ingest: &Ingest) -> Result<Result<Session, Status>> {
        let (send, receive) = channel(WAITING);
        let stat = ingest.request(WriteAction::Stat);
        send.send(stat).await.map_err(|_| cancelled())?;
        let answers = self.containerd.write(lease, requests(receive)).await?;
        let mut answers = match answers {
            Ok(answers) => answers,
            Err(status) => return Ok(Err(status)),
        };
        Ok(match self.containerd.while_it_runs(answers.message()).await {
            Ok(Some(answer)) => Ok(Session { send, answers, offset: size(answer.offset)? }),
            Ok(None) => Err(ended_early()),
            Err(status) => Err(status),
        })
    }

    /// Sends what is lacking, and ends the blob.
    async fn send(&self, ingest: &Ingest, session: Session, body: Body) -> Result<Stored, Setback> {
        let Session { send, mut answers, offset } = session;
        let request = ingest.request(WriteAction::Write);
        let rest = body.stream_at(offset).filter(|_| offset > 0 && ingest.size > Some(offset));
        let sender = send.clone();
        let pump = async move {
            match (rest, ingest.known()) {
                (Some(rest), Some(stored)) => {
                    pass_on(rest, request, offset, &sender).await.map(|()| stored)
                }
                _ => {
                    run_blocking(move |cancel| pump(body, &request, offset, cancel, &sender)).await
                }
            }
        };
        let failed = async {
            loop {
                match self.containerd.while_it_runs(answers.message()).await {
                    Ok(Some(_)) => {}
                    Ok(None) => return ended_early(),
                    Err(status) => return status,
                }
            }
        };
        let stream = send.clone();
        let pumped = async move {
            match pump.await {
                // The stream has ended: what containerd says is the reason.
                Err(error) if error.kind() == ErrorKind::Cancelled && stream.is_closed() => {
                    pending().await
                }
                pumped => pumped,
            }
        };
        let stored = match select(Box::pin(pumped), Box::pin(failed)).await {
            Either::Left((Ok(stored), _)) => stored,
            Either::Left((Err(error), failed)) => {
                // Until containerd has let go of the blob, it cannot be aborted.
                drop(send);
                failed.await;
                return Err(Setback::Source(error));
            }
            Either::Right((status, _)) => return Err(Setback::Said(status)),
        };
        let session = Session { send, answers, offset: stored.size };
        self.commit(ingest, session, &stored).await.map(|()| stored).map_err(Setback::Said)
    }

    /// Ends a blob of which all bytes were sent.
    async fn commit(
        &self,
        ingest: &Ingest,
        session: Session,
        stored: &Stored,
    ) -> Result<(), Status> {
        let Session { send, mut answers, .. } = session;
        let total = i64::try_from(stored.size).unwrap_or(i64::MAX);
        let commit = WriteRequest {
            total,
            offset: total,
            expected: stored.digest.to_string(),
            labels: self.labels.clone(),
            ..ingest.request(WriteAction::Commit)
        };
        // Where the stream has ended, the answer says why.
        let _ = send.send(commit).await;
        drop(send);
        loop {
            match self.containerd.while_it_runs(answers.message()).await {
                Ok(Some(answer)) if answer.action == WriteAction::Commit as i32 => return Ok(()),
                Ok(Some(_)) => {}
                Ok(None) => return Err(ended_early()),
                // Another client was faster.
                Err(status) if status.code() == Code::AlreadyExists => return Ok(()),
                Err(status) => return Err(status),
            }
        }
    }
}

impl Ingest {
    fn of(body: &Body) -> Result<Self> {
        let expected = body.expected();
        let Some(digest) = expected.digest.clone() else {
            let r#ref = format!("transship-{}", random());
            return Ok(Self { r#ref, digest: None, size: body.size() });
        };
        check_algorithm(&digest)?;
        let r#ref = format!("{}-{digest}", kind(expected.media_type.as_ref()));
        Ok(Self { r#ref, digest: Some(digest), size: body.size() })
    }

    fn known(&self) -> Option<Stored> {
        Some(Stored::new(self.digest.clone()?, self.size?))
    }

    fn request(&self, action: WriteAction) -> WriteRequest {
        WriteRequest {
            action: action.into(),
            r#ref: self.r#ref.clone(),
            total: self.size.and_then(|size| i64::try_from(size).ok()).unwrap_or_default(),
            expected: self.digest.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..WriteRequest::default()
        }
    }
}

/// containerd hashes with sha256.
pub(crate) fn check_algorithm(digest: &Digest) -> Result<()> {
    if *digest.algorithm() == DigestAlgorithm::Sha256 {
        return Ok(());
    }
    let message = format!("containerd cannot hold {digest}: it knows sha256 only");
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// What containerd's client calls a blob of a type.
fn kind(media_type: Option<&MediaType>) -> &'static str {
    let Some(media_type) = media_type else { return "unknown" };
    match is_index_type(media_type) {
        Some(true) => "index",
        Some(false) => "manifest",
        None if LayerType::of(media_type).is_some() => "layer",
        None if transship_core::ImageConfig::is_type(media_type) => "config",
        None => "unknown",
    }
}

fn requests(mut from: Receiver<WriteRequest>) -> impl futures_util::Stream<Item = WriteRequest> {
    stream::poll_fn(move |context| from.poll_recv(context))
}

/// Sends the bytes of a body from an offset on. All of them are read and checked.
fn pump(
    body: Body,
    request: &WriteRequest,
    offset: u64,
    cancel: &Cancel,
    send: &Sender<WriteRequest>,
) -> Result<Stored> {
    let mut chunks = body.chunks(cancel)?;
    let mut at = 0;
    while let Some(chunk) = chunks.next_shared()? {
        let there = usize::try_from(offset.saturating_sub(at)).unwrap_or(usize::MAX);
        at += chunk.len() as u64;
        let mut rest = chunk.slice(there.min(chunk.len())..);
        while !rest.is_empty() {
            let offset = at - rest.len() as u64;
            let piece = rest.split_to(rest.len().min(PIECE));
            send.blocking_send(with_bytes(request, offset, piece)).map_err(|_| cancelled())?;
        }
    }
    chunks.finish()
}

/// Sends bytes that begin at an offset. containerd checks all of them together.
async fn pass_on(
    mut bytes: transship_core::ByteStream,
    request: WriteRequest,
    mut at: u64,
    send: &Sender<WriteRequest>,
) -> Result<()> {
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk?;
        let size = chunk.len() as u64;
        if size > 0 {
            send.send(with_bytes(&request, at, chunk)).await.map_err(|_| cancelled())?;
        }
        at += size;
    }
    Ok(())
}

fn with_bytes(request: &WriteRequest, offset: u64, data: Bytes) -> WriteRequest {
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    WriteRequest { offset, data, ..request.clone() }
}

/// Pauses without a timer, which a runtime may not have.
pub(crate) async fn sleep(pause: Duration) -> Result<()> {
    const STEP: Duration = Duration::from_millis(50);
    run_blocking(move |cancel| {
        let until = Instant::now() + pause;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            cancel.check()?;
            std::thread::sleep(left.min(STEP));
        }
        Ok(())
    })
    .await
}

fn ended_early() -> Status {
    Status::unavailable("the answer of containerd ends early")
}
