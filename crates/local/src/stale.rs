//! Names of staging, and the removal of what killed writers left.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use tempfile::Builder;
use transship_core::{Observer, Result};

use crate::sys;
use crate::target::{list_chosen, shown};

const PREFIX: &str = ".transship-";
const SUFFIX: &str = ".tmp";
const RANDOM: usize = 12;

/// How often the end of a write is tried, and the pause between two tries.
const TRIES: usize = 5;
const AGAIN: Duration = Duration::from_millis(20);

/// The file in a staged folder whose lock says that the writer lives.
pub(crate) const LOCK: &str = "lock";

/// Whether a file name is one of ours for staging.
pub fn is_ours(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .is_some_and(|r| r.len() == RANDOM && r.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Removes what killed writers left wherever the staging of a path may have been: in its folder, and in the folders above,
/// of which one was the nearest that was there. Above, only what is this user's. What cannot be removed stays: cleaning
/// never fails a write.
pub fn clean_around(path: &Path) {
    let Ok(path) = std::path::absolute(path) else { return };
    for (above, folder) in path.ancestors().skip(1).enumerate() {
        let whose = if above == 0 { Whose::Any } else { Whose::Own };
        if sys::may_change(folder) {
            // It may not be there yet.
            let _ = clean(folder, whose);
        }
    }
}

/// Removes staging in a folder that killed writers left. What cannot be removed, or is not ours, stays.
///
/// # Errors
/// I/O errors of listing the folder; none when it is not there.
pub fn clean_stale(folder: &Path) -> Result<()> {
    clean(folder, Whose::Any)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Any,
    Own,
}

fn clean(folder: &Path, whose: Whose) -> Result<()> {
    for path in list_chosen(folder, |name| name.to_str().is_some_and(is_ours))? {
        if let Ok(found) = path.symlink_metadata()
            && (whose == Whose::Any || sys::is_own(&found))
        {
            // Another cleaner may be faster, and a live writer's staging is not to be had: neither is an error.
            let _ = if found.is_dir() {
                remove_stale_folder(&path)
            } else if found.is_file() {
                remove_stale_file(&path)
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
    let file = sys::open_to_lock(path)?;
    file.try_lock()?;
    fs::remove_file(path)
}

/// Removes a staged folder whose lock is free.
pub(crate) fn remove_stale_folder(path: &Path) -> io::Result<()> {
    let lock = path.join(LOCK);
    let Some(file) = sys::if_there(sys::open_to_lock(&lock))? else {
        // Just made, or nearly removed. If it is just made, its maker sees that it is gone and makes another.
        return fs::remove_dir(path);
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
            remove_tree(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    // An earlier try may have come so far.
    sys::if_there(fs::remove_file(path.join(LOCK)))?;
    // Without its lock it is anybody's: another writer may have removed it by now, or taken its name.
    match sys::if_there(fs::remove_dir(path)) {
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        removed => removed.map(drop),
    }
}

/// Removes a staged folder after the work is done, by its holder. Where that fails the work still counts as done: an
/// observer is warned.
pub(crate) fn remove_remains(path: &Path, observer: &Observer) {
    if let Err(e) = again(|| remove_staged_folder(path)) {
        let what = shown(path).display();
        observer.warn(format!("{what} could not be removed, which the next write there does: {e}"));
    }
}

/// Does something that may fail in passing, up to [`TRIES`] times.
pub(crate) fn again<E>(mut work: impl FnMut() -> Result<(), E>) -> Result<(), E> {
    for _ in 1..TRIES {
        if work().is_ok() {
            return Ok(());
        }
        std::thread::sleep(AGAIN);
    }
    work()
}

/// Removes a folder with all that is in it, also where it was made read-only.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            make_all_removable(path)?;
            fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

fn make_all_removable(top: &Path) -> io::Result<()> {
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        sys::make_removable(&folder)?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}
