//! [`Folder`]: a folder being read.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use transship_core::{Error, ErrorKind, Result};

use crate::swap::{LIST, NEW, SWAP, is_spared, read_list};
use crate::sys::FolderHandle;
use crate::target::regular;

/// Tries to read one state of a folder that is being replaced all the time.
const TRIES: usize = 50;

/// More than a tick of the kernel's clock, by which files are stamped.
const TICK: Duration = Duration::from_millis(10);

/// An open folder. When another one takes its name, this one still reads the old files, or fails once they are removed.
///
/// Where a swap of its content is not complete, it shows the new content (see [`settle`](crate::settle)).
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    handle: FolderHandle,
    changed: Option<SystemTime>,
    swap: Option<Swap>,
}

#[derive(Debug)]
struct Swap {
    names: BTreeSet<String>,
    /// `None` when all of it is in its place.
    new: Option<FolderHandle>,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    /// `NotFound` with the path, `Unsupported` when it is no folder, I/O errors.
    pub fn open(path: &Path) -> Result<Self> {
        let opening = |e| Error::io("opening", path, e);
        if !fs::metadata(path).map_err(opening)?.is_dir() {
            let message = format!("{} is no folder", path.display());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let handle = FolderHandle::open(path).map_err(opening)?;
        // Before the look at the swap: see `read`.
        let changed = changed(&handle, path)?;
        let swap = Swap::of(&handle, path)?;
        Ok(Self { path: path.to_owned(), handle, changed, swap })
    }

    /// Opens a folder and reads several of its files as they are at one moment: `read` may be called again if the
    /// content is swapped while it runs.
    ///
    /// # Errors
    /// As [`open`](Self::open), those of `read`, and `Unavailable` when the folder does not stop changing.
    pub fn read<T>(path: &Path, read: impl Fn(&Self) -> Result<T>) -> Result<(Self, T)> {
        for _ in 0..TRIES {
            let folder = Self::open(path)?;
            let result = read(&folder);
            if folder.is_unchanged()? {
                return result.map(|value| (folder, value));
            }
            std::thread::sleep(TICK);
        }
        let message = format!("{} is being written again and again", path.display());
        Err(Error::new(ErrorKind::Unavailable, message))
    }

    /// Where it was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file in it, without following a symlink out of it.
    ///
    /// # Errors
    /// `NotFound` with the path, `Unsupported` for what is no regular file, I/O errors.
    pub fn file(&self, name: &str) -> Result<File> {
        let path = self.path.join(name);
        let file = self.open_file(name).map_err(|e| Error::io("opening", &path, e))?;
        let found = file.metadata().map_err(|e| Error::io("opening", &path, e))?;
        regular(&found, &path)?;
        Ok(file)
    }

    /// The names in it, sorted, without those of our staging.
    ///
    /// # Errors
    /// I/O errors; `Unexpected` for a name that is not UTF-8.
    pub fn names(&self) -> Result<Vec<String>> {
        if let Some(swap) = &self.swap {
            return Ok(swap.names.iter().cloned().collect());
        }
        let listed = self.handle.names().map_err(|e| Error::io("listing", &self.path, e))?;
        let mut names: Vec<String> =
            listed.into_iter().filter(|name| !is_spared(Some(name))).collect();
        names.sort();
        Ok(names)
    }

    fn open_file(&self, name: &str) -> io::Result<File> {
        let Some(swap) = &self.swap else { return self.handle.file(name) };
        if !swap.names.contains(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        // It moves from there to here and never back.
        match swap.new.as_ref().map(|new| new.file(name)) {
            Some(Err(e)) if e.kind() == io::ErrorKind::NotFound => self.handle.file(name),
            Some(opened) => opened,
            None => self.handle.file(name),
        }
    }

    /// Whether no name in it has changed since it was opened: neither a commit nor a step of completing one.
    fn is_unchanged(&self) -> Result<bool> {
        let now = changed(&self.handle, &self.path)?;
        // Two changes within a tick of the kernel's clock look like one.
        let settled =
            now.and_then(|at| at.elapsed().ok()).is_none_or(|since_then| since_then > TICK);
        Ok(settled && now == self.changed)
    }
}

fn changed(folder: &FolderHandle, path: &Path) -> Result<Option<SystemTime>> {
    Ok(folder.metadata().map_err(|e| Error::io("looking at", path, e))?.modified().ok())
}

impl Swap {
    fn of(folder: &FolderHandle, path: &Path) -> Result<Option<Self>> {
        let path = path.join(SWAP);
        let absent = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
        let swap = match folder.folder(SWAP) {
            Ok(swap) => swap,
            Err(e) if absent(&e) => return Ok(None),
            Err(e) => return Err(Error::io("opening", &path, e)),
        };
        let list = match swap.file(LIST) {
            Ok(list) => list,
            // All is in its place.
            Err(e) if absent(&e) => return Ok(None),
            Err(e) => return Err(Error::io("opening", path.join(LIST), e)),
        };
        let names = read_list(&list, &path.join(LIST))?;
        match swap.folder(NEW) {
            Ok(new) => Ok(Some(Self { names, new: Some(new) })),
            Err(e) if absent(&e) => Ok(Some(Self { names, new: None })),
            Err(e) => Err(Error::io("opening", path.join(NEW), e)),
        }
    }
}
