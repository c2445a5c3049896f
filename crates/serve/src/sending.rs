//! [`Sending`]: the body of an answer.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;
use transship_core::{BodyReader, Error, FileRange, Result};

/// The bytes of a file that are read at once. An answer holds two of them: one that is sent and one that is read.
const CHUNK: usize = 256 << 10;

/// The same while there are more than [`FEW`] answers.
const SMALL_CHUNK: usize = 64 << 10;

const FEW: usize = 32;

/// How many answers send files.
static FILES: AtomicUsize = AtomicUsize::new(0);

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
    pub(crate) fn file(file: FileRange, part: Range<u64>) -> Self {
        let left = part.end - part.start;
        Self::new(Content::File(FileChunks::new(file, part, None)), left)
    }

    /// A part of a file, whose last bytes wait for a verdict on all of it.
    pub(crate) fn checked_file(
        file: FileRange,
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
    file: Arc<FileRange>,
    /// What is not read yet.
    left: Range<u64>,
    verdict: Option<Verdict>,
    reading: Option<JoinHandle<Result<Bytes>>>,
    /// The last bytes, until the verdict.
    held: Option<Bytes>,
}

type Verdict = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

impl FileChunks {
    fn new(file: FileRange, part: Range<u64>, verdict: Option<Verdict>) -> Self {
        FILES.fetch_add(1, Ordering::Relaxed);
        Self { file: Arc::new(file), left: part, verdict, reading: None, held: None }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            let Some(reading) = &mut self.reading else {
                if self.left.is_empty() {
                    return self.poll_end(context);
                }
                self.read_on();
                continue;
            };
            let read = ready!(Pin::new(reading).poll(context));
            self.reading = None;
            let chunk = read.unwrap_or_else(|_| Err(transship_core::cancelled()))?;
            self.left.start += chunk.len() as u64;
            if !self.left.is_empty() {
                self.read_on();
            }
            let chunk = match &self.verdict {
                Some(_) => self.held.replace(chunk),
                None => Some(chunk),
            };
            if let Some(chunk) = chunk {
                return Poll::Ready(Some(Ok(chunk)));
            }
        }
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

    fn read_on(&mut self) {
        let (file, at) = (Arc::clone(&self.file), self.left.start);
        let most = if FILES.load(Ordering::Relaxed) > FEW { SMALL_CHUNK } else { CHUNK };
        let len = usize::try_from(self.left.end - at).unwrap_or(usize::MAX).min(most);
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; len];
            let read = file.read_at(at, &mut buffer)?;
            buffer.truncate(read);
            Ok(buffer.into())
        }));
    }
}

impl Drop for FileChunks {
    fn drop(&mut self) {
        FILES.fetch_sub(1, Ordering::Relaxed);
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * CHUNK + 7).collect();
        let file = || FileRange::in_memory(bytes.clone(), std::path::Path::new("x"));
        let len = bytes.len() as u64;
        let edges = [0, 1, CHUNK as u64 - 1, CHUNK as u64, 2 * CHUNK as u64 + 1, len - 1, len];
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
