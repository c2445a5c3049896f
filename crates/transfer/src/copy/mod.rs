//! Copies what is planned: the blobs of several images at once, each blob once. An image is committed in its turn, when its
//! blobs are there.

pub(crate) mod blob;
mod place;
mod recompress;
pub(crate) mod schedule;
pub(crate) mod task;

use futures_util::stream::{FuturesUnordered, StreamExt};
use transship_core::{Result, ResultExt};

use crate::commit::{self, report::ImageReport};
use crate::open::base::WithBase;
use crate::open::{Batch, boxed};
use crate::plan::{Action, ImageTask, TransferPlan};
use crate::turn::{Turn, Turns};
use crate::{EventKind, ImageFailure, Report};
use blob::{Reuse, Route};
use schedule::Scheduler;

/// Copies the images of a plan.
pub(crate) async fn copy(mut plan: TransferPlan<'_, '_>) -> Result<Report> {
    let batch = plan.batch;
    let scheduler = Scheduler::new(batch, std::mem::take(&mut plan.blobs));
    let at_once = if plan.in_order { 1 } else { batch.options.streams() };
    let mut images: Vec<(usize, ImageReport)> = Vec::with_capacity(plan.images.len());
    let mut failed = std::mem::take(&mut plan.failed);
    let mut waiting = std::mem::take(&mut plan.images).into_iter();
    let (mut running, mut commits) = (FuturesUnordered::new(), Turns::default());
    loop {
        while running.len() < at_once
            && let Some(at) = waiting.next()
        {
            let (kept, turn) = (plan.kept.remove(&at), commits.next());
            running.push(boxed(copy_in_turn(batch, &scheduler, at, kept, turn)));
        }
        let Some(finished) = running.next().await else { break };
        match finished? {
            (at, Ok(mut image)) => {
                image.warnings.extend(plan.lost_names(at));
                images.push((at, image));
            }
            (_, Err(failure)) => failed.push(failure),
        }
    }
    drop(running);
    images.sort_unstable_by_key(|(at, _)| *at);
    let mut report = scheduler.report(images.into_iter().map(|(_, image)| image).collect());
    report.failed = failed;
    Ok(report)
}

/// Copies an image, in one future from its first blob to its commit, so that no image can hold up another by waiting,
/// unpolled, for a lock that both need.
async fn copy_in_turn<'a>(
    batch: &'a Batch<'_>,
    scheduler: &Scheduler,
    at: usize,
    kept: Option<ImageTask<'a>>,
    mut turn: Turn,
) -> Result<(usize, Result<ImageReport, ImageFailure>)> {
    let copied = async {
        let image = batch.image(at, kept).await?;
        copy_image(batch, scheduler, image, &mut turn).await
    };
    let copied = boxed(copied).await.context(|| batch.sources.reference(at));
    let outcome = match copied {
        Ok(image) => Ok(image),
        Err(error) => {
            let failure = batch.failure(at, &error);
            if !batch.goes_on(&error) {
                return Err(error);
            }
            turn.come().await?;
            Err(failure)
        }
    };
    turn.end();
    Ok((at, outcome))
}

async fn copy_image(
    batch: &Batch<'_>,
    scheduler: &Scheduler,
    task: ImageTask<'_>,
    turn: &mut Turn,
) -> Result<ImageReport> {
    let (image, place) = (task.id, task.target.image.get());
    let source = batch.sources.reference(image.0).clone();
    let destination = place.reference().clone();
    let platforms = task.platforms();
    let unchanged = matches!(task.action, Action::Nothing(_));
    let started = EventKind::ImageStarted { image, source, destination, platforms, unchanged };
    batch.events.emit(started);
    let mut copied = task::CopiedBlobs::default();
    if let Action::Copy { from, blobs, .. } = &task.action {
        let source = &WithBase::over(from.get(), place);
        copied = scheduler
            .copy_blobs(
                Route { image, source, destination: place, reuse: Reuse::WhatIsThere },
                blobs,
            )
            .await?;
    }
    turn.come().await?;
    commit::commit(batch, task, &copied, scheduler).await
}
