//! [`Report`]: what a transfer did. [`Plan`]: what it would do.

use std::fmt;

use serde::Serialize;
use transship_core::{
    Descriptor, Digest, Escaped, ImageName, LayerForm, MediaType, Platform, Reference,
};

use crate::text;

/// What a transfer did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The images, in the order of their commits.
    pub images: Vec<ImageReport>,
    /// How many blobs moved.
    pub blobs_moved: usize,
    /// How many blobs were at the destination already.
    pub blobs_reused: usize,
    /// How many bytes were read of the blobs that moved.
    pub bytes_read: u64,
    /// How many bytes they have at the destination.
    pub bytes_written: u64,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
        let text = Plan { images: vec![image] }.to_string();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}
