//! [`Report`]: what a transfer did. [`Plan`]: what it would do.

use std::fmt;

use serde::Serialize;
use transship_core::{
    Descriptor, Digest, Error, ErrorKind, Escaped, ImageName, LayerForm, MediaType, Platform,
    Reference,
};

use crate::events::text;

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
    /// Where it was to come from; a container that could not be opened stands for all of its images.
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
    /// What became of its platforms.
    pub platforms: PlatformsReport,
    /// How many manifests that are about it came with it.
    pub referrers: usize,
    /// What it had at the source and has no more, a sentence each.
    pub lost: Vec<String>,
    /// What the caller should know beside, a sentence each.
    pub warnings: Vec<String>,
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

/// What a transfer would do. Its text is for people, with control characters from images escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The images, in the order of their commits.
    pub images: Vec<PlannedImage>,
    /// Images that cannot be copied, where the others are to go on.
    pub failed: Vec<ImageFailure>,
    /// What all of it comes to.
    pub totals: PlanTotals,
}

/// What a transfer would come to. Blobs that images share count once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlanTotals {
    /// How many images.
    pub images: usize,
    /// How many of them keep their digest.
    pub digests_kept: usize,
    /// Blobs that move as they are.
    pub moved: Sum,
    /// Blobs that get another form.
    pub changed: Sum,
    /// Blobs that are there already.
    pub reused: Sum,
    /// Blobs that stay behind.
    pub left_out: Sum,
    /// How many losses there are to tell of.
    pub lost: usize,
}

/// A number of blobs, and what they have together at their sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sum {
    /// How many blobs.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Plan {
    /// With its totals.
    pub(crate) fn summed(mut self) -> Self {
        let mut totals = PlanTotals { images: self.images.len(), ..PlanTotals::default() };
        for image in &self.images {
            totals.digests_kept += usize::from(image.digest_kept);
            totals.lost += image.lost.len();
            let sums = PlanTotals::of(&image.blobs);
            totals.moved.add(sums.moved);
            totals.changed.add(sums.changed);
            totals.reused.add(sums.reused);
            totals.left_out.add(sums.left_out);
        }
        self.totals = totals;
        self
    }
}

impl PlanTotals {
    /// Of some blobs alone.
    pub fn of(blobs: &[PlannedBlob]) -> Self {
        let mut totals = Self::default();
        for blob in blobs {
            let sum = match blob.fate {
                BlobFate::Moved => &mut totals.moved,
                BlobFate::Changed { .. } => &mut totals.changed,
                BlobFate::Reused => &mut totals.reused,
                BlobFate::LeftOut | BlobFate::Known => &mut totals.left_out,
            };
            sum.add(Sum { blobs: 1, bytes: blob.size });
        }
        totals
    }
}

impl Sum {
    fn add(&mut self, more: Self) {
        self.blobs += more.blobs;
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

/// What would become of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedImage {
    /// Where it comes from.
    #[serde(serialize_with = "text::one")]
    pub source: Reference,
    /// Where it goes.
    #[serde(serialize_with = "text::one")]
    pub destination: Reference,
    /// The names that it is to get, beside the one in the destination.
    #[serde(serialize_with = "text::many")]
    pub names: Vec<ImageName>,
    /// The digest of its root at the source.
    pub source_digest: Digest,
    /// The type of its root at the source.
    pub source_media_type: MediaType,
    /// The type that its root gets.
    pub media_type: MediaType,
    /// Whether the root keeps its bytes, and so its digest.
    pub digest_kept: bool,
    /// What becomes of its platforms.
    pub platforms: PlatformsReport,
    /// Its blobs, in the order in which they go. One that several images share is told with the first.
    pub blobs: Vec<PlannedBlob>,
    /// What it has and will have no more, a sentence each.
    pub lost: Vec<String>,
    /// What the caller should know beside, a sentence each.
    pub warnings: Vec<String>,
}

/// What would become of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedBlob {
    /// Its digest at the source.
    pub digest: Digest,
    /// Its type at the source.
    pub media_type: MediaType,
    /// Its size at the source, in bytes.
    pub size: u64,
    /// What becomes of it.
    #[serde(flatten)]
    pub fate: BlobFate,
}

