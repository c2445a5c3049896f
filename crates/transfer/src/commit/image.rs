//! The last steps of an image: its manifests, its signatures, its commit, its part of the report.

use transship_core::{
    Commit, Committed, Descriptor, ImageName, ImageSource, Reference, Result, Shows,
};

use super::signatures;
use crate::commit::delta::Delta;
use crate::commit::manifests::{Built, CopiedBlobs, build};
use crate::commit::report::{ImageReport, PlatformsReport};
use crate::events::emit::Emitter;
use crate::open::destination::Target;
use crate::plan::nodes::ImagePlan;
use crate::{DetachedSignatures, EventKind, ImageId};

/// Commits an image whose blobs are all there.
pub(crate) async fn finish_image(
    id: ImageId,
    plan: ImagePlan,
    place: Target<'_>,
    source: &dyn ImageSource,
    copied: &CopiedBlobs,
    events: &Emitter,
) -> Result<ImageReport> {
    let Target { image, names, .. } = place;
    let built = build(&plan.root, copied)?;
    let about: Vec<Built> =
        plan.referrers.iter().map(|node| build(node, copied)).collect::<Result<_>>()?;
    let mut delta = Delta::default();
    let absent = plan.absent.iter().map(|absent| &absent.digest).collect();
    if let Some(since) = &plan.since {
        delta = Delta::of(&built, &about, since, &absent);
    }
    for (_, manifest) in built.below.iter().filter(|(_, below)| !delta.leaves_out(below)) {
        image.put_manifest(manifest).await?;
    }
    for Built { root, below } in &about {
        for manifest in below.iter().map(|(_, below)| below).chain([root]) {
            image.put_manifest(manifest).await?;
        }
        let digest = &root.descriptor().digest;
        for (_, tag) in plan.beside.iter().filter(|(of, _)| of == digest) {
            if let Some(place) = image.beside() {
                place.put_beside(tag, root).await?;
            }
        }
    }
    if plan.signatures == DetachedSignatures::Keep {
        let alone = signatures::is_alone(&plan);
        let alone = alone.then(|| &plan.root.manifest().descriptor().digest);
        signatures::copy(source, &*image, &built, alone).await?;
    }
    let what = Commit::new(&built.root)
        .without(&plan.absent)
        .needing(&delta.needs)
        .preferring(plan.preferred.as_ref());
    let shows = image.accepts().shows;
    let committed = image.commit(what).await?;
    if shows == Shows::AtCommit {
        events.published(&committed.references);
    }
    emit_committed(id, &committed, events);
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
        lost: plan.lost,
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
    events: &Emitter,
) -> ImageReport {
    emit_committed(id, &there, events);
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

fn emit_committed(image: ImageId, committed: &Committed, events: &Emitter) {
    events.emit(EventKind::Committed {
        image,
        digest: committed.descriptor.digest.clone(),
        references: committed.references.clone(),
    });
}
