//! [`walk`]: the one walk over the documents of an image, from its root through its indexes to its manifests.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::{
    Descriptor, Digest, Document, Error, ErrorKind, ImageDocument, ImageSource, IndexDocument,
    Manifest, Result,
};

/// The most indexes that may lie in each other.
pub const INDEX_DEPTH: usize = 16;

/// The most manifests of one image, each counted as often as it is listed. A small index can list another many times, and
/// so on down, so that without a limit a few bytes would be endless work.
pub const MANIFESTS_LIMIT: usize = 10_000;

/// How many manifests of an index are read at once.
const AT_ONCE: usize = 16;

/// A manifest on the walk: the one where it begins, or one that an index lists.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Listed<'a> {
    /// What is said of it.
    pub descriptor: &'a Descriptor,
    /// Its position in the index that lists it.
    pub at: usize,
    /// The index that lists it; `None` where the walk begins.
    pub index: Option<&'a Listed<'a>>,
}

/// A manifest that was read.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Visit<'a> {
    /// Where it is.
    pub listed: Listed<'a>,
    /// It.
    pub manifest: &'a Manifest,
}

/// What a walk does with what it meets. Several manifests of an index are visited at once; what they give keeps its order.
///
/// A manifest is *absent* when its source answers `NotFound`. Whether that is damage says
/// [`ImageSource::sparse`], and each visitor what follows from it.
#[async_trait]
pub trait Visitor: Send + Sync {
    /// What the visit of a manifest gives.
    type Output: Send;

    /// Says that a manifest is not to be read, and what it gives then.
    fn skip(&self, listed: Listed<'_>) -> Option<Self::Output> {
        let _ = listed;
        None
    }

    /// Visits the manifest of an image or artifact.
    async fn image(&self, of: Visit<'_>, image: &ImageDocument) -> Result<Self::Output>;

    /// Leaves an index, with what each manifest that it lists gave.
    async fn index(
        &self,
        of: Visit<'_>,
        index: &IndexDocument,
        children: Vec<Self::Output>,
    ) -> Result<Self::Output>;

    /// A manifest that is listed and absent, with the source's error.
    fn absent(&self, listed: Listed<'_>, error: Error) -> Result<Self::Output>;

    /// A manifest that cannot be visited for another reason: it is damaged, nested too deep, or lists itself.
    fn failed(&self, listed: Listed<'_>, error: Error) -> Result<Self::Output> {
        let _ = listed;
        Err(error)
    }
}

/// Walks from the root of an image.
///
/// # Errors
/// That of the root; those of the visitor; `LimitExceeded` beyond [`MANIFESTS_LIMIT`].
pub async fn walk<V: Visitor>(source: &dyn ImageSource, visitor: &V) -> Result<V::Output> {
    let root = source.root().await?;
    walk_from(source, &root, visitor).await
}

/// Walks from a manifest that has been read.
///
/// # Errors
/// Those of the visitor; `LimitExceeded` beyond [`MANIFESTS_LIMIT`].
pub async fn walk_from<V: Visitor>(
    source: &dyn ImageSource,
    manifest: &Manifest,
    visitor: &V,
) -> Result<V::Output> {
    let walk = Walk { source, visitor, visited: AtomicUsize::new(1) };
    let listed = Listed { descriptor: manifest.descriptor(), at: 0, index: None };
    walk.manifest(listed, manifest).await
}

/// Walks from a manifest that the image refers to, as if an index listed it.
///
/// # Errors
/// Those of the visitor; `LimitExceeded` beyond [`MANIFESTS_LIMIT`].
pub async fn walk_listed<V: Visitor>(
    source: &dyn ImageSource,
    descriptor: &Descriptor,
    visitor: &V,
) -> Result<V::Output> {
    let walk = Walk { source, visitor, visited: AtomicUsize::new(0) };
    walk.listed(Listed { descriptor, at: 0, index: None }).await
}

struct Walk<'w, V> {
    source: &'w dyn ImageSource,
    visitor: &'w V,
    visited: AtomicUsize,
}

/// Boxes, so that deep nesting needs little stack.
type Walking<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

impl<V: Visitor> Walk<'_, V> {
    fn listed<'a>(&'a self, listed: Listed<'a>) -> Walking<'a, V::Output> {
        Box::pin(async move {
            if self.visited.fetch_add(1, Ordering::Relaxed) >= MANIFESTS_LIMIT {
                let message = format!("an index lists more than {MANIFESTS_LIMIT} manifests");
                return Err(Error::new(ErrorKind::LimitExceeded, message));
            }
            if let Some(output) = self.visitor.skip(listed) {
                return Ok(output);
            }
            if let Err(error) = listed.check() {
                return self.visitor.failed(listed, error);
            }
            match self.source.manifest(listed.descriptor).await {
                Ok(manifest) => self.manifest(listed, &manifest).await,
                Err(error) => match error.kind() {
                    ErrorKind::Cancelled => Err(error),
                    ErrorKind::NotFound => self.visitor.absent(listed, error),
                    _ => self.visitor.failed(listed, error),
                },
            }
        })
    }

    async fn manifest(&self, listed: Listed<'_>, manifest: &Manifest) -> Result<V::Output> {
        let visit = Visit { listed, manifest };
        let index = match manifest.document() {
            Document::Image(image) => return self.visitor.image(visit, image).await,
            Document::Index(index) => index,
        };
        if listed.indexes() > INDEX_DEPTH {
            return self.visitor.failed(listed, too_deep(&listed.descriptor.digest));
        }
        // By position: a stream of references is not `Send`.
        let children = stream::iter(0..index.manifests.len())
            .map(|at| {
                let descriptor = &index.manifests[at];
                self.listed(Listed { descriptor, at, index: Some(&listed) })
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        self.visitor.index(visit, index, children).await
    }
}

pub(crate) fn too_deep(index: &Digest) -> Error {
    let message = format!("index {index} is nested deeper than {INDEX_DEPTH}");
    Error::new(ErrorKind::LimitExceeded, message)
}

impl Listed<'_> {
    /// Whether the walk begins with it.
    pub fn is_first(&self) -> bool {
        self.index.is_none()
    }

    /// How many indexes it lies in, and itself.
    fn indexes(&self) -> usize {
        std::iter::successors(Some(self), |listed| listed.index).count()
    }

    fn check(&self) -> Result<()> {
        let digest = &self.descriptor.digest;
        let mut above = std::iter::successors(self.index, |listed| listed.index);
        if above.any(|index| index.descriptor.digest == *digest) {
            let message = format!("index {digest} contains itself");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(())
    }
}
