//! [`ImageSource`]: one image being read.

use std::collections::HashSet;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Body, Descriptor, Digest, ErrorKind, ImageName, Manifest, Reference, Result, Sparse};

/// Reads one image or index. Methods may run concurrently; dropping it closes it.
///
/// - Reading changes nothing.
/// - A source that was opened before a write still reads the old bytes or fails; it never mixes old and new.
/// - A part that was there when the image was opened, and was deleted or replaced since, is `Conflict`: `NotFound` would say
///   that the image lacks it, and a copy would go on without it.
#[async_trait]
pub trait ImageSource: fmt::Debug + Send + Sync {
    /// The image's reference.
    fn reference(&self) -> &Reference;

    /// The names that the image is stored under; none for untagged images and for places that keep no names.
    ///
    /// A copy to a place without a name keeps them.
    fn names(&self) -> &[ImageName] {
        &[]
    }

    /// For a delta: the digests that it leaves out, because the receiver has them.
    ///
    /// What is lacking and not among it is missing by mistake. Other images of the place may need it.
    ///
    /// - `None` for an image that is whole.
    /// - Reading it is `NotFound` here.
    fn needs(&self) -> Option<&HashSet<Digest>> {
        None
    }

    /// The descriptor of the root, where it is known without its bytes: of a delta, which may lack them, and of an image that
    /// was opened to be [compared](crate::ReadOptions::compare).
    ///
    /// - Its digest, size and media type are those of the root.
    fn root_descriptor(&self) -> Option<&Descriptor> {
        None
    }

    /// The manifest or index that the reference names. Its descriptor may have a platform and annotations, where the
    /// archive keeps them. Where the place keeps its digest nowhere, as a `dir:` does, nobody can see that the manifest has changed.
    ///
    /// - Its bytes are as stored, and true to their digest.
    /// - Its descriptor has the media type, digest and size of the manifest.
    async fn root(&self) -> Result<Manifest>;

    /// A manifest that the root refers to, directly or through other indexes, or one that is about the image. The root
    /// itself may be asked for, too. What is asked for and is no part of the image, but is there, may be given.
    ///
    /// - `NotFound`, naming it, if it is absent, as in a sparse index.
    /// - Its descriptor is the one that was asked for, with platform, annotations and all.
    /// - `Corrupt` if its bytes are not what the descriptor says.
    async fn manifest(&self, of: &Descriptor) -> Result<Manifest>;

    /// A config or layer.
    ///
    /// - `NotFound`, naming it, before any byte.
    /// - The [`Body`] holds the bytes to the descriptor's digest and size.
    /// - It may be asked for again, concurrently, and dropped half read.
    /// - However large it is, it is read in pieces.
    /// - A body that is half read holds up no commit to the same place.
    async fn blob(&self, of: &Descriptor) -> Result<Body>;

    /// Whether a config or layer is here, for plans: what tells for good is [`blob`](Self::blob). For places where asking costs less than
    /// opening.
    ///
    /// - It is there where [`blob`](Self::blob) opens it, and not where that is `NotFound`.
    async fn holds(&self, of: &Descriptor) -> Result<bool> {
        match self.blob(of).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether an index here may lack children on purpose.
    ///
    /// - It is [`Accepted`](Sparse::Accepted) where the place takes sparse indexes; where it is
    ///   [`Refused`](Sparse::Refused), a child that is listed and not here is damage.
    fn sparse(&self) -> Sparse {
        Sparse::Accepted
    }

    /// The ability to say which manifests are about this image.
    fn referrers(&self) -> Option<&dyn Referrers> {
        None
    }

    /// The ability to hold detached signatures.
    fn signatures(&self) -> Option<&dyn Signatures> {
        None
    }
}

/// A config or layer that an image needs. Only a root can be not there: what a manifest refers to and its source lacks is damage, unless a
/// delta leaves it out.
///
/// # Errors
/// Those of [`ImageSource::blob`], and `Corrupt` for what is missing.
pub async fn needed_blob(source: &dyn ImageSource, of: &Descriptor) -> Result<Body> {
    let left_out = || source.needs().is_some_and(|needs| needs.contains(&of.digest));
    source.blob(of).await.map_err(|error| if left_out() { error } else { error.of_part() })
}

/// Manifests that are about an image: their `subject` is one of its manifests.
#[async_trait]
pub trait Referrers: Send + Sync {
    /// The descriptors of manifests whose subject is `of`: the root, a manifest below it, or one that is about those. The
    /// artifact type of a manifest that states none is the media type of its config ([`Manifest::as_referrer`]).
    ///
    /// - Each has the media type, digest, size and artifact type of its manifest; its annotations may be there, too.
    /// - In the order in which they were put, where the place keeps images in theirs; else in the same order each time.
    async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>>;

    /// Images beside this one whose names say that they are about a manifest: cosign's `sha256-HEX.sig`, `.att` and `.sbom`. The
    /// name of each, which is a tag, and its root. None where nothing is kept so.
    async fn beside(&self, of: &Digest) -> Result<Vec<(String, Descriptor)>> {
        let _ = of;
        Ok(Vec::new())
    }
}

/// Detached signatures, as `dir:` keeps them.
#[async_trait]
pub trait Signatures: Send + Sync {
    /// The signatures of a manifest; `None` means the root.
    ///
    /// - In the order in which they were put, those of that manifest alone; none where there are none.
    async fn signatures(&self, of: Option<&Digest>) -> Result<Vec<Bytes>>;
}
