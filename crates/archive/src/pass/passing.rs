//! [`Passing`]: a tar that is passing. Its steps block.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use transship_compression::{Compression, sniff};
use transship_core::{
    Body, Cancel, Digest, Error, ErrorKind, Expect, Hasher, ReadOptions, Result, Staged,
    spool_folder,
};

use super::input::Forward;
use super::spool::Spool;
use crate::compression::Growth;
use crate::index::{
    BLOCK_LEN, Entry, EntryKind, Known, PassedFile, Reading, Scanner, Step, Store, TarIndex,
};
use crate::open::STDIO;
use crate::pipe::Pipe;
use crate::plain_digest::PlainDigest;

/// A file smaller than this is no layer: a tar has its end mark alone, of two blocks.
const SMALLEST_BLOB: u64 = BLOCK_LEN as u64;

/// A tar that is passing.
#[derive(Debug)]
pub(super) struct Passing {
    input: Arc<Mutex<Forward>>,
    scanner: Scanner,
    reading: Reading,
    spool: Spool,
    /// What was given away last.
    away: Option<Away>,
    cancel: Cancel,
    end: Option<Step>,
}

#[derive(Debug)]
struct Away {
    entry: Entry,
    offset: u64,
    size: u64,
    plain: Arc<OnceLock<Digest>>,
}

impl Passing {
    /// Begins to read a pipe, or `-` for the standard input.
    pub(super) fn open(path: &Path, how: &ReadOptions, cancel: &Cancel) -> Result<Self> {
        let (pipe, path) = if path == Path::new(STDIO) {
            let name = PathBuf::from("the standard input");
            (Pipe::stdin(cancel).map_err(|e| Error::io("opening", &name, e))?, name)
        } else {
            (Pipe::reading(path, cancel)?, path.to_owned())
        };
        pipe.widen();
        Self::of_reader(pipe, &path, how, cancel)
    }

    /// Begins to read from what gives the bytes.
    pub(super) fn of_reader(
        input: impl Read + Send + 'static,
        path: &Path,
        how: &ReadOptions,
        cancel: &Cancel,
    ) -> Result<Self> {
        let input = Forward::new(input, path, Growth::default(), cancel)?;
        Ok(Self::of(input, path, how, cancel))
    }

    pub(super) fn of(input: Forward, path: &Path, how: &ReadOptions, cancel: &Cancel) -> Self {
        Self {
            input: Arc::new(Mutex::new(input)),
            scanner: Scanner::default(),
            reading: Reading::new(Store::Passed(std::collections::HashMap::new()), cancel),
            spool: Spool::new(spool_folder(how.spool.as_ref()), path),
            away: None,
            cancel: cancel.clone(),
            end: None,
        }
    }

    /// Reads on to what can be a blob, which has to be read and [`staged`](Self::staged) then, or to the end. What is
    /// before it is kept; all is, if nothing is staged. `None` at the end.
    pub(super) fn next(&mut self, stages: bool) -> Result<Option<Body>> {
        loop {
            self.cancel.check()?;
            let step = self.scanner.next(&mut *lock(&self.input))?;
            let Step::Member(member) = step else {
                self.end = Some(step);
                return Ok(None);
            };
            let Some(entry) = self.reading.look_at(&member)? else { continue };
            let EntryKind::File { offset, size } = entry.kind else {
                self.reading.enter(entry)?;
                continue;
            };
            let payload = Payload::of(&self.input, offset, size, &entry)?;
            if stages && payload.can_be_blob(&entry.name) {
                return self.give(payload, entry, (offset, size)).map(Some);
            }
            let body = Body::from_reader(payload).expecting(&sized(size))?;
            let held = self.spool.keep(body, &self.cancel)?;
            self.enter(entry, offset, held)?;
        }
    }

    /// Says where the blob is that was given away.
    pub(super) fn staged(&mut self, staged: Staged) -> Result<()> {
        let Some(away) = self.away.take() else { return Err(not_read()) };
        if lock(&self.input).at() != away.offset + away.size || staged.stored.size != away.size {
            return Err(not_read());
        }
        let known = Known::new(staged.stored, away.plain.get().cloned());
        self.enter(away.entry, away.offset, PassedFile { bytes: staged.bytes, known, staged: true })
    }

