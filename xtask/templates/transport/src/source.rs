//! [`Source`]: an image being read.

use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    Body, Descriptor, Digest, Error, ErrorKind, Expect, ImageName, ImageSource, Manifest,
    Reference, Referrers, Result, ResultExt,
};

use crate::store::{Container, Image};

/// An image being read.
#[derive(Debug)]
pub(crate) struct Source {
    reference: Reference,
    container: Arc<Container>,
    image: Image,
}

impl Source {
    pub(crate) fn new(reference: Reference, container: Arc<Container>, image: Image) -> Self {
        Self { reference, container, image }
    }

    fn missing(&self, what: &str, of: &Descriptor) -> Error {
        let message = format!("there is no {what} {}", of.digest);
        Error::new(ErrorKind::NotFound, message).context(&self.reference)
    }
}

#[async_trait]
impl ImageSource for Source {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.image.names
    }

    async fn root(&self) -> Result<Manifest> {
        Ok(self.image.root.clone())
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        let bytes = self.container.blob(&of.digest).ok_or_else(|| self.missing("manifest", of))?;
        Manifest::verified(of, bytes).context(|| &self.reference)
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        let bytes = self.container.blob(&of.digest).ok_or_else(|| self.missing("blob", of))?;
        // Decide: where the bytes come from. `from_file`, `from_reader` and `from_fn` need no memory for all of them.
        Body::from_bytes(bytes).expecting(&Expect::from(of)).context(|| &self.reference)
    }

    // Decide: without it, manifests that are about an image are refused at `put_manifest`, and that is claimed.
    fn referrers(&self) -> Option<&dyn Referrers> {
        Some(self)
    }
}

#[async_trait]
impl Referrers for Source {
    async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>> {
        let mut found = Vec::new();
        for manifest in &self.image.parts.about {
            if manifest.document().subject().is_some_and(|subject| subject.digest == *of) {
                found.push(manifest.descriptor().clone());
            }
        }
        Ok(found)
    }
}
