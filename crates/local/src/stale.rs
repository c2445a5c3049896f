//! Names of staging, and the removal of what killed writers left.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::Builder;
use transship_core::{Error, Result};

use crate::sys;

const PREFIX: &str = ".transship-";
const SUFFIX: &str = ".tmp";
const RANDOM: usize = 12;

/// The file in a staged folder whose lock says that the writer lives.
pub(crate) const LOCK: &str = "lock";

/// Whether a file name is one of ours for staging.
pub fn is_ours(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .is_some_and(|r| r.len() == RANDOM && r.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Removes staging in a folder that killed writers left. What cannot be removed, or is not ours, stays.
///
/// # Errors
/// I/O errors of listing the folder; none when it is not there.
pub fn clean_stale(folder: &Path) -> Result<()> {
    let listing = |e| Error::io("listing", folder, e);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(listing(e)),
    };
    for entry in entries {
        let entry = entry.map_err(listing)?;
        if entry.file_name().to_str().is_some_and(is_ours)
            && let Ok(kind) = entry.file_type()
        {
            // Another cleaner may be faster, and a live writer's staging is not to be had: neither is an error.
            let _ = if kind.is_dir() {
                remove_stale_folder(&entry.path())
            } else if kind.is_file() {
                remove_stale_file(&entry.path())
            } else {
                Ok(())
            };
        }
    }
    Ok(())
}

/// Names for staging.
pub(crate) fn builder() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    builder
}

fn remove_stale_file(path: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    file.try_lock()?;
    fs::remove_file(path)
}

/// Removes a staged folder if nobody holds its lock.
pub(crate) fn remove_stale_folder(path: &Path) -> io::Result<()> {
    let lock = path.join(LOCK);
    let file = match File::options().read(true).write(true).open(&lock) {
        Ok(file) => file,
        // Just made, or nearly removed. If it is just made, its maker sees that it is gone and makes another.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return fs::remove_dir(path),
        Err(e) => return Err(e),
    };
    file.try_lock()?;
    if sys::same_file(&file.metadata()?, &lock.metadata()?) {
        remove_staged_folder(path)?;
    }
    Ok(())
}

/// Removes a staged folder, by its holder: the lock last, so that whatever is left can be told for stale.
pub(crate) fn remove_staged_folder(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_file(path.join(LOCK))?;
    // Without its lock it is anybody's: another writer may have removed it by now, or taken its name.
    match fs::remove_dir(path) {
        Err(e)
            if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) =>
        {
            Ok(())
        }
        removed => removed,
    }
}