    /// Reads what stands behind the end.
    pub(super) fn finish(self) -> Result<TarIndex> {
        let Some(Step::End(end)) = self.end else { return Err(not_read()) };
        lock(&self.input).drain()?;
        self.reading.finish(end)
    }

    fn give(&mut self, mut payload: Payload, entry: Entry, at: (u64, u64)) -> Result<Body> {
        let (offset, size) = at;
        let plain = Arc::clone(&payload.plain);
        if let form @ (Compression::Gzip | Compression::Zstd) = sniff(&payload.head) {
            payload.side = Some(PlainDigest::start(form, Hasher::sha256())?);
        }
        self.away = Some(Away { entry, offset, size, plain });
        Body::from_reader(payload).expecting(&sized(size))
    }

    fn enter(&mut self, entry: Entry, offset: u64, held: PassedFile) -> Result<()> {
        self.reading.hold(offset, held);
        self.reading.enter(entry)
    }
}

fn sized(size: u64) -> Expect {
    Expect::anything().with_size(size)
}

fn not_read() -> Error {
    Error::new(ErrorKind::Unexpected, "a blob was staged, and not read to its end")
}

fn lock(input: &Mutex<Forward>) -> MutexGuard<'_, Forward> {
    input.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes of one file, as they come.
struct Payload {
    input: Arc<Mutex<Forward>>,
    /// Its first bytes, which were looked at.
    head: Vec<u8>,
    given: u64,
    size: u64,
    /// For messages.
    name: String,
    side: Option<PlainDigest>,
    plain: Arc<OnceLock<Digest>>,
}

impl Payload {
    fn of(input: &Arc<Mutex<Forward>>, offset: u64, size: u64, entry: &Entry) -> Result<Self> {
        let mut payload = Self {
            input: Arc::clone(input),
            head: vec![0; usize::try_from(size).unwrap_or(BLOCK_LEN).min(BLOCK_LEN)],
            given: 0,
            size,
            name: format!("entry {:?} at offset {}", entry.name, entry.header),
            side: None,
            plain: Arc::default(),
        };
        let mut forward = lock(input);
        forward.skip_to(offset)?;
        if forward.fill(&mut payload.head)? < payload.head.len() {
            return Err(forward.ends_early(offset + size).context(payload.name));
        }
        drop(forward);
        Ok(payload)
    }

    /// Documents are JSON; a digest of another algorithm would not be that of the content.
    fn can_be_blob(&self, name: &str) -> bool {
        let first = self.head.trim_ascii_start().first();
        self.size >= SMALLEST_BLOB
            && !matches!(first, Some(b'{' | b'['))
            // Served decompressed, under another digest.
            && !matches!(sniff(&self.head), Compression::Bzip2 | Compression::Xz)
            && (!name.starts_with("blobs/") || name.starts_with("blobs/sha256/"))
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = self.size - self.given;
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let from = usize::try_from(self.given).unwrap_or(usize::MAX);
        let n = if let Some(head) = self.head.get(from..).filter(|head| !head.is_empty()) {
            let n = want.min(head.len());
            buffer[..n].copy_from_slice(&head[..n]);
            n
        } else {
            lock(&self.input).read(&mut buffer[..want])?
        };
        if n == 0 && want > 0 {
            let end = lock(&self.input).at() + left;
            return Err(lock(&self.input).ends_early(end).context(&self.name));
        }
        self.given += n as u64;
        if let Some(side) = &self.side {
            side.take(&buffer[..n]);
        }
        if self.given == self.size
            && let Some(digest) = self.side.take().and_then(|side| side.finish().ok())
        {
            // It is set nowhere else.
            let _ = self.plain.set(digest);
        }
        Ok(n)
    }
}

impl Read for Payload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).map_err(Error::into_io)
    }
}
