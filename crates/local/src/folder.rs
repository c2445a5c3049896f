//! [`Folder`]: a folder being read.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use transship_core::{Error, ErrorKind, Result};

use crate::stale::LOCK;
use crate::swap::{LIST, NEW, SWAP, is_spared, read_list};
use crate::sys::{self, FolderHandle, if_there};
use crate::target::regular;

/// Tries to read one state of a folder that is being replaced all the time.
const TRIES: usize = 50;

/// How long to wait before the next try.
const PAUSE: Duration = Duration::from_millis(1);

/// An open folder. When another one takes its name, this one still reads the old files, or fails once they are removed.
///
/// Where a swap of its content is not complete, it shows the new content (see [`settle`](crate::settle)).
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    handle: FolderHandle,
    swap: Option<Swap>,
    /// What was seen, while [`read`](Self::read) is under way.
    seen: Mutex<Option<Vec<Seen>>>,
    /// What [`read`](Self::read) saw.
    read: Vec<Seen>,
}

/// What was seen in a folder, to be compared later. Files are kept open, so that no other gets their identity.
#[derive(Debug)]
enum Seen {
    File(String, Option<File>),
    Names(Vec<String>),
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
        let swap = Swap::of(&handle, path)?;
        let (seen, read) = (Mutex::default(), Vec::new());
        Ok(Self { path: path.to_owned(), handle, swap, seen, read })
    }

    /// Opens a folder and reads several of its files as they are at one moment: `read` may be called again if the
    /// content is swapped while it runs. What `read` opened stays open with the folder, to know it again.
    ///
    /// # Errors
    /// As [`open`](Self::open), those of `read`, and `Conflict` when the folder does not stop changing.
    pub fn read<T>(path: &Path, read: impl Fn(&Self) -> Result<T>) -> Result<(Self, T)> {
        for _ in 0..TRIES {
            let mut folder = Self::open(path)?;
            *folder.seen() = Some(Vec::new());
            let result = read(&folder);
            let seen = folder.seen().take();
            folder.read = seen.unwrap_or_default();
            if folder.is_unchanged()? {
                return result.map(|value| (folder, value));
            }
            std::thread::sleep(PAUSE);
        }
        let message = format!("{} is being written again and again", path.display());
        Err(Error::new(ErrorKind::Conflict, message))
    }

    /// Where it was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file in it, without following a symlink out of it.
    ///
    /// # Errors
    /// `NotFound` with the path, `Conflict` if something else took the place of what [`read`](Self::read) saw, `Unsupported`
    /// for what is no regular file, I/O errors.
    pub fn file(&self, name: &str) -> Result<File> {
        let path = self.path.join(name);
        let opening = |e| Error::io("opening", &path, e);
        let opened = self.open_file(name);
        if let Some(seen) = &mut *self.seen() {
            let file = opened.as_ref().ok().map(File::try_clone).transpose().map_err(opening)?;
            seen.push(Seen::File(name.to_owned(), file));
        }
        if opened.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            self.check_unchanged()?;
        }
        let file = opened.map_err(opening)?;
        regular(&file.metadata().map_err(opening)?, &path)?;
        Ok(file)
    }

    /// Refuses a folder that does not show any more what [`read`](Self::read) saw.
    ///
    /// # Errors
    /// `Conflict`; I/O errors.
    pub fn check_unchanged(&self) -> Result<()> {
        if self.is_unchanged()? {
            return Ok(());
        }
        let message = format!("{} was deleted or replaced while it was read", self.path.display());
        Err(Error::new(ErrorKind::Conflict, message).hint("try again"))
    }

    /// The names in it, sorted, without those of our staging. What of a name is not UTF-8 is replaced: no file of ours has
    /// such a name.
    ///
    /// # Errors
    /// I/O errors.
    pub fn names(&self) -> Result<Vec<String>> {
        let names = if let Some(swap) = &self.swap {
            swap.names.iter().cloned().collect()
        } else {
            let listed = self.handle.names();
            let mut names = listed.map_err(|e| Error::io("listing", &self.path, e))?;
            names.retain(|name| !is_spared(Some(name)));
            names.sort();
            names
        };
        if let Some(seen) = &mut *self.seen() {
            seen.push(Seen::Names(names.clone()));
        }
        Ok(names)
    }

    fn open_file(&self, name: &str) -> io::Result<File> {
        let Some(swap) = &self.swap else { return self.handle.file(name) };
        if !swap.names.contains(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        // It moves from there to here and never back.
        let new = swap.new.as_ref().map(|new| if_there(new.file(name))).transpose()?.flatten();
        new.map_or_else(|| self.handle.file(name), Ok)
    }

    /// Whether everything that was seen is there as it was: a swap replaces each file by another one.
    fn is_unchanged(&self) -> Result<bool> {
        if self.read.is_empty() {
            return Ok(true);
        }
        let now = match Self::open(&self.path) {
            Ok(now) => now,
            // Another tool replaces it by two renames, and this is between them.
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e),
        };
        for seen in &self.read {
            let same = match seen {
                Seen::Names(names) => now.names()? == *names,
                Seen::File(name, file) => {
                    same_file(file.as_ref(), now.open_file(name).ok().as_ref())
                }
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn seen(&self) -> MutexGuard<'_, Option<Vec<Seen>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same_file(a: Option<&File>, b: Option<&File>) -> bool {
    let identity = |file: &File| file.metadata().ok();
    match (a.map(identity), b.map(identity)) {
        (None, None) => true,
        (Some(Some(a)), Some(Some(b))) => sys::same_file(&a, &b),
        _ => false,
    }
}

impl Swap {
    fn of(folder: &FolderHandle, path: &Path) -> Result<Option<Self>> {
        let path = &path.join(SWAP);
        let opening = |name| move |e| Error::io("opening", path.join(name), e);
        let Some(swap) = if_there(folder.folder(SWAP)).map_err(opening(""))? else {
            return Ok(None);
        };
        // Where one of the two has gone, all is in its place.
        let Some(list) = if_there(swap.file(LIST)).map_err(opening(LIST))? else {
            return Ok(None);
        };
        let Some(lock) = if_there(swap.file(LOCK)).map_err(opening(LOCK))? else {
            return Ok(None);
        };
        let names = match read_list(&list, &lock, &path.join(LIST)) {
            Ok(names) => names,
            // They are being removed: all is in its place. The lock changes with that, and fits its list no more.
            Err(_) if sys::is_removed(&list) || sys::is_removed(&lock) => return Ok(None),
            Err(e) => return Err(e),
        };
        let new = if_there(swap.folder(NEW)).map_err(opening(NEW))?;
        Ok(Some(Self { names, new }))
    }
}
