//! [`Source`]: an image being read.

use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    Body, Descriptor, Digest, Error, ErrorKind, Expect, ImageName, ImageSource,
    MANIFEST_LIMIT, Manifest, Reference, Referrers, Result, ResultExt, run_blocking,
};

use crate::images::Image;
use crate::store::{Blob, Archive, body};

/// An image being read.
#[derive(Debug)]
pub(crate) struct Source {
    reference: Reference,
    archive: Arc<Archive>,
    image: Image,
}

impl Source {
    pub(crate) fn new(reference: Reference, archive: Arc<Archive>, image: Image) -> Self {
        Self { reference, archive, image }
    }

    /// Does something with the bytes of a blob or manifest, off the runtime.
    async fn with_bytes<T: Send + 'static>(
        &self,
        of: &Descriptor,
        what: &'static str,
        work: impl FnOnce(Blob, &Descriptor) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (archive, of) = (Arc::clone(&self.archive), of.clone());
        let is_part = self.image.parts.contains(&of.digest);
        let done = run_blocking(move |_| {
            let bytes = archive.blob(&of.digest)?.ok_or_else(|| {
                if is_part {
                    return archive.lost(&of.digest);
                }
                Error::new(ErrorKind::NotFound, format!("there is no {what} {}", of.digest))
            })?;
            work(bytes, &of)
        });
        done.await.context(|| &self.reference)
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
        self.manifest(&self.image.root).await
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        let read = |bytes: Blob, of: &Descriptor| {
            let bytes = bytes.bytes(MANIFEST_LIMIT, format_args!("manifest {}", of.digest))?;
            Manifest::verified(of, bytes)
        };
        self.with_bytes(of, "manifest", read).await
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        let open = |bytes, of: &Descriptor| body(bytes).expecting(&Expect::from(of));
        self.with_bytes(of, "blob", open).await
    }

    // Decide: without it, manifests that are about an image are refused at `put_manifest`, and that is claimed.
    fn referrers(&self) -> Option<&dyn Referrers> {
        Some(self)
    }
}

#[async_trait]
impl Referrers for Source {
    async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>> {
        let about = self.image.about.iter().filter(|about| about.subject == *of);
        Ok(about.map(|about| about.manifest.clone()).collect())
    }
}
