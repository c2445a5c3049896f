//! [`WithBase`]: a delta together with the place that has the rest.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::locked;
use async_trait::async_trait;
use transship_core::{
    Body, Contents, Descriptor, Digest, Error, ErrorKind, Expect, Hint, ImageDestination,
    ImageDocument, ImageSource, IndexDocument, Listed, MANIFEST_LIMIT, Manifest, Result, ResultExt,
    Visit, Visitor, WrapSource, few, walk_from,
};

/// An image of which the destination has what its source leaves out. All else is the source's.
#[derive(Clone, Copy)]
pub(crate) struct WithBase<'a> {
    source: &'a dyn ImageSource,
    base: Option<&'a dyn Contents>,
}

impl std::fmt::Debug for WithBase<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WithBase").field(&self.source).finish()
    }
}

impl<'a> WithBase<'a> {
    pub(crate) fn over(source: &'a dyn ImageSource, place: &'a dyn ImageDestination) -> Self {
        let base = source.needs().and_then(|_| place.contents());
        Self { source, base }
    }

    /// That the destination has, whole and true, all that the image needs. Reads documents only, but for what the
    /// destination reads to know that it is true.
    pub(crate) async fn check(&self, place: &dyn ImageDestination) -> Result<()> {
        let Some(needs) = self.source.needs() else { return Ok(()) };
        let check = Completeness { place, needs, seen: Mutex::default() };
        let complete = match WrapSource::root(self).await.if_found()? {
            Some(root) => walk_from(self, &root, &check).await?,
            None => false,
        };
        if complete { Ok(()) } else { Err(missing(needs, place).await?) }
    }

    fn is_left_out(&self, digest: &Digest) -> bool {
        self.source.needs().is_some_and(|needs| needs.contains(digest))
    }

    async fn read(&self, of: &Descriptor) -> Result<Option<Body>> {
        match self.base {
            Some(base) if self.is_left_out(&of.digest) => base.read(of).await,
            _ => Ok(None),
        }
    }

    async fn read_manifest(&self, of: &Descriptor) -> Result<Option<Manifest>> {
        let Some(body) = self.read(of).await? else { return Ok(None) };
        let bytes = body.bytes(MANIFEST_LIMIT).await;
        let bytes = bytes.context(|| format!("manifest {}", of.digest))?;
        Manifest::verified(of, bytes).map(Some)
    }
}

#[async_trait]
impl WrapSource for WithBase<'_> {
    fn inner(&self) -> &dyn ImageSource {
        self.source
    }

    async fn root(&self) -> Result<Manifest> {
        if let Some(root) = self.source.root_descriptor()
            && let Some(manifest) = self.read_manifest(root).await?
        {
            return Ok(manifest);
        }
        self.source.root().await
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        match self.read_manifest(of).await? {
            Some(manifest) => Ok(manifest),
            None => self.source.manifest(of).await,
        }
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        match self.read(of).await? {
            Some(body) => Ok(body),
            None => self.source.blob(of).await,
        }
    }

    async fn holds(&self, of: &Descriptor) -> Result<bool> {
        match self.read(of).await? {
            Some(_) => Ok(true),
            None => self.source.holds(of).await,
        }
    }
}

/// Whether all that an image needs is at the destination.
struct Completeness<'a> {
    place: &'a dyn ImageDestination,
    needs: &'a HashSet<Digest>,
    seen: Mutex<HashSet<Digest>>,
}

impl Completeness<'_> {
    fn is_new(&self, of: &Descriptor) -> bool {
        locked(&self.seen).insert(of.digest.clone())
    }
}

#[async_trait]
impl Visitor for Completeness<'_> {
    type Output = bool;

    fn skip(&self, listed: Listed<'_>) -> Option<bool> {
        (!self.is_new(listed.descriptor)).then_some(true)
    }

    async fn image(&self, _: Visit<'_>, image: &ImageDocument) -> Result<bool> {
        for blob in image.layers.iter().chain([&image.config]) {
            if self.needs.contains(&blob.digest)
                && self.is_new(blob)
                && !holds(self.place, &Expect::from(blob)).await?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn index(&self, _: Visit<'_>, _: &IndexDocument, children: Vec<bool>) -> Result<bool> {
        Ok(children.into_iter().all(|complete| complete))
    }

    fn absent(&self, listed: Listed<'_>, _: Error) -> Result<bool> {
        Ok(!self.needs.contains(&listed.descriptor.digest))
    }
}

/// Whether a place has something. That it cannot be asked does not mean no.
async fn holds(place: &dyn ImageDestination, want: &Expect) -> Result<bool> {
    if place.has(want).await?.is_some() {
        return Ok(true);
    }
    match place.contents() {
        Some(contents) => contents.holds(want).await.context(|| place.reference()),
        None => Ok(false),
    }
}

/// The error of a delta whose base is not there, with all of the delta's needs that are not.
async fn missing(needs: &HashSet<Digest>, place: &dyn ImageDestination) -> Result<Error> {
    let mut lacking = Vec::new();
    for digest in needs {
        if !holds(place, &Expect::digest(digest.clone())).await? {
            lacking.push(digest.to_string());
        }
    }
    lacking.sort_unstable();
    let (at, count, listed) = (place.reference(), lacking.len(), few(lacking));
    let message = format!("it is a delta, and {at} lacks {count} of what it needs: {listed}");
    Ok(Error::new(ErrorKind::NotFound, message).hint(Hint::CopyBaseFirst))
}
