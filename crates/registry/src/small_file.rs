//! Reads the files that people configure, none of which is large.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use transship_core::{Error, ErrorKind, Result, ResultExt};

/// The most bytes that such a file has: nobody has as many registries, or certificates.
const LIMIT: u64 = 4 << 20;

/// All of a file. `doing` is for messages: `reading credentials from`.
pub(crate) fn read(path: &Path, doing: &'static str) -> Result<Vec<u8>> {
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

/// As [`read`]; `None` when it is not there.
pub(crate) fn read_if_there(path: &Path, doing: &'static str) -> Result<Option<Vec<u8>>> {
    read(path, doing).if_found()
}
