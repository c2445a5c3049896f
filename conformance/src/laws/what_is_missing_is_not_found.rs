//! A place, an image, a manifest or a blob that is not there is `NotFound`, and the error names what was asked for.

use transship_core::{Descriptor, ErrorKind, ImageName, MediaType, ReadOptions, WriteMode, sha256};

use super::fails;
use crate::broken::{While, hold};
use crate::lab::{Lab, commit, put_all};
use crate::model::Image;
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_is_missing_is_not_found",
    sentence: "A place, an image, a manifest or a blob that is not there is `NotFound`, and the error names what was asked for.",
    promises: &[
        "`NotFound` when the archive or the image is not there",
        "`NotFound`, naming it, if it is absent",
        "`NotFound`, naming it, before any byte.",
        "It is there where [`blob`](Self::blob) opens it, and not where that is `NotFound`.",
    ],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(plain_images(kit.facts()), |lab, image| {
        lab.step(one(lab, image))?;
        if lab.has(Ability::ManyImages) {
            let other = lab.another()?;
            other.step(in_archives(&other, image))?;
        }
        Ok(())
    })
}

/// An image that is no more, and one of none.
async fn in_archives(lab: &Lab, image: &Image) -> Held {
    let mut writer = lab.writer(WriteMode::Create).await?;
    for number in 0..2 {
        let name = ImageName::new(&format!("docker.io/library/kit:{number}"))?;
        let built = Image { seed: number, ..image.clone() }.build()?;
        let destination = writer.image(&[name]).await?;
        put_all(&*destination, &built).await?;
        commit(destination, &built).await?;
    }
    writer.finish().await?;
    names_are_listed(lab).await?;
    let second = lab.reader().await?.entries().last().map(|entry| entry.reference.clone());
    let built = Image { seed: 9, ..image.clone() }.build()?;
    if !lab.has(Ability::ReplacesArchives) {
        return Ok(());
    }
    lab.write(&built, WriteMode::Replace, &[ImageName::new("docker.io/library/other:1")?]).await?;
    if let Some(second) = second {
        let opened = lab.transport().source(&second, &ReadOptions::default()).await;
        fails(opened, &[ErrorKind::NotFound], &[], &format!("opening {second}, which was replaced"))?;
    }
    lab.writer(WriteMode::Replace).await?.finish().await?;
    let opened = lab.transport().source(lab.at(), &ReadOptions::default()).await;
    fails(opened, &[ErrorKind::NotFound], &[], "opening an empty archive")
}

/// Asked for another name, the error lists those that are there.
async fn names_are_listed(lab: &Lab) -> Held {
    let Some(at) = lab.reader().await?.entries().first().map(|entry| entry.names.clone()) else {
        return Ok(());
    };
    let text = format!("{}:docker.io/library/other:1", lab.at().locator());
    let Ok(other) = lab.transport().parse(&text) else { return Ok(()) };
    let by_other = lab.archives()?.read(&other, &ReadOptions::default()).await;
    let by_other = by_other.during(|| format!("listing {other}, of which the archive is there"))?;
    let (found, is) = (by_other.entries().len(), lab.reader().await?.entries().len());
    hold!(found == is, "by {other} the archive lists {found} images of {is}");
    let opened = lab.transport().source(&other, &ReadOptions::default()).await;
    let Err(error) = opened else {
        return Err(crate::Broken::new(format!("{other} opens an image that has not this name")));
    };
    hold!(error.kind() == ErrorKind::NotFound, "{other} fails as \"{}\": {error}", error.kind());
    let said = format!("{error} {}", error.advice().map(ToString::to_string).unwrap_or_default());
    let listed = at.iter().any(|name| {
        let short = name.as_str().rsplit('/').next().unwrap_or_default();
        said.contains(short)
    });
    hold!(listed, "{other} is not there, and the error does not list the names that are: {said}");
    Ok(())
}

async fn one(lab: &Lab, image: &Image) -> Held {
    let (not_found, how) = (&[ErrorKind::NotFound], ReadOptions::default());
    let locator = lab.at().locator();
    let opened = lab.transport().source(lab.at(), &how).await;
    fails(opened, not_found, &[locator], "opening a place where nothing is")?;
    if let Some(archives) = lab.transport().archives() {
        let listed = archives.read(lab.at(), &how).await;
        fails(listed, not_found, &[locator], "listing a place where nothing is")?;
    }
    let built = image.build()?;
    let committed = lab.write(&built, WriteMode::Create, &[]).await?;
    let source = lab.source(&committed.references[0]).await?;
    let absent = sha256(b"absent");
    let name = absent.to_string();
    let blob = Descriptor::new(MediaType::ImageLayer, absent.clone(), 6);
    fails(source.blob(&blob).await, not_found, &[&name], "asking for a blob that is not there")?;
    hold!(!source.holds(&blob).await?, "`holds` says that a blob is here which is not");
    let manifest = Descriptor::new(MediaType::ImageManifest, absent, 6);
    let asked = source.manifest(&manifest).await;
    fails(asked, not_found, &[&name], "asking for a manifest that is not there")
}
