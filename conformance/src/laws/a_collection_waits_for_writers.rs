//! A collection takes nothing that a writer has found or put and has not committed yet.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::join;
use transship_core::{CollectMode, DeleteOptions, ImageName, Reference, WriteMode};

use super::collecting_takes_garbage_alone::collect_by;
use crate::broken::While;
use crate::lab::{By, Lab, commit, put_missing};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::plain_images;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_collection_waits_for_writers",
    sentence: "A collection takes nothing that a writer has found or put and has not committed yet.",
    promises: &["Writers of ours are waited for"],
    needs: &[Ability::ManyImages, Ability::Collection],
    cost: 2,
    check,
};

/// So long the writer does nothing, and a collection that does not wait has its way.
const MEANWHILE: Duration = Duration::from_millis(30);

fn check(kit: &Kit) -> Held {
    kit.each((plain_images(kit.facts()), By::any()), |lab, (image, by)| {
        let old = image.build()?;
        let new = Image { seed: image.seed.wrapping_add(1), ..image.clone() }.build()?;
        // Something stays, so that the archive does.
        lab.step(async { lab.write(&Image::simple(77).build()?, WriteMode::Create, &other(lab)).await })?;
        let written = lab.step(lab.write(&old, WriteMode::Append, &lab.facts().some_name()))?;
        if let Some(deletion) = lab.transport().deletion() {
            // What only the old one needed is found by the new one, and needed by nobody.
            let at = &written.references[0];
            lab.step(async { deletion.delete(at, &DeleteOptions::default()).await.during(|| format!("deleting {at}")) })?;
        }
        let at = lab.step(beside(lab, &new, *by))?;
        lab.step(async {
            let seen = Seen::read(&*lab.source(&at).await?).await;
            let held = seen.and_then(|seen| seen.is(&new, lab.facts()));
            held.during(|| "an image that was written beside a collection")
        })
    })
}

fn other(lab: &Lab) -> Vec<ImageName> {
    if !lab.has(Ability::Names) {
        return Vec::new();
    }
    ImageName::new("docker.io/library/other:1").into_iter().collect()
}

/// Writes an image, and collects when its blobs are there and what shows it is to come.
async fn beside(lab: &Lab, new: &Built, by: By) -> Held<Reference> {
    let names = lab.facts().some_name();
    if by == By::Itself {
        let destination = lab.destination(WriteMode::Append, &names).await?;
        put_missing(&*destination, new).await?;
        let committed = collecting(lab, commit(destination, new)).await?;
        return Ok(committed.references[0].clone());
    }
    let mut writer = lab.writer(WriteMode::Append).await?;
    let destination = writer.image(&names).await.during(|| "opening an image of a writer")?;
    put_missing(&*destination, new).await?;
    let committed = commit(destination, new).await?;
    collecting(lab, async { writer.finish().await.during(|| "finishing") }).await?;
    Ok(committed.references[0].clone())
}

/// Begins to collect, shows the image then, and ends both.
async fn collecting<T>(lab: &Lab, show: impl Future<Output = Held<T>>) -> Held<T> {
    let transport = lab.other_transport();
    let mut collecting = pin!(collect_by(&*transport, lab.at(), CollectMode::Delete, Duration::ZERO));
    let show = async { show.await.map_err(|e| e.while_doing("beside a collection")) };
    if let Ok(collected) = tokio::time::timeout(MEANWHILE, &mut collecting).await {
        collected?;
        return show.await;
    }
    let (collected, shown) = join(collecting, show).await;
    let shown = shown?;
    collected?;
    Ok(shown)
}
