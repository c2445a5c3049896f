//! Writing a blob to a file, and looking whether one on disk is true.

use std::fs::File;
use std::path::Path;

use transship_core::{Body, Cancel, Error, ErrorKind, Expect, FileRange, Result, Stored};

use crate::{FileSink, open_regular};

/// Writes a body to a file from its current position; the path is for messages. Nothing is synced, but much of it is
/// on its way to the disk already.
///
/// # Errors
/// `Corrupt` when it is not what was expected, those of its origin, `Cancelled`, I/O errors with the path.
pub fn write_body(body: Body, file: &File, path: &Path, cancel: &Cancel) -> Result<Stored> {
    let mut sink = FileSink::new(file, path)?;
    if let Some(size) = body.size() {
        sink.reserve(size);
    }
    let mut chunks = body.chunks(cancel)?;
    while let Some(chunk) = chunks.next()? {
        sink.put(chunk)?;
    }
    chunks.finish()
}

/// The blob at a path, if it is there, whole, and true to what is expected: it is hashed now.
///
/// # Errors
/// `Cancelled`; I/O errors; `Unsupported` for digests that cannot be checked.
pub fn true_blob(path: &Path, expect: &Expect, cancel: &Cancel) -> Result<Option<Stored>> {
    let checked = open_regular(path)
        .and_then(|file| FileRange::whole(file, path))
        .and_then(|range| Body::from_file(range).expecting(expect)?.chunks(cancel)?.finish());
    match checked {
        Ok(stored) => Ok(Some(stored)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Makes a file's content survive a power cut.
///
/// # Errors
/// I/O errors, with the path.
pub fn sync_file(file: &File, path: &Path) -> Result<()> {
    file.sync_all().map_err(|e| Error::io("syncing", path, e))
}
