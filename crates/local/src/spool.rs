//! [`spool_file`]: a place for bytes that come once.

use std::fs::File;
use std::path::Path;

use transship_core::{Error, Hint, Result};

/// An unnamed temporary file in a folder: it is gone when it is closed, also when the process is killed.
///
/// # Errors
/// I/O errors that name the folder and say how to choose another.
pub fn spool_file(folder: &Path) -> Result<File> {
    tempfile::tempfile_in(folder).map_err(|e| {
        Error::io("making a temporary file in", folder, e).of_option().hint(Hint::ChangeSpoolFolder)
    })
}
