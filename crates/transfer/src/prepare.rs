//! From what is open to what is planned: for each image its documents, a choice, a plan.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use transship_core::{Digest, Error, ErrorKind, ImageDestination, ImageName, ImageSource, Result};

use crate::codec::Compression;
use crate::execute::{Work, about, jobs, works};
use crate::forms::Wish;
use crate::look::look;
use crate::open::Opened;
use crate::plan::{ImagePlan, room, to_look_at};
use crate::planner::plan;
use crate::select::choose;
use crate::target::Place;
use crate::tell::Tell;
use crate::tree::Tree;
use crate::{ImageId, TransferOptions};

/// One image on its way: planned, with a place to go to.
#[derive(Debug)]
pub(crate) struct Job<'w> {
    pub(crate) id: ImageId,
    pub(crate) plan: ImagePlan,
    pub(crate) works: Vec<Work>,
    pub(crate) place: Place<'w>,
}

pub(crate) async fn plan_all<'w>(
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
    let taken = taken_over(&places, opened);
    let planned = places.into_iter().zip(plans).zip(taken).enumerate();
    let jobs = planned.map(|(at, ((place, mut plan), taken))| {
        plan.warnings.extend(taken);
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

/// For each image, which of its names a later one gets.
fn taken_over(places: &[Place<'_>], opened: &[Opened<'_>]) -> Vec<Vec<String>> {
    let mut last: HashMap<&ImageName, usize> = HashMap::new();
    let mut taken = vec![Vec::new(); places.len()];
    for (at, place) in places.iter().enumerate() {
        for name in &place.names {
            if let Some(earlier) = last.insert(name, at) {
                let by = opened[at].image.get().reference();
                taken[earlier].push(format!("its name {name} goes to {by}, which has it too"));
            }
        }
    }
    taken
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

pub(crate) async fn plan_one(
    source: &dyn ImageSource,
    destination: &dyn ImageDestination,
    options: &TransferOptions,
) -> Result<ImagePlan> {
    let accepts = destination.accepts();
    let tree = Tree::load(source).await?;
    let choice = choose(&tree, &options.platforms, options.subset, room(accepts))?;
    let wish = Wish::new(options, accepts);
    let looked: HashMap<Digest, Compression> =
        look(source, to_look_at(&tree, &choice, &wish), jobs(options)).await?;
    plan(&tree, &choice, options, accepts, &looked)
}

pub(crate) fn only<'a, 'b>(
    image: &dyn ImageDestination,
    opened: &'a [Opened<'b>],
) -> Result<&'a Opened<'b>> {
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

pub(crate) fn names_for<'a>(
    opened: &'a Opened<'_>,
    options: &'a TransferOptions,
) -> &'a [ImageName] {
    if options.names.is_empty() { &opened.names } else { &options.names }
}

pub(crate) fn untaken(name: &ImageName, at: &dyn ImageDestination) -> String {
    format!("the name {name}: {} cannot hold it", at.reference())
}
