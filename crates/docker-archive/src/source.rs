//! [`Source`]: one image of an archive, being read.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use transship_core::{
    Body, Cancel, Descriptor, Error, ErrorKind, ImageName, ImageSource, Manifest, ReadOptions,
    Reference, Result, ResultExt, run_blocking,
};

use crate::contents::Contents;
use crate::image::Image;
use crate::reference::{Locator, reference_to};

/// One image of an archive.
#[derive(Debug)]
pub(crate) struct Source {
    reference: Reference,
    contents: Arc<Contents>,
    at: usize,
    names: Vec<ImageName>,
    image: OnceCell<Arc<Image>>,
}

impl Source {
    /// Opens an image, under the reference by which it was asked for.
    pub(crate) async fn open(locator: Locator, how: ReadOptions) -> Result<Self> {
        let work = move |cancel: &Cancel| {
            let contents = Contents::open(&locator, &how, cancel)?;
            let at = contents.choose(&locator.select, cancel)?;
            Ok(Self::new(reference_to(&locator), Arc::new(contents), at))
        };
        run_blocking(work).await
    }

    pub(crate) fn new(reference: Reference, contents: Arc<Contents>, at: usize) -> Self {
        let names = contents.names(at);
        Self { reference, contents, at, names, image: OnceCell::new() }
    }

    async fn image(&self) -> Result<&Arc<Image>> {
        let load = || async {
            let (contents, at) = (Arc::clone(&self.contents), self.at);
            run_blocking(move |cancel| contents.image(at, cancel).map(Arc::new)).await
        };
        self.image.get_or_try_init(load).await.context(|| &self.reference)
    }
}

#[async_trait]
impl ImageSource for Source {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }

    async fn root(&self) -> Result<Manifest> {
        Ok(self.image().await?.manifest.clone())
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        let root = &self.image().await?.manifest;
        if of.digest == root.descriptor().digest {
            return Manifest::verified(of, root.bytes().clone()).context(|| &self.reference);
        }
        let message = format!("the image has no manifest {}", of.digest);
        Err(Error::new(ErrorKind::NotFound, message).context(&self.reference))
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        self.image().await?.blob(of).context(|| &self.reference)
    }
}
