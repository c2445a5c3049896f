//! [`Destination`]: an image being written.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use transship_core::{
    Accepts, Body, Commit, Committed, Expect, ImageDestination, ImageName,
    Manifest, Reference, Result, ResultExt, Shows, Stored,
};

use crate::images::Pending;
use crate::reference::{Locator, Name, Select, reference};
use crate::writing::Writing;

/// An image being written.
#[derive(Debug)]
pub(crate) struct Destination {
    locator: Locator,
    reference: Reference,
    names: Vec<ImageName>,
    accepts: Accepts,
    writing: Arc<Writing>,
    /// Manifests that were put.
    manifests: Mutex<Vec<Manifest>>,
}

impl Destination {
    pub(crate) fn new(
        locator: &Locator,
        given: &[ImageName],
        writing: Arc<Writing>,
        shows: Shows,
    ) -> Self {
        let mut names: Vec<ImageName> = Vec::new();
        for name in given {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        // Decide: what can be held. What is not accepted has to be refused with `Unsupported`, and is claimed.
        let mut accepts = Accepts::anything();
        accepts.shows = shows;
        let select = names.first().cloned().map_or(Select::None, |name| Select::Name(Name(name)));
        let (locator, reference) = (locator.clone(), reference(&locator.with(select)));
        Self { locator, reference, names, accepts, writing, manifests: Mutex::default() }
    }

    async fn put(&self, body: Body) -> Result<Stored> {
        let put = self.writing.step(|begun, cancel| begun.put(body, cancel));
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
        let want = want.clone();
        let found = self.writing.step(move |begun, cancel| begun.find(&want, cancel));
        found.await.context(|| &self.reference)
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        self.put(body.expecting(&expect).context(|| &self.reference)?).await
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        let body = Body::from_bytes(manifest.bytes().clone());
        self.put(body.expecting(&Expect::from(manifest.descriptor()))?).await?;
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner).push(manifest.clone());
        Ok(())
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        what.check_whole().context(|| &self.reference)?;
        let descriptor = what.root.descriptor().clone();
        let root = Body::from_bytes(what.root.bytes().clone());
        self.put(root.expecting(&Expect::from(&descriptor))?).await?;
        let put = self.manifests.into_inner().unwrap_or_else(PoisonError::into_inner);
        let image = Pending::new(&what, self.names.clone(), put);
        let done = match self.accepts.shows {
            Shows::AtCommit => {
                let last = self.writing.last_step(|begun, cancel| {
                    begun.commit(image, cancel)?;
                    begun.publish(cancel)
                });
                last.await
            }
            // What is missing is said of the image that lacks it.
            _ => self.writing.step(|begun, cancel| begun.commit(image, cancel)).await,
        };
        done.context(|| &self.reference)?;
        let mut selects: Vec<_> =
            self.names.into_iter().map(|name| Select::Name(Name(name))).collect();
        if selects.is_empty() {
            selects.push(Select::Digest(descriptor.digest.clone()));
        }
        let references = selects.into_iter().map(|select| reference(&self.locator.with(select)));
        Ok(Committed::new(descriptor, references.collect()))
    }
}
