//! Writing a blob to a file.

use std::fs::File;
use std::path::Path;

use transship_core::{Body, Cancel, Result, Stored};

use crate::FileSink;

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
