//! The last steps of an image: its manifests, its signatures, its commit, its part of the report.

use transship_core::{
    Commit, Committed, Descriptor, Digest, ImageDestination, ImageName, ImageSource, Reference,
    Result, Shows,
};

use crate::build::{Arrived, Built, build};
use crate::delta::Delta;
use crate::plan::ImagePlan;
use crate::report::{ImageReport, PlatformsReport};
use crate::target::Place;
use crate::tell::Tell;
use crate::{EventKind, ImageId};

/// Commits an image whose blobs are all there.
pub(crate) async fn finish_image(
    id: ImageId,
    plan: ImagePlan,
    place: Place<'_>,
    source: &dyn ImageSource,
    arrived: &Arrived,
    tell: &Tell,
) -> Result<ImageReport> {
    let Place { image, names, .. } = place;
    let built = build(&plan.root, arrived)?;
    let about: Vec<Built> =
        plan.referrers.iter().map(|node| build(node, arrived)).collect::<Result<_>>()?;
    let mut delta = Delta::default();
    let absent = plan.absent.iter().map(|absent| &absent.digest).collect();
    if let Some(since) = &plan.since {
        delta = Delta::of(&built, &about, since, &absent)?;
    }
    for (_, manifest) in built.below.iter().filter(|(_, below)| !delta.leaves_out(below)) {
        image.put_manifest(manifest).await?;
    }
    for Built { root, below } in &about {
        for manifest in below.iter().map(|(_, below)| below).chain([root]) {
            image.put_manifest(manifest).await?;
        }
    }
    let mut lost = plan.lost;
    let alone = plan.source.digest != plan.root.manifest().descriptor().digest;
    let old_root = alone.then(|| plan.root.manifest().descriptor().digest.clone());
    for text in keep_signatures(source, &*image, &built, (&plan.source.digest, old_root)).await? {
        tell.warn(Some(id), format!("lost: {text}"));
        lost.push(text);
    }
    let what = Commit::new(&built.root)
        .without(&plan.absent)
        .needing(&delta.needs)
        .preferring(plan.preferred.as_ref());
    let shows = image.accepts().shows;
    let committed = image.commit(what).await?;
    if shows == Shows::AtCommit {
        tell.published(&committed.references);
    }
    tell_committed(id, &committed, tell);
    Ok(ImageReport {
        source: source.reference().clone(),
        destinations: committed.references,
        names,
        source_digest: plan.source.digest,
        source_media_type: plan.source.media_type,
        digest: committed.descriptor.digest,
        media_type: committed.descriptor.media_type,
        platforms: plan.platforms,
        referrers: about.len(),
        lost,
        warnings: plan.warnings,
    })
}

/// The report of an image that all its names stood for already.
pub(crate) fn unchanged(
    id: ImageId,
    source: &Reference,
    root: Descriptor,
    names: Vec<ImageName>,
    there: Committed,
    tell: &Tell,
) -> ImageReport {
    tell_committed(id, &there, tell);
    ImageReport {
        source: source.clone(),
        destinations: there.references,
        names,
        source_digest: root.digest,
        source_media_type: root.media_type,
        digest: there.descriptor.digest,
        media_type: there.descriptor.media_type,
        platforms: PlatformsReport::default(),
        referrers: 0,
        lost: Vec::new(),
        warnings: Vec::new(),
    }
}

fn tell_committed(image: ImageId, committed: &Committed, tell: &Tell) {
    tell.tell(EventKind::Committed {
        image,
        digest: committed.descriptor.digest.clone(),
        references: committed.references.clone(),
    });
}

/// Signatures are kept for manifests that keep their digest; they would not be true of others. Says which are lost.
///
/// `root` is the digest of the root at the source, and that of the image that was taken out of it, if one was.
async fn keep_signatures(
    source: &dyn ImageSource,
    image: &dyn ImageDestination,
    built: &Built,
    (root, alone): (&Digest, Option<Digest>),
) -> Result<Vec<String>> {
    let Some(from) = source.signatures() else { return Ok(Vec::new()) };
    let old_root = alone.as_ref().unwrap_or(root);
    let mut manifests = vec![(alone.as_ref(), old_root, None, &built.root)];
    for (old, manifest) in &built.below {
        manifests.push((Some(old), old, Some(&manifest.descriptor().digest), manifest));
    }
    let mut lost = Vec::new();
    for (of, old, to, manifest) in manifests {
        let signatures = from.signatures(of).await?;
        if signatures.is_empty() {
            continue;
        }
        let count = signatures.len();
        match image.signatures() {
            Some(place) if *old == manifest.descriptor().digest => {
                place.put_signatures(to, signatures).await?;
            }
            Some(_) => lost.push(format!("{count} signatures of {old}: its digest has changed")),
            None => lost.push(format!(
                "{count} signatures of {old}: {} cannot hold them",
                image.reference()
            )),
        }
    }
    Ok(lost)
}
