//! Creating refuses an archive that is there, joining is refused where it is not claimed, and neither changes anything.

use futures_util::future::join_all;
use transship_core::{
    ArchiveWriter, Body, Commit, ErrorKind, Expect, ImageName, WriteMode,
};

use super::fails;
use crate::broken::hold;
use crate::lab::{Lab, how, put_all};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::snapshot::Snapshot;
use crate::strategies::plain_images;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "create_refuses_what_is_there",
    sentence: "Creating refuses an archive that is there, joining is refused where it is not claimed, and neither changes anything.",
    promises: &[
        "`AlreadyExists` when the mode is [`Create`](WriteMode::Create) and the archive is there.",
        "What was opened to create fails with `AlreadyExists` where the archive came meanwhile",
    ],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(plain_images(kit.facts()), |lab, image| {
        lab.step(async { lab.write(&image.build()?, WriteMode::Create, &[]).await })?;
        let before = lab.snapshot()?;
        lab.step(refused(lab, WriteMode::Create, ErrorKind::AlreadyExists))?;
        if !lab.has(Ability::Append) {
            lab.step(refused(lab, WriteMode::Append, ErrorKind::Unsupported))?;
        }
        if !lab.has(Ability::ReplacesArchives) {
            let opened = lab.step(async {
                Ok(lab.archives()?.write(lab.at(), &how(WriteMode::Replace, &[])).await)
            })?;
            fails(opened, &[ErrorKind::Unsupported], &[], "opening a writer, Replace")?;
        }
        lab.snapshot()?.same(&before)?;
        came_meanwhile(&lab.another()?, image)?;
        let lab = lab.another()?;
        if lab.has(Ability::ManyWriters) && lab.has(Ability::ReplacesArchives) {
            lab.step(race(&lab))?;
        }
        Ok(())
    })
}

/// Opened while nothing was there, and ended when something is.
fn came_meanwhile(lab: &Lab, image: &Image) -> Held {
    let names = lab.facts().some_name();
    let (first, second) = (image.build()?, Image { seed: 77, ..image.clone() }.build()?);
    let before = lab.step(async {
        let late = lab.destination(WriteMode::Create, &names).await?;
        put_all(&*late, &second).await?;
        let is_archive = lab.has(Ability::ManyImages) && lab.has(Ability::ReplacesArchives);
        let writer = if is_archive { Some(lab.writer(WriteMode::Create).await?) } else { None };
        lab.write(&first, WriteMode::Create, &names).await?;
        let before = Snapshot::take(lab).await?;
        let done = late.commit(Commit::new(&second.root)).await;
        let what = "committing what was opened to create, after the place came";
        fails(done, &[ErrorKind::AlreadyExists], &[lab.at().locator()], what)?;
        if let Some(writer) = writer {
            let what = "finishing a writer that was opened to create, after the place came";
            fails(fill(writer, &second, &names).await, &[ErrorKind::AlreadyExists], &[], what)?;
        }
        Ok(before)
    })?;
    lab.snapshot()?.shows_the_same(&before)
}

async fn fill(
    mut writer: Box<dyn ArchiveWriter>,
    built: &Built,
    names: &[ImageName],
) -> transship_core::Result<()> {
    let image = writer.image(names).await?;
    for blob in &built.blobs {
        let body = Body::from_bytes(blob.bytes.clone());
        image.put_blob(Expect::from(&blob.descriptor), body).await?;
    }
    image.commit(Commit::new(&built.root)).await?;
    writer.finish().await
}

/// If several create one place at once, one of them succeeds, and its image is there.
async fn race(lab: &Lab) -> Held {
    let names = lab.facts().some_name();
    let images = (0..4).map(|seed| Image::simple(seed).build()).collect::<Held<Vec<_>>>()?;
    let create = async |built: &Built| -> transship_core::Result<()> {
        let how = how(WriteMode::Create, &names);
        let destination = lab.transport().destination(lab.at(), &how).await?;
        for blob in &built.blobs {
            let body = Body::from_bytes(blob.bytes.clone());
            destination.put_blob(Expect::from(&blob.descriptor), body).await?;
        }
        destination.commit(Commit::new(&built.root)).await.map(drop)
    };
    let done = join_all(images.iter().map(create)).await;
    let mut winners = Vec::new();
    for (built, done) in images.iter().zip(done) {
        match done {
            Ok(()) => winners.push(built),
            refused => fails(refused, &[ErrorKind::AlreadyExists], &[], "one of several who create a place")?,
        }
    }
    hold!(winners.len() == 1, "{} of 4 created one place, each of them alone", winners.len());
    let snapshot = Snapshot::take(lab).await?;
    let images = snapshot.images();
    hold!(images.len() == 1, "{} images are there, of one who created the place", images.len());
    images[0].seen.is(winners[0], lab.facts()).map_err(|e| e.while_doing("the image that was created"))
}

async fn refused(lab: &Lab, mode: WriteMode, kind: ErrorKind) -> Held {
    let (how, place) = (how(mode, &[]), lab.at().locator());
    let opened = lab.transport().destination(lab.at(), &how).await;
    fails(opened, &[kind], &[place], &format!("opening for an image, {mode:?}"))?;
    if lab.has(Ability::ManyImages) {
        let opened = lab.archives()?.write(lab.at(), &how).await;
        fails(opened, &[kind], &[place], &format!("opening a writer, {mode:?}"))?;
    }
    Ok(())
}
