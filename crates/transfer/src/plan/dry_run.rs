//! What a transfer would do.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use transship_core::{
    ArchiveWriter, Digest, ImageDestination, ImageName, Reference, Result, Transports,
};

use crate::commit::report::{
    BlobFate, ImageFailure, Plan, PlannedBlob, PlannedImage, PlatformsReport,
};
use crate::copy::blob::{BlobTask, jobs, tasks};
use crate::copy::cache::LayerCache;
use crate::copy::run::{boxed, sole_job};
use crate::events::emit::TransferEvents;
use crate::open::destination::{self, Opened, Target};
use crate::open::sources::{self, Sources, about, keeps_going};
use crate::open::stream::Read;
use crate::plan::image::{Action, ImageTask, given, job, only, plan_for};
use crate::plan::layers::Handling;
use crate::plan::names::NameTable;
use crate::plan::nodes::ImagePlan;
use crate::{Destination, Events, Published, Source, TransferOptions};

/// Of how many blobs of an image it is asked at once whether they are there.
const AT_ONCE: usize = 8;

/// Plans a transfer. What is opened for writing is dropped again.
pub(crate) async fn dry_run(
    sources: &[Source],
    destination: &Destination,
    options: &TransferOptions,
    (from, to): (Transports, Transports),
) -> Result<Plan> {
    // Nothing happens, so nobody is told.
    let transfer_events = TransferEvents::new(Events::default(), Published::default());
    let events = transfer_events.handle();
    let sources = sources::open(sources, &from, options, &events, Read::default()).await?;
    let mut plan = match destination {
        Destination::Reference(at) => {
            match boxed(destination::open(at, &to, options, &sources, &events)).await? {
                Opened::One(image) => foresee_one(image, &sources, options).await,
                Opened::Many(writer) => foresee_many(&*writer, &sources, options).await,
            }
        }
        Destination::Image(image) => {
            only(&**image, &sources)?;
            destination::check_fixed(&**image, given(0, &sources, options))?;
            foresee_open(&**image, &sources, options).await
        }
        Destination::Archive(writer) => foresee_many(&**writer, &sources, options).await,
    }?;
    plan.failed.splice(0..0, sources.failed);
    Ok(plan.summed())
}

async fn foresee_one(
    image: Box<dyn ImageDestination>,
    sources: &Sources<'_>,
    options: &TransferOptions,
) -> Result<Plan> {
    let job = sole_job(image, sources, options).await?;
    let image = foresee(sources.reference(0), job, &LayerCache::new(options)).await?;
    Ok(Plan { images: vec![image], ..Plan::default() })
}

async fn foresee_open(
    image: &dyn ImageDestination,
    sources: &Sources<'_>,
    options: &TransferOptions,
) -> Result<Plan> {
    let from = sources.image(0).await?;
    let plan = plan_for(&from, image, options).await?;
    let cache = LayerCache::new(options);
    let blobs = blobs(&plan, &tasks(&plan), image, &cache).await?;
    let source = from.image.get().reference().clone();
    let names = image.names().to_vec();
    let image = planned_image(plan, source, image.reference().clone(), names, blobs);
    Ok(Plan { images: vec![image], ..Plan::default() })
}

