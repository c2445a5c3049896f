//! Blobs, which go on where they were cut.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Method, StatusCode};
use transship_core::{
    Body, ByteStream, Descriptor, Digest, Error, ErrorKind, Expect, Observer, Result, ResultExt,
};

use crate::client::{Answer, Call, Failure, Repository, Torn, Tries, header};

/// Less than this is no progress: a server that cuts after each few bytes is given up in the end.
const PROGRESS: u64 = 64 << 10;

/// Opens a blob. That it is there has been seen when this returns.
pub(crate) async fn open(from: &Repository, of: &Descriptor) -> Result<Body> {
    let reading = Reading { from: from.clone(), of: of.clone() };
    let answer = reading.open(0).await?;
    // The first who reads gets this answer; who reads again, or from elsewhere, asks again.
    let first = Arc::new(Mutex::new(Some(answer)));
    let body = Body::from_fn(move |at| {
        let held = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (reading, held) = (reading.clone(), held.filter(|_| at == 0));
        async move {
            // Servers refuse a range of nothing.
            if at > 0 && at >= reading.of.size {
                let nothing: ByteStream = Box::pin(stream::empty());
                return Ok(nothing);
            }
            let answer = match held {
                Some(answer) => answer,
                None => reading.open(at).await?,
            };
            Ok(reading.stream(answer, at))
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

/// What is being read.
#[derive(Clone, Debug)]
struct Reading {
    from: Repository,
    of: Descriptor,
}

/// A blob while it comes.
struct Coming {
    reading: Reading,
    answer: Answer,
    /// How many bytes have passed.
    at: u64,
    tries: Tries,
    /// Where the tries were counted from.
    tried_at: u64,
}

impl Reading {
    /// Asks for the bytes from an offset on; for all of them where the server refuses a part.
    async fn open(&self, at: u64) -> Result<Answer> {
        let mut call = self.call(at).await?;
        let mut answer = self.from.open(&call).await?;
        if answer.status == StatusCode::RANGE_NOT_SATISFIABLE && at > 0 {
            call = self.call(0).await?;
            answer = self.from.open(&call).await?;
        }
        self.check(&answer, at).context(|| call.what)?;
        Ok(answer)
    }

    async fn call(&self, at: u64) -> Result<Call> {
        let digest = &self.of.digest;
        let doing = format!("reading blob {digest} of");
        let mut call = self.from.call(Method::GET, &format!("blobs/{digest}"), &doing).await?;
        call.headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        // The bytes as they are stored.
        call.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if at > 0 {
            let range = HeaderValue::from_str(&format!("bytes={at}-")).map_err(|error| {
                Error::new(ErrorKind::Unexpected, "this is no range").caused_by(error)
            })?;
            call.headers.insert(RANGE, range);
        }
        Ok(call)
    }

    /// Holds an answer to what was asked for, before any byte.
    fn check(&self, answer: &Answer, at: u64) -> Result<()> {
        let wrong = |found: String| Err(Error::new(ErrorKind::Corrupt, found));
        let size = self.of.size;
        match (answer.status, answer.length()) {
            (StatusCode::PARTIAL_CONTENT, length) => {
                // Without one, the length says enough: the digest decides.
                let range = header(&answer.headers, CONTENT_RANGE.as_str()).unwrap_or_default();
                let said = range.trim().to_lowercase().replace('=', " ");
                if !(said.is_empty() || said.starts_with(&format!("bytes {at}-"))) {
                    return wrong(format!("asked from byte {at} on, the server sends {range:?}"));
                }
                match length {
                    Some(length) if length != size.saturating_sub(at) => wrong(format!(
                        "the server has {} bytes, {size} expected",
                        at.saturating_add(length)
                    )),
                    _ => Ok(()),
                }
            }
            (StatusCode::OK, Some(length)) if length != size => {
                wrong(format!("the server has {length} bytes, {size} expected"))
            }
            (StatusCode::OK, _) => Ok(()),
            (status, _) => wrong(format!("the server answers {status} to a request for bytes")),
        }
    }

    /// The bytes from an offset on, which goes on in other answers where this one is cut.
    fn stream(self, answer: Answer, at: u64) -> ByteStream {
        let tries = self.from.host.tries();
        let coming = Coming { reading: self, answer, at: 0, tries, tried_at: at };
        // A server that does not do ranges sends what has passed already once more.
        let skip = if coming.answer.status == StatusCode::OK { 0 } else { at };
        let coming = Coming { at: skip, ..coming };
        Box::pin(stream::try_unfold((coming, at), |(mut coming, mut passed)| async move {
            loop {
                let Some(mut chunk) = coming.next().await? else { return Ok(None) };
                let start = coming.at - chunk.len() as u64;
                if coming.at <= passed {
                    continue;
                }
                // What was sent again is not passed on again.
                let again = usize::try_from(passed.saturating_sub(start)).unwrap_or(usize::MAX);
                let new = chunk.split_off(again.min(chunk.len()));
                passed = coming.at;
                return Ok(Some((new, (coming, passed))));
            }
        }))
    }
}

impl Coming {
    /// The next bytes of some answer; `at` is behind them.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let error = match self.answer.chunk().await {
                Ok(Some(chunk)) => {
                    self.at += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                Ok(None) if self.at >= self.reading.of.size => return Ok(None),
                Ok(None) => Error::new(ErrorKind::Unavailable, "the connection ended early"),
                Err(Torn::Cut(error) | Torn::Refused(error)) => error,
            };
            self.go_on(error).await?;
        }
    }

    /// Asks for the rest.
    async fn go_on(&mut self, error: Error) -> Result<()> {
        if self.at >= self.tried_at + PROGRESS {
            self.tries.reset();
            self.tried_at = self.at;
        }
        let Reading { from, of } = &self.reading;
        let what = format!("reading blob {} from byte {} on", of.digest, self.at);
        let observer: &Observer = &from.observer;
        let host = &from.host;
        host.wait_for(Failure::cut(error), &what, &mut self.tries, observer)
            .await
            .context(|| &what)?;
        self.answer = self.reading.open(self.at).await?;
        if self.answer.status == StatusCode::OK {
            self.at = 0;
        }
        Ok(())
    }
}
