//! [`TarWriter`]: writes tars that are the same for the same content.

mod streaming;

use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tar::{EntryType, Header};
use transship_core::{Cancel, Chunks, Error, ErrorKind, FileRange, Result, Stored, cancelled};
use transship_local::FileSink;

use crate::draft::Draft;
use crate::flow::Flow;
use crate::index::{BLOCK, BLOCK_LEN};
use transship_local::write_all_at;

/// Small writes are gathered up to this many bytes.
const GATHER: usize = 256 << 10;

const FILE_MODE: u32 = 0o444;
const FOLDER_MODE: u32 = 0o755;
const LINK_MODE: u32 = 0o777;

/// Writes a tar, the same bytes for the same entries: times 0, owner 0 without a name, modes 0444, 0755 and 0777.
///
/// - The end of a file may hold what was rewound, until [`finish`](Self::finish).
/// - After an error in a `put` to a file, the tar is as before it. What went to a pipe or an encoder cannot be taken back:
///   when an error leaves a part of an entry there, everything that follows fails, and the tar gets no end.
pub struct TarWriter {
    to: To,
    path: Arc<Path>,
    /// What is not written yet, from `flushed` on.
    gathered: Vec<u8>,
    flushed: u64,
    /// How many bytes of small writes are gathered.
    room: usize,
}

enum To {
    /// In place: headers are written when sizes are known, and what is not wanted is overwritten.
    File(Arc<Draft>),
    /// From the first byte to the last.
    Flow(Box<Flow>),
}

impl fmt::Debug for TarWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TarWriter")
            .field("path", &self.path)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

/// What was put, and where its bytes are in the tar.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Put {
    /// Digest and size.
    pub stored: Stored,
    /// Where its bytes begin.
    pub offset: u64,
}

/// What becomes of a stream that has passed, when its digest and size are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is kept under a name.
    Keep(String),
    /// It is taken out again: it is there already.
    Rewind,
}

impl TarWriter {
    /// Writes to a file that is open for reading and writing, from its start. The path is for messages.
    pub fn to_file(file: Arc<File>, path: impl Into<Arc<Path>>) -> Self {
        Self::to_draft(Draft::of(file), path)
    }

    /// Writes to a file that is made with its first bytes.
    pub(crate) fn to_draft(draft: Arc<Draft>, path: impl Into<Arc<Path>>) -> Self {
        Self::new(To::File(draft), path)
    }

    /// Writes to what takes bytes once.
    pub(crate) fn to_flow(flow: Flow, path: impl Into<Arc<Path>>) -> Self {
        Self::new(To::Flow(Box::new(flow)), path)
    }

    fn new(to: To, path: impl Into<Arc<Path>>) -> Self {
        Self { to, path: path.into(), gathered: Vec::new(), flushed: 0, room: GATHER }
    }

