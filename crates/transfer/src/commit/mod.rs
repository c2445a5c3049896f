//! Commits an image whose blobs are copied: its manifests, what is about it, its signatures, and its part of the report.

mod beside;
mod convert;
mod delta;
mod manifests;
pub(crate) mod published;
pub(crate) mod report;
pub(crate) mod sign;
pub(crate) mod signatures;
pub(crate) mod stay;

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Instant;

use transship_core::{
    Commit, Committed, ImageDestination, ImageSource, Manifest, Result, ResultExt, Shows,
};

use crate::copy::blob::{Reuse, Route};
use crate::copy::schedule::Scheduler;
use crate::copy::task::{BlobTask, CopiedBlobs};
use crate::locked;
use crate::open::base::WithBase;
use crate::open::{Batch, boxed};
use crate::plan::nodes::ImagePlan;
use crate::plan::{Action, ImageTask, shows};
use crate::{Compare, DetachedSignatures, EventKind, ImageId};
pub(crate) use convert::{attested, image_type, index_type, lost_in_docker};
use delta::Delta;
pub(crate) use manifests::planned_root;
use manifests::{Built, build};
use report::{ImageReport, Report};
use stay::Signed;

/// Commits an image.
pub(crate) async fn commit(
    batch: &Batch<'_>,
    task: ImageTask<'_>,
    copied: &CopiedBlobs,
    scheduler: &Scheduler,
) -> Result<ImageReport> {
    let ImageTask { id, root, action, target } = task;
    let place = target.image.owned()?;
    let shows = place.accepts().shows;
    let mut made = None;
    let action = match action {
        // What its layers became may be what is there.
        Action::Copy { plan, from, blobs } => {
            match shown(&*place, &plan, &blobs, copied, batch).await? {
                Some(there) => Action::Nothing(there),
                None => Action::Copy { plan, from, blobs },
            }
        }
        nothing @ Action::Nothing(_) => nothing,
    };
    let committed = match action {
        Action::Nothing(there) => there,
        Action::Copy { from, plan, blobs } => {
            let again = Again { scheduler, image: id, blobs: &blobs };
            let (mut committed, referrers) =
                commit_plan(&plan, place, from.get(), copied, again, batch).await?;
            let lost = std::mem::take(&mut committed.lost);
            if shows == Shows::AtCommit {
                batch.events.published(&committed.references);
            }
            made = Some((plan, referrers.saturating_sub(lost.len()), lost));
            committed
        }
    };
    batch.events.emit(EventKind::Committed {
        image: id,
        digest: committed.descriptor.digest.clone(),
        references: committed.references.clone(),
    });
    let source = batch.sources.reference(id.0).clone();
    let mut report = ImageReport::new(source, root, target.names, committed);
    if let Some((plan, referrers, lost)) = made {
        report.unchanged = false;
        report.not_distributed = plan.not_distributed();
        report.platforms = plan.platforms;
        report.referrers = referrers;
        report.lost = plan.lost;
        report.lost.extend(lost);
        report.warnings = plan.warnings;
    }
    Ok(report)
}

/// How blobs of an image are put again.
struct Again<'a> {
    scheduler: &'a Scheduler,
    image: ImageId,
    blobs: &'a [BlobTask],
}

/// What the destination shows already of an image whose blobs are there.
async fn shown(
    place: &dyn ImageDestination,
    plan: &ImagePlan,
    blobs: &[BlobTask],
    copied: &CopiedBlobs,
    batch: &Batch<'_>,
) -> Result<Option<Committed>> {
    // Where no layer changes form, the plan has asked a moment ago. `sync` asks again: others write to the same places.
    let changes = blobs.iter().any(|blob| blob.key.to.is_some());
    let is_asked = changes || batch.options.compare == Compare::Plans;
    if !is_asked {
        return Ok(None);
    }
    shows(place, plan, &build(&plan.root, copied)?.root, batch.options).await
}

