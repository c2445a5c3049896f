//! [`Flow`]: where a tar goes whose bytes cannot be taken back: a pipe, or the encoder of a compressed archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use transship_core::{
    Cancel, Chunks, Error, ErrorKind, Expect, FileRange, LayerType, MANIFEST_LIMIT, Result, Stored,
    cancelled,
};
use transship_local::{FileSink, spool_file, write_all_at};

use crate::Pieces;
use crate::compressor::Compressor;
use crate::draft::Draft;
use crate::pipe::Pipe;

/// Pieces that may wait for the encoder.
const WAITING: usize = 4;

/// How long is waited between two looks at the cancel.
const PATIENCE: Duration = Duration::from_millis(50);

/// Where a tar goes that is written from its first byte to its last. What has gone out cannot be taken back: after a
/// failure in the middle of an entry it is broken, and stays without an end.
#[derive(Debug)]
pub(crate) struct Flow {
    target: Target,
    /// That of the step that writes now.
    cancel: Cancel,
    broken: bool,
    spool: Spool,
}

#[derive(Debug)]
enum Target {
    /// Opened at the first byte.
    Pipe(Sink, Option<Pipe>),
    /// Started at the first byte.
    Packed(Compressor, Sink, Option<Packed>),
}

/// What takes the bytes of an archive that is not written in place.
#[derive(Clone, Debug)]
pub(crate) enum Sink {
    /// The standard output.
    Stdout,
    /// A pipe or a device.
    Path(PathBuf),
    /// A file that shows later.
    File(Arc<Draft>, PathBuf),
}

impl Sink {
    fn open(&self, cancel: &Cancel) -> Result<Pipe> {
        let pipe = match self {
            Self::Stdout => Pipe::stdout(cancel).map_err(|e| Error::io("opening", self.path(), e)),
            Self::Path(path) | Self::File(_, path) => Pipe::writing(path, cancel),
        }?;
        pipe.widen();
        Ok(pipe)
    }

    /// The same, with its file there, which stays with its owner.
    fn lent(&self) -> Result<Self> {
        match self {
            Self::File(draft, path) => Ok(Self::File(Draft::of(draft.file()?), path.clone())),
            Self::Stdout | Self::Path(_) => Ok(self.clone()),
        }
    }

    /// For messages.
    fn path(&self) -> &Path {
        match self {
            Self::Stdout => Path::new("the standard output"),
            Self::Path(path) | Self::File(_, path) => path,
        }
    }
}

impl Flow {
    /// Begins. A pipe with a name is opened, and a file is made, with the first byte.
    pub(crate) fn begin(sink: Sink, compressor: Compressor, spool: PathBuf) -> Self {
        let target = match compressor {
            Compressor::Plain => Target::Pipe(sink, None),
            _ => Target::Packed(compressor, sink, None),
        };
        let spool = Spool { folder: spool, file: None, end: 0, kept: BTreeMap::new() };
        Self { target, cancel: Cancel::new(), broken: false, spool }
    }

    pub(crate) fn set_cancel(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
        if let Target::Pipe(_, Some(pipe)) = &mut self.target {
            pipe.set_cancel(cancel);
        }
    }

    /// Sends bytes.
    pub(crate) fn put(&mut self, bytes: Bytes) -> Result<()> {
        self.check()?;
        let put = match &mut self.target {
            Target::Pipe(sink, pipe) => put_to_pipe(sink, pipe, &bytes, &self.cancel),
            Target::Packed(compressor, sink, packed) => {
                put_to_encoder((*compressor, sink), packed, bytes, &self.cancel)
            }
        };
        put.inspect_err(|_| self.broken = true)
    }

    /// What has gone out is of no use: nothing more goes out.
    pub(crate) fn break_off(&mut self) {
        self.broken = true;
    }

    /// Ends it, once all bytes have gone out.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.check()?;
        match &mut self.target {
            Target::Pipe(sink, Some(pipe)) => {
                pipe.flush().map_err(|e| Error::io("writing", sink.path(), e))
            }
            Target::Packed(_, _, Some(packed)) => packed.finish(&self.cancel),
            Target::Pipe(_, None) | Target::Packed(_, _, None) => Ok(()),
        }
    }

    pub(crate) fn spool(&mut self) -> &mut Spool {
        &mut self.spool
    }

    /// Whether it is whole so far.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.broken {
            return Ok(());
        }
        let message = "an entry failed when a part of it had been written already";
        Err(Error::new(ErrorKind::Unexpected, message)
            .hint("write it again from the beginning; what was written is no archive"))
    }
}

fn put_to_pipe(sink: &Sink, pipe: &mut Option<Pipe>, bytes: &[u8], cancel: &Cancel) -> Result<()> {
    let pipe = match pipe {
        Some(pipe) => pipe,
        None => pipe.insert(sink.open(cancel)?),
    };
    pipe.write_all(bytes).map_err(|e| Error::io("writing", sink.path(), e))
}

fn put_to_encoder(
    (compressor, sink): (Compressor, &Sink),
    packed: &mut Option<Packed>,
    bytes: Bytes,
    cancel: &Cancel,
) -> Result<()> {
    let packed = match packed {
        Some(packed) => packed,
        None => packed.insert(Packed::start(compressor, sink.lent()?)?),
    };
    packed.put(bytes, cancel)
}

