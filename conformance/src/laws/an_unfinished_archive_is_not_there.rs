//! An image of a writer shows when its place says: at its commit, or at `finish` and not before.

use transship_core::{Shows, WriteMode};

use crate::broken::{While, hold};
use crate::expected;
use crate::lab::{Lab, commit, put_all};
use crate::model::Archive;
use crate::runner::Kit;
use crate::strategies::{archives as generated, plain_images};
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "an_unfinished_archive_is_not_there",
    sentence: "An image of a writer shows when its place says: at its commit, or at `finish` and not before.",
    promises: &["It shows at once where [`shows`](Accepts::shows) is `AtCommit`, and with the writer's `finish` where it is not."],
    needs: &[Ability::ManyImages],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each((generated(kit.facts(), 4), plain_images(kit.facts())), |lab, (archive, first)| {
        unfinished(lab, archive, WriteMode::Create)?;
        lab.step(async { lab.write(&first.build()?, WriteMode::Replace, &[]).await })?;
        unfinished(lab, archive, lab.again())?;
        if lab.has(Ability::Append) {
            unfinished(lab, archive, WriteMode::Append)?;
        }
        at_once(lab, first)
    })
}

fn unfinished(lab: &Lab, archive: &Archive, mode: WriteMode) -> Held {
    let before = lab.snapshot()?;
    let mut shows = Shows::AtFinish;
    let writer = lab.step(lab.writer(mode))?;
    for entry in expected::build(archive)? {
        // Where one image without a name is there already, a second one may be refused.
        if entry.names.is_empty() && mode == WriteMode::Append {
            continue;
        }
        lab.step(async {
            let destination = writer.image(&entry.names).await.during(|| "opening an image")?;
            shows = destination.accepts().shows;
            put_all(&*destination, &entry.built).await?;
            commit(destination, &entry.built).await
        })?;
        if shows == Shows::AtFinish {
            let after = lab.snapshot()?.shows_the_same(&before);
            after.map_err(|e| e.while_doing(format!("before `finish`, {mode:?}")))?;
        }
    }
    // Dropped where a runtime is.
    lab.step(async move {
        drop(writer);
        Ok(())
    })?;
    if shows == Shows::AtFinish { lab.snapshot()?.shows_the_same(&before) } else { Ok(()) }
}

/// An image by itself shows with its commit.
fn at_once(lab: &Lab, image: &crate::model::Image) -> Held {
    let built = image.build()?;
    let destination = lab.step(lab.destination(WriteMode::Replace, &lab.facts().some_name()))?;
    let shows = destination.accepts().shows;
    hold!(shows == Shows::AtCommit, "an image by itself says that it shows {shows:?}");
    lab.step(async {
        put_all(&*destination, &built).await?;
        commit(destination, &built).await
    })?;
    let snapshot = lab.snapshot()?;
    let there = snapshot.images().iter().any(|image| image.seen.is(&built, lab.facts()).is_ok());
    hold!(there, "an image that was committed by itself does not show");
    Ok(())
}
