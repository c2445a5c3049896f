//! [`FileRange`]: a part of a file, read by position.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Cancel, Error, ErrorKind, Result};

/// Bytes that are compared at a time.
const COMPARED: usize = 256 << 10;

/// A part of a file, or of what stands for one. Cheap to clone; reads are by position, so clones do not disturb each
/// other.
#[derive(Clone, Debug)]
pub struct FileRange {
    file: Origin,
    path: Arc<Path>,
    offset: u64,
    len: u64,
}

#[derive(Clone, Debug)]
enum Origin {
    Open(Arc<File>),
    /// Opened for each read: files are many, and few may be open at once.
    Closed,
    Memory(Bytes),
}

impl FileRange {
    /// The `len` bytes from `offset` of an open file. The path is for messages.
    pub fn new(file: Arc<File>, path: impl Into<Arc<Path>>, offset: u64, len: u64) -> Self {
        Self { file: Origin::Open(file), path: path.into(), offset, len }
    }

    /// All bytes of a file, as many as it has now.
    ///
    /// # Errors
    /// I/O errors, with the path.
    pub fn whole(file: File, path: impl Into<Arc<Path>>) -> Result<Self> {
        let path = path.into();
        let len = file.metadata().map_err(|e| Error::io("looking at", &path, e))?.len();
        Ok(Self::new(Arc::new(file), path, 0, len))
    }

    /// The first `len` bytes of a regular file that is opened for each read, and has to stay what it is.
    pub fn closed(path: impl Into<Arc<Path>>, len: u64) -> Self {
        Self { file: Origin::Closed, path: path.into(), offset: 0, len }
    }

    /// Bytes in memory that stand for a file. The path is for messages.
    pub fn in_memory(bytes: impl Into<Bytes>, path: impl Into<Arc<Path>>) -> Self {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        Self { file: Origin::Memory(bytes), path: path.into(), offset: 0, len }
    }

    /// The `len` bytes from `at` within it; what lies beyond its end is left out.
    #[must_use]
    pub fn part(&self, at: u64, len: u64) -> Self {
        let at = at.min(self.len);
        let len = len.min(self.len - at);
        Self { offset: self.offset + at, len, ..self.clone() }
    }

    /// The file, if it is one and open.
    pub fn file(&self) -> Option<&File> {
        match &self.file {
            Origin::Open(file) => Some(file),
            _ => None,
        }
    }

    /// The file's path when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it begins, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills a buffer from a position within the range; short only at the range's end.
    ///
    /// # Errors
    /// `Corrupt` when the file ends before the range does, other I/O errors with the path.
    pub fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize> {
        self.opened()?.read_open(at, buffer)
    }

    /// All of its bytes, which are `limit` at most; `what` says in an error what has more.
    ///
    /// # Errors
    /// `LimitExceeded`; as [`read_at`](Self::read_at).
    pub fn bytes(&self, limit: u64, what: impl fmt::Display) -> Result<Bytes> {
        let len =
            usize::try_from(self.len).ok().filter(|_| self.len <= limit).ok_or_else(|| {
                let message =
                    format!("{what} has {} bytes, more than the {limit} allowed", self.len);
                Error::new(ErrorKind::LimitExceeded, message)
            })?;
        let mut bytes = vec![0; len];
        self.read_at(0, &mut bytes)?;
        Ok(bytes.into())
    }

    /// Whether another range has the same bytes.
    ///
    /// # Errors
    /// `Cancelled`; as [`read_at`](Self::read_at).
    pub fn same_bytes(&self, other: &Self, cancel: &Cancel) -> Result<bool> {
        let one_place = self.path == other.path && self.offset == other.offset;
        if self.len != other.len || one_place {
            return Ok(self.len == other.len);
        }
        let chunk = usize::try_from(self.len).unwrap_or(COMPARED).min(COMPARED);
        let (mut ours, mut theirs) = (vec![0; chunk], vec![0; chunk]);
        let mut at = 0;
        while at < self.len {
            cancel.check()?;
            let n = self.read_at(at, &mut ours)?;
            other.read_at(at, &mut theirs[..n])?;
            if ours[..n] != theirs[..n] {
                return Ok(false);
            }
            at += n as u64;
        }
        Ok(true)
    }

    /// The same range of a file that stays open.
    fn opened(&self) -> Result<Self> {
        let file = match &self.file {
            Origin::Closed => {
                let file = File::open(&self.path).map_err(|e| Error::io("opening", &self.path, e));
                Origin::Open(Arc::new(file?))
            }
            other => other.clone(),
        };
        Ok(Self { file, ..self.clone() })
    }

    fn read_open(&self, at: u64, buffer: &mut [u8]) -> Result<usize> {
        let left = self.len.saturating_sub(at);
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let mut done = 0;
        while done < want {
            match self.file.read(&mut buffer[done..want], self.offset + at + done as u64) {
                Ok(0) => return Err(self.ends_early(at + done as u64)),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io("reading", &self.path, e)),
            }
        }
        Ok(done)
    }

    fn ends_early(&self, at: u64) -> Error {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "{} ends early: {} of {} bytes from offset {} are there",
                self.path.display(),
                at,
                self.len,
                self.offset
            ),
        )
    }

    /// Reads the range from its start to its end.
    pub fn reader(&self) -> impl Read + fmt::Debug + Send + Sync + use<> {
        RangeReader::new(self.clone())
    }
}

impl Origin {
    fn read(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Self::Open(file) => pread(file, buffer, at),
            Self::Closed => Ok(0),
            Self::Memory(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                let n = buffer.len().min(bytes.len() - from);
                buffer[..n].copy_from_slice(&bytes[from..from + n]);
                Ok(n)
            }
        }
    }
}

/// Reads a [`FileRange`] in order. A file that was closed stays open from the first read on.
#[derive(Debug)]
pub(super) struct RangeReader {
    range: FileRange,
    at: u64,
}

impl RangeReader {
    pub(super) fn new(range: FileRange) -> Self {
        Self { range, at: 0 }
    }
}

impl Read for RangeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if matches!(self.range.file, Origin::Closed) {
            self.range = self.range.opened().map_err(Error::into_io)?;
        }
        let n = self.range.read_open(self.at, buffer).map_err(Error::into_io)?;
        self.at += n as u64;
        Ok(n)
    }
}

#[cfg(unix)]
fn pread(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
fn pread(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_the_bytes_are_they_read_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, b"0123456789").unwrap();
        let open = FileRange::whole(File::open(&path).unwrap(), path.as_path()).unwrap();
        let closed = FileRange::closed(path.as_path(), 10);
        let memory = FileRange::in_memory(&b"0123456789"[..], path.as_path());
        for range in [open, closed, memory] {
            let part = range.part(2, 5);
            let mut all = Vec::new();
            part.reader().read_to_end(&mut all).unwrap();
            assert_eq!(all, b"23456");
            let mut two = [0; 4];
            assert_eq!(part.read_at(3, &mut two).unwrap(), 2);
            assert_eq!(&two[..2], b"56");
        }
        let longer = FileRange::closed(path.as_path(), 11);
        assert_eq!(longer.read_at(0, &mut [0; 11]).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
