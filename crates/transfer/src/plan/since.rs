//! [`Since`]: what those for whom a delta is made have already.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use transship_core::{
    Descriptor, Digest, Document, Error, ErrorKind, ImageSource, Manifest, ReadOptions, Reference,
    Result, ResultExt, Transports, is_index_type,
};

/// How deep indexes may be nested.
const MAX_DEPTH: usize = 16;

/// How many blobs are asked for at once.
const AT_ONCE: usize = 8;

/// The digests of what those for whom a delta is made have already: manifests, configs, layers. What is among them is
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

/// The digests of all that is at a place, of one image or of all of a container: of each manifest, config and layer that
/// is there. Layers are not read.
///
/// # Errors
/// Those of the transport; `Corrupt` for manifests that are malformed, `LimitExceeded` for indexes nested too deep.
pub async fn digests(
    at: &Reference,
    transports: &Transports,
    how: &ReadOptions,
) -> Result<HashSet<Digest>> {
    let transport = transports.of(at)?;
    let mut there = Inventory::default();
    if let Some(archives) = transport.archives().filter(|a| a.may_be_container(at)) {
        let reader = archives.read(at, how).await?;
        if reader.reference() == at {
            for entry in reader.entries() {
                let image = reader.open(entry).await.context(|| &entry.reference)?;
                there.image(&*image).await.context(|| &entry.reference)?;
            }
            return Ok(there.there);
        }
    }
    let image = transport.source(at, how).await?;
    there.image(&*image).await.context(|| at)?;
    Ok(there.there)
}

#[derive(Debug, Default)]
struct Inventory {
    there: HashSet<Digest>,
    absent: HashSet<Digest>,
}

impl Inventory {
    async fn image(&mut self, source: &dyn ImageSource) -> Result<()> {
        match source.root().await {
            Ok(root) if self.is_new(root.descriptor()) => self.manifest(source, root, 0).await,
            Ok(_) => Ok(()),
            Err(error) => absent(error),
        }
    }

    fn is_new(&self, of: &Descriptor) -> bool {
        !self.there.contains(&of.digest) && !self.absent.contains(&of.digest)
    }

    /// Boxes, so that deep nesting needs little stack.
    fn manifest<'a>(
        &'a mut self,
        source: &'a dyn ImageSource,
        manifest: Manifest,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            self.there.insert(manifest.descriptor().digest.clone());
            match manifest.document() {
                Document::Image(image) => {
                    let blobs = image.layers.iter().chain([&image.config]).cloned().collect();
                    self.blobs(source, blobs).await?;
                }
                Document::Index(index) => {
                    if depth == MAX_DEPTH {
                        return Err(too_deep());
                    }
                    for child in &index.manifests {
                        self.child(source, child, depth + 1).await?;
                    }
                }
                _ => {}
            }
            Ok(())
        })
    }

    async fn child(
        &mut self,
        source: &dyn ImageSource,
        of: &Descriptor,
        depth: usize,
    ) -> Result<()> {
        if !self.is_new(of) {
            return Ok(());
        }
        if is_index_type(&of.media_type).is_none() && !of.media_type.as_ref().is_empty() {
            return self.blobs(source, vec![of.clone()]).await;
        }
        match source.manifest(of).await {
            Ok(manifest) => self.manifest(source, manifest, depth).await,
            Err(error) => {
                self.absent.insert(of.digest.clone());
                absent(error)
            }
        }
    }

    /// Asks for blobs without opening them.
    async fn blobs(&mut self, source: &dyn ImageSource, mut blobs: Vec<Descriptor>) -> Result<()> {
        let mut asked = HashSet::new();
        blobs.retain(|of| self.is_new(of) && asked.insert(of.digest.clone()));
        let mut held = stream::iter(blobs)
            .map(|of| async move { source.holds(&of).await.map(|held| (of.digest, held)) })
            .buffer_unordered(AT_ONCE);
        while let Some(answer) = held.next().await {
            let (digest, held) = answer?;
            if held {
                self.there.insert(digest)
            } else {
                self.absent.insert(digest)
            };
        }
        Ok(())
    }
}

/// What is not there is not among what is there: sparse indexes, deltas, layers that are not to be distributed.
fn absent(error: Error) -> Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn too_deep() -> Error {
    Error::new(ErrorKind::LimitExceeded, format!("indexes are nested deeper than {MAX_DEPTH}"))
}
