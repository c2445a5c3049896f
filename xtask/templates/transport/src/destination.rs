//! [`Destination`]: an image being written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use transship_core::{
    Accepts, Body, Commit, Committed, Error, ErrorKind, Expect, ImageDestination, ImageName,
    Manifest, Reference, Result, ResultExt, Shows, Stored, WriteMode,
};

use crate::parts::{Parts, Pending};
use crate::reference::{Locator, Select};
use crate::store::{Blobs, Container, Store};

/// More than a blob in memory should have.
const LIMIT: u64 = 1 << 30;

/// Where an image goes.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) locator: Locator,
    pub(crate) mode: WriteMode,
    /// What was there when it was opened.
    pub(crate) base: Arc<Container>,
}

/// What was put and does not show yet. The images of a writer share one.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    blobs: Mutex<Blobs>,
    images: Mutex<Vec<Pending>>,
}

impl Stage {
    fn blobs(&self) -> MutexGuard<'_, Blobs> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn images(&self) -> MutexGuard<'_, Vec<Pending>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows all that was committed.
    pub(crate) fn publish(&self, place: &Place) -> Result<()> {
        let images = std::mem::take(&mut *self.images());
        place.store.change(&place.locator.place, place.mode, |container| {
            images.into_iter().try_for_each(|image| container.add(image, &self.blobs()))
        })
    }
}

/// An image being written.
#[derive(Debug)]
pub(crate) struct Destination {
    place: Place,
    reference: Reference,
    names: Vec<ImageName>,
    accepts: Accepts,
    stage: Arc<Stage>,
    /// Manifests that were put and have a subject.
    about: Mutex<Vec<Manifest>>,
}

impl Destination {
    pub(crate) fn new(place: Place, given: &[ImageName], stage: Arc<Stage>, shows: Shows) -> Self {
        let mut names: Vec<ImageName> = Vec::new();
        for name in given {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        // Decide: what can be held. What is not accepted has to be refused with `Unsupported`, and is claimed.
        let mut accepts = Accepts::anything();
        accepts.shows = shows;
        let select = names.first().cloned().map_or(Select::Only, Select::Name);
        let reference = place.locator.with(select).reference();
        Self { place, reference, names, accepts, stage, about: Mutex::default() }
    }
}

#[async_trait]
impl ImageDestination for Destination {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }

    fn accepts(&self) -> &Accepts {
        &self.accepts
    }

    async fn has(&self, want: &Expect) -> Result<Option<Stored>> {
        let Some(digest) = &want.digest else { return Ok(None) };
        let staged = self.stage.blobs().get(digest).cloned();
        // Decide: memory keeps bytes as they were; from a disk they are read and hashed before it says yes.
        let found = staged.or_else(|| self.place.base.blob(digest));
        let found = found.map(|bytes| Stored::new(digest.clone(), bytes.len() as u64));
        Ok(found.filter(|stored| want.check(stored).is_ok()))
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let body = body.expecting(&expect).context(|| &self.reference)?;
        let mut hasher = body.expected().hasher().context(|| &self.reference)?;
        // Decide: where the bytes wait. `copy_to_file` and, for blocking code, `chunks` pass them on without holding all.
        let bytes = body.bytes(LIMIT).await.context(|| &self.reference)?;
        hasher.update(&bytes);
        let stored = Stored::new(hasher.finish(), bytes.len() as u64);
        self.stage.blobs().insert(stored.digest.clone(), bytes);
        Ok(stored)
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        let digest = manifest.descriptor().digest.clone();
        self.stage.blobs().insert(digest, manifest.bytes().clone());
        if manifest.document().subject().is_some() {
            self.about.lock().unwrap_or_else(PoisonError::into_inner).push(manifest.clone());
        }
        Ok(())
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        if !what.needs.is_empty() {
            let message = "whole images are kept here, and no deltas";
            return Err(Error::new(ErrorKind::Unsupported, message).context(&self.reference));
        }
        let descriptor = what.root.descriptor().clone();
        let about = self.about.into_inner().unwrap_or_else(PoisonError::into_inner);
        let image = Pending::new(&what, self.names.clone(), about);
        self.stage.blobs().insert(descriptor.digest.clone(), what.root.bytes().clone());
        // In a writer too: what is missing is said of the image that lacks it.
        let find = |digest: &_| {
            let staged = self.stage.blobs().get(digest).cloned();
            staged.or_else(|| self.place.base.blob(digest))
        };
        Parts::gather(&image, &find).context(|| &self.reference)?;
        self.stage.images().push(image);
        if self.accepts.shows == Shows::AtCommit {
            self.stage.publish(&self.place).context(|| &self.reference)?;
        }
        let by_name = self.names.into_iter().map(Select::Name);
        let mut selects: Vec<_> = by_name.collect();
        if selects.is_empty() {
            selects.push(Select::Digest(descriptor.digest.clone()));
        }
        let references = selects.into_iter().map(|select| self.place.locator.with(select));
        Ok(Committed::new(descriptor, references.map(|locator| locator.reference()).collect()))
    }
}
