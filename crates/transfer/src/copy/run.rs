//! A transfer from its first step to its report.

use std::pin::Pin;

use transship_core::{ArchiveWriter, ImageDestination, Reference, Result, Transports};

use crate::commit::image::{finish_image, unchanged};
use crate::commit::report::{ImageFailure, ImageReport, Report};
use crate::copy::blob::{Route, Scheduler};
use crate::copy::schedule::{Many, emit_failure};
use crate::events::emit::{Emitter, TransferEvents};
use crate::open::base::WithBase;
use crate::open::destination::{self, Opened};
use crate::open::sources::{self, Sources, about};
use crate::open::stream;
use crate::plan::image::{self, Action, ImageTask, only, planned};
use crate::{Destination, EventKind, Source, TransferOptions};

/// Runs a transfer and tells how it ended.
pub(crate) async fn run(
    sources: Vec<Source>,
    destination: Destination,
    options: TransferOptions,
    (from, to): (Transports, Transports),
) -> Result<Report> {
    let transfer_events = TransferEvents::new(options.observer.clone(), options.published.clone());
    let events = transfer_events.handle();
    let result = async {
        let read = stream::read(&sources, destination, &options, (&from, &to), &events);
        let (destination, read) = boxed(read).await?;
        let sources = sources::open(&sources, &from, &options, &events, read).await?;
        sources.failed.iter().for_each(|failure| emit_failure(failure, None, &events));
        let report = match destination {
            Destination::Reference(at) => {
                match boxed(destination::open(&at, &to, &options, &sources, &events)).await? {
                    Opened::One(image) => to_one(image, &sources, &options, &events).await,
                    Opened::Many(writer) => to_many(writer, &sources, &options, &events).await,
                }
            }
            Destination::Image(image) => {
                only(&*image, &sources)?;
                destination::check_fixed(&*image, image::given(0, &sources, &options))?;
                to_one(image, &sources, &options, &events).await
            }
            Destination::Archive(writer) => to_many(writer, &sources, &options, &events).await,
        };
        report.map(|mut report| {
            report.failed.splice(0..0, sources.failed);
            report
        })
    }
    .await
    .map_err(|error| options.published.explain(error));
    transfer_events.end(&result);
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
) -> Result<ImageTask<'a>> {
    let from = sources.image(0).await?;
    let wanted = image::names(0, sources, options)?;
    let place = destination::sole(image, &wanted, image::given(0, sources, options))
        .map_err(|error| about(from.image.get().reference(), error))?;
    planned(0, from, place, options).await
}

async fn to_one(
    image: Box<dyn ImageDestination>,
    sources: &Sources<'_>,
    options: &TransferOptions,
    events: &Emitter,
) -> Result<Report> {
    let job = sole_job(image, sources, options).await?;
    emit_warnings(&job, events);
    let scheduler = Scheduler::new(options, events.clone(), &sources.staged);
    scheduler.expect(job.tasks());
    scheduler.emit_planned(1);
    let image =
        copy_image(&scheduler, (sources.reference(0), job), events, async || Ok(())).await?;
    Ok(scheduler.report(vec![image]))
}

async fn to_many(
    writer: Box<dyn ArchiveWriter>,
    sources: &Sources<'_>,
    options: &TransferOptions,
    events: &Emitter,
) -> Result<Report> {
    destination::check_names(options, sources.asked())?;
    let report = boxed(Many::new(sources, &*writer, options, events).copy()).await?;
    // Where everything failed, there is nothing to show.
    if !report.images.is_empty() {
        writer.finish().await?;
    }
    Ok(report)
}

/// Brings an image's blobs, and commits it when it is its turn.
pub(crate) async fn copy_image(
    scheduler: &Scheduler,
    (source, job): (&Reference, ImageTask<'_>),
    events: &Emitter,
    turn: impl AsyncFnOnce() -> Result<()>,
) -> Result<ImageReport> {
    let ImageTask { id, root, action, place } = job;
    let start = |source: &Reference| {
        let (source, destination) = (source.clone(), place.image.reference().clone());
        events.emit(EventKind::ImageStarted { image: id, source, destination });
    };
    let (from, plan, tasks) = match action {
        Action::Copy { from, plan, tasks } => (from, plan, tasks),
        Action::Nothing(there) => {
            start(source);
            turn().await?;
            return Ok(unchanged(id, source, root, place.names, there, events));
        }
    };
    let source = from.image.get();
    start(source.reference());
    let done = async {
        let completed = WithBase::over(source, &*place.image);
        let route = Route { image: id, source: &completed, destination: &*place.image };
        let copied = scheduler.copy_all(route, &tasks).await?;
        turn().await?;
        finish_image(id, plan, place, source, &copied, events).await
    };
    let done = done.await.map_err(|error| about(source.reference(), error));
    if let Err(error) = &done {
        emit_failure(&ImageFailure::new(source.reference().clone(), error), Some(id), events);
    }
    done
}

/// What the plan of an image says beside.
pub(crate) fn emit_warnings(job: &ImageTask<'_>, events: &Emitter) {
    let Action::Copy { plan, .. } = &job.action else { return };
    let lost = plan.lost.iter().map(|text| format!("lost: {text}"));
    for text in plan.warnings.iter().cloned().chain(lost) {
        events.warn(Some(job.id), text);
    }
}
