//! Blobs, which go on where they were cut.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Method, StatusCode};
use transship_core::{
    Body, ByteStream, Descriptor, Digest, Error, ErrorKind, Expect, Observer, Result, ResultExt,
};

use super::pieces::{self, Begun};
use crate::client::{
    Answer, Call, Failure, Patience, ReadFailure, Repository, Slot, Tries, header,
};
use crate::locked;

/// Less than this is no progress: a server that cuts after each few bytes is given up in the end.
const PROGRESS: u64 = 64 << 10;

/// Opens a blob. That it is there has been seen when this returns.
pub(crate) async fn open(from: &Repository, of: &Descriptor) -> Result<Body> {
    let reading = Reading { from: from.clone(), of: of.clone(), span: Span::Rest };
    let begun = pieces::begin(&reading, 0).await?;
    // The first reader gets this answer; reading again, or from another offset, sends a new request, to this place alone.
    let first = Arc::new(Mutex::new(Some(begun)));
    let reading = Reading { from: from.with(Patience::Full), ..reading };
    let body = Body::from_fn(move |at| {
        let begun = locked(&first).take();
        let (reading, begun) = (reading.clone(), begun.filter(|_| at == 0));
        async move {
            // Servers refuse a range of nothing.
            if at > 0 && at >= reading.of.size {
                let nothing: ByteStream = Box::pin(stream::empty());
                return Ok(nothing);
            }
            let begun = match begun {
                Some(begun) => begun,
                None => pieces::begin(&reading, at).await?,
            };
            Ok(match begun {
                Begun::Rest { part, slot } => reading.stream(part, at, slot),
                Begun::Pieces { first, slot } => pieces::stream(reading, first, slot),
            })
        }
    });
    body.expecting(&Expect::from(of))
}

/// The size of a blob where HEAD does not tell, if it is said: from the answer to a request for it, of which one byte is asked for.
pub(crate) async fn size(from: &Repository, digest: &Digest) -> Result<Option<u64>> {
    let doing = format!("looking for blob {digest} in");
    let mut call = from.call(Method::GET, &format!("blobs/{digest}"), &doing).await?;
    call.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    call.headers.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
    let answer = from.open(&call).await.context(|| call.what.clone())?;
    if answer.status == StatusCode::OK {
        return Ok(answer.length());
    }
    let range = header(&answer.headers, CONTENT_RANGE.as_str()).unwrap_or_default();
    Ok(range.rsplit_once('/').and_then(|(_, size)| size.trim().parse().ok()))
}

#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) from: Repository,
    pub(super) of: Descriptor,
    pub(super) span: Span,
}

/// How much of a blob is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// All from an offset on, in whatever way the server sends it.
    Rest,
    /// What is before this offset, in answers that begin where it was asked for: others are errors.
    Until(u64),
}

/// An answer with bytes of a blob.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) answer: Answer,
    /// The offset of its first byte.
    pub(super) start: u64,
}

pub(super) struct Coming {
    reading: Reading,
    answer: Answer,
    /// The offset of the next byte of the answer.
    at: u64,
    /// How many bytes have been passed on. An answer may begin before that.
    pub(super) passed: u64,
    tries: Tries,
    /// Where the tries were counted from.
    tried_at: u64,
}

