//! [`Plan`]: what a transfer would do, for people and programs. It describes the very plan that is copied.

use std::collections::HashSet;
use std::fmt;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use transship_core::{
    Descriptor, Digest, Escaped, ImageDestination, ImageName, LayerForm, MediaType, Reference,
    Result, ResultExt, few,
};

use super::layers::Handling;
use super::nodes::ImagePlan;
use super::{Action, ImageTask, TransferPlan};
use crate::copy::blob::LayerCache;
use crate::copy::task::BlobTask;
use crate::open::boxed;
use crate::text;
use crate::{ImageFailure, LayerElsewhere, PlatformsReport};

/// Of how many blobs of an image the destination is asked at once.
const AT_ONCE: usize = 8;

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
    /// Whether the destination shows the same already: nothing would be read or written.
    pub unchanged: bool,
    /// What becomes of its platforms.
    pub platforms: PlatformsReport,
    /// Its blobs, in the order in which they go. One that several images share is listed with the first.
    pub blobs: Vec<PlannedBlob>,
    /// Its layers that are not to be distributed, and are not copied.
    pub not_distributed: Vec<LayerElsewhere>,
    /// What it has and will have no more, a sentence each.
    pub lost: Vec<String>,
    /// Warnings, a sentence each.
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
    /// It is copied unchanged.
    Moved,
    /// The destination has it.
    Reused,
    /// It is compressed, decompressed or recompressed.
    Changed {
        /// The form that it gets.
        #[serde(serialize_with = "form")]
        to: LayerForm,
    },
    /// It is not distributable, and not copied.
    LeftOut,
    /// It is omitted: the base of the delta has it.
    Known,
}

impl PlannedBlob {
    pub(crate) fn new(of: &Descriptor, fate: BlobFate) -> Self {
        let Descriptor { media_type, digest, size, .. } = of.clone();
        Self { digest, media_type, size, fate }
    }
}

impl TransferPlan<'_, '_> {
    /// Asks the destination which blobs it has. Nothing is written.
    pub(crate) async fn describe(mut self) -> Result<Plan> {
        let (batch, mut described) = (self.batch, HashSet::new());
        let cache = &LayerCache::new(batch.options);
        // Boxed one by one: a stream over the images themselves is not `Send`.
        let mut images = Vec::with_capacity(self.images.len());
        for at in std::mem::take(&mut self.images) {
            let kept = self.kept.remove(&at);
            images.push(boxed(async move {
                let image = async { batch.image(at, kept).await?.describe(cache).await }.await;
                (at, image.context(|| batch.sources.reference(at)))
            }));
        }
        let mut all = stream::iter(images).buffered(batch.options.streams());
        let mut plan = Plan { failed: std::mem::take(&mut self.failed), ..Plan::default() };
        // As in planning, nothing is awaited in the loop.
        while let Some((at, image)) = all.next().await {
            let mut image = match image {
                Err(error) if batch.goes_on(&error) => {
                    plan.failed.push(batch.failure(at, &error));
                    continue;
                }
                image => image?,
            };
            image.source = batch.sources.reference(at).clone();
            image.warnings.extend(self.lost_names(at));
            image.blobs.retain(|blob| described.insert((blob.digest.clone(), blob.fate)));
            plan.images.push(image);
        }
        drop(all);
        plan.failed.splice(0..0, batch.sources.failed.iter().cloned());
        Ok(plan.summed())
    }
}

impl ImageTask<'_> {
    async fn describe(self, cache: &LayerCache) -> Result<PlannedImage> {
        let place = self.target.image.get();
        let mut image = PlannedImage {
            source: place.reference().clone(),
            destination: place.reference().clone(),
            names: self.target.names,
            source_digest: self.root.digest,
            source_media_type: self.root.media_type.clone(),
            media_type: self.root.media_type,
            digest_kept: true,
            unchanged: true,
            platforms: PlatformsReport::default(),
            blobs: Vec::new(),
            not_distributed: Vec::new(),
            lost: Vec::new(),
            warnings: Vec::new(),
        };
        if let Action::Copy { plan, blobs, .. } = self.action {
            image.blobs = fates(&plan, &blobs, place, cache).await?;
            image.media_type = plan.root.media_type();
            image.digest_kept = plan.root.is_kept();
            image.unchanged = false;
            image.not_distributed = plan.not_distributed();
            image.platforms = plan.platforms;
            image.lost = plan.lost;
            image.warnings = plan.warnings;
        }
        Ok(image)
    }
}

