//! [`change_file`] and [`replace_file`]: a new file in place of the one that is there, with the lock of an archive.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transship_core::{Cancel, Error, ErrorKind, FileRange, Result, ResultExt};

use crate::sys::if_there;
use crate::{FileStamp, Lock, LockWait, Publish, StagedFile};

/// What a change begins with: the file that is there, or none.
#[derive(Debug)]
pub struct Before {
    path: PathBuf,
    there: Option<(FileRange, FileStamp)>,
}

impl Before {
    /// The file that is there; `None` where there is none.
    pub fn file(&self) -> Option<&FileRange> {
        self.there.as_ref().map(|(file, _)| file)
    }

    /// In which state it is.
    pub fn stamp(&self) -> Option<FileStamp> {
        self.there.as_ref().map(|(_, stamp)| *stamp)
    }

    fn look(path: &Path, lock: Option<&Lock>) -> Result<Self> {
        let there = lock.map(|lock| open(lock.file(), path)).transpose()?;
        Ok(Self { path: path.to_owned(), there })
    }

    /// Whether it is in that state still: tools that take no lock may have replaced it or written to it.
    fn is_still(&self) -> Result<bool> {
        let found = if_there(self.path.metadata());
        let found = found.map_err(|e| Error::io("looking at", &self.path, e))?;
        Ok(self.stamp() == found.as_ref().map(FileStamp::of))
    }
}

fn open(file: &File, path: &Path) -> Result<(FileRange, FileStamp)> {
    let opening = |e| Error::io("opening", path, e);
    let file = file.try_clone().map_err(opening)?;
    let found = file.metadata().map_err(opening)?;
    Ok((FileRange::new(Arc::new(file), path, 0, found.len()), FileStamp::of(&found)))
}

/// Puts a file that is made from the one at a path in its place, durably and at once. Any number of processes may change one
/// file so; none loses what another one did. Readers take no lock, and keep what they have opened.
///
/// `change` sees the file that is there, under its lock, and gives the new one, [staged beside it](StagedFile::beside), or
/// `None` where it is to stay. It is called again where another file, or a tool that takes no lock, came in between. Long work
/// is best done before, so that the lock is held for a moment: what the work began with is compared by its [stamp](Before::stamp).
///
/// # Errors
/// Those of the function; `Unavailable` when the file stays locked; `Unsupported` where it cannot be locked; `Cancelled`; I/O
/// errors. What was there is then as it was.
pub fn change_file(
    path: &Path,
    wait: &LockWait,
    cancel: &Cancel,
    change: &mut dyn FnMut(&Before) -> Result<Option<StagedFile>>,
) -> Result<()> {
    loop {
        cancel.check()?;
        let lock = Lock::exclusive(path, wait, cancel).if_found()?;
        let before = Before::look(path, lock.as_ref())?;
        let staged = change(&before)?;
        cancel.check()?;
        if !before.is_still()? {
            continue;
        }
        match staged {
            None => return Ok(()),
            Some(mut staged) if before.there.is_some() => return staged.publish(Publish::Replace),
            Some(staged) => {
                if staged.publish_new()?.is_none() {
                    return Ok(());
                }
            }
        }
    }
}

/// Shows a staged file. What it replaces is locked first, where it can be: processes that [change](change_file) it have to
/// be done, or their file would take the place of this one.
///
/// # Errors
/// `AlreadyExists` when the target is there and must not be; `Unavailable` when it stays locked; `Cancelled`; I/O errors.
/// It can be called again.
pub fn replace_file(
    staged: &mut StagedFile,
    how: Publish,
    wait: &LockWait,
    cancel: &Cancel,
) -> Result<()> {
    let _lock = match how {
        Publish::Create => None,
        Publish::Replace => match Lock::exclusive(staged.target(), wait, cancel).if_found() {
            Err(e) if e.kind() == ErrorKind::Unsupported => None,
            lock => lock?,
        },
    };
    staged.publish(how)
}
