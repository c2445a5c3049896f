//! [`Target`]: what stands at a path.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use transship_core::{Error, ErrorKind, Result};

use crate::sys::{self, if_there};

/// Symlinks that are followed in a row, as Linux does.
const LINKS: usize = 40;

/// What stands at a path, the last symlinks resolved. The paths are the resolved ones: to be renamed over, or opened. They
/// are absolute, so that they stay what they are when the program goes to another working folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing; also where a symlink leads nowhere.
    Absent(PathBuf),
    /// A regular file.
    File(PathBuf),
    /// A folder.
    Folder(PathBuf),
    /// A pipe, socket or device: written in order, never renamed over.
    Stream(PathBuf),
}

impl Target {
    /// Looks at a path. The answer may be outdated at once.
    ///
    /// # Errors
    /// I/O errors with the path, `Unexpected` for a loop of symlinks.
    pub fn look_at(path: &Path) -> Result<Self> {
        let mut at = std::path::absolute(path).map_err(|e| Error::io("looking at", path, e))?;
        for _ in 0..=LINKS {
            let found = if_there(at.symlink_metadata());
            let Some(found) = found.map_err(|e| Error::io("looking at", path, e))? else {
                return Ok(Self::Absent(at));
            };
            if !found.is_symlink() {
                return Ok(Self::of(&found, at));
            }
            let to = at.read_link().map_err(|e| Error::io("reading the link", &at, e))?;
            at = folder_of(&at).join(to);
        }
        Err(Error::new(
            ErrorKind::Unexpected,
            format!("{}: more than {LINKS} symlinks in a row", path.display()),
        ))
    }

    /// The resolved path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Absent(path) | Self::File(path) | Self::Folder(path) | Self::Stream(path) => path,
        }
    }

    fn of(found: &Metadata, path: PathBuf) -> Self {
        if found.is_file() {
            Self::File(path)
        } else if found.is_dir() {
            Self::Folder(path)
        } else {
            Self::Stream(path)
        }
    }
}

/// Opens a regular file for reading. It never waits, as opening a pipe would.
///
/// # Errors
/// `NotFound` with the path; `Unsupported` for what is no regular file.
pub fn open_regular(path: &Path) -> Result<File> {
    let opening = |e| Error::io("opening", path, e);
    // Looked at before: opening a device can have effects.
    regular(&path.metadata().map_err(opening)?, path)?;
    let file = sys::open_without_waiting(path).map_err(opening)?;
    // And after: it may have been replaced in between.
    regular(&file.metadata().map_err(opening)?, path)?;
    Ok(file)
}

/// What is in a folder, sorted; nothing where it is not there.
///
/// # Errors
/// I/O errors with the path.
pub fn list_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = list_chosen(folder, |_| true)?;
    paths.sort();
    Ok(paths)
}

/// What is in a folder and has a name that is chosen, in any order: of a folder of many other files little is kept.
pub(crate) fn list_chosen(folder: &Path, chosen: impl Fn(&OsStr) -> bool) -> Result<Vec<PathBuf>> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder)?;
        let chosen = |entry: &io::Result<DirEntry>| {
            entry.as_ref().map_or(true, |entry| chosen(&entry.file_name()))
        };
        entries.filter(chosen).map(|entry| Ok(entry?.path())).collect()
    };
    let listed = if_there(list()).map_err(|e| Error::io("listing", folder, e))?;
    Ok(listed.unwrap_or_default())
}

/// The folder that a path is in; `.` for a bare name.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

pub(crate) fn regular(found: &Metadata, path: &Path) -> Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let what = if found.is_dir() { "a folder" } else { "a pipe, socket or device" };
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("{} is {what}, a regular file is needed", path.display()),
    ))
}

/// A path for messages, as a person would type it: without the working folder in front.
pub fn shown(path: &Path) -> &Path {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok())
        .filter(|rest| !rest.as_os_str().is_empty())
        .unwrap_or(path)
}
