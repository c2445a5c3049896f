//! Replacing what is in a folder that cannot be renamed over.
//!
//! The new content is staged inside the folder; the commit is one rename of the staging to `.transship-swap`. From then
//! on the new content counts, wherever its parts are:
//!
//! ```text
//! .transship-swap/lock      held by the process that completes the swap
//! .transship-swap/list      JSON: the new content's names, and which file the lock is
//! .transship-swap/new/..    what is not in its place yet
//! ```
//!
//! Completing it removes what is not in the list, moves what is new to its place, and removes `.transship-swap`. A
//! process that is killed on the way leaves it to the next writer. Readers complete nothing; they look into `new` first
//! ([`Folder`](crate::Folder)).
//!
//! A swap that was not made where it is, such as one that was extracted from an archive, is refused by readers and
//! writers: other tools know nothing of it, and would see another image. `list` says which file the lock is, by its inode
//! and the time of its last change, which nobody can choose.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use transship_core::{Cancel, Error, ErrorKind, Observer, Result};

use crate::stale::{LOCK, again, remove_remains, remove_staged_folder, remove_tree};
use crate::{
    FileStamp, is_ours, list_folder, parse_json, read_bounded, read_document, sync_folder, sys,
};

/// The name of a swap that has been committed and is not complete.
pub(crate) const SWAP: &str = ".transship-swap";
/// The names of the new content.
pub(crate) const LIST: &str = "list";
/// What is not in its place yet.
pub(crate) const NEW: &str = "new";

/// A list of a million blobs fits.
const LIST_LIMIT: u64 = 128 << 20;

