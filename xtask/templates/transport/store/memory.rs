//! [`Store`]: where images are. Here: in memory.

#![allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "what a place offers, whether or not this one needs it")]

// Decide: this file is yours to replace. What it promises to the others is what a place has to offer: a change shows all
// at once or not at all, and who opened an archive before the change reads what it was, or an error.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transship_core::{
    Body, Cancel, Candidate, Digest, Error, ErrorKind, FileRange, Identity, Result, Stored,
};

use crate::images::{Blobs, Change, Images, missing};
use crate::writing::Place;

/// More than a blob in memory should have.
const LIMIT: u64 = 1 << 30;

/// Archives by their places. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store(Arc<Mutex<HashMap<PathBuf, Archive>>>);

/// What is at a place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Archive {
    pub(crate) images: Images,
    blobs: Blobs,
}

/// Where bytes wait that do not show yet.
#[derive(Debug)]
pub(crate) struct Room;

/// The bytes of a blob or manifest, wherever they are.
// Decide: for what is in no file, a type of your own that has `len` and `bytes`.
pub(crate) type Blob = FileRange;

/// They as a body.
// Decide: `Body::from_reader` and `Body::from_fn` are for what is in no file.
pub(crate) fn body(blob: Blob) -> Body {
    Body::from_file(blob)
}

impl Store {
    /// What is at a place.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) fn open(&self, path: &Path, cancel: &Cancel) -> Result<Archive> {
        self.find(path, cancel)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("nothing is at {}", path.display()))
        })
    }

    /// What is at a place, if anything is.
    pub(crate) fn find(&self, path: &Path, _: &Cancel) -> Result<Option<Archive>> {
        Ok(self.archives().get(path).cloned())
    }

    /// Whether a path is a place of ours: in memory there is none that others could see.
    pub(crate) fn recognizes(&self, _: &Candidate, _: &Cancel) -> Result<bool> {
        Ok(false)
    }

    /// What policies on trust call the images of a place.
    pub(crate) fn identity(&self, _: &Path) -> Identity {
        Identity::unnamed()
    }

    fn archives(&self) -> MutexGuard<'_, HashMap<PathBuf, Archive>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Archive {
    /// The bytes of a blob or manifest.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Option<Blob>> {
        Ok(self.blobs.get(digest).cloned())
    }

    /// Why a part of an image is not there.
    pub(crate) fn lost(&self, digest: &Digest) -> Error {
        missing(digest)
    }
}

impl Room {
    pub(crate) fn new(_: &Path, _: &Cancel) -> Result<Self> {
        Ok(Self)
    }

    /// Takes all bytes of a body.
    pub(crate) fn keep(&self, body: Body, cancel: &Cancel) -> Result<(Stored, Blob)> {
        let (mut chunks, mut bytes) = (body.chunks(cancel)?, Vec::new());
        while let Some(chunk) = chunks.next()? {
            if (bytes.len() + chunk.len()) as u64 > LIMIT {
                let message = format!("a blob of more than {LIMIT} bytes is not kept in memory");
                return Err(Error::new(ErrorKind::LimitExceeded, message));
            }
            bytes.extend_from_slice(chunk);
        }
        Ok((chunks.finish()?, FileRange::in_memory(bytes, Path::new("memory"))))
    }
}

impl Place {
    /// Changes what is there, all at once or not at all. What no image uses any more is forgotten.
    pub(crate) fn change(&self, new: &Blobs, _: &Cancel, change: &mut Change<'_>) -> Result<()> {
        // Nobody has it for long.
        let _ = &self.wait;
        let mut archives = self.store.archives();
        let Archive { mut images, blobs } = self.base(archives.get(&self.path).cloned())?;
        let find = |digest: &Digest| new.get(digest).or(blobs.get(digest));
        change(&mut images, &|digest| find(digest).is_some())?;
        let kept = |digest: &Digest| Some((digest.clone(), find(digest)?.clone()));
        let blobs = images.parts().into_iter().filter_map(kept).collect();
        archives.insert(self.path.clone(), Archive { images, blobs });
        Ok(())
    }
}
