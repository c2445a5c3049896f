//! A transfer from its first step to its report.

use std::collections::HashMap;
use std::pin::Pin;

use futures_util::stream::{self, FuturesUnordered, StreamExt, TryStreamExt};
use transship_core::{
    AcceptsOrder, ArchiveWriter, Descriptor, Digest, Error, ErrorKind, ImageDestination, ImageName,
    ImageSource, Result, Transports,
};

use crate::build::Arrived;
use crate::codec::Compression;
use crate::execute::{Mover, Way, Work, about, jobs, works};
use crate::finish::finish_image;
use crate::forms::Wish;
use crate::look::look;
use crate::open::{self, Opened};
use crate::plan::{ImagePlan, plan, room, to_look_at};
use crate::report::{BlobFate, Plan, PlannedBlob, PlannedImage, Report};
use crate::select::choose;
use crate::target::{self, Place, Target};
use crate::tell::{Tell, Teller};
use crate::tree::Tree;
use crate::{Destination, EventKind, ImageId, Source, TransferOptions};

/// One image on its way: planned, with a place to go to.
#[derive(Debug)]
pub(crate) struct Job<'w> {
    pub(crate) id: ImageId,
    pub(crate) plan: ImagePlan,
    pub(crate) works: Vec<Work>,
    pub(crate) place: Place<'w>,
}

/// Runs a transfer and tells how it ended.
pub(crate) async fn run(
    sources: Vec<Source>,
    destination: Destination,
    options: TransferOptions,
    (from, to): (Transports, Transports),
) -> Result<Report> {
    let teller = Teller::new(options.observer.clone());
    let tell = teller.handle();
    let result = async {
        let opened = open::open(&sources, &from, &options, &tell).await?;
        let names = opened.first().map_or(&[][..], |first| &first.names);
        let target = match destination {
            Destination::Reference(at) => {
                boxed(target::open(&at, &to, &options, opened.len(), names, &tell)).await?
            }
            Destination::Image(image) => Target::One(image),
            Destination::Archive(writer) => Target::Many(writer),
        };
        match target {
            Target::One(image) => to_one(image, &opened, &options, &tell).await,
            Target::Many(writer) => to_many(writer, &opened, &options, &tell).await,
        }
    }
    .await;
    teller.end(&result);
    result
}

/// Hides a future's type, without which the compiler does not see that a future around it is `Send`.
fn boxed<'a, T>(
    future: impl Future<Output = T> + Send + 'a,
) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(future)
}

/// Plans a transfer. What is opened for writing is dropped again.
pub(crate) async fn dry_run(
    sources: &[Source],
    destination: &Destination,
    options: &TransferOptions,
    (from, to): (Transports, Transports),
) -> Result<Plan> {
    // Nothing happens, so nobody is told.
    let teller = Teller::new(crate::Events::default());
    let tell = teller.handle();
    let opened = open::open(sources, &from, options, &tell).await?;
    let names = opened.first().map_or(&[][..], |first| &first.names);
    let ours;
    match destination {
        Destination::Reference(at) => {
            ours = boxed(target::open(at, &to, options, opened.len(), names, &tell)).await?;
            match &ours {
                Target::One(image) => foresee_one(&**image, &opened, options).await,
                Target::Many(writer) => foresee_many(&**writer, &opened, options).await,
            }
        }
        Destination::Image(image) => foresee_one(&**image, &opened, options).await,
        Destination::Archive(writer) => foresee_many(&**writer, &opened, options).await,
    }
}