/// What becomes of a blob. In JSON the field `fate` says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlobFate {
    /// It moves as it is.
    Moved,
    /// It is there already.
    Reused,
    /// It gets another form.
    Changed {
        /// Which.
        #[serde(serialize_with = "form")]
        to: LayerForm,
    },
    /// It stays behind: it is not to be distributed.
    LeftOut,
    /// It stays behind: those for whom the delta is made have it.
    Known,
}

impl PlannedBlob {
    pub(crate) fn new(of: &Descriptor, fate: BlobFate) -> Self {
        let Descriptor { media_type, digest, size, .. } = of.clone();
        Self { digest, media_type, size, fate }
    }
}

/// The word for a form, as options have it.
pub(crate) fn form_name(form: LayerForm) -> &'static str {
    match form {
        LayerForm::Gzip => "gzip",
        LayerForm::Zstd => "zstd",
        _ => "plain",
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn form<S: serde::Serializer>(form: &LayerForm, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(form_name(*form))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, image) in self.images.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{image}")?;
        }
        for failed in &self.failed {
            writeln!(f, "cannot be copied: {}", failed.error)?;
        }
        if self.images.len() > 1 {
            writeln!(f, "\n{}", self.totals)?;
        }
        Ok(())
    }
}

impl fmt::Display for PlanTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} images", self.images)?;
        for (what, Sum { blobs, bytes }) in [
            ("to copy", self.moved),
            ("to change", self.changed),
            ("there", self.reused),
            ("left out", self.left_out),
        ] {
            if blobs > 0 {
                write!(f, ", {blobs} blobs {what} ({bytes} bytes)")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for PlannedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.destination.to_string();
        write!(f, "{} -> {}", Escaped(&self.source.to_string()), Escaped(&place))?;
        for name in self.names.iter().filter(|name| !place.ends_with(name.as_str())) {
            write!(f, " as {name}")?;
        }
        let digest = if self.digest_kept { "is kept" } else { "changes" };
        write!(f, "\n  {} {digest}", self.source_digest)?;
        if self.media_type != self.source_media_type {
            let (from, to) = (self.source_media_type.as_ref(), self.media_type.as_ref());
            write!(f, ", {} becomes {}", Escaped(from), Escaped(to))?;
        }
        for (what, platforms) in [
            ("copied", &self.platforms.copied),
            ("absent", &self.platforms.absent),
            ("skipped", &self.platforms.skipped),
        ] {
            if !platforms.is_empty() {
                let all: Vec<_> = platforms.iter().map(ToString::to_string).collect();
                write!(f, "\n  {what}: {}", Escaped(&all.join(", ")))?;
            }
        }
        for blob in &self.blobs {
            write!(f, "\n  {} {} ({} bytes)", blob.fate, blob.digest, blob.size)?;
        }
        for text in &self.lost {
            write!(f, "\n  lost: {}", Escaped(text))?;
        }
        for text in &self.warnings {
            write!(f, "\n  note: {}", Escaped(text))?;
        }
        writeln!(f)
    }
}

impl fmt::Display for BlobFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved => f.write_str("copy"),
            Self::Reused => f.write_str("there"),
            Self::Changed { to } => write!(f, "to {}", form_name(*to)),
            Self::LeftOut => f.write_str("leave out"),
            Self::Known => f.write_str("known"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship_core::sha256;

    #[test]
    fn text_from_images_cannot_move_the_cursor() {
        let image = PlannedImage {
            source: Reference::new("a", "x"),
            destination: Reference::new("b", "y\u{1b}"),
            names: Vec::new(),
            source_digest: sha256(b""),
            source_media_type: MediaType::from("t\u{1b}[1m"),
            media_type: MediaType::ImageManifest,
            digest_kept: false,
            platforms: PlatformsReport {
                copied: vec![Platform::new("\u{1b}", "z")],
                ..PlatformsReport::default()
            },
            blobs: Vec::new(),
            lost: vec!["\u{1b}".to_owned()],
            warnings: vec!["\r".to_owned()],
        };
        let text = Plan { images: vec![image], ..Plan::default() }.to_string();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}
