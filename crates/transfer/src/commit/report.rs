//! [`Report`]: what a transfer did.

use std::fmt;

use serde::Serialize;
use transship_core::{
    Committed, Descriptor, Digest, Error, ErrorKind, Escaped, ImageName, MediaType, Platform,
    Reference, without_password,
};

use crate::text;

/// What a transfer did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The images, in the order of their commits.
    pub images: Vec<ImageReport>,
    /// Images that could not be copied, where the others were to go on.
    pub failed: Vec<ImageFailure>,
    /// How many blobs moved.
    pub blobs_moved: usize,
    /// How many blobs were at the destination already.
    pub blobs_reused: usize,
    /// How many blobs a delta leaves out.
    pub blobs_left_out: usize,
    /// How many bytes were read of the blobs that moved.
    pub bytes_read: u64,
    /// How many bytes they have at the destination.
    pub bytes_written: u64,
}

/// Why an image could not be copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageFailure {
    /// Where it was to come from; an archive that could not be opened stands for all of its images.
    #[serde(serialize_with = "text::one")]
    pub source: Reference,
    /// The error's kind.
    #[serde(serialize_with = "text::one")]
    pub kind: ErrorKind,
    /// The error, in one line.
    pub error: String,
}

impl ImageFailure {
    pub(crate) fn new(source: Reference, error: &Error) -> Self {
        Self { source, kind: error.kind(), error: error.to_string() }
    }
}

/// What became of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageReport {
    /// Where it came from.
    #[serde(serialize_with = "text::one")]
    pub source: Reference,
    /// References that open it at the destination, at least one.
    #[serde(serialize_with = "text::many")]
    pub destinations: Vec<Reference>,
    /// The names that it was to get.
    #[serde(serialize_with = "text::many")]
    pub names: Vec<ImageName>,
    /// The digest of its root at the source.
    pub source_digest: Digest,
    /// The type of its root at the source.
    pub source_media_type: MediaType,
    /// The digest of its root at the destination.
    pub digest: Digest,
    /// The type of its root at the destination.
    pub media_type: MediaType,
    /// Whether the destination showed the same before: nothing was read or written.
    pub unchanged: bool,
    /// What became of its platforms.
    pub platforms: PlatformsReport,
    /// How many manifests that are about it came with it.
    pub referrers: usize,
    /// Its layers that are not to be distributed, and were not copied.
    pub not_distributed: Vec<LayerElsewhere>,
    /// What it had at the source and has no more, a sentence each.
    pub lost: Vec<String>,
    /// Warnings, a sentence each.
    pub warnings: Vec<String>,
}

impl ImageReport {
    /// Of an image that was committed, or was there, as it is at its source.
    pub(crate) fn new(
        source: Reference,
        root: Descriptor,
        names: Vec<ImageName>,
        committed: Committed,
    ) -> Self {
        Self {
            source,
            destinations: committed.references,
            names,
            source_digest: root.digest,
            source_media_type: root.media_type,
            digest: committed.descriptor.digest,
            media_type: committed.descriptor.media_type,
            unchanged: true,
            platforms: PlatformsReport::default(),
            referrers: 0,
            not_distributed: Vec::new(),
            lost: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// A layer that stays where it is. Its text is for people: the digest and the place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LayerElsewhere {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where it is, as the manifest says; it may say nothing.
    pub urls: Vec<String>,
}

impl From<&Descriptor> for LayerElsewhere {
    fn from(layer: &Descriptor) -> Self {
        Self { digest: layer.digest.clone(), size: layer.size, urls: layer.urls.clone() }
    }
}

impl fmt::Display for LayerElsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.digest)?;
        match &*self.urls {
            [] => f.write_str(" (it is not said where it is)"),
            urls => {
                let urls: Vec<_> = urls.iter().map(|url| without_password(url)).collect();
                write!(f, " at {}", Escaped(&urls.join(" or ")))
            }
        }
    }
}

/// What became of the platforms of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlatformsReport {
    /// Those that were copied. For a single image, the one of its config.
    #[serde(serialize_with = "text::many")]
    pub copied: Vec<Platform>,
    /// Those that the index lists and the source does not have.
    #[serde(serialize_with = "text::many")]
    pub absent: Vec<Platform>,
    /// Those that were not asked for, or that the destination cannot hold.
    #[serde(serialize_with = "text::many")]
    pub skipped: Vec<Platform>,
}
