//! [`Chunks`]: the blocking door, 1 MiB at a time, with the hashing on a thread of its own.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use tokio::runtime::Handle;

use super::file_range::RangeReader;
use super::spare;
use super::{Body, ByteStream, Expect, Origin, Progress, Stored};
use crate::{Cancel, Digest, Error, ErrorKind, Hasher, Result, cancelled};

/// The size of a chunk, in bytes. Measured: smaller ones cost more in handing over, larger ones fall out of the cache.
pub(super) const CHUNK: usize = 1 << 20;

/// Chunks that may wait for the hashing thread.
const IN_FLIGHT: usize = 4;

/// The bytes of a [`Body`] for blocking code, one chunk after the other.
///
/// The bytes are true only after [`next`](Self::next) has returned `None`, [`finish`](Self::finish) has succeeded, or
/// `read` has returned 0.
#[derive(Debug)]
pub struct Chunks {
    feed: Feed,
    expect: Expect,
    cancel: Cancel,
    progress: Option<OnProgress>,
    hashing: Hashing,
    current: Option<Arc<Buffer>>,
    consumed: usize,
    size: u64,
    also: Also,
    stored: Option<Stored>,
    failed: Option<Failed>,
}

/// How reading failed: it stays failed.
#[derive(Debug)]
struct Failed {
    kind: ErrorKind,
    why: String,
}

/// Digests of further algorithms that the bytes have to have. Few have any: they are hashed in place.
#[derive(Debug, Default)]
struct Also(Vec<(Digest, Hasher)>);

struct OnProgress(Progress);

impl std::fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Progress")
    }
}

enum Feed {
    Bytes(Bytes),
    Range(RangeReader),
    Reader(Box<dyn Read + Send>),
    /// The stream is dropped at its end: some may not be asked again.
    Stream {
        stream: Option<ByteStream>,
        rest: Bytes,
        runtime: Handle,
    },
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feed")
    }
}

impl Body {
    /// The blocking door. To be used on a blocking thread of a tokio runtime (see [`run_blocking`](crate::run_blocking)).
    ///
    /// # Errors
    /// `Unsupported` for a digest that cannot be checked; what opening a remote body gives; `Cancelled`.
    pub fn chunks(self, cancel: &Cancel) -> Result<Chunks> {
        let feed = match self.origin {
            Origin::Bytes(bytes) => Feed::Bytes(bytes),
            Origin::File(range) => Feed::Range(RangeReader::new(range)),
            Origin::Reader(reader) => Feed::Reader(reader),
            Origin::Lazy(open) => Feed::Reader(open(cancel)?),
            Origin::Stream(stream) => Feed::Stream {
                stream: Some(stream),
                rest: Bytes::new(),
                runtime: Handle::current(),
            },
            Origin::Reopen(open) => {
                let runtime = Handle::current();
                let stream = wait(&runtime, cancel, open(0))??;
                Feed::Stream { stream: Some(stream), rest: Bytes::new(), runtime }
            }
        };
        let hashing = Hashing::new(self.expect.hasher()?);
        let also = Also::new(self.also)?;
        Ok(Chunks {
            feed,
            expect: self.expect,
            cancel: cancel.clone(),
            progress: self.progress.map(OnProgress),
            hashing,
            current: None,
            consumed: 0,
            size: 0,
            also,
            stored: None,
            failed: None,
        })
    }
}

fn wait<T>(runtime: &Handle, cancel: &Cancel, future: impl Future<Output = T>) -> Result<T> {
    let mut future = std::pin::pin!(future);
    let mut stopped = std::pin::pin!(cancel.cancelled());
    runtime.block_on(std::future::poll_fn(|context| {
        if stopped.as_mut().poll(context).is_ready() {
            return std::task::Poll::Ready(Err(cancelled()));
        }
        future.as_mut().poll(context).map(Ok)
    }))
}

impl Chunks {
    /// The next chunk; `None` after the last, when digest and size were found to be as expected. Where chunks are cut is no
    /// promise: who needs pieces of one size uses `Read`.
    ///
    /// # Errors
    /// `Corrupt` for bytes that are not as expected, `Cancelled`, and those of the origin. After an error each further call
    /// fails with the same kind.
    #[expect(clippy::should_implement_trait, reason = "it lends its buffer")]
    pub fn next(&mut self) -> Result<Option<&[u8]>> {
        self.current = None;
        if self.stored.is_some() {
            return Ok(None);
        }
        if let Some(Failed { kind, why }) = &self.failed {
            return Err(Error::new(*kind, format!("reading has failed before: {why}")));
        }
        match self.advance() {
            Ok(()) => Ok(self.current.as_ref().map(|chunk| chunk.bytes())),
            Err(error) => {
                self.failed = Some(Failed { kind: error.kind(), why: error.to_string() });
                Err(error)
            }
        }
    }

