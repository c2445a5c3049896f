//! [`StagedFile`]: a file that shows at once, whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;
use transship_core::{Error, ErrorKind, Result, ResultExt};

use crate::stale::builder;
use crate::target::{Target, folder_of};
use crate::{clean_around, sys};

/// What publishing does with what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// It must not be there.
    Create,
    /// It is replaced.
    Replace,
}

/// A file being written under a name of its own; dropping it removes it.
///
/// Its mode is that of any new file (0666 without the umask). A lock on it keeps others from taking it for stale. A library that
/// locks and unlocks the file, as some embedded databases do, gives that lock up: stage such a file in a
/// [`StagedFolder`](crate::StagedFolder) instead.
#[derive(Debug)]
pub struct StagedFile {
    // Removed before the lock on the file is given up.
    path: TempPath,
    file: Arc<File>,
    target: PathBuf,
    /// Whether it is at the target.
    shows: bool,
}

impl StagedFile {
    /// A file in the folder of `target`, for [`publish`](Self::publish). Symlinks at `target` are resolved: what they
    /// lead to will be replaced. Removes stale staging there.
    ///
    /// # Errors
    /// `Unsupported` when a folder, pipe, socket or device stands there; I/O errors.
    pub fn beside(target: &Path) -> Result<Self> {
        let target = match Target::look_at(target)? {
            Target::Absent(path) | Target::File(path) => path,
            Target::Folder(path) => return Err(no_file(&path, "a folder")),
            Target::Stream(path) => return Err(no_file(&path, "a pipe, socket or device")),
        };
        clean_around(&target);
        Self::make(&folder_of(&target), target)
    }

    /// A file in a folder, for [`place`](Self::place). Stale staging there stays: [`clean_stale`](crate::clean_stale) removes
    /// it.
    ///
    /// # Errors
    /// I/O errors.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        Self::make(folder, PathBuf::new())
    }

    fn make(folder: &Path, target: PathBuf) -> Result<Self> {
        let failed = |e| Error::io("making a file in", folder, e);
        loop {
            let (file, path) =
                builder().make_in(folder, sys::create_new).map_err(failed)?.into_parts();
            if sys::lock_new(&file, &path).map_err(|e| Error::io("locking", &path, e))? {
                return Ok(Self { path, file: Arc::new(file), target, shows: false });
            }
        }
    }

    /// The file, open for reading and writing.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it will be published.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Makes it durable and shows it at the target. A replaced file's mode and owner are kept.
    ///
    /// # Errors
    /// `AlreadyExists` when the target is there and must not be; I/O errors. It can be called again.
    pub fn publish(&mut self, how: Publish) -> Result<()> {
        let target = self.target.clone();
        if self.shows {
            return sync_published(&target);
        }
        let failed = |e| Error::io("writing", &target, e);
        if how == Publish::Replace
            && let Ok(old) = target.symlink_metadata()
            && old.is_file()
        {
            sys::adopt(&self.file, &old).map_err(failed)?;
        }
        self.file.sync_all().map_err(failed)?;
        match how {
            Publish::Replace => fs::rename(&self.path, &target).map_err(|e| replacing(&target, e)),
            Publish::Create => sys::rename_new(&self.path, &target).map_err(failed),
        }?;
        self.published();
        sync_published(&target)
    }

    /// Makes it durable and shows it at the target, unless something is there: then it is given back.
    ///
    /// # Errors
    /// I/O errors.
    pub fn publish_new(mut self) -> Result<Option<Self>> {
        let failed = |e| Error::io("writing", &self.target, e);
        self.file.sync_all().map_err(failed)?;
        match sys::rename_new(&self.path, &self.target) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(Some(self)),
            Err(e) => return Err(failed(e)),
        }
        self.published();
        sync_published(&self.target).map(|()| None)
    }

    /// Makes its content durable and gives it a name, replacing what has that name. The name is durable only after
    /// [`sync_folder`], so that many files can share one.
    ///
    /// # Errors
    /// I/O errors.
    pub fn place(self, path: &Path) -> Result<()> {
        self.file.sync_all().map_err(|e| Error::io("writing", path, e))?;
        self.place_unsynced(path)
    }

    /// Gives it a name, replacing what has that name. Nothing is durable: for files in a
    /// [`StagedFolder`](crate::StagedFolder), whose publishing syncs all of them.
    ///
    /// # Errors
    /// I/O errors.
    pub fn place_unsynced(mut self, path: &Path) -> Result<()> {
        fs::rename(&self.path, path).map_err(|e| Error::io("writing", path, e))?;
        self.published();
        Ok(())
    }

    fn published(&mut self) {
        self.shows = true;
        // The published file may stay open elsewhere, and is staging no more. Without locks there is none to give up.
        let _ = self.file.unlock();
        // It has gone from that name.
        self.path.disable_cleanup(true);
    }
}

/// Writes a small file and shows it, durably and at once. A symlink at the path is replaced, not followed.
///
/// # Errors
/// `AlreadyExists` when the path is there and must not be; I/O errors.
pub fn put_file(path: &Path, bytes: &[u8], how: Publish) -> Result<()> {
    clean_around(path);
    let mut staged = StagedFile::make(&folder_of(path), path.to_owned())?;
    sys::write_all_at(&staged.file, bytes, 0).map_err(|e| Error::io("writing", path, e))?;
    staged.publish(how)
}

/// Makes the names in a folder survive a power cut.
///
/// # Errors
/// I/O errors, with the path.
pub fn sync_folder(folder: &Path) -> Result<()> {
    sys::sync_folder(folder).map_err(|e| Error::io("syncing", folder, e))
}

/// Makes the name of what was just published survive a power cut.
pub(crate) fn sync_published(target: &Path) -> Result<()> {
    let says = || format!("{} is there, whole, and may not survive a power cut", target.display());
    sync_folder(&folder_of(target)).context(says)
}

fn no_file(path: &Path, what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{} is {what}, and is not replaced by a file", path.display()),
    )
}

fn replacing(target: &Path, error: io::Error) -> Error {
    let busy = error.kind() == io::ErrorKind::ResourceBusy;
    let error = Error::io("replacing", target, error);
    if busy { error.hint("it is a mount point: mount its folder instead") } else { error }
}