async fn foresee_one(
    image: &dyn ImageDestination,
    opened: &[Opened<'_>],
    options: &TransferOptions,
) -> Result<Plan> {
    let opened = only(image, opened)?;
    let names = image.names().to_vec();
    Ok(Plan { images: vec![foresee(opened, image, names, options).await?] })
}

async fn foresee_many(
    writer: &dyn ArchiveWriter,
    opened: &[Opened<'_>],
    options: &TransferOptions,
) -> Result<Plan> {
    target::check_names(options, opened.len())?;
    let mut plan = Plan::default();
    let mut told = std::collections::HashSet::new();
    for opened in opened {
        let place = target::place(writer, names_for(opened, options)).await?;
        let mut image = foresee(opened, &*place.image, place.names.clone(), options).await?;
        image.blobs.retain(|blob| told.insert((blob.digest.clone(), blob.fate.to_string())));
        image.lost.extend(place.refused.iter().map(|name| untaken(name, &*place.image)));
        plan.images.push(image);
    }
    Ok(plan)
}

async fn foresee(
    opened: &Opened<'_>,
    destination: &dyn ImageDestination,
    names: Vec<ImageName>,
    options: &TransferOptions,
) -> Result<PlannedImage> {
    let source = opened.image.get();
    let plan = plan_one(source, destination, options).await.map_err(|e| about(source, e))?;
    let mut blobs = Vec::new();
    for work in works(&plan) {
        let expect = work.expect();
        let there = expect.digest.is_some() && destination.has(&expect).await?.is_some();
        let fate = match work.key.to {
            _ if there => BlobFate::Reused,
            Some(to) => BlobFate::Changed { to },
            None => BlobFate::Moved,
        };
        blobs.push(PlannedBlob::new(&work.source, fate));
    }
    for layer in plan.root.images().iter().flat_map(|leaf| &leaf.layers) {
        if layer.handling == crate::forms::Handling::LeaveOut {
            blobs.push(PlannedBlob::new(&layer.source, BlobFate::LeftOut));
        }
    }
    Ok(PlannedImage {
        source: source.reference().clone(),
        destination: destination.reference().clone(),
        names,
        source_digest: plan.source.digest.clone(),
        source_media_type: plan.source.media_type.clone(),
        media_type: plan.root.media_type(),
        digest_kept: plan.root.is_kept(),
        platforms: plan.platforms,
        blobs,
        lost: plan.lost,
        warnings: [opened.warnings.clone(), plan.warnings].concat(),
    })
}

async fn plan_one(
    source: &dyn ImageSource,
    destination: &dyn ImageDestination,
    options: &TransferOptions,
) -> Result<ImagePlan> {
    let accepts = destination.accepts();
    let tree = Tree::load(source).await?;
    let choice = choose(&tree, &options.platforms, room(accepts))?;
    let wish = Wish::new(options, accepts);
    let looked: HashMap<Digest, Compression> =
        look(source, to_look_at(&tree, &choice, &wish), jobs(options)).await?;
    plan(&tree, &choice, options, accepts, &looked)
}

fn only<'a, 'b>(image: &dyn ImageDestination, opened: &'a [Opened<'b>]) -> Result<&'a Opened<'b>> {
    match opened {
        [one] => Ok(one),
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{} is a place for one image, and there are {}",
                image.reference(),
                opened.len()
            ),
        )),
    }
}

fn names_for<'a>(opened: &'a Opened<'_>, options: &'a TransferOptions) -> &'a [ImageName] {
    if options.names.is_empty() { &opened.names } else { &options.names }
}

fn untaken(name: &ImageName, at: &dyn ImageDestination) -> String {
    format!("the name {name}: {} cannot hold it", at.reference())
}

