//! [`Since`]: what the receiver of a delta has already.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::locked;
use crate::open::tags::Tags;
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use transship_core::{
    Descriptor, Digest, Error, ErrorKind, ImageDocument, ImageSource, IndexDocument, Listed,
    ReadOptions, Reference, Result, ResultExt, Transports, Visit, Visitor, walk_from,
};

/// How many blobs are asked for at once.
const AT_ONCE: usize = 8;

/// The digests of what the receiver of a delta has already: manifests, configs, layers. What is among them is
/// left out of the copy.
///
/// ```
/// # use transship_core::sha256;
/// use transship_transfer::{Since, TransferOptions};
/// let mut options = TransferOptions::default();
/// options.since = Some(Since::new([sha256(b"a layer that they have")]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Since(Arc<HashSet<Digest>>);

impl Since {
    /// What has these digests.
    pub fn new(digests: impl IntoIterator<Item = Digest>) -> Self {
        Self(Arc::new(digests.into_iter().collect()))
    }

    /// Whether they have it.
    pub fn has(&self, digest: &Digest) -> bool {
        self.0.contains(digest)
    }
}

/// The digests of all that is at a place, of one image or of all of an archive: of each manifest, config and layer that
/// is there. Layers are not read. Of an archive, the images that the tags choose.
///
/// # Errors
/// Those of the transport; `NotFound` if the tags choose none, `InvalidInput` if they choose among the images of one; `Corrupt` for manifests that are malformed, `LimitExceeded` for indexes nested too deep.
pub async fn digests(
    at: &Reference,
    tags: &Tags,
    transports: &Transports,
    how: &ReadOptions,
) -> Result<HashSet<Digest>> {
    let transport = transports.of(at)?;
    let inventory = Inventory::default();
    if let Some(archives) = transport.archives().filter(|a| a.may_be_archive(at)) {
        let reader = archives.read(at, how).await?;
        if reader.reference() == at {
            for entry in &tags.entries(&*reader)? {
                let image = reader.open(entry).await.context(|| &entry.reference)?;
                inventory.add(&*image).await.context(|| &entry.reference)?;
            }
            return Ok(inventory.there.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
    }
    if !tags.is_all() {
        let message = format!("{at} is one image, and tags choose of an archive or repository");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let image = transport.source(at, how).await?;
    inventory.add(&*image).await.context(|| at)?;
    Ok(inventory.there.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// What is at a place, each thing asked for once.
#[derive(Debug, Default)]
struct Inventory {
    asked: Mutex<HashSet<Digest>>,
    there: Mutex<HashSet<Digest>>,
}

/// Adds what is there of one image.
struct Counting<'a> {
    source: &'a dyn ImageSource,
    inventory: &'a Inventory,
}

impl Inventory {
    async fn add(&self, source: &dyn ImageSource) -> Result<()> {
        // What is not there is not among what is there: sparse indexes, deltas, layers that are not to be distributed.
        match source.root().await.if_found()? {
            Some(root) if self.is_new(root.descriptor()) => {
                walk_from(source, &root, &Counting { source, inventory: self }).await
            }
            _ => Ok(()),
        }
    }

    fn is_new(&self, of: &Descriptor) -> bool {
        locked(&self.asked).insert(of.digest.clone())
    }

    fn note(&self, digest: &Digest) {
        locked(&self.there).insert(digest.clone());
    }
}

impl Counting<'_> {
    /// Asks for blobs without opening them.
    async fn blobs(&self, blobs: impl Iterator<Item = &Descriptor> + Send) -> Result<()> {
        let new = blobs.filter(|of| self.inventory.is_new(of)).cloned().collect::<Vec<_>>();
        stream::iter(new)
            .map(|of| async move {
                if self.source.holds(&of).await? {
                    self.inventory.note(&of.digest);
                }
                Ok(())
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }
}

#[async_trait]
impl Visitor for Counting<'_> {
    type Output = ();

    fn skip(&self, listed: Listed<'_>) -> Option<()> {
        let of = listed.descriptor;
        (!of.may_be_manifest() || !self.inventory.is_new(of)).then_some(())
    }

    async fn image(&self, of: Visit<'_>, image: &ImageDocument) -> Result<()> {
        self.inventory.note(&of.manifest.descriptor().digest);
        self.blobs(image.layers.iter().chain([&image.config])).await
    }

    async fn index(&self, of: Visit<'_>, index: &IndexDocument, _: Vec<()>) -> Result<()> {
        self.inventory.note(&of.manifest.descriptor().digest);
        self.blobs(index.manifests.iter().filter(|of| !of.may_be_manifest())).await
    }

    fn absent(&self, _: Listed<'_>, _: Error) -> Result<()> {
        Ok(())
    }
}