async fn fates(
    plan: &ImagePlan,
    tasks: &[BlobTask],
    destination: &dyn ImageDestination,
    cache: &LayerCache,
) -> Result<Vec<PlannedBlob>> {
    // By position: a stream of references is not `Send`.
    let mut blobs: Vec<PlannedBlob> = stream::iter(0..tasks.len())
        .map(|at| fate(plan, &tasks[at], destination, cache))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let left_out = plan.layers().filter(|layer| layer.handling == Handling::LeaveOut);
    blobs.extend(left_out.map(|layer| PlannedBlob::new(&layer.source, BlobFate::LeftOut)));
    Ok(blobs)
}

async fn fate(
    plan: &ImagePlan,
    task: &BlobTask,
    destination: &dyn ImageDestination,
    cache: &LayerCache,
) -> Result<PlannedBlob> {
    let known = |digest: &Digest| plan.since.as_ref().is_some_and(|since| since.has(digest));
    let fate = match task.key.to {
        _ if task.probe(destination, cache).await?.is_some() => BlobFate::Reused,
        None if known(&task.source.digest) => BlobFate::Known,
        Some(to) => BlobFate::Changed { to },
        None => BlobFate::Moved,
    };
    Ok(PlannedBlob::new(&task.source, fate))
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
            ("to recompress", self.changed),
            ("to reuse", self.reused),
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
        let digest = if self.digest_kept { "unchanged" } else { "will change" };
        write!(f, "\n  digest {}: {digest}", self.source_digest)?;
        if self.media_type != self.source_media_type {
            let (from, to) = (self.source_media_type.as_ref(), self.media_type.as_ref());
            write!(f, ", {} becomes {}", Escaped(from), Escaped(to))?;
        }
        for (what, platforms) in [
            ("platforms", &self.platforms.copied),
            ("not in the source", &self.platforms.absent),
            ("left out", &self.platforms.skipped),
        ] {
            if !platforms.is_empty() {
                let all: Vec<_> = platforms.iter().map(ToString::to_string).collect();
                write!(f, "\n  {what}: {}", Escaped(&all.join(", ")))?;
            }
        }
        for blob in &self.blobs {
            write!(f, "\n  {} {} ({} bytes)", blob.fate, blob.digest, blob.size)?;
        }
        if !self.not_distributed.is_empty() {
            let layers = few(&self.not_distributed);
            write!(f, "\n  not to be distributed, and not copied: {layers}")?;
        }
        for text in &self.lost {
            write!(f, "\n  lost: {}", Escaped(text))?;
        }
        for text in &self.warnings {
            write!(f, "\n  warning: {}", Escaped(text))?;
        }
        writeln!(f)
    }
}

impl fmt::Display for BlobFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved => f.write_str("copy"),
            Self::Reused => f.write_str("reuse"),
            Self::Changed { to: LayerForm::Plain } => f.write_str("decompress"),
            Self::Changed { to } => write!(f, "compress with {}", form_name(*to)),
            Self::LeftOut => f.write_str("leave out"),
            Self::Known => f.write_str("omit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship_core::{Platform, sha256};

    #[test]
    fn text_from_images_cannot_move_the_cursor() {
        let mut lying = Descriptor::new(MediaType::ImageLayer, sha256(b""), 0);
        lying.urls.push("\u{1b}".to_owned());
        let image = PlannedImage {
            source: Reference::new("a", "x"),
            destination: Reference::new("b", "y\u{1b}"),
            names: Vec::new(),
            source_digest: sha256(b""),
            source_media_type: MediaType::from("t\u{1b}[1m"),
            media_type: MediaType::ImageManifest,
            digest_kept: false,
            unchanged: false,
            platforms: PlatformsReport {
                copied: vec![Platform::new("\u{1b}", "z")],
                ..PlatformsReport::default()
            },
            blobs: Vec::new(),
            not_distributed: vec![LayerElsewhere::from(&lying)],
            lost: vec!["\u{1b}".to_owned()],
            warnings: vec!["\r".to_owned()],
        };
        let text = Plan { images: vec![image], ..Plan::default() }.to_string();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}
