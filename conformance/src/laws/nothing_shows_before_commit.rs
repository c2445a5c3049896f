//! Nothing shows before the commit: not in an empty place, and not in one that holds images.

use transship_core::WriteMode;

use crate::lab::{Lab, put_all};
use crate::model::Image;
use crate::runner::Kit;
use crate::snapshot::Snapshot;
use crate::strategies::plain_images;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "nothing_shows_before_commit",
    sentence: "Nothing shows before the commit: not in an empty place, and not in one that holds images.",
    promises: &["Nothing changes that shows.", "Gives it no name."],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let images = (plain_images(kit.facts()), plain_images(kit.facts()));
    kit.each(images, |lab, (first, second)| {
        unseen(lab, first, WriteMode::Create)?;
        lab.step(async { lab.write(&first.build()?, WriteMode::Create, &[]).await })?;
        unseen(lab, second, WriteMode::Replace)?;
        if lab.has(Ability::Append) {
            unseen(lab, second, WriteMode::Append)?;
        }
        Ok(())
    })
}

fn unseen(lab: &Lab, image: &Image, mode: WriteMode) -> Held {
    let before = lab.snapshot()?;
    let built = image.build()?;
    lab.step(async {
        // Under a name where there are names: a place may have room for one image without.
        let names = lab.facts().some_name();
        let destination = lab.destination(mode, &names).await?;
        put_all(&*destination, &built).await?;
        // While it is open, and dropped where a runtime is.
        Snapshot::take(lab).await?.shows_the_same(&before)
    })?;
    lab.snapshot()?.shows_the_same(&before)
}
