//! Blobs, whole or in part.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, IF_RANGE, RANGE,
};
use hyper::{Method, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use transship_core::{Body, Descriptor, Digest, Error, ErrorKind, Expect, FileRange, run_blocking};

use crate::chunks::SharedFile;
use crate::manifests::{Found, find};
use crate::names::FullName;
use crate::protocol::{Asked, Refusal, asked};
use crate::reply::{self, Answer, Refused, set};
use crate::sending::Sending;
use crate::verdict::{Checked, checked};
use crate::view::{Part, View};

/// How many bodies are read at once that are no files: each holds several MiB.
pub(crate) const STREAMS: usize = 8;

/// How long an answer waits until it can be read.
const TURN: Duration = Duration::from_secs(60);

/// The largest blob that is looked at before the answer begins.
const IN_MEMORY: u64 = 128 << 10;

/// `GET` and `HEAD` of `blobs/DIGEST`.
pub(crate) async fn answer(
    view: &Arc<View>,
    repository: &FullName,
    digest: &Digest,
    method: &Method,
    headers: &HeaderMap,
    streams: &Arc<Semaphore>,
) -> Answer {
    let Some(Found::Blob(of, body)) = find(view, repository, Part::Blob, digest).await? else {
        let why = format!("{repository} has no blob {digest}");
        return Err(Refusal::unknown("BLOB_UNKNOWN", why).into());
    };
    if let Some(reply) = reply::not_modified(headers, digest) {
        return Ok(reply);
    }
    let size = body.size().unwrap_or(of.size);
    if size != of.size {
        let message = format!("blob {digest} has {size} bytes where {} are expected", of.size);
        return Err(Error::new(ErrorKind::Corrupt, message).into());
    }
    let Some((part, status)) = part(method, headers, digest, size) else {
        return Ok(beyond(digest, size));
    };
    let sending = match *method {
        Method::HEAD => Sending::nothing(),
        _ => sending(view, &of, *body, part.clone(), streams).await?,
    };
    Ok(reply_with(sending, digest, part, status, size))
}

/// A blob that was uploaded, and found true then.
pub(crate) async fn whole(
    view: &View,
    file: FileRange,
    digest: &Digest,
    method: &Method,
    headers: &HeaderMap,
) -> Answer {
    let size = file.len();
    if let Some(reply) = reply::not_modified(headers, digest) {
        return Ok(reply);
    }
    let Some((part, status)) = part(method, headers, digest, size) else {
        return Ok(beyond(digest, size));
    };
    let sending = if method == Method::HEAD {
        Sending::nothing()
    } else {
        let now = state(&file, digest).await?.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, format!("blob {digest} is no file that can be read"))
        })?;
        Sending::file(SharedFile::new(&view.chunks, file, now), part.clone())
    };
    Ok(reply_with(sending, digest, part, status, size))
}

/// The part that is asked for; `None` where nothing of it is there. Ranges are for `GET` alone (RFC 9110, section 14.2).
fn part(
    method: &Method,
    headers: &HeaderMap,
    digest: &Digest,
    size: u64,
) -> Option<(Range<u64>, StatusCode)> {
    let range = range(headers, digest).filter(|_| *method == Method::GET);
    match asked(range, size) {
        Asked::All => Some((0..size, StatusCode::OK)),
        Asked::Part(part) => Some((part, StatusCode::PARTIAL_CONTENT)),
        Asked::Beyond => None,
    }
}

fn reply_with(
    sending: Sending,
    digest: &Digest,
    part: Range<u64>,
    status: StatusCode,
    size: u64,
) -> Response<Sending> {
    let mut response = reply::of_digest(Response::new(sending), digest);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    set(headers, CONTENT_TYPE, "application/octet-stream");
    set(headers, ACCEPT_RANGES, "bytes");
    headers.insert(CONTENT_LENGTH, (part.end - part.start).into());
    if status == StatusCode::PARTIAL_CONTENT {
        set(headers, CONTENT_RANGE, &format!("bytes {}-{}/{size}", part.start, part.end - 1));
    }
    response
}

/// The range that is asked for, unless it is one of other content.
fn range<'a>(headers: &'a HeaderMap, digest: &Digest) -> Option<&'a str> {
    let other = headers.get(IF_RANGE).is_some_and(|tag| *tag != reply::etag(digest).as_str());
    headers.get(RANGE).filter(|_| !other).and_then(|range| range.to_str().ok())
}

fn beyond(digest: &Digest, size: u64) -> Response<Sending> {
    let why = format!("the blob has {size} bytes");
    let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", why);
    let mut response = reply::of_digest(reply::refusal(&refusal), digest);
    set(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{size}"));
    response
}

/// What is sent of a blob. Until it was found true once, its end is kept back.
async fn sending(
    view: &Arc<View>,
    of: &Descriptor,
    body: Body,
    part: Range<u64>,
    streams: &Arc<Semaphore>,
) -> Result<Sending, Refused> {
    if of.size <= IN_MEMORY {
        // A wrong one gets a proper answer.
        let bytes = body.bytes(IN_MEMORY).await?;
        let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        return Ok(Sending::bytes(bytes.slice(within(part.start)..within(part.end))));
    }
    if let Some(file) = body.file_range() {
        let file = file.clone();
        let Ok(Some(now)) = state(&file, &of.digest).await else {
            return stream(body, part, streams).await;
        };
        if view.verdicts.is_good(&now) {
            return Ok(Sending::file(SharedFile::new(&view.chunks, file, now), part));
        }
        let expect = body.expected().and(&Expect::from(of))?;
        let verdict = view.verdicts.of(&now, &file, expect);
        let file = SharedFile::new(&view.chunks, file, now);
        return Ok(Sending::checked_file(file, part, verdict));
    }
    stream(body, part, streams).await
}

/// The state of a file; `None` where it is none.
async fn state(file: &FileRange, digest: &Digest) -> transship_core::Result<Option<Checked>> {
    let (file, digest) = (file.clone(), digest.clone());
    run_blocking(move |_| Ok(checked(&file, &digest))).await
}

/// What is read anew for each answer, and checked each time.
async fn stream(
    body: Body,
    part: Range<u64>,
    streams: &Arc<Semaphore>,
) -> Result<Sending, Refused> {
    let Ok(permit) = timeout(TURN, Arc::clone(streams).acquire_owned()).await else {
        let why = "too many pull what is read from elsewhere: try again";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", why).into());
    };
    let len = part.end - part.start;
    let mut sending = Sending::stream(body.range(part), len);
    // It is closed only with the process.
    sending.keep(permit.ok());
    Ok(sending)
}
