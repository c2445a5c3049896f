//! [`FileRange`]: a part of an open file, read by position.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crate::{Error, ErrorKind, Result};

/// A part of an open file. Cheap to clone; reads are by position, so clones do not disturb each other.
#[derive(Clone, Debug)]
pub struct FileRange {
    file: Arc<File>,
    path: Arc<Path>,
    offset: u64,
    len: u64,
}

impl FileRange {
    /// The `len` bytes from `offset`. The path is for messages.
    pub fn new(file: Arc<File>, path: impl Into<Arc<Path>>, offset: u64, len: u64) -> Self {
        Self { file, path: path.into(), offset, len }
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

    /// The `len` bytes from `at` within it; what lies beyond its end is left out.
    #[must_use]
    pub fn part(&self, at: u64, len: u64) -> Self {
        let at = at.min(self.len);
        let len = len.min(self.len - at);
        Self::new(Arc::clone(&self.file), Arc::clone(&self.path), self.offset + at, len)
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
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
        let left = self.len.saturating_sub(at);
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let mut done = 0;
        while done < want {
            match pread(&self.file, &mut buffer[done..want], self.offset + at + done as u64) {
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
    pub fn reader(&self) -> RangeReader {
        RangeReader { range: self.clone(), at: 0 }
    }
}

/// Reads a [`FileRange`] in order.
#[derive(Debug)]
pub struct RangeReader {
    range: FileRange,
    at: u64,
}

impl Read for RangeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.range.read_at(self.at, buffer).map_err(Error::into_io)?;
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
