//! [`Body`]: one blob on its way. Bytes have this one door: it hashes, counts, limits and copies them.

mod ahead;
mod chunks;
mod copy;
mod file_range;
mod reader;
mod spare;
mod verify;

use std::fmt;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

pub use chunks::Chunks;
pub use file_range::FileRange;
pub use reader::BodyReader;
pub use verify::{Expect, Stored};

use crate::{Cancel, Digest, Error, ErrorKind, Result};

/// Bytes as they come over a network.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type OpenReader = dyn FnOnce(&Cancel) -> Result<Box<dyn Read + Send>> + Send;
type OpenAt = dyn Fn(u64) -> BoxFuture<Result<ByteStream>> + Send + Sync;
type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// One blob on its way: where its bytes come from, and what they have to be.
///
/// Every door ([`bytes`](Self::bytes), [`into_stream`](Self::into_stream), [`chunks`](Self::chunks),
/// [`copy_to_file`](Self::copy_to_file)) holds them to the expectation: at the end, digest and size; as soon as there
/// are too many bytes, that. Bytes that came before an error are unchecked and have to be thrown away.
pub struct Body {
    origin: Origin,
    expect: Expect,
    /// Digests of other algorithms than the one in `expect`.
    also: Vec<Digest>,
    progress: Option<Progress>,
}

enum Origin {
    Bytes(Bytes),
    File(FileRange),
    Reopen(Arc<OpenAt>),
    Stream(ByteStream),
    Reader(Box<dyn Read + Send>),
    /// Opened on the thread that reads it.
    Lazy(Box<OpenReader>),
}

impl Body {
    /// Bytes in memory.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self::of(Origin::Bytes(bytes.into()))
    }

    /// A part of an open file.
    pub fn from_file(range: FileRange) -> Self {
        Self::of(Origin::File(range))
    }

    /// Bytes that can be opened at any offset, and again.
    pub fn from_fn<F, Fut>(open: F) -> Self
    where
        F: Fn(u64) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ByteStream>> + Send + 'static,
    {
        Self::of(Origin::Reopen(Arc::new(move |at| Box::pin(open(at)))))
    }

    /// Bytes that pass once.
    pub fn from_stream(stream: ByteStream) -> Self {
        Self::of(Origin::Stream(stream))
    }

    /// Bytes that pass once, from blocking code. An [`Error`] that it wraps with [`Error::into_io`] comes out whole.
    pub fn from_reader(reader: impl Read + Send + 'static) -> Self {
        Self::of(Origin::Reader(Box::new(reader)))
    }

    /// As [`from_reader`](Self::from_reader), but opened at the first read, on the thread that reads it: a decoder around
    /// the [chunks](Self::chunks) of another body. The [`Cancel`] is that of the reading.
    pub fn from_lazy_reader<R: Read + Send + 'static>(
        open: impl FnOnce(&Cancel) -> Result<R> + Send + 'static,
    ) -> Self {
        let open = |cancel: &Cancel| open(cancel).map(|reader| Box::new(reader) as Box<_>);
        Self::of(Origin::Lazy(Box::new(open)))
    }

    fn of(origin: Origin) -> Self {
        Self { origin, expect: Expect::default(), also: Vec::new(), progress: None }
    }

    /// Holds the bytes to what is expected, in addition to what was expected before. Digests of two algorithms are both
    /// checked; [`expected`](Self::expected) shows the one given last.
    ///
    /// # Errors
    /// `Corrupt` when the two contradict each other.
    pub fn expecting(mut self, expect: &Expect) -> Result<Self> {
        let both = self.expect.and(expect)?;
        if let Some(new) = &expect.digest {
            for known in &self.also {
                Expect::digest(known.clone()).and(&Expect::digest(new.clone()))?;
            }
            let before = self.expect.digest.take().filter(|digest| digest != new);
            self.also.extend(before);
            self.also.retain(|digest| digest != new);
        }
        self.expect = both;
        Ok(self)
    }

    /// Calls a function with the number of bytes of each chunk that passed. It must return at once.
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// What the bytes have to be.
    pub fn expected(&self) -> &Expect {
        &self.expect
    }

    /// The number of bytes, where it is known before they have passed.
    pub fn size(&self) -> Option<u64> {
        match &self.origin {
            Origin::Bytes(bytes) => Some(bytes.len() as u64),
            Origin::File(range) => Some(range.len()),
            _ => self.expect.size,
        }
    }

    /// Whether the bytes pass only once: a retry has to ask the source again.
    pub fn is_one_shot(&self) -> bool {
        matches!(self.origin, Origin::Stream(_) | Origin::Reader(_) | Origin::Lazy(_))
    }

    /// The file range that this is, for those who can use it without its bytes passing here. Nothing has checked them.
    pub fn file_range(&self) -> Option<&FileRange> {
        match &self.origin {
            Origin::File(range) => Some(range),
            _ => None,
        }
    }

    /// The bytes, where they are in memory. Nothing has checked them.
    pub fn in_memory(&self) -> Option<Bytes> {
        match &self.origin {
            Origin::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    /// A second body of the same bytes, unless they pass only once.
    pub fn try_clone(&self) -> Option<Self> {
        let origin = match &self.origin {
            Origin::Bytes(bytes) => Origin::Bytes(bytes.clone()),
            Origin::File(range) => Origin::File(range.clone()),
            Origin::Reopen(open) => Origin::Reopen(Arc::clone(open)),
            Origin::Stream(_) | Origin::Reader(_) | Origin::Lazy(_) => return None,
        };
        let (expect, also) = (self.expect.clone(), self.also.clone());
        Some(Self { origin, expect, also, progress: self.progress.clone() })
    }

    /// Refuses a body that is known to be larger than a limit, before any byte has passed.
    fn check_limit(&self, limit: u64) -> Result<()> {
        match self.size() {
            Some(size) if size > limit => Err(over(limit)),
            _ => Ok(()),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::from_bytes(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_bytes(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from_bytes(text)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from_bytes(text)
    }
}

fn over(limit: u64) -> Error {
    Error::new(ErrorKind::LimitExceeded, format!("it has more than {limit} bytes"))
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match &self.origin {
            Origin::Bytes(_) => "bytes",
            Origin::File(_) => "file",
            Origin::Reopen(_) => "reopen",
            Origin::Stream(_) => "stream",
            Origin::Reader(_) | Origin::Lazy(_) => "reader",
        };
        f.debug_struct("Body")
            .field("origin", &origin)
            .field("expect", &self.expect)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