/// Bytes on their way to an encoder, which has threads of its own. Dropped before the end, it leaves a stream without one.
#[derive(Debug)]
struct Packed {
    pieces: Option<Sender<Bytes>>,
    /// Gives one for each piece that may be sent.
    room: Receiver<()>,
    done: Receiver<Result<()>>,
    cancel: Cancel,
}

impl Packed {
    fn start(compressor: Compressor, sink: Sink) -> Result<Self> {
        let (pieces, queue) = channel();
        let (taken, room) = channel();
        let (say, done) = channel();
        for _ in 0..WAITING {
            // The other end is here.
            let _ = taken.send(());
        }
        let cancel = Cancel::new();
        let stop = cancel.clone();
        let plain = Pieces::new(move || {
            // Without the empty piece it was given up, and must not look whole.
            let piece: Bytes = queue.recv().map_err(|_| Error::into_io(cancelled()))?;
            // Nobody may send more.
            let _ = taken.send(());
            Ok((!piece.is_empty()).then_some(piece))
        });
        thread::Builder::new()
            .name("transship-pack".to_owned())
            .spawn(move || say.send(pack(compressor, plain, &sink, &stop)))
            .map_err(|e| {
                Error::new(ErrorKind::Unexpected, "starting a thread to compress").caused_by(e)
            })?;
        Ok(Self { pieces: Some(pieces), room, done, cancel })
    }

    fn put(&self, bytes: Bytes, cancel: &Cancel) -> Result<()> {
        // An empty one is the end.
        if bytes.is_empty() {
            return Ok(());
        }
        match wait(&self.room, cancel)? {
            Some(()) => self.send(bytes),
            None => self.end(cancel),
        }
    }

    fn send(&self, bytes: Bytes) -> Result<()> {
        let sent = self.pieces.as_ref().map(|pieces| pieces.send(bytes).is_ok());
        // Where nobody takes it, `end` says why.
        if sent == Some(true) { Ok(()) } else { self.end(&Cancel::new()) }
    }

    fn finish(&self, cancel: &Cancel) -> Result<()> {
        self.send(Bytes::new())?;
        self.end(cancel)
    }

    fn end(&self, cancel: &Cancel) -> Result<()> {
        wait(&self.done, cancel)?.ok_or_else(cancelled)?
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        // It may wait for room in a pipe.
        self.cancel.cancel();
    }
}

/// The next message; `None` when none will come.
fn wait<T>(from: &Receiver<T>, cancel: &Cancel) -> Result<Option<T>> {
    loop {
        match from.recv_timeout(PATIENCE) {
            Ok(message) => return Ok(Some(message)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => cancel.check()?,
        }
    }
}

fn pack(
    compressor: Compressor,
    plain: impl Read + Send + 'static,
    sink: &Sink,
    cancel: &Cancel,
) -> Result<()> {
    if let Sink::File(draft, path) = sink {
        let file = draft.file()?;
        let mut out = FileSink::new(&file, path)?;
        return compressor.pack(plain, path, cancel, &mut |bytes| out.put(bytes));
    }
    let mut out = None;
    compressor
        .pack(plain, sink.path(), cancel, &mut |bytes| put_to_pipe(sink, &mut out, bytes, cancel))
}

/// An unnamed temporary file for what is not known before it has passed, and for small blobs that are read again.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    file: Option<Arc<File>>,
    /// Where what is kept ends.
    end: u64,
    /// What is kept, by where its payload is in the tar.
    kept: BTreeMap<u64, (u64, u64)>,
}

impl Spool {
    /// Stores bytes behind what is kept, until others are stored.
    pub(crate) fn store(&mut self, chunks: &mut Chunks) -> Result<(Stored, FileRange)> {
        let mut at = self.end;
        while let Some(chunk) = chunks.next()? {
            self.write(at, chunk)?;
            at += chunk.len() as u64;
        }
        let stored = chunks.stored().cloned().ok_or_else(cancelled)?;
        let range = self.range(self.end, stored.size)?;
        Ok((stored, range))
    }

    /// Stores a piece of what may be kept.
    pub(crate) fn store_at(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.write(self.end + at, bytes)
    }

    /// Keeps what was stored last, whose payload is at an offset of the tar.
    pub(crate) fn keep(&mut self, offset: u64, size: u64) {
        self.kept.insert(offset, (self.end, size));
        self.end += size;
    }

    /// Gives up what was stored last.
    pub(crate) fn forget(&mut self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.set_len(self.end).map_err(|e| self.failed(e))
    }

    /// What was kept of a payload at an offset of the tar.
    pub(crate) fn kept(&mut self, offset: u64) -> Result<Option<FileRange>> {
        let Some((at, size)) = self.kept.get(&offset).copied() else { return Ok(None) };
        self.range(at, size).map(Some)
    }

    fn range(&mut self, at: u64, size: u64) -> Result<FileRange> {
        let file = Arc::clone(self.file()?);
        Ok(FileRange::new(file, self.folder.as_path(), at, size))
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        write_all_at(self.file()?, bytes, at).map_err(|e| self.failed(e))
    }

    fn file(&mut self) -> Result<&Arc<File>> {
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(Arc::new(spool_file(&self.folder)?))),
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        let file = self.folder.join("(a temporary file; $TMPDIR chooses the folder)");
        Error::io("writing", file, error)
    }
}

/// Whether a blob may be read again while the rest is written: a config or manifest, or what may be one.
pub(crate) fn is_document(of: &Expect, size: u64) -> bool {
    let is_layer = of.media_type.as_ref().is_some_and(|it| LayerType::of(it).is_some());
    !is_layer && size <= MANIFEST_LIMIT
}
