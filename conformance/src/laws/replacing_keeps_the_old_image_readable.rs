//! An image that was opened before it was replaced reads as it was or fails, and is never a mixture.

use transship_core::{Document, ImageSource, Manifest, WriteMode};

use crate::broken::hold;
use crate::expected;
use crate::lab::{Lab, commit, put_all};
use crate::model::Built;
use crate::runner::Kit;
use crate::seen::{LIMIT, Seen};
use crate::strategies::plain_images;
use crate::{Held, Law, Manifests};

pub(crate) const LAW: Law = Law {
    name: "replacing_keeps_the_old_image_readable",
    sentence: "An image that was opened before it was replaced reads as it was or fails, and is never a mixture.",
    promises: &[
        "A source that was opened before a write still reads the old bytes or fails; it never mixes old and new.",
    ],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each((plain_images(kit.facts()), plain_images(kit.facts())), |lab, (first, second)| {
        let (first, second) = (first.build()?, second.build()?);
        lab.step(one(lab, &first, &second))?;
        expected::check_replaced(&lab.snapshot()?, &[&first], &second, lab.facts())
    })
}

async fn one(lab: &Lab, first: &Built, second: &Built) -> Held {
    let names = lab.facts().some_name();
    let written = lab.write(first, WriteMode::Create, &names).await?;
    let untouched = lab.source(&written.references[0]).await?;
    let looked_at = lab.source(&written.references[0]).await?;
    let root = looked_at.root().await?;
    let destination = lab.destination(WriteMode::Replace, &names).await?;
    put_all(&*destination, second).await?;
    // Until the new one shows, the old one is whole.
    let meanwhile = lab.source(&written.references[0]).await?;
    Seen::read(&*meanwhile).await?.is(first, lab.facts())?;
    commit(destination, second).await?;
    old_or_error(&*looked_at, Some(root), first).await?;
    if lab.claims().manifests == Manifests::Kept {
        let root = untouched.root().await.ok();
        let old = root.as_ref().is_none_or(|root| root.bytes() == first.root.bytes());
        hold!(old, "a source that was opened before the write has the new root");
        old_or_error(&*untouched, root, first).await?;
    }
    Ok(())
}

async fn old_or_error(source: &dyn ImageSource, root: Option<Manifest>, old: &Built) -> Held {
    let Some(Document::Image(image)) = root.as_ref().map(Manifest::document) else {
        return Ok(());
    };
    for of in image.layers.iter().chain([&image.config]) {
        let Ok(body) = source.blob(of).await else { continue };
        let Ok(bytes) = body.bytes(LIMIT).await else { continue };
        let old = old.blob(&of.digest).is_none_or(|blob| blob.bytes == bytes);
        hold!(old, "{} of the old image reads as other bytes", of.digest);
    }
    Ok(())
}
