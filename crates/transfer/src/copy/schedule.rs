//! Many images into one container: all are planned before the first byte is written, then they go, several at once.

use std::collections::HashMap;

use futures_util::stream::{self, FuturesUnordered, StreamExt};
use tokio::sync::oneshot;
use transship_core::{AcceptsOrder, ArchiveWriter, ErrorKind, Result, cancelled};

use crate::commit::report::{ImageFailure, ImageReport, Report};
use crate::copy::blob::{Scheduler, jobs};
use crate::copy::run::{boxed, copy_image, emit_warnings};
use crate::events::emit::Emitter;
use crate::open::sources::{Sources, keeps_going};
use crate::plan::image::{ImageTask, job};
use crate::plan::names::NameTable;
use crate::{EventKind, ImageId, TransferOptions};

/// How many bytes of plans are kept until it is their turn. Of more than these, only what they share is kept, and they are
/// planned a second time: what is planned is the same, and memory does not grow with their number.
const KEPT: usize = 64 << 20;

/// The images of a transfer, on their way into a container.
#[derive(Debug)]
pub(crate) struct Many<'a> {
    sources: &'a Sources<'a>,
    writer: &'a dyn ArchiveWriter,
    options: &'a TransferOptions,
    events: &'a Emitter,
    scheduler: Scheduler,
}

/// What is known once all images are planned.
#[derive(Debug, Default)]
struct Planned<'a> {
    kept: HashMap<usize, ImageTask<'a>>,
    /// The others that are to go, in order.
    good: Vec<usize>,
    taken: HashMap<usize, Vec<String>>,
    failed: Vec<ImageFailure>,
    in_order: bool,
    /// In bytes, of all of them.
    weight: usize,
}

impl<'a> Many<'a> {
    pub(crate) fn new(
        sources: &'a Sources<'a>,
        writer: &'a dyn ArchiveWriter,
        options: &'a TransferOptions,
        events: &'a Emitter,
    ) -> Self {
        Self {
            sources,
            writer,
            options,
            events,
            scheduler: Scheduler::new(options, events.clone(), &sources.staged),
        }
    }

    /// Plans all images, brings their blobs, and commits them in order.
    pub(crate) async fn copy(&self) -> Result<Report> {
        let Planned { mut kept, good, mut taken, mut failed, in_order, .. } = self.plan().await?;
        self.scheduler.emit_planned(good.len());
        let at_once = if in_order { 1 } else { jobs(self.options) };
        let mut images: Vec<(usize, ImageReport)> = Vec::with_capacity(good.len());
        let mut waiting = good.into_iter();
        let mut running = FuturesUnordered::new();
        let mut before = None;
        loop {
            while running.len() < at_once
                && let Some(at) = waiting.next()
            {
                let (done, next) = oneshot::channel();
                let turn = Turn { before: before.replace(next), done };
                running.push(boxed(self.one(at, kept.remove(&at), turn)));
            }
            let Some(finished) = running.next().await else { break };
            match finished? {
                (at, Ok(mut image)) => {
                    image.warnings.extend(taken.remove(&at).unwrap_or_default());
                    images.push((at, image));
                }
                (_, Err(failure)) => failed.push(failure),
            }
        }
        drop(running);
        images.sort_unstable_by_key(|(at, _)| *at);
        let mut report =
            self.scheduler.report(images.into_iter().map(|(_, image)| image).collect());
        report.failed = failed;
        Ok(report)
    }

    async fn plan(&self) -> Result<Planned<'_>> {
        let mut planned = Planned::default();
        let mut name_table = NameTable::of(self.sources);
        // By position: a stream of references is not `Send`.
        let mut all = stream::iter(0..self.sources.len())
            .map(|at| boxed(job(at, self.sources, self.writer, self.options)))
            .buffered(jobs(self.options));
        let mut next = 0;
        while let Some(job) = all.next().await {
            let at = next;
            next += 1;
            let job = match job {
                Err(error) if keeps_going(self.options, self.sources.asked(), &error) => {
                    planned.failed.push(self.failure(at, &error));
                    continue;
                }
                job => job?,
            };
            for (loser, text) in name_table.add(&job)? {
                self.events.warn(Some(ImageId(loser)), text);
            }
            emit_warnings(&job, self.events);
            self.scheduler.expect(job.tasks());
            planned.in_order |= job.place.image.accepts().order == AcceptsOrder::AsPlanned;
            planned.good.push(at);
            planned.weight = planned.weight.saturating_add(job.weight());
            if planned.weight <= KEPT {
                planned.kept.insert(at, job);
            }
        }
        drop(all);
        planned.taken = name_table.into_taken();
        Ok(planned)
    }

    /// Brings an image's blobs and commits it in its turn. All of it is one future, so that no image can hold up another
    /// by waiting, unpolled, for a lock that both need.
    async fn one(
        &self,
        at: usize,
        kept: Option<ImageTask<'_>>,
        turn: Turn,
    ) -> Result<(usize, Result<ImageReport, ImageFailure>)> {
        let Turn { mut before, done } = turn;
        let copied = async {
            let job = match kept {
                Some(job) => job,
                None => job(at, self.sources, self.writer, self.options).await?,
            };
            let job = (self.sources.reference(at), job);
            copy_image(&self.scheduler, job, self.events, async || come(&mut before).await).await
        };
        let outcome = match copied.await {
            Err(error) if keeps_going(self.options, self.sources.asked(), &error) => {
                come(&mut before).await?;
                Err(self.failure(at, &error))
            }
            done => Ok(done?),
        };
        // After the last there is none.
        let _ = done.send(());
        Ok((at, outcome))
    }

    fn failure(&self, at: usize, error: &transship_core::Error) -> ImageFailure {
        let failure = ImageFailure::new(self.sources.reference(at).clone(), error);
        emit_failure(&failure, Some(ImageId(at)), self.events);
        failure
    }
}

/// Tells of an image that cannot be copied.
pub(crate) fn emit_failure(failure: &ImageFailure, image: Option<ImageId>, events: &Emitter) {
    if failure.kind == ErrorKind::Cancelled {
        return image
            .into_iter()
            .for_each(|image| events.emit(EventKind::ImageCancelled { image }));
    }
    let (kind, error) = (failure.kind.to_string(), failure.error.clone());
    events.emit(EventKind::ImageFailed { image, kind, error });
}

/// When an image may be committed: after the one before it.
#[derive(Debug)]
struct Turn {
    before: Option<oneshot::Receiver<()>>,
    done: oneshot::Sender<()>,
}

/// Waits for the image before.
async fn come(before: &mut Option<oneshot::Receiver<()>>) -> Result<()> {
    match before.take() {
        Some(before) => before.await.map_err(|_| cancelled()),
        None => Ok(()),
    }
}
