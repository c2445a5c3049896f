//! Documents of bounded size.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;
use transship_core::{Error, ErrorKind, Result};

use crate::open_regular;

/// Reads a whole document; `what` says what it is, in errors.
///
/// # Errors
/// `NotFound` with the path, `LimitExceeded` beyond `limit` bytes, other I/O errors.
pub fn read_document(path: &Path, limit: u64, what: &str) -> Result<Vec<u8>> {
    read_bounded(&open_regular(path)?, path, limit, what)
}

/// Reads an open file from its current position, at most `limit` bytes; path and `what` are for errors.
///
/// # Errors
/// `LimitExceeded` beyond the limit, I/O errors.
pub fn read_bounded(file: &File, path: &Path, limit: u64, what: &str) -> Result<Vec<u8>> {
    let reading = |e| Error::io("reading", path, e);
    let over = || {
        let message = format!("{what} {} has more than {limit} bytes", path.display());
        Error::new(ErrorKind::LimitExceeded, message)
    };
    let len = file.metadata().map_err(reading)?.len();
    if len > limit {
        return Err(over());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    // It may have grown since.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(reading)?;
    if bytes.len() as u64 > limit { Err(over()) } else { Ok(bytes) }
}

/// Parses a document; `what` says what it is, in errors.
///
/// # Errors
/// `Corrupt`, with the place in the document.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::new(ErrorKind::Corrupt, format!("{what} is malformed")).caused_by(e))
}
