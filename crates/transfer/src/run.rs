//! A transfer from its first step to its report.

use std::pin::Pin;

use transship_core::{ArchiveWriter, ImageDestination, Reference, Result, Transports};

use crate::base::Completed;
use crate::execute::{Mover, Way};
use crate::finish::{finish_image, unchanged};
use crate::many::{Many, tell_failure};
use crate::open::{self, Sources, about};
use crate::prepare::{self, Job, Todo, only, planned};
use crate::report::{ImageFailure, ImageReport, Report};
use crate::stream;
use crate::target::{self, Opened};
use crate::tell::{Tell, Teller};
use crate::{Destination, EventKind, Source, TransferOptions};

/// Runs a transfer and tells how it ended.
pub(crate) async fn run(
    sources: Vec<Source>,
    destination: Destination,
    options: TransferOptions,
    (from, to): (Transports, Transports),
) -> Result<Report> {
    let teller = Teller::new(options.observer.clone(), options.published.clone());
    let tell = teller.handle();
    let result = async {
        let read = stream::read(&sources, destination, &options, (&from, &to), &tell);
        let (destination, read) = boxed(read).await?;
        let sources = open::open(&sources, &from, &options, &tell, read).await?;
        sources.failed.iter().for_each(|failure| tell_failure(failure, None, &tell));
        let report = match destination {
            Destination::Reference(at) => {
                match boxed(target::open(&at, &to, &options, &sources, &tell)).await? {
                    Opened::One(image) => to_one(image, &sources, &options, &tell).await,
                    Opened::Many(writer) => to_many(writer, &sources, &options, &tell).await,
                }
            }
            Destination::Image(image) => {
                only(&*image, &sources)?;
                target::check_fixed(&*image, prepare::given(0, &sources, &options))?;
                to_one(image, &sources, &options, &tell).await
            }
            Destination::Archive(writer) => to_many(writer, &sources, &options, &tell).await,
        };
        report.map(|mut report| {
            report.failed.splice(0..0, sources.failed);
            report
        })
    }
    .await
    .map_err(|error| options.published.explain(error));
    teller.end(&result);
    result
}

/// Hides a future's type, without which the compiler does not see that a future around it is `Send`.
pub(crate) fn boxed<'a, T>(
    future: impl Future<Output = T> + Send + 'a,
) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(future)
}

/// Plans the only image, which has its place.
pub(crate) async fn sole_job<'a>(
    image: Box<dyn ImageDestination + 'a>,
    sources: &'a Sources<'_>,
    options: &TransferOptions,
) -> Result<Job<'a>> {
    let from = sources.image(0).await?;
    let wanted = prepare::names(0, sources, options)?;
    let place = target::sole(image, &wanted, prepare::given(0, sources, options))
        .map_err(|error| about(from.image.get().reference(), error))?;
    planned(0, from, place, options).await
}

async fn to_one(
    image: Box<dyn ImageDestination>,
    sources: &Sources<'_>,
    options: &TransferOptions,
    tell: &Tell,
) -> Result<Report> {
    let job = sole_job(image, sources, options).await?;
    tell_plan(&job, tell);
    let mover = Mover::new(options, tell.clone(), &sources.came);
    mover.expect(job.works());
    mover.tell_planned(1);
    let image = bring(&mover, (sources.reference(0), job), tell, async || Ok(())).await?;
    Ok(mover.report(vec![image]))
}

async fn to_many(
    writer: Box<dyn ArchiveWriter>,
    sources: &Sources<'_>,
    options: &TransferOptions,
    tell: &Tell,
) -> Result<Report> {
    target::check_names(options, sources.asked())?;
    let report = boxed(Many::new(sources, &*writer, options, tell).copy()).await?;
    // Where everything failed, there is nothing to show.
    if !report.images.is_empty() {
        writer.finish().await?;
    }
    Ok(report)
}

/// Brings an image's blobs, and commits it when it is its turn.
pub(crate) async fn bring(
    mover: &Mover,
    (source, job): (&Reference, Job<'_>),
    tell: &Tell,
    turn: impl AsyncFnOnce() -> Result<()>,
) -> Result<ImageReport> {
    let Job { id, root, todo, place } = job;
    let start = |source: &Reference| {
        let (source, destination) = (source.clone(), place.image.reference().clone());
        tell.tell(EventKind::ImageStarted { image: id, source, destination });
    };
    let (from, plan, works) = match todo {
        Todo::Copy { from, plan, works } => (from, plan, works),
        Todo::Nothing(there) => {
            start(source);
            turn().await?;
            return Ok(unchanged(id, source, root, place.names, there, tell));
        }
    };
    let source = from.image.get();
    start(source.reference());
    let done = async {
        let completed = Completed::over(source, &*place.image);
        let way = Way { image: id, source: &completed, destination: &*place.image };
        let arrived = mover.bring_all(way, &works).await?;
        turn().await?;
        finish_image(id, plan, place, source, &arrived, tell).await
    };
    let done = done.await.map_err(|error| about(source.reference(), error));
    if let Err(error) = &done {
        tell_failure(&ImageFailure::new(source.reference().clone(), error), Some(id), tell);
    }
    done
}

/// What the plan of an image says beside.
pub(crate) fn tell_plan(job: &Job<'_>, tell: &Tell) {
    let Todo::Copy { plan, .. } = &job.todo else { return };
    let lost = plan.lost.iter().map(|text| format!("lost: {text}"));
    for text in plan.warnings.iter().cloned().chain(lost) {
        tell.warn(Some(job.id), text);
    }
}
