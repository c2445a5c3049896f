//! Archives that are made from the one that is there: with more entries ([`Appender`]), or with fewer ([`rewrite`]).

mod appender;
mod base;
mod remove;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use transship_core::{Cancel, Error, ErrorKind, Result};
use transship_local::{StagedFile, Target, copy_range};

pub(crate) use appender::Appender;
pub use base::Base;
pub use remove::{Rewritten, rewrite};

use crate::open::STDIO;

/// Where the archive is or will be, symlinks resolved, and whether it is there.
fn place_of(path: &Path) -> Result<(PathBuf, bool)> {
    let refused = |what: &str| {
        let message =
            format!("{} is {what}: only an archive in a file can be changed", path.display());
        Err(Error::new(ErrorKind::Unsupported, message))
    };
    if path == Path::new(STDIO) {
        return refused("standard input or output");
    }
    match Target::look_at(path)? {
        Target::Absent(path) => Ok((path, false)),
        Target::File(path) => Ok((path, true)),
        Target::Folder(_) => refused("a folder"),
        Target::Stream(_) => refused("a pipe, socket or device"),
    }
}

/// Copies parts of an archive to a staged one, behind each other from a position. Gives where they end.
fn copy_parts(
    base: &Base,
    parts: &[(u64, u64)],
    to: &StagedFile,
    mut at: u64,
    cancel: &Cancel,
) -> Result<u64> {
    let Some(file) = base.index().file() else {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "an archive that was read from a stream cannot be read again",
        ));
    };
    for (from, len) in parts {
        let range = file.part(*from, *len);
        copy_range(&range, to.file(), to.path(), at, cancel)?;
        at += len;
    }
    Ok(at)
}
