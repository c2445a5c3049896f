//! [`LayoutSource`]: one image of a layout, being read.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    Body, Descriptor, Digest, Error, ErrorKind, ImageName, ImageSource, Manifest, Reference,
    Referrers, Result, ResultExt, run_blocking,
};

use crate::layout::Layout;
use crate::select::Root;

/// Reads one image of a layout.
#[derive(Debug)]
pub(crate) struct LayoutSource {
    layout: Arc<Layout>,
    reference: Reference,
    root: Root,
    names: Vec<ImageName>,
}

impl LayoutSource {
    pub(crate) fn new(
        layout: Arc<Layout>,
        reference: Reference,
        root: Root,
        names: Vec<ImageName>,
    ) -> Self {
        Self { layout, reference, root, names }
    }

    /// Reads a part of the image. A layout has no lock for readers, and others may have collected what this image needs.
    async fn on_layout<T: Send + 'static>(
        &self,
        of: &Descriptor,
        read: fn(&Layout, &Descriptor) -> Result<T>,
    ) -> Result<T> {
        let (layout, root, of) = (Arc::clone(&self.layout), self.root.clone(), of.clone());
        run_blocking(move |cancel| {
            cancel.check()?;
            let read = read(&layout, &of);
            let absent = read.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound);
            if absent && !layout.still_lists(&root)? {
                let message = "the image was deleted or replaced while it was read";
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            read
        })
        .await
        .context(|| &self.reference)
    }
}

#[async_trait]
impl ImageSource for LayoutSource {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }

    fn needs(&self) -> Option<&HashSet<Digest>> {
        Some(self.layout.needs()).filter(|needs| !needs.is_empty())
    }

    fn root_descriptor(&self) -> Option<&Descriptor> {
        Some(self.root.descriptor(&self.layout))
    }

    async fn root(&self) -> Result<Manifest> {
        match &self.root {
            Root::Together(index) => Ok((**index).clone()),
            root => self.manifest(root.descriptor(&self.layout)).await,
        }
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        self.on_layout(of, Layout::manifest).await
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        self.on_layout(of, Layout::blob).await
    }

    fn referrers(&self) -> Option<&dyn Referrers> {
        Some(self)
    }
}

#[async_trait]
impl Referrers for LayoutSource {
    /// The entries of `index.json` whose manifest has that subject, as they stand there.
    async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>> {
        let (layout, of) = (Arc::clone(&self.layout), of.clone());
        run_blocking(move |cancel| layout.about(&of, cancel)).await.context(|| &self.reference)
    }

    async fn beside(&self, of: &Digest) -> Result<Vec<(String, Descriptor)>> {
        let found = self.layout.besides().about(of).into_iter();
        let entry = |at: usize| self.layout.entries()[at].clone();
        Ok(found.map(|(at, beside)| (beside.tag.clone(), entry(at))).collect())
    }
}
