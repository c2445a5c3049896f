//! [`Fixture`]: a transport, and fresh places for images.

use std::any::Any;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use transship_core::Transport;

use crate::Claims;

/// What a transport's author gives the kit.
pub trait Fixture: fmt::Debug + Send + Sync + 'static {
    /// A new value of the transport. What another value has written must be there for it.
    fn transport(&self) -> Arc<dyn Transport>;

    /// A fresh place where nothing is.
    fn place(&self) -> std::io::Result<Place>;

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
    /// A place by the locator of its container, without an image's name. Dropping the guard cleans up.
    pub fn new(locator: impl Into<String>, guard: impl Any + Send + Sync) -> Self {
        Self { locator: locator.into(), folder: None, _guard: Guard(Box::new(guard)) }
    }

    /// A file or folder that is not there yet, alone in a temporary folder. All of that folder belongs to the snapshots,
    /// so that forgotten temporary files are seen.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn in_folder(name: &str) -> std::io::Result<Self> {
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
}