    /// Puts the next chunk in place; none at the end.
    fn advance(&mut self) -> Result<()> {
        self.cancel.check()?;
        let mut buffer = self.hashing.buffer()?;
        buffer.make_room(self.expect.size.map(|size| size.saturating_sub(self.size)));
        self.feed.fill(&mut buffer, &self.cancel)?;
        if buffer.len == 0 {
            let digest = self.hashing.finish()?;
            let stored = Stored::new(digest, self.size);
            self.expect.check(&stored)?;
            self.also.check(self.size)?;
            self.stored = Some(stored);
            return Ok(());
        }
        self.size += buffer.len as u64;
        if let Some(expected) = self.expect.size.filter(|expected| self.size > *expected) {
            let message = format!("it is too long: more than the {expected} bytes expected");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        if let Some(OnProgress(progress)) = &self.progress {
            progress(buffer.len as u64);
        }
        let last = self.expect.size == Some(self.size);
        self.also.update(buffer.bytes());
        self.current = Some(self.hashing.take(buffer, last)?);
        Ok(())
    }

    /// As [`next`](Self::next), but the chunk may be kept, and sent to other threads.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn next_shared(&mut self) -> Result<Option<Bytes>> {
        self.next()?;
        Ok(self.current.take().map(|chunk| Bytes::from_owner(Shared(chunk))))
    }

    /// Reads the rest. Gives digest and size of all bytes.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn finish(mut self) -> Result<Stored> {
        while self.next()?.is_some() {}
        // `next` gave `None`, so it is there.
        self.stored.ok_or_else(cancelled)
    }

    /// What the bytes have to be.
    pub fn expected(&self) -> &Expect {
        &self.expect
    }

    /// Digest and size of all bytes, once they were read and found true.
    pub fn stored(&self) -> Option<&Stored> {
        self.stored.as_ref()
    }
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.current.as_ref().is_none_or(|chunk| self.consumed == chunk.len) {
            self.consumed = 0;
            if self.next().map_err(Error::into_io)?.is_none() {
                return Ok(0);
            }
        }
        let Some(chunk) = &self.current else { return Ok(0) };
        let n = out.len().min(chunk.len - self.consumed);
        out[..n].copy_from_slice(&chunk.bytes()[self.consumed..self.consumed + n]);
        self.consumed += n;
        Ok(n)
    }
}

impl Feed {
    /// Fills a buffer; leaves it empty only at the end.
    fn fill(&mut self, buffer: &mut Buffer, cancel: &Cancel) -> Result<()> {
        match self {
            Self::Bytes(bytes) => buffer.take(bytes),
            Self::Range(range) => buffer.read(range, cancel)?,
            Self::Reader(reader) => buffer.read(reader, cancel)?,
            Self::Stream { stream, rest, runtime } => {
                while !buffer.is_full() {
                    if rest.is_empty() {
                        let Some(open) = stream else { break };
                        match wait(runtime, cancel, open.next())? {
                            Some(next) => *rest = next?,
                            None => *stream = None,
                        }
                    }
                    buffer.take(rest);
                }
            }
        }
        Ok(())
    }
}

impl Also {
    fn new(digests: Vec<Digest>) -> Result<Self> {
        let with_hasher = |digest: Digest| Ok((digest.clone(), Hasher::new(digest.algorithm())?));
        digests.into_iter().map(with_hasher).collect::<Result<_>>().map(Self)
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0.iter_mut().for_each(|(_, hasher)| hasher.update(bytes));
    }

    fn check(&mut self, size: u64) -> Result<()> {
        std::mem::take(&mut self.0).into_iter().try_for_each(|(digest, hasher)| {
            Expect::digest(digest).check(&Stored::new(hasher.finish(), size))
        })
    }
}

/// A buffer that is zeroed once and used many times.
#[derive(Debug, Default)]
struct Buffer {
    room: Vec<u8>,
    /// How much of the room is to be filled, and how much is.
    wanted: usize,
    len: usize,
}

