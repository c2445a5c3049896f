//! [`BodyReader`]: the bytes of a [`Body`] for asynchronous code, all of them or a range.

use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, ReadBuf};

use super::{Body, ByteStream};
use crate::{Error, ErrorKind, Result};

impl Body {
    /// The bytes for asynchronous code: a `Stream` of chunks and an `AsyncRead` in one.
    ///
    /// The last chunk comes only when all bytes were found true. The reader holds threads, as the stream of
    /// [`into_stream`](Self::into_stream) does.
    pub fn into_reader(self) -> BodyReader {
        BodyReader::new(self.into_stream(), None)
    }

    /// The bytes from `range.start` up to `range.end`; what lies beyond the end of the blob is left out.
    ///
    /// The whole blob is read, because only the whole can be checked; the last chunk of the range comes when it was found
    /// true. The reader holds threads, as that of [`into_reader`](Self::into_reader) does.
    pub fn range(self, range: Range<u64>) -> BodyReader {
        BodyReader::new(self.into_stream(), Some(Window::new(range)))
    }

    /// As [`range`](Self::range), but no other bytes are read where the source can begin anywhere, and **nothing checks
    /// them**: for callers who check parts themselves, as a table of contents with a digest for each part allows. Only
    /// that the range is complete is checked, where the size of the blob is known.
    ///
    /// Where the bytes pass only once it is [`range`](Self::range).
    pub fn range_unchecked(self, range: Range<u64>) -> BodyReader {
        let Some(stream) = self.stream_at(range.start) else { return self.range(range) };
        let end = self.size().map_or(range.end, |size| size.min(range.end));
        let part = Part { stream, left: end.saturating_sub(range.start), sized: self.size() };
        BodyReader::new(part.into_stream(), None)
    }
}

/// Bytes of a [`Body`]: a `Stream` of chunks and an `AsyncRead` in one. Dropping it stops the reading.
///
/// What it gave is true only when it has ended without an error: who stops earlier calls [`finish`](Self::finish).
pub struct BodyReader {
    stream: ByteStream,
    window: Option<Window>,
    /// What is left of the chunk that `AsyncRead` gives in pieces.
    rest: Bytes,
    state: State,
}

#[derive(Debug)]
enum State {
    Open,
    Ended,
    /// An error stays: the end of a broken blob must not look like the end of a whole one.
    Failed(ErrorKind, String),
}

/// The part of the bytes that is wanted.
#[derive(Debug)]
struct Window {
    skip: u64,
    left: u64,
    /// Kept back until all bytes were found true.
    held: Bytes,
}

impl Window {
    fn new(range: Range<u64>) -> Self {
        let left = range.end.saturating_sub(range.start);
        Self { skip: range.start, left, held: Bytes::new() }
    }

    /// Takes what is wanted of a chunk, and gives the one before it.
    fn take(&mut self, mut chunk: Bytes) -> Bytes {
        let skipped = cut(&mut chunk, self.skip);
        self.skip -= skipped.len() as u64;
        let wanted = cut(&mut chunk, self.left);
        self.left -= wanted.len() as u64;
        if wanted.is_empty() { Bytes::new() } else { std::mem::replace(&mut self.held, wanted) }
    }
}

/// Cuts off the first bytes of a chunk.
fn cut(chunk: &mut Bytes, most: u64) -> Bytes {
    let n = usize::try_from(most).unwrap_or(usize::MAX).min(chunk.len());
    chunk.split_to(n)
}

/// A range that is read alone.
struct Part {
    stream: ByteStream,
    left: u64,
    sized: Option<u64>,
}

impl Part {
    fn into_stream(mut self) -> ByteStream {
        Box::pin(futures_util::stream::poll_fn(move |context| {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            Poll::Ready(match ready!(self.stream.poll_next_unpin(context)) {
                Some(Ok(mut chunk)) => {
                    let wanted = cut(&mut chunk, self.left);
                    self.left -= wanted.len() as u64;
                    Some(Ok(wanted))
                }
                None if self.sized.is_some() => {
                    let message =
                        format!("it ends early: {} bytes of the range are missing", self.left);
                    Some(Err(Error::new(ErrorKind::Corrupt, message)))
                }
                other => other,
            })
        }))
    }
}

impl BodyReader {
    fn new(stream: ByteStream, window: Option<Window>) -> Self {
        Self { stream, window, rest: Bytes::new(), state: State::Open }
    }

