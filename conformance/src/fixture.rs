//! [`Fixture`]: a transport, and fresh places for images.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use transship_core::{Transport, sha256};

use crate::Claims;

/// What a transport's author gives the kit.
pub trait Fixture: fmt::Debug + Send + Sync + 'static {
    /// A new value of the transport. What another value has written must be there for it.
    fn transport(&self) -> Arc<dyn Transport>;

    /// A fresh place where nothing is.
    fn place(&self) -> io::Result<Place>;

    /// What "leaves no trace" and "gives the same" mean at a place: facts under names. What the transport lists and reads
    /// there is always part of it; this is what is beyond, by default every file of the place's own folder.
    ///
    /// A database gives its rows instead of its file, a registry its blobs and uploads. Names follow from what is there, as digests do, and not from the
    /// order in which it came, as numbers of rows do: laws compare the snapshots of places that hold the same images.
    ///
    /// # Errors
    /// When it cannot be looked at.
    fn snapshot(&self, place: &Place) -> io::Result<BTreeMap<String, String>> {
        place.files()
    }

    /// What legitimately differs from the strictest transport.
    fn claims(&self) -> Claims {
        Claims::default()
    }
}

/// A place where nothing is, and what cleans it up when it is dropped.
#[derive(Debug)]
pub struct Place {
    locator: String,
    folder: Option<PathBuf>,
    _guard: Guard,
}

struct Guard(#[expect(dead_code, reason = "held")] Box<dyn Any + Send + Sync>);

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

impl Place {
    /// A place by the locator of its archive, without an image's name. Dropping the guard cleans up.
    pub fn new(locator: impl Into<String>, guard: impl Any + Send + Sync) -> Self {
        Self { locator: locator.into(), folder: None, _guard: Guard(Box::new(guard)) }
    }

    /// A place without files, of a transport that keeps its images in memory. Its locator is `place-N`, with another N for each
    /// call in this process.
    pub fn in_memory() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self::new(format!("place-{}", NEXT.fetch_add(1, Ordering::Relaxed)), ())
    }

    /// A file or folder that is not there yet, alone in a temporary folder. All of that folder belongs to the snapshots,
    /// so that forgotten temporary files are seen.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn in_folder(name: &str) -> io::Result<Self> {
        let folder = TempDir::with_prefix("kit")?;
        let locator = folder.path().join(name).display().to_string();
        Ok(Self {
            locator,
            folder: Some(folder.path().to_owned()),
            _guard: Guard(Box::new(folder)),
        })
    }

    /// Its locator.
    pub fn locator(&self) -> &str {
        &self.locator
    }

    /// The folder that is all its own, if it has one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Every file below the folder that is all its own, by its path from there, with a digest of its bytes; nothing where there is
    /// no folder.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn files(&self) -> io::Result<BTreeMap<String, String>> {
        let Some(folder) = self.folder() else { return Ok(BTreeMap::new()) };
        let (mut found, mut waiting) = (BTreeMap::new(), vec![folder.to_owned()]);
        while let Some(path) = waiting.pop() {
            for entry in fs::read_dir(&path)? {
                let path = entry?.path();
                let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
                let kind = path.symlink_metadata()?.file_type();
                if kind.is_dir() {
                    found.insert(name, "folder".to_owned());
                    waiting.push(path);
                } else if kind.is_file() {
                    found.insert(name, sha256(&fs::read(&path)?).to_string());
                } else {
                    found.insert(name, format!("{kind:?}"));
                }
            }
        }
        Ok(found)
    }
}