impl Reading {
    /// Asks for the bytes from an offset on; for all of them where the server refuses a part, or sends another one.
    pub(super) async fn open(&self, at: u64) -> Result<Part> {
        match self.ask(at).await {
            Ok(part) if self.span != Span::Rest && part.start != at => {
                let message = format!("the server does not send a piece from byte {at} on");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            Err(error) if self.span != Span::Rest => return Err(error),
            Err(error) if at > 0 && !is_unanswered(&error) => {}
            part => return part,
        }
        self.ask(0).await.map_err(|error| {
            if is_unanswered(&error) {
                return error;
            }
            let message = format!("the server does not send the rest from byte {at} on");
            Error::new(ErrorKind::Unavailable, message).caused_by(error)
        })
    }

    pub(super) async fn ask(&self, at: u64) -> Result<Part> {
        let call = self.call(at).await?;
        let answer = self.from.open(&call).await?;
        let start = self.start(&answer, at).context(|| call.what)?;
        Ok(Part { answer, start })
    }

    /// The offset after the last byte that is read.
    fn end(&self) -> u64 {
        match self.span {
            Span::Rest => self.of.size,
            Span::Until(end) => end,
        }
    }

    async fn call(&self, at: u64) -> Result<Call> {
        let digest = &self.of.digest;
        let doing = format!("reading blob {digest} of");
        let mut call = self.from.call(Method::GET, &format!("blobs/{digest}"), &doing).await?;
        call.headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        // The bytes as they are stored.
        call.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let range = match self.span {
            Span::Until(end) => format!("bytes={at}-{}", end.saturating_sub(1)),
            Span::Rest if at > 0 => format!("bytes={at}-"),
            Span::Rest => return Ok(call),
        };
        let range = HeaderValue::from_str(&range).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the range is no header value").caused_by(error)
        })?;
        call.headers.insert(RANGE, range);
        Ok(call)
    }

    /// The offset of the first byte of an answer, which is not after what was asked for. Looked at before any byte.
    fn start(&self, answer: &Answer, at: u64) -> Result<u64> {
        let wrong = |found: String| Err(Error::new(ErrorKind::Corrupt, found));
        let (size, length) = (self.of.size, answer.length());
        let rest = size.saturating_sub(at);
        let range = header(&answer.headers, CONTENT_RANGE.as_str()).unwrap_or_default().trim();
        match (answer.status, Range::parse(range)) {
            (StatusCode::OK, _) => match length {
                Some(length) if length != size => {
                    wrong(format!("the server has {length} bytes, {size} expected"))
                }
                _ => Ok(0),
            },
            (StatusCode::PARTIAL_CONTENT, Some(Range { size: Some(said), .. })) if said != size => {
                wrong(format!("the server has {said} bytes, {size} expected"))
            }
            // It may begin earlier, and be of less than the rest.
            (StatusCode::PARTIAL_CONTENT, Some(Range { start, .. })) if start <= at => {
                match length.map(|length| start.saturating_add(length)) {
                    Some(end) if end > size => {
                        wrong(format!("the server has {end} bytes, {size} expected"))
                    }
                    _ => Ok(start),
                }
            }
            // Without a range, the length says enough: the digest decides.
            (StatusCode::PARTIAL_CONTENT, None) if range.is_empty() => match length {
                Some(length) if length == size => Ok(0),
                Some(length) if length != rest => wrong(format!(
                    "the server has {} bytes, {size} expected",
                    at.saturating_add(length)
                )),
                _ => Ok(at),
            },
            (StatusCode::PARTIAL_CONTENT, _) => {
                wrong(format!("asked from byte {at} on, the server sends {range:?}"))
            }
            (status, _) => wrong(format!("the server answers {status} to a request for bytes")),
        }
    }

    /// The bytes from an offset on, which go on in other answers where this one ends early.
    pub(super) fn stream(self, part: Part, at: u64, slot: Option<Slot>) -> ByteStream {
        let coming = (self.coming(part, at), slot);
        Box::pin(stream::try_unfold(coming, |(mut coming, slot)| async move {
            Ok(coming.next().await?.map(|chunk| (chunk, (coming, slot))))
        }))
    }

    pub(super) fn coming(self, part: Part, at: u64) -> Coming {
        let tries = self.from.host.tries();
        let Part { answer, start } = part;
        Coming { reading: self, answer, at: start, passed: at, tries, tried_at: at }
    }
}

/// Whether no answer came, so that asking in another way does not help.
pub(super) fn is_unanswered(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Cancelled)
}

/// What a `Content-Range` says. Servers write it in several ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: u64,
    /// The size of all of it, if that is said.
    size: Option<u64>,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let text = text.strip_prefix("bytes")?.trim_start_matches(['=', ' ', ':']);
        let (range, size) = text.split_once('/').unwrap_or((text, "*"));
        let (start, _) = range.split_once('-')?;
        Some(Self { start: start.trim().parse().ok()?, size: size.trim().parse().ok() })
    }
}

impl Coming {
    /// The next bytes of some answer that have not passed yet.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let end = self.reading.end();
        loop {
            let error = match self.answer.chunk().await {
                Ok(Some(mut chunk)) => {
                    let again = self.passed.saturating_sub(self.at);
                    let again = usize::try_from(again).unwrap_or(usize::MAX).min(chunk.len());
                    self.at += chunk.len() as u64;
                    // What was sent again is not passed on again.
                    let mut new = chunk.split_off(again);
                    if let Span::Until(end) = self.reading.span {
                        if self.passed >= end && !new.is_empty() {
                            return Ok(None);
                        }
                        new.truncate(usize::try_from(end - self.passed).unwrap_or(usize::MAX));
                    }
                    if new.is_empty() {
                        continue;
                    }
                    self.passed += new.len() as u64;
                    return Ok(Some(new));
                }
                Ok(None) if self.passed >= end => return Ok(None),
                // Some servers give a large blob in parts: that is no failure.
                Ok(None)
                    if self.answer.status == StatusCode::PARTIAL_CONTENT && self.progressed() =>
                {
                    self.open_rest().await?;
                    continue;
                }
                Ok(None) => Error::new(ErrorKind::Unavailable, "the connection ended early"),
                Err(ReadFailure::Cut(error) | ReadFailure::Refused(error)) => error,
            };
            self.go_on(error).await?;
        }
    }

    /// Asks for the rest, unless it was done often enough without progress.
    async fn go_on(&mut self, error: Error) -> Result<()> {
        self.progressed();
        let Reading { from, of, .. } = &self.reading;
        let what = format!("reading blob {} from byte {} on", of.digest, self.passed);
        let observer: &Observer = &from.observer;
        from.host
            .wait_for(Failure::cut(error), &what, &mut self.tries, observer)
            .await
            .context(|| &what)?;
        self.open_rest().await
    }

    /// Whether enough has passed since the tries were counted; then they are counted from here.
    fn progressed(&mut self) -> bool {
        let progressed = self.passed >= self.tried_at + PROGRESS;
        if progressed {
            self.tries.reset();
            self.tried_at = self.passed;
        }
        progressed
    }

    async fn open_rest(&mut self) -> Result<()> {
        let part = self.reading.open(self.passed).await?;
        (self.answer, self.at) = (part.answer, part.start);
        Ok(())
    }
}