async fn to_one(
    image: Box<dyn ImageDestination>,
    opened: &[Opened<'_>],
    options: &TransferOptions,
    tell: &Tell,
) -> Result<Report> {
    let from = only(&*image, opened)?;
    let refused = target::not_taken(&*image, options, &from.names);
    let place = Place { names: image.names().to_vec(), image, refused };
    execute(vec![place], opened, options, tell).await
}

async fn to_many(
    writer: Box<dyn ArchiveWriter>,
    opened: &[Opened<'_>],
    options: &TransferOptions,
    tell: &Tell,
) -> Result<Report> {
    target::check_names(options, opened.len())?;
    let mut places = Vec::with_capacity(opened.len());
    for opened in opened {
        places.push(target::place(&*writer, names_for(opened, options)).await?);
    }
    let report = execute(places, opened, options, tell).await?;
    writer.finish().await?;
    Ok(report)
}

/// Plans all images, brings their blobs, and commits them in order.
async fn execute(
    places: Vec<Place<'_>>,
    opened: &[Opened<'_>],
    options: &TransferOptions,
    tell: &Tell,
) -> Result<Report> {
    let jobs = plan_all(places, opened, options, tell).await?;
    let works: Vec<Vec<Work>> = jobs.iter().map(|job| job.works.clone()).collect();
    let mover = Mover::new(options, tell.clone(), &works);
    drop(works);
    tell_planned(&jobs, tell);
    let mut report = Report::default();
    let mut at_once = crate::execute::jobs(options);
    if jobs.iter().any(|job| job.place.image.accepts().order == AcceptsOrder::AsPlanned) {
        at_once = 1;
    }
    let mut waiting = jobs.into_iter();
    let mut running = FuturesUnordered::new();
    let mut ready: HashMap<usize, (Job<'_>, Arrived)> = HashMap::new();
    loop {
        while running.len() + ready.len() < at_once
            && let Some(job) = waiting.next()
        {
            running.push(bring(&mover, job, opened, tell));
        }
        let Some(done) = running.next().await else { break };
        let (job, arrived) = done?;
        ready.insert(job.id.0, (job, arrived));
        while let Some((job, arrived)) = ready.remove(&report.images.len()) {
            let from = &opened[job.id.0];
            let source = from.image.get();
            let done =
                finish_image(job, from, &arrived, tell).await.map_err(|e| about(source, e))?;
            report.images.push(done);
        }
    }
    drop(running);
    mover.counts.write_to(&mut report);
    Ok(report)
}

async fn bring<'w>(
    mover: &Mover,
    job: Job<'w>,
    opened: &[Opened<'_>],
    tell: &Tell,
) -> Result<(Job<'w>, Arrived)> {
    let source = opened[job.id.0].image.get();
    tell.tell(EventKind::ImageStarted {
        image: job.id,
        source: source.reference().clone(),
        destination: job.place.image.reference().clone(),
    });
    let way = Way { image: job.id, source, destination: &*job.place.image };
    let arrived = mover.bring_all(way, &job.works).await.map_err(|e| about(source, e))?;
    Ok((job, arrived))
}

async fn plan_all<'w>(
    places: Vec<Place<'w>>,
    opened: &[Opened<'_>],
    options: &TransferOptions,
    tell: &Tell,
) -> Result<Vec<Job<'w>>> {
    // By position: a stream of references is not `Send`.
    let plans: Vec<ImagePlan> = stream::iter(0..places.len())
        .map(|at| plan_place(&places[at], &opened[at], options))
        .buffered(jobs(options))
        .try_collect()
        .await?;
    let jobs = places.into_iter().zip(plans).enumerate().map(|(at, (place, plan))| {
        let id = ImageId(at);
        let lost = plan.lost.iter().map(|text| format!("lost: {text}"));
        for text in plan.warnings.iter().cloned().chain(lost) {
            tell.warn(Some(id), text);
        }
        let works = works(&plan);
        Job { id, plan, works, place }
    });
    Ok(jobs.collect())
}

async fn plan_place(
    place: &Place<'_>,
    opened: &Opened<'_>,
    options: &TransferOptions,
) -> Result<ImagePlan> {
    let (source, destination) = (opened.image.get(), &*place.image);
    let mut plan = plan_one(source, destination, options).await.map_err(|e| about(source, e))?;
    plan.warnings.splice(0..0, opened.warnings.iter().cloned());
    plan.lost.extend(place.refused.iter().map(|name| untaken(name, destination)));
    Ok(plan)
}

fn tell_planned(jobs: &[Job<'_>], tell: &Tell) {
    let blobs: HashMap<_, &Descriptor> =
        jobs.iter().flat_map(|job| &job.works).map(|work| (&work.key, &work.source)).collect();
    let bytes = blobs.values().map(|descriptor| descriptor.size).sum();
    tell.tell(EventKind::Planned { images: jobs.len(), blobs: blobs.len(), bytes });
}
