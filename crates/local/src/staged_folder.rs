//! [`StagedFolder`]: a folder that shows at once, whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use transship_core::{Cancel, Error, ErrorKind, Observer, Result};

use crate::sink::WRITE_BACK;
use crate::staged::sync_published;
use crate::stale::{LOCK, builder, remove_remains, remove_staged_folder};
use crate::swap::{self, NEW, SWAP};
use crate::target::{Target, folder_of};
use crate::{Lock, LockWait, Publish, clean_around, settle, sync_folder, sys};

/// Looks at a folder that is being replaced: an error keeps it.
pub type CheckOld<'a> = dyn Fn(&Path) -> Result<()> + 'a;

/// A folder being filled under a name of its own; dropping it removes it.
#[derive(Debug)]
pub struct StagedFolder {
    staging: Staging,
    new: PathBuf,
    target: PathBuf,
    inside: bool,
    /// Whether it is at the target.
    shows: bool,
}

impl StagedFolder {
    /// An empty folder near `target`, for [`publish`](Self::publish). Symlinks at `target` are resolved. Removes stale
    /// staging there, and completes an interrupted swap of `target`.
    ///
    /// # Errors
    /// `Unsupported` when something that is no folder stands there; `Cancelled`; I/O errors.
    pub fn beside(target: &Path, cancel: &Cancel) -> Result<Self> {
        match Target::look_at(target)? {
            Target::Absent(path) => Self::make(&nearest_folder(&path), path, false),
            Target::Folder(path) => {
                settle(&path, cancel)?;
                Self::near(&path)
            }
            Target::File(path) | Target::Stream(path) => Err(Error::new(
                ErrorKind::Unsupported,
                format!("{} is no folder, and is not replaced by one", path.display()),
            )),
        }
    }

