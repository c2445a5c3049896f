//! Collecting takes what no image needs, and nothing else; looking changes nothing.

use std::path::PathBuf;
use std::time::Duration;

use transship_core::{CollectMode, CollectOptions, Collected, DeleteOptions, DeletedNames, Reference, Transport, WriteMode};

use super::{files_in, write_archive};
use crate::broken::{While, hold, listed};
use crate::expected;
use crate::lab::Lab;
use crate::runner::Kit;
use crate::strategies::{Pick, archives as generated};
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "collecting_takes_garbage_alone",
    sentence: "Collecting takes what no image needs, and nothing else; looking changes nothing.",
    promises: &[
        "Every image stays whole, and so does what is about it.",
        "Told to look, it changes nothing.",
        "Told to delete, it leaves nothing that it would find again.",
        "What is younger than",
    ],
    needs: &[Ability::ManyImages, Ability::Collection],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let archives = (generated(kit.facts(), 6), Pick::any());
    kit.each(archives, |lab, (archive, which)| {
        lab.step(write_archive(lab, WriteMode::Create, &expected::build(archive)?))?;
        let mut want = expected::shown(expected::build(archive)?, lab.facts());
        if want.is_empty() {
            return Ok(());
        }
        // One image goes with all of its names, and leaves what only it needed.
        if let Some(deletion) = lab.transport().deletion() {
            let snapshot = lab.snapshot()?;
            let there = snapshot.images().len();
            hold!(there == want.len(), "{there} images of {} are there", want.len());
            let shown = which.get(snapshot.images());
            let (_, locator) = shown.reference.split_once(':').unwrap_or(("", &*shown.reference));
            let reference = lab.transport().parse(locator)?;
            let several = shown.names.len() > 1;
            let names = if several { DeletedNames::All } else { DeletedNames::Given };
            let how = DeleteOptions::default().with_names(names);
            lab.step(async { deletion.delete(&reference, &how).await.during(|| "deleting") })?;
            // A place that lists names has an order of its own.
            want.retain(|entry| shown.seen.is(&entry.built, lab.facts()).is_err());
        }
        let before = lab.snapshot()?;
        spares_the_young(lab)?;
        let looked = lab.step(collect(lab, CollectMode::Look))?;
        lab.snapshot()?.same(&before).map_err(|e| e.while_doing("after looking, and sparing the young"))?;
        let taken = lab.step(collect(lab, CollectMode::Delete))?;
        hold!(looked == taken, "it found {}, and deleted {}", listed(garbage(&looked)), listed(garbage(&taken)));
        let after = lab.snapshot()?;
        after.shows_the_same(&before).map_err(|e| e.while_doing("after collecting"))?;
        let again = lab.step(collect(lab, CollectMode::Look))?;
        hold!(again.garbage.is_empty(), "a second collection still finds {}", listed(garbage(&again)));
        leaves_nothing_extra(lab, &want)
    })
}

/// Nothing here is an hour old.
fn spares_the_young(lab: &Lab) -> Held {
    let hour = CollectOptions::MIN_AGE;
    let taken = lab.step(collect_by(lab.transport(), lab.at(), CollectMode::Delete, hour))?;
    hold!(taken.garbage.is_empty(), "of what is younger than an hour it took {}", listed(garbage(&taken)));
    Ok(())
}

/// As many files are there as if there had never been more.
fn leaves_nothing_extra(lab: &Lab, want: &[expected::Entry]) -> Held {
    if !lab.has(Ability::Files) {
        return Ok(());
    }
    let fresh = lab.another()?;
    fresh.step(write_archive(&fresh, WriteMode::Create, want))?;
    let names = |lab: &Lab| -> Held<Vec<PathBuf>> {
        let (folder, mut files) = (lab.folder()?, Vec::new());
        files_in(folder, &mut files)?;
        let relative = |file: &PathBuf| file.strip_prefix(folder).map(PathBuf::from);
        let mut files: Vec<_> = files.iter().filter_map(|file| relative(file).ok()).collect();
        files.sort();
        Ok(files)
    };
    let (left, enough) = (names(lab)?, names(&fresh)?);
    let extra: Vec<_> = left.iter().filter(|file| !enough.contains(file)).collect();
    hold!(extra.is_empty(), "files are left that no image needs: {}", listed(extra.iter().map(|file| file.display())));
    Ok(())
}

pub(crate) async fn collect(lab: &Lab, mode: CollectMode) -> Held<Collected> {
    collect_by(lab.transport(), lab.at(), mode, Duration::ZERO).await
}

/// Collects what is of an age, by a value of the transport.
pub(super) async fn collect_by(
    transport: &dyn Transport,
    at: &Reference,
    mode: CollectMode,
    min_age: Duration,
) -> Held<Collected> {
    let collection = transport.collection();
    let collection =
        collection.ok_or_else(|| Broken::new("what it leaves behind is said to be collected, and it has no collection()"))?;
    let mut how = CollectOptions::new(mode);
    how.min_age = min_age;
    collection.collect(at, &how).await.during(|| format!("collecting, {mode:?}"))
}

fn garbage(of: &Collected) -> impl Iterator<Item = &transship_core::Digest> {
    of.garbage.iter().map(|garbage| &garbage.digest)
}
