//! [`small_file`]: the files that people configure, none of which is large.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::{Error, ErrorKind, Result};

/// The most bytes that such a file has: nobody has as many registries, keys or certificates.
const LIMIT: u64 = 4 << 20;

/// Reads all of a file that people configure, at most 4 MiB. `doing` is for messages: `reading credentials from`. Blocks.
///
/// # Errors
/// `LimitExceeded`; I/O errors.
pub fn small_file(path: &Path, doing: &'static str) -> Result<Vec<u8>> {
    let failed = |error| Error::io(doing, path, error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LIMIT {
        let message = format!("{} is larger than {LIMIT} bytes", path.display());
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    Ok(bytes)
}
