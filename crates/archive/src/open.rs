//! [`ArchiveFile`]: an archive, open for reading at any position.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use transship_compression::{Compression, sniff};
use transship_core::{Cancel, Error, ErrorKind, FileRange, ReadOptions, Result, spool_folder};
use transship_local::{open_regular, spool_file};

use crate::compression::{self, Growth};
use crate::index::{BLOCK, BLOCK_LEN, has_true_checksum};
use crate::pipe::{Pipe, is_pipe};

/// The path that stands for the standard input or output.
pub const STDIO: &str = "-";

/// An archive, open for reading at any position.
///
/// What comes from a pipe, or is compressed as a whole, is in an unnamed temporary file, which is gone when the last
/// range of it is dropped.
#[derive(Clone, Debug)]
pub struct ArchiveFile {
    range: FileRange,
    compression: Compression,
    spooled: bool,
}

impl ArchiveFile {
    /// Opens an archive: a regular file, a pipe, or `-` for the standard input. Its compression is known by its content.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` with what it looks like when it is no tar; `Unsupported` for folders and devices;
    /// `LimitExceeded` when it grows too much; `Cancelled`; I/O errors.
    pub fn open(path: &Path, how: &ReadOptions, cancel: &Cancel) -> Result<Self> {
        if path == Path::new(STDIO) {
            return Self::standard_input(how, cancel);
        }
        let found = path.metadata().map_err(|e| Error::io("opening", path, e))?;
        if found.is_dir() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{} is a folder, an archive is a file", path.display()),
            )
            .hint("a layout in a folder is oci:, an image in a folder is dir:"));
        }
        if is_pipe(&found) {
            return Self::spool(Pipe::reading(path, cancel)?, path, how, cancel);
        }
        Self::of_file(open_regular(path)?, path, how, cancel)
    }

    /// Takes an archive that can be read once. The path is for messages.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn spool(
        mut input: impl Read + Send,
        path: &Path,
        how: &ReadOptions,
        cancel: &Cancel,
    ) -> Result<Self> {
        let mut head = Vec::new();
        let reading = |e| Error::io("reading", path, e);
        input.by_ref().take(BLOCK).read_to_end(&mut head).map_err(reading)?;
        let compression = sniff(&head);
        Self::spool_as(compression, io::Cursor::new(head).chain(input), path, how, cancel)
    }

    fn standard_input(how: &ReadOptions, cancel: &Cancel) -> Result<Self> {
        let path = Path::new("the standard input");
        let input = Pipe::stdin(cancel).map_err(|e| Error::io("opening", path, e))?;
        if is_redirected(&input) {
            let file = input.file().try_clone().map_err(|e| Error::io("opening", path, e))?;
            return Self::of_file(file, path, how, cancel);
        }
        Self::spool(input, path, how, cancel)
    }

    fn of_file(file: File, path: &Path, how: &ReadOptions, cancel: &Cancel) -> Result<Self> {
        let range = FileRange::whole(file, path)?;
        let mut head = [0; BLOCK_LEN];
        let n = range.read_at(0, &mut head)?;
        let compression = sniff(&head[..n]);
        if compression != Compression::Plain {
            return Self::spool_as(compression, range.reader(), path, how, cancel);
        }
        check_is_tar(&head[..n], "it")?;
        Ok(Self { range, compression, spooled: false })
    }

    fn spool_as(
        compression: Compression,
        input: impl Read + Send,
        path: &Path,
        how: &ReadOptions,
        cancel: &Cancel,
    ) -> Result<Self> {
        let file = spool_file(&spool_folder(how.spool.as_ref()))?;
        let len = compression::spool(compression, input, path, &file, Growth::default(), cancel)?;
        let range = FileRange::new(Arc::new(file), path, 0, len);
        let mut head = [0; BLOCK_LEN];
        let n = range.read_at(0, &mut head)?;
        check_is_tar(
            &head[..n],
            if compression == Compression::Plain { "it" } else { "what is compressed in it" },
        )?;
        Ok(Self { range, compression, spooled: true })
    }

    /// All of its bytes, decompressed.
    pub fn range(&self) -> &FileRange {
        &self.range
    }

    /// The compression that was around it.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Whether it is in a temporary file, because it came from a pipe or was compressed.
    pub fn is_spooled(&self) -> bool {
        self.spooled
    }
}

/// Redirected from a file: no copy is needed, if nobody has read from it.
pub(crate) fn is_redirected(input: &Pipe) -> bool {
    let mut file = input.file();
    file.metadata().is_ok_and(|found| found.is_file())
        && file.stream_position().is_ok_and(|at| at == 0)
}

/// Refuses what does not begin as a tar does, and says what it looks like.
pub(crate) fn check_is_tar(head: &[u8], subject: &str) -> Result<()> {
    let block = head.first_chunk::<BLOCK_LEN>();
    if block.is_some_and(|block| block.iter().all(|b| *b == 0) || has_true_checksum(block)) {
        return Ok(());
    }
    let looks = match head {
        [] => "it is empty".to_owned(),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => "it looks like a zip file".to_owned(),
        [0x04, 0x22, 0x4d, 0x18, ..] => "it looks like an lz4 file".to_owned(),
        [b'7', b'z', 0xbc, 0xaf, ..] => "it looks like a 7z file".to_owned(),
        [b'L', b'Z', b'I', b'P', ..] => "it looks like an lzip file".to_owned(),
        [0x7f, b'E', b'L', b'F', ..] => "it looks like a program".to_owned(),
        _ if head[..head.len().min(512)].get(257..262) == Some(b"ustar") => {
            "the checksum of its first header is wrong".to_owned()
        }
        _ => match sniff(head) {
            Compression::Plain => looks_like_text(head),
            _ => "it is compressed twice".to_owned(),
        },
    };
    Err(Error::new(ErrorKind::Corrupt, format!("{subject} is not a tar: {looks}")))
}

fn looks_like_text(head: &[u8]) -> String {
    // The last character may be cut off.
    let utf8 = std::str::from_utf8(head).map_or_else(|e| e.error_len().is_none(), |_| true);
    let text = utf8 && head.iter().all(|b| !b.is_ascii_control() || b.is_ascii_whitespace());
    match head.trim_ascii_start().first() {
        Some(b'{' | b'[') if text => "it looks like JSON".to_owned(),
        Some(b'<') if text => "it looks like a web page".to_owned(),
        _ if text => "it looks like text".to_owned(),
        _ if head.len() < 512 => format!("it has only {} bytes", head.len()),
        _ => "its first 512 bytes are no header".to_owned(),
    }
}
