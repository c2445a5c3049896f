//! [`Writing`]: what was put and does not show yet.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use transship_core::{
    Body, Cancel, Digest, Error, ErrorKind, Expect, Result, Stored, WriteMode,
};
use transship_local::{LockWait, Unpublished};

use crate::images::{Blobs, Image, Pending, gone};
use crate::store::{Blob, Archive, Room, Store, body};

/// Where images are, and how they are written there. Its [`change`](Place::change) is in `store.rs`.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) path: PathBuf,
    pub(crate) mode: WriteMode,
    /// How others are waited for that have it locked.
    pub(crate) wait: LockWait,
}

impl Place {
    /// What a change begins with, of what is there.
    pub(crate) fn base(&self, there: Option<Archive>) -> Result<Archive> {
        match (there, self.mode) {
            (Some(_), WriteMode::Create) => {
                let message = format!("{} is there already", self.path.display());
                Err(Error::new(ErrorKind::AlreadyExists, message)
                    .hint("append to it, or replace it"))
            }
            (Some(there), WriteMode::Append) => Ok(there),
            _ => Ok(Archive::default()),
        }
    }
}

/// What was put and does not show yet. Steps off the runtime share it, and the last one takes it; dropped before, nothing of
/// it is left. The images of a writer share one.
pub(crate) type Writing = Unpublished<Begun>;

/// What was put, and the images that were committed.
#[derive(Debug)]
pub(crate) struct Begun {
    place: Place,
    /// What was there in the beginning.
    base: Archive,
    room: Room,
    blobs: Mutex<Blobs>,
    /// What was there when it was looked for, and is counted on.
    found: Mutex<HashSet<Digest>>,
    images: Mutex<Vec<Image>>,
}

impl Begun {
    pub(crate) fn new(place: Place, cancel: &Cancel) -> Result<Self> {
        let there = match place.mode {
            // Whatever it is.
            WriteMode::Replace => None,
            _ => place.store.find(&place.path, cancel)?,
        };
        let (base, room) = (place.base(there)?, Room::new(&place.path, cancel)?);
        let (blobs, found, images) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Self { place, base, room, blobs, found, images })
    }

    /// Keeps a blob or manifest.
    pub(crate) fn put(&self, body: Body, cancel: &Cancel) -> Result<Stored> {
        let (stored, bytes) = self.room.keep(body, cancel)?;
        lock(&self.blobs).insert(stored.digest.clone(), bytes);
        Ok(stored)
    }

    /// A blob or manifest that was put, or was there before.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Option<Blob>> {
        let put = lock(&self.blobs).get(digest).cloned();
        if put.is_some() { Ok(put) } else { self.base.blob(digest) }
    }

    /// A blob that is there, whole and true: it is hashed now.
    pub(crate) fn find(&self, want: &Expect, cancel: &Cancel) -> Result<Option<Stored>> {
        let Some(digest) = &want.digest else { return Ok(None) };
        let Some(bytes) = self.blob(digest)? else { return Ok(None) };
        match body(bytes).expecting(want)?.chunks(cancel)?.finish() {
            Ok(stored) => {
                lock(&self.found).insert(digest.clone());
                Ok(Some(stored))
            }
            Err(e) => match e.kind() {
                // It is damaged, or was deleted meanwhile: it is put again.
                ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Conflict => Ok(None),
                _ => Err(e),
            },
        }
    }

    /// Takes an image in, if all that it refers to is there.
    pub(crate) fn commit(&self, image: Pending, cancel: &Cancel) -> Result<()> {
        let image = image.gather(&|digest| self.true_blob(digest, cancel))?;
        lock(&self.images).push(image);
        Ok(())
    }

    /// A blob or manifest that was put, or is there, whole and true.
    fn true_blob(&self, digest: &Digest, cancel: &Cancel) -> Result<Option<Blob>> {
        let is_known =
            lock(&self.blobs).contains_key(digest) || lock(&self.found).contains(digest);
        if !is_known && self.find(&Expect::digest(digest.clone()), cancel)?.is_none() {
            return Ok(None);
        }
        self.blob(digest)?.map(Some).ok_or_else(|| gone(digest))
    }

    /// Shows all that was committed, at once. It can be called again when it fails.
    pub(crate) fn publish(&mut self, cancel: &Cancel) -> Result<()> {
        let (blobs, new) = (lock(&self.blobs), lock(&self.images));
        self.place.change(&blobs, cancel, &mut |images, is_here| images.add_all(&new, is_here))
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