    /// Whether what was put can be taken out again.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.to, To::File(_))
    }

    /// From now on, waiting for a pipe or an encoder stops when this is cancelled.
    pub fn set_cancel(&mut self, cancel: &Cancel) {
        if let To::Flow(flow) = &mut self.to {
            flow.set_cancel(cancel);
        }
    }

    /// Goes on in a file behind what is there, from the end of an entry.
    pub(crate) fn at(draft: Arc<Draft>, path: impl Into<Arc<Path>>, position: u64) -> Self {
        Self { flushed: position, ..Self::to_draft(draft, path) }
    }

    /// Goes on behind what is there with documents, which are kept in memory until the end.
    pub(crate) fn holding(draft: Arc<Draft>, path: impl Into<Arc<Path>>, position: u64) -> Self {
        Self { room: usize::MAX, ..Self::at(draft, path, position) }
    }

    /// What was put from a position on, if nothing of it is in the file yet.
    pub(crate) fn held_from(&self, position: u64) -> Option<&[u8]> {
        (self.flushed == position).then_some(&*self.gathered)
    }

    /// Writes out what is gathered, without an end. Gives where the next entry would begin.
    pub(crate) fn pause(&mut self) -> Result<u64> {
        self.flush()?;
        Ok(self.flushed)
    }

    /// Where the next entry begins.
    pub fn position(&self) -> u64 {
        self.flushed + self.gathered.len() as u64
    }

    /// Puts a file.
    ///
    /// # Errors
    /// `Unsupported` for a name that cannot be, I/O errors.
    pub fn put_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.attempt(|this| {
            this.header(EntryType::Regular, name, None, bytes.len() as u64)?;
            this.append(bytes)?;
            this.pad()
        })
    }

    /// Puts a symbolic link.
    ///
    /// # Errors
    /// As [`put_bytes`](Self::put_bytes).
    pub fn put_symlink(&mut self, name: &str, target: &str) -> Result<()> {
        self.attempt(|this| this.header(EntryType::Symlink, name, Some(target), 0))
    }

    /// Puts a folder. The name may end in a slash.
    ///
    /// # Errors
    /// As [`put_bytes`](Self::put_bytes).
    pub fn put_folder(&mut self, name: &str) -> Result<()> {
        let name = format!("{}/", name.trim_end_matches('/'));
        self.attempt(|this| this.header(EntryType::Directory, &name, None, 0))
    }

    /// Puts a file whose size, and perhaps name, is known only when its bytes have passed. They are written once; the header
    /// is written in its place afterwards; where that cannot be, they are stored in a temporary file first. `None` when the
    /// fate was to rewind it.
    ///
    /// # Errors
    /// Those of the chunks and of the fate; `Unsupported` for a name of more than 100 bytes that does not fit in a plain
    /// header; I/O errors.
    pub fn put_stream(
        &mut self,
        mut chunks: Chunks,
        fate: impl FnOnce(&Stored) -> Result<Decision>,
    ) -> Result<Option<Put>> {
        let To::File(draft) = &self.to else { return self.stream_stored(chunks, fate) };
        let (start, file) = (self.position(), draft.file()?);
        let put = self.attempt(|this| {
            let stored = this.stream(&file, &mut chunks)?;
            let Decision::Keep(name) = fate(&stored)? else { return Ok(None) };
            let mut header = plain_header(EntryType::Regular, stored.size);
            if !set_name(&mut header, &name)? {
                return Err(bad_name(&name, "is too long"));
            }
            this.close(start, header, stored).map(Some)
        })?;
        if put.is_none() {
            self.rewind(start);
        }
        Ok(put)
    }

    /// Puts a file whose name is known before its bytes have passed, and which may be long; its size need not be known.
    ///
    /// # Errors
    /// Those of the chunks; `Unsupported` for a name that cannot be; I/O errors.
    pub fn put_stream_as(&mut self, name: &str, mut chunks: Chunks) -> Result<Put> {
        let To::File(draft) = &self.to else { return self.stream_as(name, chunks) };
        let file = draft.file()?;
        self.attempt(|this| {
            let mut header = plain_header(EntryType::Regular, 0);
            if !set_name(&mut header, name)? {
                this.extension(&record("path", name))?;
            }
            let start = this.position();
            let stored = this.stream(&file, &mut chunks)?;
            header.set_size(stored.size);
            this.close(start, header, stored)
        })
    }

    /// Bytes that were put as a stream, for reading. They may be rewound and overwritten later. `None` for layers and large blobs that
    /// went to a pipe or an encoder.
    ///
    /// # Errors
    /// I/O errors.
    pub fn range(&mut self, offset: u64, size: u64) -> Result<Option<FileRange>> {
        match &mut self.to {
            To::Flow(flow) => flow.spool().kept(offset),
            To::File(draft) => {
                let range = FileRange::new(draft.file()?, Arc::clone(&self.path), offset, size);
                self.flush().map(|()| Some(range))
            }
        }
    }

    /// Takes out all that was put from a position on, which must be the beginning of an entry.
    pub fn rewind(&mut self, to: u64) {
        let kept = usize::try_from(to.saturating_sub(self.flushed)).unwrap_or(usize::MAX);
        self.gathered.truncate(kept);
        if to < self.flushed
            && let To::Flow(flow) = &mut self.to
        {
            flow.break_off();
        }
        self.flushed = self.flushed.min(to);
    }

    /// Ends the tar. A file then has its bytes and no others.
    ///
    /// # Errors
    /// I/O errors.
    pub fn finish(&mut self) -> Result<()> {
        self.append(&[0; 2 * BLOCK_LEN])?;
        self.flush()?;
        match &mut self.to {
            To::File(draft) => draft.file()?.set_len(self.flushed).map_err(|e| self.failed(e)),
            To::Flow(flow) => flow.finish(),
        }
    }

    /// Does it, or leaves the tar as before.
    fn attempt<T>(&mut self, put: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if let To::Flow(flow) = &self.to {
            flow.check()?;
        }
        let start = self.position();
        put(self).inspect_err(|_| self.rewind(start))
    }

    /// Leaves room for a header, and puts a payload in a file.
    fn stream(&mut self, file: &File, chunks: &mut Chunks) -> Result<Stored> {
        self.append(&[0; BLOCK_LEN])?;
        let path = Arc::clone(&self.path);
        let size = chunks.expected().size;
        let mut sink = None;
        while let Some(chunk) = chunks.next()? {
            if sink.is_none() && self.gathered.len() + chunk.len() <= GATHER {
                self.append(chunk)?;
                continue;
            }
            let sink = match &mut sink {
                Some(sink) => sink,
                None => sink.insert(self.sink(file, &path, size)?),
            };
            sink.put(chunk)?;
            self.flushed += chunk.len() as u64;
        }
        chunks.stored().cloned().ok_or_else(cancelled)
    }

    /// For a large payload that is synced in the end: the disk begins early.
    fn sink<'f>(
        &mut self,
        mut file: &'f File,
        path: &'f Path,
        size: Option<u64>,
    ) -> Result<FileSink<'f>> {
        self.flush()?;
        file.seek(SeekFrom::Start(self.flushed)).map_err(|e| self.failed(e))?;
        let mut sink = FileSink::new(file, path)?;
        sink.reserve(size.unwrap_or_default());
        Ok(sink)
    }

    /// Ends a payload, and puts its header in the room that was left.
    fn close(&mut self, start: u64, mut header: Header, stored: Stored) -> Result<Put> {
        self.pad()?;
        header.set_cksum();
        self.patch(start, header.as_bytes())?;
        Ok(Put { stored, offset: start + BLOCK })
    }

    /// Puts a header, and before it a PAX header with what does not fit.
    fn header(&mut self, kind: EntryType, name: &str, link: Option<&str>, size: u64) -> Result<()> {
        let mut records = Vec::new();
        let mut header = plain_header(kind, size);
        if !set_name(&mut header, name)? {
            records.extend(record("path", name));
        }
        if let Some(link) = link
            && !set_link(&mut header, link)?
        {
            records.extend(record("linkpath", link));
        }
        if !records.is_empty() {
            self.extension(&records)?;
        }
        header.set_cksum();
        self.append(header.as_bytes())
    }

    /// Puts a PAX header for the next entry.
    fn extension(&mut self, records: &[u8]) -> Result<()> {
        let mut extension = plain_header(EntryType::XHeader, records.len() as u64);
        set_name(&mut extension, "PaxHeaders/entry")?;
        extension.set_cksum();
        self.append(extension.as_bytes())?;
        self.append(records)?;
        self.pad()
    }

    fn pad(&mut self) -> Result<()> {
        let over = self.position() % BLOCK;
        if over == 0 {
            return Ok(());
        }
        let zeros = [0; BLOCK_LEN];
        // Less than a block.
        self.append(&zeros[usize::try_from(over).unwrap_or(0)..])
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if self.gathered.len() + bytes.len() <= self.room {
            self.gathered.extend_from_slice(bytes);
            return Ok(());
        }
        self.flush()?;
        match &mut self.to {
            To::File(draft) => {
                write_all_at(&*draft.file()?, bytes, self.flushed).map_err(|e| self.failed(e))?;
            }
            To::Flow(flow) => flow.put(Bytes::copy_from_slice(bytes))?,
        }
        self.flushed += bytes.len() as u64;
        Ok(())
    }

    /// Writes over what is there already.
    fn patch(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        if let Some(from) = at.checked_sub(self.flushed).and_then(|n| usize::try_from(n).ok()) {
            self.gathered[from..from + bytes.len()].copy_from_slice(bytes);
            return Ok(());
        }
        match &self.to {
            // Appended in one piece, it is in the file in one piece.
            To::File(draft) => write_all_at(&*draft.file()?, bytes, at).map_err(|e| self.failed(e)),
            To::Flow(_) => Err(cancelled()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let len = self.gathered.len() as u64;
        match &mut self.to {
            To::File(draft) => {
                write_all_at(&*draft.file()?, &self.gathered, self.flushed)
                    .map_err(|e| self.failed(e))?;
                self.gathered.clear();
            }
            To::Flow(flow) => flow.put(std::mem::take(&mut self.gathered).into())?,
        }
        self.flushed += len;
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("writing", &self.path, error)
    }
}

fn plain_header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(match kind {
        EntryType::Directory => FOLDER_MODE,
        EntryType::Symlink => LINK_MODE,
        _ => FILE_MODE,
    });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Writes a name into a header; `false` when only a part of it fits.
fn set_name(header: &mut Header, name: &str) -> Result<bool> {
    let leads_out = name.starts_with('/') || name.split('/').any(|part| part == "..");
    if name.is_empty() || name.contains('\0') || leads_out {
        return Err(bad_name(name, "is no name for an entry of an archive"));
    }
    let bytes = name.as_bytes();
    let Some(ustar) = header.as_ustar_mut() else { return Ok(false) };
    if bytes.len() <= ustar.name.len() {
        ustar.name[..bytes.len()].copy_from_slice(bytes);
        return Ok(true);
    }
    let split = (1..=ustar.prefix.len().min(bytes.len() - 2))
        .rev()
        .find(|at| bytes[*at] == b'/' && bytes.len() - at - 1 <= ustar.name.len());
    if let Some(at) = split {
        ustar.prefix[..at].copy_from_slice(&bytes[..at]);
        ustar.name[..bytes.len() - at - 1].copy_from_slice(&bytes[at + 1..]);
        return Ok(true);
    }
    let fits = ustar.name.len();
    ustar.name.copy_from_slice(&bytes[..fits]);
    Ok(false)
}

/// Writes a link's target into a header; `false` when only a part of it fits.
fn set_link(header: &mut Header, target: &str) -> Result<bool> {
    if target.is_empty() || target.contains('\0') {
        return Err(bad_name(target, "is no target for a link"));
    }
    let field = &mut header.as_old_mut().linkname;
    let n = target.len().min(field.len());
    field[..n].copy_from_slice(&target.as_bytes()[..n]);
    Ok(n == target.len())
}

fn bad_name(name: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{name:?} {why}"))
}

/// A PAX record, whose length counts itself.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut len = rest.len() + 1;
    while len.to_string().len() + rest.len() != len {
        len = len.to_string().len() + rest.len();
    }
    format!("{len}{rest}").into_bytes()
}