    /// An empty folder in another one, for files that are moved out of it. It is not published. Removes stale staging
    /// there.
    ///
    /// # Errors
    /// I/O errors.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let folder = std::path::absolute(folder).map_err(|e| Error::io("looking at", folder, e))?;
        Self::make(&folder, folder.clone(), true)
    }

    /// The observer of warnings: what of it, or of what it replaced, could not be removed.
    #[must_use]
    pub fn with_observer(mut self, observer: &Observer) -> Self {
        self.staging.observer = observer.clone();
        self
    }

    /// Where to put files.
    pub fn path(&self) -> &Path {
        &self.new
    }

    /// Where it will be published.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Makes all of it durable and shows it at the target, whose mode and owner are kept. With
    /// [`Create`](Publish::Create) an empty folder there is taken, too.
    ///
    /// # Errors
    /// `AlreadyExists` when the target is there and must not be; `Cancelled`; I/O errors. It can be called again.
    pub fn publish(&mut self, how: Publish, cancel: &Cancel) -> Result<()> {
        self.publish_over(how, &|_| Ok(()), cancel)
    }

    /// As [`publish`](Self::publish), if a function finds nothing wrong with the folder that is replaced. It sees that folder
    /// as it was taken from its place, with what others put there up to that moment; where it fails, the folder goes back.
    ///
    /// # Errors
    /// As [`publish`](Self::publish); those of the function.
    pub fn publish_over(
        &mut self,
        how: Publish,
        check_old: &CheckOld<'_>,
        cancel: &Cancel,
    ) -> Result<()> {
        if self.shows {
            return sync_published(&self.target);
        }
        sync_tree(&self.new, cancel)?;
        cancel.check()?;
        if self.inside {
            self.publish_inside(how, check_old, cancel)
        } else {
            self.publish_beside(how, check_old, cancel)
        }
    }

    /// As [`publish`](Self::publish) with [`Create`](Publish::Create), but by one rename or not at all. Gives whether it
    /// shows: it does not, and all of it is durable, when something is at the target, or an empty folder there cannot be
    /// renamed over.
    ///
    /// # Errors
    /// `Cancelled`; I/O errors. It can be called again.
    pub fn publish_new(&mut self, cancel: &Cancel) -> Result<bool> {
        if self.shows {
            return sync_published(&self.target).map(|()| true);
        }
        self.sync(cancel)?;
        cancel.check()?;
        if self.inside {
            return Ok(false);
        }
        match self.rename(Publish::Create, &|_| Ok(())) {
            Ok(()) => sync_published(&self.target).map(|()| true),
            Err(e) if is_taken(&e) || (is_fixed(&e) && self.target.is_dir()) => Ok(false),
            Err(e) => Err(Error::io("writing", &self.target, e)),
        }
    }

    /// Makes all that is in it durable.
    ///
    /// # Errors
    /// `Cancelled`; I/O errors.
    pub fn sync(&self, cancel: &Cancel) -> Result<()> {
        sync_tree(&self.new, cancel)
    }

    /// One rename, or an exchange of the two. Where it fails, the folders above that were made go again.
    fn rename(&mut self, how: Publish, check_old: &CheckOld<'_>) -> io::Result<()> {
        let target = self.target.clone();
        let missing = missing_parents(&target);
        let renamed = make_parents(&target).and_then(|()| {
            adopt(&self.new, &target)?;
            match fs::rename(&self.new, &target) {
                Err(e) if how == Publish::Replace && is_taken(&e) => self.exchange(check_old),
                renamed => renamed,
            }
        });
        self.shows = renamed.is_ok();
        if renamed.is_err() {
            for folder in missing {
                // Somebody else may have put something there.
                let _ = fs::remove_dir(folder);
            }
        }
        renamed
    }

    /// Exchanges the two folders, and back where the old one is not to be replaced.
    fn exchange(&mut self, check_old: &CheckOld<'_>) -> io::Result<()> {
        sys::exchange(&self.new, &self.target)?;
        let Err(refused) = check_old(&self.new) else { return Ok(()) };
        match sys::exchange(&self.new, &self.target) {
            Ok(()) => Err(refused.into_io()),
            Err(e) => {
                self.staging.keep = true;
                let kept = format!("what was there is kept in {}", self.new.display());
                Err(Error::io("putting back", &self.target, e).hint(kept).into_io())
            }
        }
    }

    fn near(target: &Path) -> Result<Self> {
        let target = target.canonicalize().map_err(|e| Error::io("looking at", target, e))?;
        let fixed = target.parent().is_none()
            || sys::is_mount_point(&target)
            // A process that works in it would be in a removed folder.
            || std::env::current_dir().is_ok_and(|here| here.starts_with(&target));
        if fixed {
            return Self::make(&target.clone(), target, true);
        }
        match Self::make(&folder_of(&target), target.clone(), false) {
            Err(e) if e.kind() == ErrorKind::Denied => Self::make(&target.clone(), target, true),
            made => made,
        }
    }

    fn make(folder: &Path, target: PathBuf, inside: bool) -> Result<Self> {
        clean_around(&folder.join(NEW));
        if folder_of(&target) != folder {
            clean_around(&target);
        }
        let staging = Staging::make(folder)?;
        let new = staging.path.join(NEW);
        fs::create_dir(&new).map_err(|e| Error::io("making", &new, e))?;
        Ok(Self { staging, new, target, inside, shows: false })
    }

    fn publish_beside(
        &mut self,
        how: Publish,
        check_old: &CheckOld<'_>,
        cancel: &Cancel,
    ) -> Result<()> {
        match self.rename(how, check_old) {
            Ok(()) => {
                let synced = sync_published(&self.target);
                self.staging.remove();
                synced
            }
            Err(e) if is_taken(&e) => Err(exists(&self.target)),
            Err(e) if is_fixed(&e) && self.target.is_dir() => {
                self.publish_inside(how, check_old, cancel)
            }
            Err(e) => Err(Error::io("writing", &self.target, e)),
        }
    }

    fn publish_inside(
        &mut self,
        how: Publish,
        check_old: &CheckOld<'_>,
        cancel: &Cancel,
    ) -> Result<()> {
        let swap = self.target.join(SWAP);
        swap::write_list(&self.staging.path)?;
        adopt(&self.staging.path, &self.target)
            .map_err(|e| Error::io("writing", &self.staging.path, e))?;
        // No other process may publish between the look and the rename; without locks that is unlikely enough.
        let wait = LockWait::new(&self.staging.observer, None);
        let alone = match Lock::exclusive(&self.target, &wait, cancel) {
            Err(e) if e.kind() == ErrorKind::Unsupported => None,
            lock => Some(lock?),
        };
        loop {
            settle(&self.target, cancel)?;
            if how == Publish::Create && !swap::is_empty(&self.target)? {
                return Err(exists(&self.target));
            }
            check_old(&self.target)?;
            match fs::rename(&self.staging.path, &swap) {
                Ok(()) => break,
                Err(e) if is_taken(&e) => {}
                Err(e) => return Err(Error::io("writing", &self.target, e)),
            }
        }
        drop(alone);
        // From here on it counts: it is completed now or later, not removed.
        (self.staging.keep, self.shows) = (true, true);
        let synced = sync_published(&swap);
        swap::complete_now(&swap, &self.target, &self.staging.observer)?;
        synced
    }
}

