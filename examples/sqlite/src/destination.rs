//! [`Destination`]: an image being written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use transship::transport::{
    Accepts, Body, Cancel, Commit, Committed, Digest, Error, Expect, ImageDestination, ImageName,
    Manifest, PutSignatures, Reference, Result, ResultExt, Shows, Stored, run_blocking,
};

use crate::blobs::Blobs;
use crate::parts::{Beside, Pending};
use crate::publish::Place;
use crate::reference::{Locator, Select};
use crate::source::{BlobReader, Shared};
use crate::stage::Stage;

/// An image being written. All that was put is in the stage, which needs no cleaning up.
#[derive(Debug)]
pub(crate) struct Destination {
    locator: Locator,
    reference: Reference,
    names: Vec<ImageName>,
    accepts: Accepts,
    place: Place,
    stage: Arc<Stage>,
    beside: Mutex<Beside>,
    target: Target,
}

/// What a commit gives the image to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The database.
    Place,
    /// A writer, which gives it to the database when it finishes.
    Writer(Arc<Mutex<Vec<Pending>>>),
}

impl Destination {
    pub(crate) fn new(
        locator: &Locator,
        mut names: Vec<ImageName>,
        place: Place,
        stage: Arc<Stage>,
        target: Target,
    ) -> Self {
        let given = names.clone();
        let mut at = 0..;
        names.retain(|name| at.next().is_some_and(|at| !given[..at].contains(name)));
        let mut accepts = Accepts::anything();
        if matches!(target, Target::Writer(_)) {
            accepts.shows = Shows::AtFinish;
        }
        let select = names.first().cloned().map_or(Select::Only, Select::Name);
        let reference = locator.with(select).reference();
        let (locator, beside) = (locator.clone(), Mutex::default());
        Self { locator, reference, names, accepts, place, stage, beside, target }
    }

    fn beside(&self) -> MutexGuard<'_, Beside> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts on a blocking thread.
    async fn put(&self, expect: Expect, body: Body) -> Result<Stored> {
        let stage = Arc::clone(&self.stage);
        let put = run_blocking(move |cancel| stage.put(&expect, body, cancel));
        put.await.context(|| &self.reference)
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
        let (stage, place, want) = (Arc::clone(&self.stage), self.place.clone(), want.clone());
        let has = run_blocking(move |cancel| {
            let Some(digest) = &want.digest else { return Ok(None) };
            let there = match stage.find(digest)? {
                // It was checked when it was put.
                Some(staged) => Some(staged),
                None => true_blob(&place, &want, cancel)?,
            };
            Ok(there.filter(|stored| want.check(stored).is_ok()))
        });
        let there = has.await.context(|| &self.reference)?;
        self.beside().found.extend(there.iter().map(|stored| stored.digest.to_string()));
        Ok(there)
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        self.put(expect, body).await
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        let body = Body::from_bytes(manifest.bytes().clone());
        self.put(Expect::from(manifest.descriptor()), body).await?;
        if manifest.document().subject().is_some() {
            self.beside().about.push(manifest.clone());
        }
        Ok(())
    }

    fn signatures(&self) -> Option<&dyn PutSignatures> {
        Some(self)
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        what.check_whole().context(|| &self.reference)?;
        let descriptor = what.root.descriptor().clone();
        let by_name = self.names.iter().cloned().map(Select::Name);
        let mut references: Vec<_> =
            by_name.map(|select| self.locator.with(select).reference()).collect();
        if references.is_empty() {
            let select = Select::Digest(descriptor.digest.clone());
            references.push(self.locator.with(select).reference());
        }
        let expect = Expect::from(&descriptor);
        self.put(expect, Body::from_bytes(what.root.bytes().clone())).await?;
        let beside = self.beside.into_inner().unwrap_or_else(PoisonError::into_inner);
        let image = Pending::new(&what, self.names, beside);
        let (place, stage, target) = (self.place, self.stage, self.target);
        let done = run_blocking(move |cancel| {
            place.check(&stage, &image, cancel)?;
            match target {
                Target::Place => place.publish(&stage, &[image], cancel),
                Target::Writer(images) => {
                    images.lock().unwrap_or_else(PoisonError::into_inner).push(image);
                    Ok(())
                }
            }
        });
        done.await.context(|| &self.reference)?;
        Ok(Committed::new(descriptor, references))
    }
}

#[async_trait]
impl PutSignatures for Destination {
    async fn put_signatures(&self, of: Option<&Digest>, signatures: Vec<Bytes>) -> Result<()> {
        self.beside().signatures.push((of.cloned(), signatures));
        Ok(())
    }
}

/// A blob of the database, if what is stored is what it should be: all of it is read.
fn true_blob(place: &Place, want: &Expect, cancel: &Cancel) -> Result<Option<Stored>> {
    let (Some(digest), Some(database)) = (&want.digest, place.open(cancel)?) else {
        return Ok(None);
    };
    let found = database.read(cancel, |connection| Blobs::new(connection, "main").find(digest))?;
    let Some(found) = found else { return Ok(None) };
    let body = Body::from_reader(BlobReader::new(Shared::new(database), found));
    let expect = Expect::digest(digest.clone()).with_size(found.size);
    let read =
        body.expecting(&expect)?.chunks(cancel).and_then(transship::transport::Chunks::finish);
    // What is not whole and true is not there: it will be put again.
    read.map(Some).or_else(|e: Error| if cancel.is_cancelled() { Err(e) } else { Ok(None) })
}
