//! A blob that is staged is there for each image that is written, and what none needs is gone when they show.

use std::cell::Cell;
use std::io::Read;

use transship_core::{
    Body, Error, ErrorKind, Expect, ImageDestination, Staging, WriteMode, sha256,
};

use super::shared_blobs_are_stored_once::occurrences;
use super::fails;
use crate::broken::{While, hold};
use crate::lab::{Lab, Way, commit, put};
use crate::model::{Blob, Built, Image, Layer};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::plain_images;
use crate::streams::failing;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_is_staged_is_there_for_each_image",
    sentence: "A blob that is staged is there for each image that is written, and what none needs is gone when they show.",
    promises: &[
        "Every image that is written there has it",
        "What no image refers to is gone when the images show.",
        "A body that fails midway fails with that cause, and nothing is kept.",
    ],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let able = Cell::new(false);
    kit.each((plain_images(kit.facts()), plain_images(kit.facts())), |lab, (first, second)| {
        if lab.step(alone(lab, &first.build()?))? {
            able.set(true);
            gone(lab)?;
        }
        if lab.has(Ability::ManyImages) {
            let other = lab.another()?;
            let second = Image { seed: first.seed.wrapping_add(1), ..second.clone() };
            if other.step(together(&other, first, &second))? {
                able.set(true);
                gone(&other)?;
            }
        }
        Ok(())
    })?;
    if !able.get() {
        kit.not_able("it has no staging()");
    }
    Ok(())
}

/// What no image needs.
fn extra() -> Vec<u8> {
    Layer::small(97, 5000).content()
}

/// Whether blobs can be staged for an image by itself.
async fn alone(lab: &Lab, built: &Built) -> Held<bool> {
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    let Some(staging) = destination.staging() else { return Ok(false) };
    for (at, blob) in built.blobs.iter().enumerate() {
        stage(staging, blob, at).await?;
    }
    fill(&*destination, built).await?;
    let size = extra().len() as u64;
    let has = destination.has(&Expect::digest(sha256(&extra()[..100])).with_size(100)).await?;
    hold!(has.is_none(), "of a body that failed after 100 of {size} B, something is there");
    let committed = commit(destination, built).await?;
    let source = lab.source(&committed.references[0]).await?;
    Seen::read(&*source).await?.is(built, lab.facts()).during(|| "of blobs that were staged")?;
    Ok(true)
}

/// The same for the images of a writer.
async fn together(lab: &Lab, first: &Image, second: &Image) -> Held<bool> {
    let mut writer = lab.writer(WriteMode::Create).await?;
    let Some(staging) = writer.staging() else { return Ok(false) };
    let images = [first.build()?, second.build()?];
    for (at, blob) in images.iter().flat_map(|image| &image.blobs).enumerate() {
        stage(staging, blob, at).await?;
    }
    let mut references = Vec::new();
    for (number, built) in images.iter().enumerate() {
        let name = transship_core::ImageName::new(&format!("docker.io/library/kit:{number}"))?;
        let destination = writer.image(&[name]).await.during(|| "opening an image")?;
        fill(&*destination, built).await?;
        references.push(commit(destination, built).await?.references.remove(0));
    }
    writer.finish().await.during(|| "finishing")?;
    for (at, built) in references.iter().zip(&images) {
        let seen = Seen::read(&*lab.source(at).await?).await?;
        seen.is(built, lab.facts()).during(|| format!("{at}, of blobs that were staged"))?;
    }
    Ok(true)
}

async fn stage(staging: &dyn Staging, blob: &Blob, at: usize) -> Held {
    if at == 0 {
        let error = Error::new(ErrorKind::Unavailable, "the kit gave up");
        let body = Body::from_stream(failing(&extra().into(), 100, error));
        let kept = staging.stage(body).await;
        fails(kept, &[ErrorKind::Unavailable], &["the kit gave up"], "staging a body that fails")?;
        staging.stage(Body::from_bytes(extra())).await.during(|| "staging what no image needs")?;
    }
    let kept = staging.stage(Way::nth(at).body(&blob.bytes)?).await;
    let kept = kept.during(|| format!("staging {}", blob.descriptor.digest))?;
    let (digest, size) = (sha256(&blob.bytes), blob.bytes.len() as u64);
    let same = kept.stored.digest == digest && kept.stored.size == size;
    hold!(same, "it says that it keeps {}, and that is {digest}", kept.stored.digest);
    let mut bytes = Vec::new();
    kept.bytes.reader().read_to_end(&mut bytes)?;
    hold!(bytes == blob.bytes, "what is kept of {digest} reads as other bytes");
    Ok(())
}

/// What was staged is there; what is named by another digest is put.
async fn fill(destination: &dyn ImageDestination, built: &Built) -> Held {
    for (at, blob) in built.blobs.iter().enumerate() {
        let of = &blob.descriptor;
        if of.digest != sha256(&blob.bytes) {
            put(destination, blob, Way::nth(at)).await?;
            continue;
        }
        let has = destination.has(&Expect::from(of)).await?;
        hold!(has.is_some(), "{} was staged, and `has` does not find it", of.digest);
    }
    Ok(())
}

/// Of what no image needs nothing is left.
fn gone(lab: &Lab) -> Held {
    let Some(folder) = lab.files() else { return Ok(()) };
    let left = occurrences(folder, &extra()[2400..2500])?;
    hold!(left == 0, "what was staged and no image needs is stored {left} times");
    Ok(())
}
