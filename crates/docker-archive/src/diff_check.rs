//! [`DiffChecked`]: compressed layers that pass as they are, and are held to their diff ID all the same.
//!
//! The diff ID is the only thing in these archives that says what a layer has to be: the digest of its compressed bytes
//! is computed from whatever is there.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use transship_archive::Outer;
use transship_core::{Digest, Error, ErrorKind, Hasher, Result};

use crate::form::plain;

/// Chunks that may wait for the decompressing thread.
const IN_FLIGHT: usize = 4;

/// The bytes of a decoder's work are hashed this many at a time.
const PLAIN_CHUNK: usize = 1 << 18;

/// Yields what is in a reader, unchanged; a thread decompresses it on the side. Instead of the end there is an error
/// when it is not what the diff ID says.
#[derive(Debug)]
pub(crate) struct DiffChecked<R> {
    inner: R,
    diff_id: Digest,
    state: State,
}

#[derive(Debug)]
enum State {
    Running(Checking),
    /// The end was found true.
    True,
    /// An error was returned.
    Failed,
}

#[derive(Debug)]
struct Checking {
    work: SyncSender<Vec<u8>>,
    back: Receiver<Vec<u8>>,
    thread: JoinHandle<Result<Digest>>,
}

impl<R: Read> DiffChecked<R> {
    /// # Errors
    /// `Unsupported` for a diff ID that cannot be checked; when no thread can be started.
    pub(crate) fn new(inner: R, form: Outer, diff_id: Digest) -> Result<Self> {
        let hasher = Hasher::new(diff_id.algorithm())?;
        let state = State::Running(Checking::start(form, hasher)?);
        Ok(Self { inner, diff_id, state })
    }

    fn pass(&mut self, out: &mut [u8]) -> Result<usize> {
        let State::Running(checking) = &self.state else {
            let done = matches!(self.state, State::True);
            return if done { Ok(0) } else { Err(died()) };
        };
        let n = self.inner.read(out).map_err(reading)?;
        if n > 0 && checking.take(&out[..n]) {
            return Ok(n);
        }
        let State::Running(checking) = std::mem::replace(&mut self.state, State::Failed) else {
            return Err(died());
        };
        self.judge(&checking.finish()?, n == 0)?;
        self.state = State::True;
        Ok(0)
    }

    fn judge(&self, found: &Digest, at_end: bool) -> Result<()> {
        if !at_end {
            let message = "more bytes stand behind the compressed layer";
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        judge(found, &self.diff_id)
    }
}

/// # Errors
/// `Corrupt` when a layer is another than its config says.
pub(crate) fn judge(found: &Digest, diff_id: &Digest) -> Result<()> {
    if found == diff_id {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!(
            "the layer is not what the image's config says: diff ID {found} found, {diff_id} expected"
        ),
    ))
}

impl<R: Read> Read for DiffChecked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let passed = self.pass(out);
        if passed.is_err() {
            self.state = State::Failed;
        }
        passed.map_err(Error::into_io)
    }
}

impl Checking {
    fn start(form: Outer, hasher: Hasher) -> Result<Self> {
        let (work, chunks) = sync_channel(IN_FLIGHT);
        let (give_back, back) = channel();
        let thread = std::thread::Builder::new()
            .name("transship-diff-id".to_owned())
            .spawn(move || hash_plain(Received::new(chunks, give_back), form, hasher))
            .map_err(|e| {
                Error::new(ErrorKind::Unexpected, "starting a thread to decompress").caused_by(e)
            })?;
        Ok(Self { work, back, thread })
    }

    /// Whether the thread still wants bytes.
    fn take(&self, bytes: &[u8]) -> bool {
        let mut chunk = self.back.try_recv().unwrap_or_default();
        chunk.clear();
        chunk.extend_from_slice(bytes);
        self.work.send(chunk).is_ok()
    }

    fn finish(self) -> Result<Digest> {
        drop(self.work);
        self.thread.join().map_err(|_| died())?
    }
}

fn hash_plain(received: Received, form: Outer, mut hasher: Hasher) -> Result<Digest> {
    let mut plain = plain(form, received)?;
    let mut buffer = vec![0; PLAIN_CHUNK];
    loop {
        match plain.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(reading(e)),
        }
    }
}

fn reading(error: io::Error) -> Error {
    Error::unwrap_io(error)
        .unwrap_or_else(|e| Error::new(ErrorKind::Unexpected, "reading the layer").caused_by(e))
}

fn died() -> Error {
    Error::new(ErrorKind::Unexpected, "the layer was read again after an error")
}

/// The reading end: the chunks that passed.
#[derive(Debug)]
struct Received {
    chunks: Receiver<Vec<u8>>,
    give_back: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    consumed: usize,
}

impl Received {
    fn new(chunks: Receiver<Vec<u8>>, give_back: Sender<Vec<u8>>) -> Self {
        Self { chunks, give_back, chunk: Vec::new(), consumed: 0 }
    }
}

impl Read for Received {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.consumed == self.chunk.len() {
            let Ok(next) = self.chunks.recv() else { return Ok(0) };
            // The other side may have gone.
            let _ = self.give_back.send(std::mem::replace(&mut self.chunk, next));
            self.consumed = 0;
        }
        let left = &self.chunk[self.consumed..];
        let n = left.len().min(out.len());
        out[..n].copy_from_slice(&left[..n]);
        self.consumed += n;
        Ok(n)
    }
}