/// Puts the manifests of an image and commits it. Also gives the number of its referrers.
async fn commit_plan(
    plan: &ImagePlan,
    image: Box<dyn ImageDestination + '_>,
    source: &dyn ImageSource,
    copied: &CopiedBlobs,
    again: Again<'_>,
    batch: &Batch<'_>,
) -> Result<(Committed, usize)> {
    let built = build(&plan.root, copied)?;
    let referrers: Vec<Built> =
        plan.referrers.iter().map(|node| build(node, copied)).collect::<Result<_>>()?;
    let mut delta = Delta::default();
    let absent = plan.absent.iter().map(|absent| &absent.digest).collect();
    if let Some(since) = &plan.since {
        delta = Delta::of(&built, &referrers, since, &absent);
    }
    for (_, manifest) in built.below.iter().filter(|(_, below)| !delta.leaves_out(below)) {
        image.put_manifest(manifest).await?;
    }
    let carried = boxed(put_referrers(plan, &*image, &referrers)).await?;
    let start = Instant::now();
    let signed = boxed(sign::sign(batch, &*image, source, &built, &carried)).await?;
    if plan.signatures == DetachedSignatures::Keep {
        let alone = signatures::is_alone(plan);
        let alone = alone.then(|| &plan.root.manifest().descriptor().digest);
        signatures::copy(source, &*image, &built, alone, signed.files).await?;
    } else {
        signatures::put_made(&*image, &built, signed.files).await?;
    }
    let what = Commit::new(&built.root)
        .without(&plan.absent)
        .needing(&delta.needs)
        .preferring(plan.preferred.as_ref())
        .where_beside_is_refused(sign::without_signature(batch));
    let lacking = image.verify_found(what).await?;
    if !lacking.is_empty() {
        let from = &WithBase::over(source, &*image);
        let (image, destination) = (again.image, &*image);
        let route = Route { image, source: from, destination, reuse: Reuse::Nothing };
        again.scheduler.put_again(route, again.blobs, (copied, &lacking)).await?;
    }
    let events = &again.scheduler.events;
    let committed = events.publishing(image.reference().clone(), image.commit(what)).await?;
    // What the caller opened may be of a transport that is not linked.
    let linked = committed.references.iter().filter(|at| batch.to.of(at).is_ok());
    for at in linked.filter(|_| !signed.tags.is_empty()) {
        locked(&batch.signed).push(Signed {
            at: at.clone(),
            root: built.root.clone(),
            absent: plan.absent.clone(),
            signatures: signed.tags.clone(),
            took: start.elapsed(),
            written: Instant::now(),
        });
    }
    Ok((committed, referrers.len()))
}

/// Gives what lies beside the image now, by its tag.
async fn put_referrers(
    plan: &ImagePlan,
    image: &dyn ImageDestination,
    referrers: &[Built],
) -> Result<HashMap<String, Manifest>> {
    let mut carried = HashMap::new();
    for Built { root, below } in referrers {
        for manifest in below.iter().map(|(_, below)| below).chain([root]) {
            image.put_manifest(manifest).await?;
        }
        let digest = &root.descriptor().digest;
        for (_, tag) in plan.beside.iter().filter(|(of, _)| of == digest) {
            if let Some(able) = image.beside() {
                let put = beside::bring(image, able, tag, root).await.context(|| tag)?;
                carried.insert(tag.clone(), put);
            }
        }
    }
    Ok(carried)
}

/// Publishes what the destination shows at its end, sees to it that signatures stay, and completes the report.
pub(crate) async fn finish(batch: Batch<'_>, mut report: Report) -> Result<Report> {
    // Where everything failed, there is nothing to show.
    if !report.images.is_empty() {
        match batch.writer.reference().cloned() {
            Some(to) => batch.events.publishing(to, batch.writer.finish()).await?,
            None => batch.writer.finish().await?,
        }
    }
    let signed = batch.signed.into_inner().unwrap_or_else(PoisonError::into_inner);
    boxed(stay::keep(&batch.to, signed)).await?;
    report.failed.splice(0..0, batch.sources.failed);
    Ok(report)
}