async fn foresee_many(
    writer: &dyn ArchiveWriter,
    sources: &Sources<'_>,
    options: &TransferOptions,
) -> Result<Plan> {
    destination::check_names(options, sources.asked())?;
    let mut plan = Plan::default();
    let cache = LayerCache::new(options);
    let (mut described, mut name_table) = (HashSet::new(), NameTable::of(sources));
    // Where each image is in the plan.
    let mut places: Vec<Option<usize>> = Vec::with_capacity(sources.len());
    // All that is asked for an image is one future: while nobody polls one, none of its answers may be waited for by another.
    let one = async |at| {
        let job = job(at, sources, writer, options).await?;
        let blobs = blobs_of(&job, &cache).await;
        Ok((job, blobs.map_err(|error| about(sources.reference(at), error))?))
    };
    let mut all = stream::iter(0..sources.len()).map(|at| boxed(one(at))).buffered(jobs(options));
    while let Some(job) = all.next().await {
        let at = places.len();
        let (job, mut blobs) = match job {
            Err(error) if keeps_going(options, sources.asked(), &error) => {
                places.push(None);
                plan.failed.push(ImageFailure::new(sources.reference(at).clone(), &error));
                continue;
            }
            job => job?,
        };
        for (loser, text) in name_table.add(&job)? {
            if let Some(image) = places[loser] {
                plan.images[image].warnings.push(text);
            }
        }
        places.push(Some(plan.images.len()));
        blobs.retain(|blob| described.insert((blob.digest.clone(), blob.fate)));
        plan.images.push(planned_job(sources.reference(at), job, blobs));
    }
    Ok(plan)
}

async fn foresee(
    source: &Reference,
    job: ImageTask<'_>,
    cache: &LayerCache,
) -> Result<PlannedImage> {
    let blobs = blobs_of(&job, cache).await.map_err(|error| about(source, error))?;
    Ok(planned_job(source, job, blobs))
}

async fn blobs_of(job: &ImageTask<'_>, cache: &LayerCache) -> Result<Vec<PlannedBlob>> {
    match &job.action {
        Action::Copy { plan, tasks, .. } => blobs(plan, tasks, &*job.place.image, cache).await,
        Action::Nothing(_) => Ok(Vec::new()),
    }
}

async fn blobs(
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
    for layer in plan.root.images().iter().flat_map(|leaf| &leaf.layers) {
        if layer.handling == Handling::LeaveOut {
            blobs.push(PlannedBlob::new(&layer.source, BlobFate::LeftOut));
        }
    }
    let mut described = HashSet::new();
    blobs.retain(|blob| described.insert((blob.digest.clone(), blob.fate)));
    Ok(blobs)
}

async fn fate(
    plan: &ImagePlan,
    task: &BlobTask,
    destination: &dyn ImageDestination,
    cache: &LayerCache,
) -> Result<PlannedBlob> {
    let known = |digest: &Digest| plan.since.as_ref().is_some_and(|since| since.has(digest));
    let expect = cache.expect(task).await?;
    let there = expect.digest.is_some() && destination.has(&expect).await?.is_some();
    let fate = match task.key.to {
        _ if there => BlobFate::Reused,
        None if known(&task.source.digest) => BlobFate::Known,
        Some(to) => BlobFate::Changed { to },
        None => BlobFate::Moved,
    };
    Ok(PlannedBlob::new(&task.source, fate))
}

fn planned_job(source: &Reference, job: ImageTask<'_>, blobs: Vec<PlannedBlob>) -> PlannedImage {
    let Target { image, names, .. } = job.place;
    let destination = image.reference().clone();
    match job.action {
        Action::Copy { plan, .. } => planned_image(plan, source.clone(), destination, names, blobs),
        Action::Nothing(_) => PlannedImage {
            source: source.clone(),
            destination,
            names,
            source_digest: job.root.digest,
            media_type: job.root.media_type.clone(),
            source_media_type: job.root.media_type,
            digest_kept: true,
            platforms: PlatformsReport::default(),
            blobs,
            lost: Vec::new(),
            warnings: Vec::new(),
        },
    }
}

fn planned_image(
    plan: ImagePlan,
    source: Reference,
    destination: Reference,
    names: Vec<ImageName>,
    blobs: Vec<PlannedBlob>,
) -> PlannedImage {
    PlannedImage {
        source,
        destination,
        names,
        source_digest: plan.source.digest,
        source_media_type: plan.source.media_type,
        media_type: plan.root.media_type(),
        digest_kept: plan.root.is_kept(),
        platforms: plan.platforms,
        blobs,
        lost: plan.lost,
        warnings: plan.warnings,
    }
}