    /// Reads what is left, and says that all of it was found true.
    ///
    /// # Errors
    /// `Corrupt` when it was not, and those of the origin.
    pub async fn finish(mut self) -> Result<()> {
        self.rest.clear();
        while let Some(chunk) = self.next().await {
            chunk?;
        }
        Ok(())
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            match &self.state {
                State::Open => {}
                State::Ended => return Poll::Ready(None),
                State::Failed(kind, why) => {
                    let message = format!("reading has failed before: {why}");
                    return Poll::Ready(Some(Err(Error::new(*kind, message))));
                }
            }
            let chunk = match ready!(self.stream.poll_next_unpin(context)) {
                Some(Ok(chunk)) => match &mut self.window {
                    Some(window) => window.take(chunk),
                    None => chunk,
                },
                Some(Err(error)) => {
                    self.state = State::Failed(error.kind(), error.to_string());
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.state = State::Ended;
                    self.window.take().map(|window| window.held).unwrap_or_default()
                }
            };
            if !chunk.is_empty() {
                return Poll::Ready(Some(Ok(chunk)));
            }
        }
    }
}

impl Stream for BodyReader {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let this = self.get_mut();
        if !this.rest.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut this.rest))));
        }
        this.poll_chunk(context)
    }
}

impl AsyncRead for BodyReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if this.rest.is_empty() {
            match ready!(this.poll_chunk(context)) {
                Some(chunk) => this.rest = chunk.map_err(Error::into_io)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let n = out.remaining().min(this.rest.len());
        out.put_slice(&this.rest[..n]);
        this.rest.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyReader").field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Expect, sha256};

    fn of(bytes: &[u8], digest_of: &[u8]) -> Body {
        let bytes = bytes.to_owned();
        let open = move |at: u64| {
            let at = usize::try_from(at).unwrap().min(bytes.len());
            let pieces: Vec<_> =
                bytes[at..].chunks(1000).map(|p| Ok(Bytes::copy_from_slice(p))).collect();
            async move { Ok(Box::pin(futures_util::stream::iter(pieces)) as ByteStream) }
        };
        let expect = Expect::digest(sha256(digest_of)).with_size(digest_of.len() as u64);
        Body::from_fn(open).expecting(&expect).unwrap()
    }

    async fn all(mut reader: BodyReader) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(chunk) = reader.next().await {
            all.extend_from_slice(&chunk?);
        }
        assert!(reader.next().await.is_none());
        Ok(all)
    }

    #[tokio::test]
    async fn ranges_are_what_slices_are() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        for (from, to) in [
            (0, 0),
            (0, 10),
            (5, 2_999_999),
            (1 << 20, (1 << 20) + 1),
            (2_999_999, 9_000_000),
            (4_000_000, 5_000_000),
        ] {
            let end = to.min(bytes.len());
            let want = bytes.get(from..end).unwrap_or_default();
            let range = from as u64..to as u64;
            assert_eq!(
                all(of(&bytes, &bytes).range(range.clone())).await.unwrap(),
                want,
                "{range:?}"
            );
            assert_eq!(
                all(of(&bytes, &bytes).range_unchecked(range.clone())).await.unwrap(),
                want,
                "{range:?}"
            );
        }
    }

    #[tokio::test]
    async fn no_range_of_a_wrong_blob_ends_well() {
        let bytes = vec![7; 3_000_000];
        let mut other = bytes.clone();
        *other.last_mut().unwrap() = 8;
        for range in [0..0, 0..10, 0..2_000_000, 2_999_000..3_000_000, 4_000_000..5_000_000] {
            let error = all(of(&bytes, &other).range(range.clone())).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{range:?}");
        }
        let mut reader = of(&bytes, &other).range(0..10);
        assert!(reader.next().await.unwrap().is_err());
        assert!(reader.next().await.unwrap().is_err(), "an error stays");
        assert!(of(&bytes, &other).into_reader().finish().await.is_err());
        let error = all(of(&bytes[..10], &bytes).range_unchecked(5..20)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }

    #[tokio::test]
    async fn it_reads_like_a_file() {
        let read = |mut reader: BodyReader| async move {
            let (mut all, mut buffer) = (Vec::new(), [0; 777]);
            loop {
                let mut out = ReadBuf::new(&mut buffer);
                std::future::poll_fn(|context| Pin::new(&mut reader).poll_read(context, &mut out))
                    .await?;
                if out.filled().is_empty() {
                    return Ok::<_, io::Error>(all);
                }
                all.extend_from_slice(out.filled());
            }
        };
        let bytes = vec![3; 5000];
        assert_eq!(read(of(&bytes, &bytes).into_reader()).await.unwrap(), bytes);
        let error = read(of(&bytes, b"other").into_reader()).await.unwrap_err();
        assert_eq!(Error::unwrap_io(error).unwrap().kind(), ErrorKind::Corrupt);
    }
}
