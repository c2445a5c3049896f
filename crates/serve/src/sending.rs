//! [`Sending`]: the body of an answer.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{FutureExt, Stream};
use hyper::body::{Body, Frame, SizeHint};
use transship_core::{BodyReader, Error, Result};

use crate::chunks::{CHUNK, Chunk, SharedFile};

/// The body of an answer. It ends with an error where the content is found to be wrong, before its last bytes: the connection has to
/// be cut.
pub struct Sending {
    content: Content,
    left: u64,
    failed: Option<OnFailure>,
    /// What lives until all is sent.
    guards: Vec<Box<dyn Any + Send>>,
}

type OnFailure = Box<dyn FnOnce(&Error) + Send>;

enum Content {
    Bytes(Bytes),
    File(FileChunks),
    Stream(BodyReader),
}

impl Sending {
    pub(crate) fn nothing() -> Self {
        Self::bytes(Bytes::new())
    }

    pub(crate) fn bytes(bytes: Bytes) -> Self {
        let left = bytes.len() as u64;
        Self::new(Content::Bytes(bytes), left)
    }

    /// A part of a file, without a look at what it is.
    pub(crate) fn file(file: SharedFile, part: Range<u64>) -> Self {
        let left = part.end - part.start;
        Self::new(Content::File(FileChunks::new(file, part, None)), left)
    }

    /// A part of a file, whose last bytes wait for a verdict on all of it.
    pub(crate) fn checked_file(
        file: SharedFile,
        part: Range<u64>,
        verdict: impl Future<Output = Result<()>> + Send + 'static,
    ) -> Self {
        let left = part.end - part.start;
        Self::new(Content::File(FileChunks::new(file, part, Some(Box::pin(verdict)))), left)
    }

    /// What a body gives, which has that many bytes.
    pub(crate) fn stream(reader: BodyReader, size: u64) -> Self {
        Self::new(Content::Stream(reader), size)
    }

    fn new(content: Content, left: u64) -> Self {
        Self { content, left, failed: None, guards: Vec::new() }
    }

    /// Calls a function with the error that cuts it.
    pub(crate) fn on_failure(mut self, failed: impl FnOnce(&Error) + Send + 'static) -> Self {
        self.failed = Some(Box::new(failed));
        self
    }

    /// Keeps something until all is sent, or the client is gone.
    pub(crate) fn keep(&mut self, guard: impl Any + Send) {
        self.guards.push(Box::new(guard));
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        match &mut self.content {
            Content::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Bytes(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Content::File(file) => file.poll_next(context),
            Content::Stream(reader) => Pin::new(reader).poll_next(context),
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        Poll::Ready(match ready!(this.poll_chunk(context)) {
            Some(Ok(bytes)) => {
                this.left = this.left.saturating_sub(bytes.len() as u64);
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => {
                if let Some(failed) = this.failed.take() {
                    failed(&error);
                }
                Some(Err(error))
            }
            None => {
                this.guards.clear();
                None
            }
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("left", &self.left).finish_non_exhaustive()
    }
}

/// Chunks of a file, the next of which is read while one is sent.
struct FileChunks {
    file: SharedFile,
    /// What is not sent yet.
    left: Range<u64>,
    verdict: Option<Verdict>,
    next: Option<Chunk>,
    /// The last bytes, until the verdict.
    held: Option<Bytes>,
}

type Verdict = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

impl FileChunks {
    fn new(file: SharedFile, part: Range<u64>, verdict: Option<Verdict>) -> Self {
        Self { file, left: part, verdict, next: None, held: None }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        while !self.left.is_empty() {
            let mut reading = self.next.take().unwrap_or_else(|| self.read_on());
            let Poll::Ready(read) = reading.poll_unpin(context) else {
                self.next = Some(reading);
                return Poll::Pending;
            };
            let chunk = self.part_of(&read?);
            self.left.start += chunk.len() as u64;
            self.next = (!self.left.is_empty()).then(|| self.read_on());
            let chunk = match &self.verdict {
                Some(_) => self.held.replace(chunk),
                None => Some(chunk),
            };
            if let Some(chunk) = chunk {
                return Poll::Ready(Some(Ok(chunk)));
            }
        }
        self.poll_end(context)
    }

    /// The last bytes, if all are true.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if let Some(verdict) = &mut self.verdict {
            let verdict = ready!(verdict.as_mut().poll(context));
            self.verdict = None;
            if let Err(error) = verdict {
                self.held = None;
                return Poll::Ready(Some(Err(error)));
            }
        }
        Poll::Ready(self.held.take().map(Ok))
    }

    fn read_on(&self) -> Chunk {
        self.file.chunk(self.left.start / CHUNK)
    }

    /// What is to be sent of the chunk in which the rest begins.
    fn part_of(&self, chunk: &Bytes) -> Bytes {
        let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(chunk.len());
        let from = self.left.start % CHUNK;
        chunk.slice(within(from)..within(from + self.left.end - self.left.start))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use transship_core::{FileRange, sha256};

    use super::*;
    use crate::verdict::checked;

    async fn sent(mut sending: Sending) -> Result<Vec<u8>, Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut sending).poll_frame(cx)).await;
            match frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())) {
                Some(Ok(bytes)) => all.extend_from_slice(&bytes),
                Some(Err(_)) => return Err(all),
                None => return Ok(all),
            }
        }
    }

    #[tokio::test]
    async fn parts_of_files_are_what_slices_are_and_the_end_of_a_wrong_one_stays_away() {
        let len = 3 * CHUNK + 7;
        let bytes: Vec<u8> = (0..=250).cycle().take(usize::try_from(len).unwrap()).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        std::fs::write(&path, &bytes).unwrap();
        let chunks = Arc::default();
        let file = || {
            let file = FileRange::closed(path.as_path(), len);
            let state = checked(&file, &sha256(&bytes)).unwrap();
            SharedFile::new(&chunks, file, state)
        };
        let edges = [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 1, len - 1, len];
        for (from, to) in edges.iter().flat_map(|from| edges.map(|to| (*from, to))) {
            if from > to {
                continue;
            }
            let want = &bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()];
            assert_eq!(sent(Sending::file(file(), from..to)).await.unwrap(), want, "{from}-{to}");
            let checked = |verdict: Result<()>| {
                sent(Sending::checked_file(file(), from..to, async { verdict }))
            };
            assert_eq!(checked(Ok(())).await.unwrap(), want, "{from}-{to}");
            let before = checked(Err(transship_core::cancelled())).await.unwrap_err();
            assert!(want.starts_with(&before), "{from}-{to}");
            assert!(want.is_empty() || before.len() < want.len(), "{from}-{to}");
        }
    }
}
