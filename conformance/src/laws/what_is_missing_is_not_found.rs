//! A place, an image, a manifest or a blob that is not there is `NotFound`, and the error names what was asked for.

use transship_core::{Descriptor, ErrorKind, MediaType, ReadOptions, WriteMode, sha256};

use super::{all, fails};
use crate::lab::Lab;
use crate::model::Image;
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_is_missing_is_not_found",
    sentence: "A place, an image, a manifest or a blob that is not there is `NotFound`, and the error names what was asked for.",
    promises: &[
        "`NotFound` when the container or the image is not there",
        "`NotFound`, naming it, if it is absent",
        "`NotFound`, naming it, before any byte.",
    ],
    not_claimed: all,
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(plain_images(kit.claims()), |lab, image| lab.step(one(lab, image)))
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
    let manifest = Descriptor::new(MediaType::ImageManifest, absent, 6);
    let asked = source.manifest(&manifest).await;
    fails(asked, not_found, &[&name], "asking for a manifest that is not there")
}