/// A folder of ours whose lock is held; dropping it removes it.
#[derive(Debug)]
struct Staging {
    path: PathBuf,
    keep: bool,
    observer: Observer,
    _lock: File,
}

impl Staging {
    fn make(folder: &Path) -> Result<Self> {
        let failed = |e| Error::io("making a folder in", folder, e);
        loop {
            let path = builder()
                .make_in(folder, sys::create_private_folder)
                .map_err(failed)?
                .into_temp_path()
                .keep()
                .map_err(|e| failed(e.error))?;
            match lock_new(&path) {
                Ok(Some(lock)) => {
                    let observer = Observer::default();
                    return Ok(Self { path, keep: false, observer, _lock: lock });
                }
                Ok(None) => {}
                Err(e) => {
                    // What cannot be removed now is stale for the next writer.
                    let _ = fs::remove_file(path.join(LOCK));
                    let _ = fs::remove_dir(&path);
                    return Err(failed(e));
                }
            }
        }
    }

    /// Removes it with the old content that is in it, after the new content shows.
    fn remove(&mut self) {
        self.keep = true;
        remove_remains(&self.path, &self.observer);
    }
}

/// The lock of a folder that was just made; `None` where a cleaner saw it before its lock, and removes it.
fn lock_new(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    let Some(lock) = sys::if_there(sys::create_new(&path))? else { return Ok(None) };
    Ok(sys::lock_new(&lock, &path)?.then_some(lock))
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed now is stale for the next writer.
            let _ = remove_staged_folder(&self.path);
        }
    }
}

/// The folders above a path that are not there, the deepest first.
fn missing_parents(path: &Path) -> Vec<&Path> {
    let above = path.ancestors().skip(1);
    above.take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect()
}

/// The nearest folder above a path that is not there.
fn nearest_folder(path: &Path) -> PathBuf {
    folder_of(missing_parents(path).last().copied().unwrap_or(path))
}

/// Makes a folder with those above it, durably: where it was not there, it survives a power cut.
///
/// # Errors
/// I/O errors.
pub fn make_folder(path: &Path) -> Result<()> {
    let making = |e| Error::io("making", path, e);
    if path.is_dir() {
        return Ok(());
    }
    make_parents(path).map_err(making)?;
    match fs::create_dir(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => Err(making(e)),
        _ => sys::sync_folder(&folder_of(path)).map_err(making),
    }
}

/// Makes the folders above a path, durably.
fn make_parents(path: &Path) -> io::Result<()> {
    for folder in missing_parents(path).iter().rev() {
        fs::create_dir_all(folder)?;
        sys::sync_folder(&folder_of(folder))?;
    }
    Ok(())
}

fn adopt(new: &Path, old: &Path) -> io::Result<()> {
    match old.metadata() {
        Ok(old) if old.is_dir() => sys::adopt(&File::open(new)?, &old),
        _ => Ok(()),
    }
}

/// Makes a tree durable: few files one by one, many by one sync of the filesystem, which costs a sixth.
fn sync_tree(folder: &Path, cancel: &Cancel) -> Result<()> {
    const FEW: usize = 64;
    let syncing = |e| Error::io("syncing", folder, e);
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    let mut at = 0;
    while let Some(folder) = folders.get(at).cloned() {
        for entry in fs::read_dir(folder).map_err(syncing)? {
            let entry = entry.map_err(syncing)?;
            let kind = entry.file_type().map_err(syncing)?;
            if kind.is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
        at += 1;
    }
    if files.len() > FEW
        && sys::sync_filesystem(&File::open(folder).map_err(syncing)?).map_err(syncing)?
    {
        return Ok(());
    }
    // All begin to be written before the first is waited for: then one commit of the filesystem's journal serves most of them.
    let steps: [fn(&File) -> io::Result<()>; 2] = [write_back_if_small, File::sync_all];
    for step in steps {
        for file in &files {
            cancel.check()?;
            File::open(file)
                .and_then(|opened| step(&opened))
                .map_err(|e| Error::io("syncing", file, e))?;
        }
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

/// Begins to write a small file to the disk. For larger ones that began while they were filled.
fn write_back_if_small(file: &File) -> io::Result<()> {
    let len = file.metadata()?.len();
    if len < WRITE_BACK {
        sys::begin_write_back(file, 0, len);
    }
    Ok(())
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists)
}

/// Whether a folder cannot be renamed over or exchanged where it is.
fn is_fixed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices)
        || sys::unsupported(error)
}

fn exists(target: &Path) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("{} is there already", target.display()))
}