/// Completes a swap of a folder's content that a killed writer left, and waits for one that is being completed.
///
/// Writers call it before they look into an existing folder.
///
/// # Errors
/// `Corrupt` when the swap is not one of ours; `Cancelled`; I/O errors.
pub fn settle(folder: &Path, cancel: &Cancel) -> Result<()> {
    let swap = folder.join(SWAP);
    loop {
        cancel.check()?;
        match try_settle(&swap, folder)? {
            Settled::Yes => return Ok(()),
            Settled::Busy => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Whether a folder holds nothing that counts as content.
pub(crate) fn is_empty(folder: &Path) -> Result<bool> {
    let names = list_folder(folder)?;
    Ok(names.iter().all(|path| is_spared(path.file_name().and_then(|name| name.to_str()))))
}

/// Whether a name in a folder is no content: staging, a swap, or what `mkfs` puts at the root of a filesystem.
pub(crate) fn is_spared(name: Option<&str>) -> bool {
    name.is_some_and(|name| is_ours(name) || name == SWAP || name == "lost+found")
}

/// Writes the list of the new content into a staged folder.
pub(crate) fn write_list(staging: &Path) -> Result<()> {
    let path = staging.join(LIST);
    let writing = |e| Error::io("writing", &path, e);
    let lock = sys::open_to_lock(&staging.join(LOCK)).map_err(writing)?;
    let list = List { lock: identity(&lock), names: names_of(&staging.join(NEW))? };
    let mut file = File::create(&path).map_err(writing)?;
    serde_json::to_writer(&mut file, &list).map_err(|e| writing(e.into()))?;
    file.sync_all().map_err(writing)?;
    sync_folder(staging)
}

/// Reads the list of a committed swap; `lock` is its lock.
pub(crate) fn read_list(file: &File, lock: &File, path: &Path) -> Result<BTreeSet<String>> {
    checked_list(&read_bounded(file, path, LIST_LIMIT, "the list")?, lock, path)
}

/// Completes a swap that was just committed by this process: as other tools see a mixture until then, it is tried again
/// where it fails.
pub(crate) fn complete_now(swap: &Path, folder: &Path, observer: &Observer) -> Result<()> {
    again(|| put_in_place(swap, folder)).map_err(|e| {
        let shows = "the new content is there; other tools see it when it is complete";
        e.hint(format!("{shows}, which the next write to {} does", folder.display()))
    })?;
    remove_remains(swap, observer);
    Ok(())
}

/// Puts the new content in its place. The caller holds the lock.
fn put_in_place(swap: &Path, folder: &Path) -> Result<()> {
    let list = swap.join(LIST);
    let lock = sys::open_to_lock(&swap.join(LOCK)).map_err(|e| Error::io("opening", swap, e))?;
    let names = checked_list(&read_document(&list, LIST_LIMIT, "the list")?, &lock, &list)?;
    let new = swap.join(NEW);
    if new.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
        return Err(not_ours(swap));
    }
    remove_old(folder, &names, &new)?;
    for name in &names {
        // One that is not there is in its place already.
        sys::if_there(fs::rename(new.join(name), folder.join(name)))
            .map_err(|e| Error::io("putting in place", folder.join(name), e))?;
    }
    sync_folder(folder)
}

/// What is in the file `list`.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    /// Which file the lock is; `None` where files have nothing that tells them apart.
    lock: Option<String>,
    names: BTreeSet<String>,
}

/// What tells a file from all others that are made elsewhere or later.
fn identity(lock: &File) -> Option<String> {
    let stamp = FileStamp::of(&lock.metadata().ok()?);
    let (inode, changed) = (stamp.identity.1, stamp.changed);
    FileStamp::EXACT.then(|| format!("{inode} {}.{:09}", changed.0, changed.1))
}

enum Settled {
    Yes,
    Busy,
}

fn try_settle(swap: &Path, folder: &Path) -> Result<Settled> {
    let failed = |e| Error::io("completing", swap, e);
    match sys::if_there(swap.symlink_metadata()).map_err(failed)? {
        None => return Ok(Settled::Yes),
        Some(found) if !found.is_dir() => return Err(not_ours(swap)),
        Some(_) => {}
    }
    let lock = swap.join(LOCK);
    let Some(file) = sys::if_there(sys::open_to_lock(&lock)).map_err(failed)? else {
        // The last step of a removal; if that goes on, it may be faster than we are.
        return match sys::if_there(fs::remove_dir(swap)) {
            Ok(_) => Ok(Settled::Yes),
            // The next swap has taken the name.
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(Settled::Busy),
            Err(e) => Err(failed(e)),
        };
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(Settled::Busy),
        Err(fs::TryLockError::Error(e)) => return Err(failed(e)),
    }
    let ours = file.metadata().map_err(failed)?;
    if !lock.metadata().is_ok_and(|current| sys::same_file(&ours, &current)) {
        return Ok(Settled::Busy);
    }
    if swap.join(LIST).symlink_metadata().is_ok() {
        put_in_place(swap, folder)?;
    }
    remove_staged_folder(swap).map_err(failed)?;
    Ok(Settled::Yes)
}

fn remove_old(folder: &Path, names: &BTreeSet<String>, new: &Path) -> Result<()> {
    for path in list_folder(folder)? {
        let name = path.file_name().and_then(|name| name.to_str());
        let is_new = |name| names.contains(name) && new.join(name).symlink_metadata().is_err();
        if is_spared(name) || name.is_some_and(is_new) {
            continue;
        }
        let is_folder = path.symlink_metadata().is_ok_and(|found| found.is_dir());
        let removed = if is_folder { remove_tree(&path) } else { fs::remove_file(&path) };
        removed.map_err(|e| Error::io("removing", &path, e))?;
    }
    Ok(())
}

fn names_of(folder: &Path) -> Result<BTreeSet<String>> {
    let name = |path: PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        name.ok_or_else(|| {
            let message = format!("the file name {} is not UTF-8", path.display());
            Error::new(ErrorKind::Unexpected, message)
        })
    };
    list_folder(folder)?.into_iter().map(name).collect()
}

fn checked_list(bytes: &[u8], lock: &File, path: &Path) -> Result<BTreeSet<String>> {
    let List { lock: made_with, names } = parse_json(bytes, &path.display().to_string())?;
    if made_with != identity(lock) {
        return Err(not_ours(path));
    }
    let plain = |name: &String| {
        let mut parts = Path::new(name).components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name.as_str())
    };
    if names.iter().all(plain) { Ok(names) } else { Err(not_ours(path)) }
}

fn not_ours(path: &Path) -> Error {
    let message = format!("{} is not what an interrupted write here leaves", path.display());
    Error::new(ErrorKind::Corrupt, message).hint("remove it, if you do not know what it is")
}
