//! A `finish` that failed loses nothing: called again without the obstacle, it writes all images.

use std::fs;
use std::path::Path;

use transship_core::{ErrorKind, WriteMode};

use super::fails;
use crate::broken::While;
use crate::expected::{self, Entry};
use crate::lab::{Lab, commit, put_all};
use crate::model::{Archive, Image};
use crate::runner::Kit;
use crate::strategies::archives as generated;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_finish_that_failed_can_be_called_again",
    sentence: "A `finish` that failed loses nothing: called again without the obstacle, it writes all images.",
    promises: &[
        "When it fails, it can be called again: all images that were committed are still there for it.",
    ],
    needs: &[Ability::ManyImages, Ability::ShowsAtFinish, Ability::ReplacesArchives],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(generated(kit.facts(), 3), one)
}

fn one(lab: &Lab, archive: &Archive) -> Held {
    let entries = expected::build(archive)?;
    let other = Image { seed: 77, ..Image::simple(9) }.build()?;
    lab.step(async {
        let mut writer = lab.writer(WriteMode::Create).await?;
        for Entry { names, built } in &entries {
            let destination = writer.image(names).await.during(|| "opening an image")?;
            put_all(&*destination, built).await?;
            commit(destination, built).await?;
        }
        lab.write(&other, WriteMode::Create, &lab.facts().some_name()).await?;
        for what in ["finishing a writer that was opened to create", "calling finish again"] {
            let what = format!("{what}, where another archive came meanwhile");
            fails(writer.finish().await, &[ErrorKind::AlreadyExists], &[], &what)?;
        }
        // The kit can take the other one away where it can see what is stored.
        if lab.files().is_none() {
            return Ok(());
        }
        remove(Path::new(lab.at().locator()))?;
        writer.finish().await.during(|| "calling finish again, when the other archive has gone")
    })?;
    if lab.files().is_none() {
        return Ok(());
    }
    let want = expected::shown(entries, lab.facts());
    expected::check(&lab.snapshot()?, &want, lab.facts())
        .map_err(|e| e.while_doing("after the finish that succeeded"))
}

fn remove(place: &Path) -> Held {
    if place.is_dir() { fs::remove_dir_all(place)? } else { fs::remove_file(place)? }
    Ok(())
}
