//! A transfer from its first step to its report.

use std::collections::HashMap;
use std::pin::Pin;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::oneshot;
use transship_core::{
    AcceptsOrder, ArchiveWriter, Descriptor, ImageDestination, Result, Transports, cancelled,
};

use crate::execute::{Mover, Way, about};
use crate::finish::finish_image;
use crate::open::{self, Opened};
use crate::prepare::{Job, names_for, only, plan_all};
use crate::report::{ImageReport, Report};
use crate::target::{self, Place, Target};
use crate::tell::{Tell, Teller};
use crate::{Destination, EventKind, ImageId, Source, TransferOptions};

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
            Destination::Image(image) => {
                target::check_fixed(&*image, &options)?;
                Target::One(image)
            }
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
    let works = jobs.iter().flat_map(|job| &job.works);
    let mover = Mover::new(options, tell.clone(), works);
    tell_planned(&jobs, tell);
    let mut at_once = crate::execute::jobs(options);
    if jobs.iter().any(|job| job.place.image.accepts().order == AcceptsOrder::AsPlanned) {
        at_once = 1;
    }
    let mut images: Vec<Option<ImageReport>> = jobs.iter().map(|_| None).collect();
    let mut waiting = jobs.into_iter();
    let mut running = FuturesUnordered::new();
    let mut before = None;
    loop {
        while running.len() < at_once
            && let Some(job) = waiting.next()
        {
            let (done, next) = oneshot::channel();
            let turn = Turn { before: before.replace(next), done };
            running.push(one(&mover, job, &opened[images.len() - waiting.len() - 1], turn, tell));
        }
        let Some(finished) = running.next().await else { break };
        let (id, image) = finished?;
        images[id.0] = Some(image);
    }
    drop(running);
    let mut report = Report { images: images.into_iter().flatten().collect(), ..Report::default() };
    mover.counts.write_to(&mut report);
    Ok(report)
}

/// When an image may be committed: after the one before it.
struct Turn {
    before: Option<oneshot::Receiver<()>>,
    done: oneshot::Sender<()>,
}

/// Brings an image's blobs and commits it in its turn. All of it is one future, so that no image can hold up another
/// by waiting, unpolled, for a lock that both need.
async fn one(
    mover: &Mover,
    job: Job<'_>,
    from: &Opened<'_>,
    turn: Turn,
    tell: &Tell,
) -> Result<(ImageId, ImageReport)> {
    let (id, source) = (job.id, from.image.get());
    tell.tell(EventKind::ImageStarted {
        image: id,
        source: source.reference().clone(),
        destination: job.place.image.reference().clone(),
    });
    let way = Way { image: id, source, destination: &*job.place.image };
    let arrived = mover.bring_all(way, &job.works).await.map_err(|e| about(source, e))?;
    if let Some(before) = turn.before {
        before.await.map_err(|_| cancelled())?;
    }
    let image = finish_image(job, from, &arrived, tell).await.map_err(|e| about(source, e))?;
    // After the last there is none.
    let _ = turn.done.send(());
    Ok((id, image))
}

fn tell_planned(jobs: &[Job<'_>], tell: &Tell) {
    let blobs: HashMap<_, &Descriptor> =
        jobs.iter().flat_map(|job| &job.works).map(|work| (&work.key, &*work.source)).collect();
    let bytes = blobs.values().map(|descriptor| descriptor.size).sum();
    tell.tell(EventKind::Planned { images: jobs.len(), blobs: blobs.len(), bytes });
}
