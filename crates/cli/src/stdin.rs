//! Pipes that are given as paths, and the kind of stdin.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use transship::{Error, ErrorKind, Result};

/// Whether a path is a pipe, as of `<(command)`.
#[cfg(unix)]
pub(crate) fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

#[cfg(not(unix))]
pub(crate) fn is_pipe(_: &Path) -> bool {
    false
}

/// Makes a pipe the standard input of this process.
#[cfg(unix)]
pub(crate) fn take_as_stdin(path: &Path) -> Result<()> {
    use std::sync::atomic::{AtomicBool, Ordering};
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        let message = format!("{} is a second pipe, and only one can be read", path.display());
        return Err(
            Error::new(ErrorKind::InvalidInput, message).hint("write one of them to a file first")
        );
    }
    let file = File::open(path).map_err(|e| Error::io("opening", path, e))?;
    rustix::stdio::dup2_stdin(&file).map_err(|e| Error::io("reading", path, e.into()))
}

#[cfg(not(unix))]
pub(crate) fn take_as_stdin(_: &Path) -> Result<()> {
    Ok(())
}

/// Whether standard input is a file.
#[cfg(unix)]
pub(crate) fn is_redirected() -> bool {
    use std::os::fd::AsFd;
    let own = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    own.and_then(|file| file.metadata()).is_ok_and(|found| found.is_file())
}

#[cfg(not(unix))]
pub(crate) fn is_redirected() -> bool {
    true
}
