//! A writer that is dropped without `finish` leaves what was there as it was, whatever was committed in it.

use transship_core::WriteMode;

use crate::broken::While;
use crate::expected;
use crate::lab::{Lab, commit, put_all};
use crate::model::Archive;
use crate::runner::Kit;
use crate::strategies::{archives as generated, plain_images};
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_dropped_writer_leaves_no_trace",
    sentence: "A writer that is dropped without `finish` leaves what was there as it was, whatever was committed in it.",
    promises: &[
        "Dropped without [`finish`](Self::finish), it leaves what was there as it was.",
        "Nothing changes that shows.",
    ],
    needs: &[Ability::ManyImages, Ability::ShowsAtFinish],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let images = (plain_images(kit.facts()), generated(kit.facts(), 5));
    kit.each(images, |lab, (first, archive)| {
        dropped(lab, archive, WriteMode::Create)?;
        lab.step(async { lab.write(&first.build()?, WriteMode::Create, &[]).await })?;
        dropped(lab, archive, WriteMode::Replace)?;
        if lab.has(Ability::Append) {
            dropped(lab, archive, WriteMode::Append)?;
        }
        Ok(())
    })
}

fn dropped(lab: &Lab, archive: &Archive, mode: WriteMode) -> Held {
    let before = lab.snapshot()?;
    lab.step(async {
        let writer = lab.writer(mode).await?;
        for entry in expected::build(archive)? {
            // Where one image without a name is there already, a second one may be refused.
            if entry.names.is_empty() && mode == WriteMode::Append {
                continue;
            }
            let destination = writer.image(&entry.names).await.during(|| "opening an image")?;
            put_all(&*destination, &entry.built).await?;
            commit(destination, &entry.built).await?;
        }
        drop(writer);
        Ok(())
    })?;
    lab.is_as_before(&before)
        .map_err(|e| e.while_doing(format!("dropped, {mode:?}")))
}
