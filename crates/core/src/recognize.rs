//! [`Candidate`]: what is at a path that was given without a transport, for transports to recognize.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::{Error, ErrorKind, FileRange, Passed, ReadOptions, Result};

/// How many bytes of a file are read for [`Candidate::head`].
const HEAD_LEN: usize = 4096;

/// Something at a path that was given without a transport. [`Transport::recognize`](crate::Transport::recognize) says whose
/// it is.
#[derive(Debug)]
pub struct Candidate {
    path: PathBuf,
    is_folder: bool,
    head: Vec<u8>,
    how: ReadOptions,
    opened: Mutex<HashMap<TypeId, Option<Passed>>>,
}

/// What a transport says of a [`Candidate`] that it recognizes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Recognized {
    /// The locator of the place. What selects an image may be appended to it.
    pub locator: String,
    /// The place, as it was opened to recognize it: [`ReadOptions::passed`] for reading it.
    pub opened: Option<Passed>,
}

impl Recognized {
    /// A place that was not opened.
    pub fn new(locator: impl Into<String>) -> Self {
        Self { locator: locator.into(), opened: None }
    }

    /// A place that was opened, and is not opened a second time.
    #[must_use]
    pub fn opened(mut self, opened: Passed) -> Self {
        self.opened = Some(opened);
        self
    }
}

impl Candidate {
    /// Looks at a path; `-` is the standard input. Blocks.
    ///
    /// # Errors
    /// `InvalidInput` for what is neither a file nor a folder; I/O errors.
    pub fn look(path: impl Into<PathBuf>, how: &ReadOptions) -> Result<Self> {
        let path = path.into();
        let (is_folder, head) = if path == Path::new("-") {
            (false, head_of_stdin(&path)?)
        } else {
            let found = path.metadata().map_err(|e| Error::io("opening", &path, e))?;
            if !found.is_dir() && !found.is_file() {
                let message = "it is neither a file nor a folder";
                return Err(Error::new(ErrorKind::InvalidInput, message)
                    .hint("name the transport, as in docker-archive:PATH"));
            }
            let head = if found.is_dir() { may_look_into(&path)? } else { head_of(&path)? };
            (found.is_dir(), head)
        };
        Ok(Self { path, is_folder, head, how: how.clone(), opened: Mutex::default() })
    }

    /// The path, or `-`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The first bytes, at most 4096. There are none of a folder, and of a pipe, which can be read only once.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Opens it as a `T`, unless another transport did so before: a large archive is read and decompressed once, however
    /// many transports look at it. `None` if it failed before; the first error counts.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn open_once<T: Any + Send + Sync>(
        &self,
        open: impl FnOnce(&Path, &ReadOptions) -> Result<T>,
    ) -> Result<Option<Passed>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = opened.get(&TypeId::of::<T>()) {
            return Ok(before.clone());
        }
        let outcome = open(&self.path, &self.how).map(Passed::new);
        opened.insert(TypeId::of::<T>(), outcome.as_ref().ok().cloned());
        outcome.map(Some)
    }

    /// Why nobody recognizes it.
    pub(crate) fn unknown(&self) -> Error {
        let (kind, what) = if self.is_folder {
            (ErrorKind::InvalidInput, "folder")
        } else {
            (ErrorKind::Corrupt, "file")
        };
        Error::new(kind, format!("no image is found in this {what}"))
            .hint("if it is a place for images, name the transport, as in oci:PATH or docker-archive:PATH")
    }
}

/// A folder has no head. Transports look for files in it, and would find none where they may not look.
fn may_look_into(folder: &Path) -> Result<Vec<u8>> {
    folder.join(".").metadata().map_err(|e| Error::io("looking into", folder, e))?;
    Ok(Vec::new())
}

fn head_of(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|e| Error::io("opening", path, e))?;
    read_head(file, path)
}

#[cfg(unix)]
fn head_of_stdin(name: &Path) -> Result<Vec<u8>> {
    use std::os::fd::AsFd;
    let own = std::io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let file = own.map_err(|e| Error::io("opening", name, e))?;
    let is_file = file.metadata().is_ok_and(|found| found.is_file());
    if is_file { read_head(file, name) } else { Ok(Vec::new()) }
}

#[cfg(not(unix))]
fn head_of_stdin(_: &Path) -> Result<Vec<u8>> {
    Ok(Vec::new())
}

/// Without moving the position at which the file is read.
fn read_head(file: File, path: &Path) -> Result<Vec<u8>> {
    let range = FileRange::whole(file, path)?;
    let mut head = vec![0; HEAD_LEN];
    let n = range.read_at(0, &mut head)?;
    head.truncate(n);
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened_once_is_shared_also_if_it_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, vec![7; HEAD_LEN + 1]).unwrap();
        let found = Candidate::look(&path, &ReadOptions::default()).unwrap();
        assert!(!found.is_folder() && found.head() == vec![7; HEAD_LEN]);
        let first = found.open_once(|_, _| Ok(5_u8)).unwrap().unwrap();
        let second = found.open_once(|_, _| Ok(6_u8)).unwrap().unwrap();
        assert_eq!(
            (first.get::<u8>().as_deref(), second.get::<u8>().as_deref()),
            (Some(&5), Some(&5))
        );
        let failed = || Error::new(ErrorKind::Corrupt, "no");
        assert!(found.open_once::<u16>(|_, _| Err(failed())).is_err());
        assert!(found.open_once::<u16>(|_, _| Ok(1)).unwrap().is_none());
        let found = Candidate::look(folder.path(), &ReadOptions::default()).unwrap();
        assert!(found.is_folder() && found.head().is_empty());
    }
}
