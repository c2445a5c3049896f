//! A place holds no more after an image was replaced than if only the new one had been written. Where the old one stays without a name, that is so once it is deleted.

use transship_core::{CollectMode, WriteMode};

use super::collecting_takes_garbage_alone::collect;
use super::deletion_removes_that_image_alone::delete;
use crate::expected;
use crate::lab::Lab;
use crate::model::{Algorithm, Image, Layer};
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Abandoned, Ability, Digests, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "replacing_leaves_nothing_of_the_old",
    sentence: "A place holds no more after an image was replaced than if only the new one had been written. Where the old one stays without a name, that is so once it is deleted.",
    promises: &["It is replaced as a whole, at once, when the new one is complete."],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let algorithm = match kit.facts().claims.digests {
        Digests::Any => Algorithm::Sha512,
        Digests::Sha256 => Algorithm::Sha256,
    };
    let layer = Layer { algorithm, ..Layer::tar(4, 700) };
    let long = Image { layers: vec![layer], ..Image::simple(1) };
    let corners = [(long.clone(), Image::simple(2)), (Image::simple(2), long)];
    let images = (plain_images(kit.facts()), plain_images(kit.facts()));
    kit.each_with(&corners, images, |lab, (old, new)| {
        let names = lab.facts().some_name();
        let other = lab.another()?;
        let write = |lab: &Lab, image: &Image, mode| {
            lab.step(async { lab.write(&image.build()?, mode, &names).await })
        };
        write(lab, old, WriteMode::Create)?;
        write(lab, new, WriteMode::Replace)?;
        write(&other, new, WriteMode::Create)?;
        if !lab.has(Ability::NothingLeft) {
            lab.step(collect(lab, CollectMode::Delete))?;
        }
        without_names(lab, old, new)?;
        let (replaced, fresh) = (lab.snapshot()?, other.snapshot()?);
        replaced.same_files(&fresh, Abandoned::Nothing)?;
        replaced.shows_equal(&fresh)
    })
}

/// What was replaced is there as claimed. What stays without a name is deleted.
fn without_names(lab: &Lab, old: &Image, new: &Image) -> Held {
    let (old, new) = (old.build()?, new.build()?);
    let snapshot = lab.snapshot()?;
    expected::check_replaced(&snapshot, &[&old], &new, lab.facts())?;
    if expected::unnamed(&[&old], &new, lab.facts()).is_empty() {
        return Ok(());
    }
    for image in snapshot.images().iter().filter(|image| image.seen.names.is_empty()) {
        lab.step(delete(lab, &image.reference))?;
    }
    Ok(())
}
