//! [`WithBase`]: a delta together with the place that has the rest.

use std::collections::HashSet;
use std::pin::Pin;

use async_trait::async_trait;
use transship_core::{
    Body, Contents, Descriptor, Digest, Document, Error, ErrorKind, Expect, ImageDestination,
    ImageName, ImageSource, MANIFEST_LIMIT, Manifest, Reference, Referrers, Result, ResultExt,
    Signatures, Sparse,
};

/// How many digests an error lists.
const LISTED: usize = 20;

/// How deep indexes may be nested.
const MAX_DEPTH: usize = 16;

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
    ///
    /// # Errors
    /// `NotFound`, listing everything that is missing of the delta.
    pub(crate) async fn check(&self, place: &dyn ImageDestination) -> Result<()> {
        let Some(needs) = self.source.needs() else { return Ok(()) };
        let mut walk = Walk { image: self, place, needs, seen: HashSet::new(), whole: true };
        match self.root().await {
            Ok(root) => walk.manifest(root, 0).await?,
            Err(error) if error.kind() == ErrorKind::NotFound => walk.whole = false,
            Err(error) => return Err(error),
        }
        if walk.whole { Ok(()) } else { Err(missing(needs, place).await?) }
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
impl ImageSource for WithBase<'_> {
    fn reference(&self) -> &Reference {
        self.source.reference()
    }

    fn names(&self) -> &[ImageName] {
        self.source.names()
    }

    fn needs(&self) -> Option<&HashSet<Digest>> {
        self.source.needs()
    }

    fn root_descriptor(&self) -> Option<&Descriptor> {
        self.source.root_descriptor()
    }

    async fn root(&self) -> Result<Manifest> {
        if let Some(root) = self.root_descriptor()
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

    fn sparse(&self) -> Sparse {
        self.source.sparse()
    }

    fn referrers(&self) -> Option<&dyn Referrers> {
        self.source.referrers()
    }

    fn signatures(&self) -> Option<&dyn Signatures> {
        self.source.signatures()
    }
}

/// Whether all that an image needs is at the destination.
struct Walk<'a> {
    image: &'a WithBase<'a>,
    place: &'a dyn ImageDestination,
    needs: &'a HashSet<Digest>,
    seen: HashSet<Digest>,
    whole: bool,
}

impl Walk<'_> {
    /// Boxes, so that deep nesting needs little stack.
    fn manifest(
        &mut self,
        manifest: Manifest,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>> {
        Box::pin(async move {
            match manifest.document() {
                Document::Image(image) => {
                    for blob in image.layers.iter().chain([&image.config]) {
                        self.blob(blob).await?;
                    }
                }
                Document::Index(index) if depth < MAX_DEPTH => {
                    for child in &index.manifests {
                        self.child(child, depth + 1).await?;
                    }
                }
                // The one who reads it says so.
                _ => {}
            }
            Ok(())
        })
    }

    async fn child(&mut self, of: &Descriptor, depth: usize) -> Result<()> {
        if !self.whole || !self.seen.insert(of.digest.clone()) {
            return Ok(());
        }
        match self.image.manifest(of).await {
            Ok(manifest) => self.manifest(manifest, depth).await,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.whole &= !self.needs.contains(&of.digest);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn blob(&mut self, of: &Descriptor) -> Result<()> {
        if self.whole && self.seen.insert(of.digest.clone()) && self.needs.contains(&of.digest) {
            self.whole = self.place.has(&Expect::from(of)).await?.is_some();
        }
        Ok(())
    }
}

/// The error of a delta whose base is not there, with all of the delta's needs that are not.
async fn missing(needs: &HashSet<Digest>, place: &dyn ImageDestination) -> Result<Error> {
    let mut lacking = Vec::new();
    for digest in needs {
        if place.has(&Expect::digest(digest.clone())).await?.is_none() {
            lacking.push(digest.to_string());
        }
    }
    lacking.sort_unstable();
    let count = lacking.len();
    if count > LISTED {
        lacking.truncate(LISTED);
        lacking.push(format!("{} more", count - LISTED));
    }
    let hint = match place.contents() {
        Some(_) => {
            "copy what the delta was made against to that place first; an archive that has it is joined with --append"
        }
        None => {
            "a delta is completed in an oci: layout that has what it was made against, or with --append in an archive"
        }
    };
    Ok(Error::new(
        ErrorKind::NotFound,
        format!(
            "it is a delta, and {} lacks {count} of what it needs: {}",
            place.reference(),
            lacking.join(", ")
        ),
    )
    .hint(hint))
}