/// A chunk that others keep.
struct Shared(Arc<Buffer>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl Buffer {
    fn bytes(&self) -> &[u8] {
        &self.room[..self.len]
    }

    fn is_full(&self) -> bool {
        self.len == self.wanted
    }

    /// Room for what is left, and one byte more to see that there is no more.
    fn make_room(&mut self, left: Option<u64>) {
        self.wanted = left
            .and_then(|left| usize::try_from(left).ok())
            .map_or(CHUNK, |left| left.saturating_add(1).min(CHUNK));
        if self.room.len() < self.wanted {
            self.room = if self.wanted == CHUNK { spare::take() } else { vec![0; self.wanted] };
        }
        self.len = 0;
    }

    fn take(&mut self, bytes: &mut Bytes) {
        let n = bytes.len().min(self.wanted - self.len);
        self.room[self.len..self.len + n].copy_from_slice(&bytes[..n]);
        self.len += n;
        bytes.advance(n);
    }

    fn read(&mut self, reader: &mut impl Read, cancel: &Cancel) -> Result<()> {
        while !self.is_full() {
            match reader.read(&mut self.room[self.len..self.wanted]) {
                Ok(0) => break,
                Ok(n) => self.len += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(read_error(e)),
            }
            cancel.check()?;
        }
        Ok(())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        spare::give(std::mem::take(&mut self.room));
    }
}

fn read_error(error: io::Error) -> Error {
    match Error::unwrap_io(error) {
        Ok(ours) => ours,
        Err(e) => {
            let kind = ErrorKind::of_io(&e);
            let corrupt = kind == ErrorKind::Corrupt;
            let message = if corrupt { "the data is malformed" } else { "reading failed" };
            Error::new(kind, message).caused_by(e)
        }
    }
}

/// Hashes in place while there is one chunk, then on a thread: small blobs are many, and a thread costs 20 µs.
#[derive(Debug)]
struct Hashing {
    hasher: Option<Hasher>,
    thread: Option<HashThread>,
    made: usize,
}

#[derive(Debug)]
struct HashThread {
    work: Sender<Arc<Buffer>>,
    back: Receiver<Arc<Buffer>>,
    thread: JoinHandle<Hasher>,
}

impl Hashing {
    fn new(hasher: Hasher) -> Self {
        Self { hasher: Some(hasher), thread: None, made: 0 }
    }

    /// A buffer to use again; waits for the thread when all are in flight.
    fn buffer(&mut self) -> Result<Buffer> {
        if self.made < IN_FLIGHT {
            self.made += 1;
            return Ok(Buffer::default());
        }
        let Some(thread) = &self.thread else { return Ok(Buffer::default()) };
        let chunk = thread.back.recv().map_err(|_| hash_thread_died())?;
        // The consumer gave up its share before it asked for the next chunk.
        Ok(Arc::try_unwrap(chunk).unwrap_or_default())
    }

    fn take(&mut self, buffer: Buffer, last: bool) -> Result<Arc<Buffer>> {
        let chunk = Arc::new(buffer);
        if let Some(hasher) = &mut self.hasher
            && (last || chunk.len < CHUNK)
        {
            hasher.update(chunk.bytes());
            return Ok(chunk);
        }
        if let Some(hasher) = self.hasher.take() {
            self.made = 1;
            self.thread = Some(HashThread::start(hasher)?);
        }
        let Some(thread) = &self.thread else { return Err(hash_thread_died()) };
        thread.work.send(Arc::clone(&chunk)).map_err(|_| hash_thread_died())?;
        Ok(chunk)
    }

    fn finish(&mut self) -> Result<Digest> {
        let hasher = match (self.hasher.take(), self.thread.take()) {
            (Some(hasher), _) => hasher,
            (None, Some(HashThread { work, back, thread })) => {
                drop((work, back));
                thread.join().map_err(|_| hash_thread_died())?
            }
            (None, None) => return Err(hash_thread_died()),
        };
        Ok(hasher.finish())
    }
}

impl HashThread {
    fn start(mut hasher: Hasher) -> Result<Self> {
        let (work, chunks) = channel::<Arc<Buffer>>();
        let (give_back, back) = channel();
        let thread = std::thread::Builder::new()
            .name("transship-hash".to_owned())
            .spawn(move || {
                for chunk in chunks {
                    hasher.update(chunk.bytes());
                    // Nobody takes it back at the end.
                    let _ = give_back.send(chunk);
                }
                hasher
            })
            .map_err(|e| {
                Error::new(ErrorKind::Unexpected, "starting a thread to hash").caused_by(e)
            })?;
        Ok(Self { work, back, thread })
    }
}

fn hash_thread_died() -> Error {
    Error::new(ErrorKind::Unexpected, "the hashing thread is gone")
}
