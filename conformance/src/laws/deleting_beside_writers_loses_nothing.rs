//! What is committed while others delete and collect in the same place is whole, and what they delete is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use proptest::sample::select;
use proptest::strategy::Strategy;
use transship_core::{CollectMode, DeleteOptions, ErrorKind, ImageName, Reference, WriteMode};

use super::collecting_takes_garbage_alone::collect_by;
use super::one_line;
use crate::broken::{While, hold};
use crate::expected::Entry;
use crate::lab::{By, Lab, how, put_missing, try_commit};
use crate::model::{Image, Layer};
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "deleting_beside_writers_loses_nothing",
    sentence: "What is committed while others delete and collect in the same place is whole, and what they delete is gone.",
    promises: &[
        "What others commit meanwhile stays, whole. A commit that counted on what went with the image may fail with `Conflict`.",
        "Writers of ours are waited for",
    ],
    needs: NEEDS,
    cost: 4,
    check,
};

/// What it takes to delete beside writers.
pub(super) const NEEDS: &[Ability] = &[
    Ability::ManyImages,
    Ability::Append,
    Ability::Names,
    Ability::ManyWriters,
    Ability::Deletion,
];

/// So many are deleted, and as many written meanwhile.
const IMAGES: u8 = 3;

/// The seed of the first one that is deleted.
const OLD: u8 = 100;

/// The seed of one that is there and is not deleted.
const STAYS: u8 = OLD + IMAGES;

/// So much later each writer commits than the one before.
const LATER: Duration = Duration::from_millis(3);

/// Whether garbage is collected meanwhile, which may hide what deletions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Collecting {
    Always,
    Never,
}

impl Collecting {
    fn any() -> impl Strategy<Value = Self> {
        select(vec![Self::Always, Self::Never])
    }
}

fn check(kit: &Kit) -> Held {
    kit.each((plain_images(kit.facts()), Collecting::any()), |lab, (image, collecting)| {
        // They have their layers in common, so that each writer finds those of what is being deleted.
        let old = (OLD..OLD + IMAGES).map(|seed| named(image, seed)).collect::<Held<Vec<_>>>()?;
        let new = (0..IMAGES).map(|seed| named(image, seed)).collect::<Held<Vec<_>>>()?;
        // It has layers of its own, so that those of the others are needed by nobody when these are deleted.
        let stays = named(&Image { layers: vec![Layer::tar(61, 700)], ..Image::simple(STAYS) }, STAYS)?;
        let by_digest = has_digest(&lab.another()?)?;
        let mut there = Vec::new();
        for (entry, at) in old.iter().chain([&stays]).zip(0..) {
            let mode = if at == 0 { WriteMode::Create } else { WriteMode::Append };
            let names = if at == 1 && by_digest { &[][..] } else { &entry.names };
            let mut committed = lab.step(lab.write(&entry.built, mode, names))?;
            there.push(committed.references.remove(0));
        }
        // The one that stays.
        there.pop();
        let shows = lab.step(all_at_once(lab, &there, &new, *collecting))?;
        let snapshot =
            lab.snapshot().map_err(|e| e.while_doing("after writing and deleting at once"))?;
        let new = new.iter().zip(shows).filter(|(_, shows)| *shows).map(|(entry, _)| entry);
        let want: Vec<_> = new.chain([&stays]).collect();
        for entry in &want {
            let (name, root) = (&entry.names[0], &entry.built.root.descriptor().digest);
            let found = snapshot.images().iter().find(|image| image.seen.names.contains(name));
            let found = found.ok_or_else(|| {
                Broken::new(format!("{name} was there or was committed beside deletions, and is lost: {root}"))
            })?;
            found.seen.is(&entry.built, lab.facts()).during(|| name.to_string())?;
        }
        let (found, want) = (snapshot.images().len(), want.len());
        hold!(
            found == want,
            "{found} images are there, {want} were written or stay, and the others deleted"
        );
        Ok(())
    })
}

/// Whether images without a name have references with their digests. A position may stand for another image meanwhile.
fn has_digest(lab: &Lab) -> Held<bool> {
    if lab.has(Ability::OneWithoutName) {
        return Ok(false);
    }
    let built = Image::simple(1).build()?;
    let committed = lab.step(lab.write(&built, WriteMode::Create, &[]))?;
    let digest = built.root.descriptor().digest.encoded();
    Ok(committed.references.iter().any(|at| at.locator().contains(digest)))
}

fn named(image: &Image, seed: u8) -> Held<Entry> {
    let built = Image { seed, ..image.clone() }.build()?;
    Ok(Entry { built, names: vec![ImageName::new(&format!("docker.io/library/kit:{seed}"))?] })
}

/// Deletes the old ones, each for itself. Gives which of the new ones are committed.
async fn all_at_once(
    lab: &Lab,
    old: &[Reference],
    new: &[Entry],
    collecting: Collecting,
) -> Held<Vec<bool>> {
    let writers = new.iter().zip(1_u32..).map(|(entry, number)| {
        let by = if number % 2 == 0 { By::AWriter } else { By::Itself };
        async move { write(lab, entry, by, LATER * number).await }
    });
    let is_over = AtomicBool::new(false);
    let work = async {
        let done = join(join_all(writers), delete_all(lab, old)).await;
        is_over.store(true, Ordering::Relaxed);
        done
    };
    let ((written, deleted), collected) = join(work, collect_until(lab, &is_over, collecting)).await;
    collected?;
    deleted?;
    written.into_iter().collect()
}

async fn write(lab: &Lab, entry: &Entry, by: By, later: Duration) -> Held<bool> {
    let (transport, Entry { built, names }) = (lab.other_transport(), entry);
    let done = if by == By::AWriter {
        let archives = transport.archives().ok_or_else(|| Broken::new("it has no archives()"))?;
        let opened = archives.write(lab.at(), &how(WriteMode::Append, &[])).await;
        let mut writer = opened.during(|| "opening a writer beside deletions")?;
        let image = writer.image(names).await.during(|| "opening an image of a writer")?;
        put_missing(&*image, built).await?;
        tokio::time::sleep(later).await;
        match try_commit(image, built).await? {
            Ok(_) => writer.finish().await,
            Err(e) => Err(e),
        }
    } else {
        let opened = transport.destination(lab.at(), &how(WriteMode::Append, names)).await;
        let destination = opened.during(|| "opening a place for an image beside deletions")?;
        put_missing(&*destination, built).await?;
        tokio::time::sleep(later).await;
        try_commit(destination, built).await?.map(drop)
    };
    match done {
        // What it found went with an image that was deleted.
        Err(e) if e.kind() == ErrorKind::Conflict => one_line(&e).map(|()| false),
        done => done.during(|| format!("writing {} beside deletions", names[0])).map(|()| true),
    }
}

async fn delete_all(lab: &Lab, old: &[Reference]) -> Held {
    let all = old.iter().map(async |at| {
        let transport = lab.other_transport();
        let deletion = transport.deletion().ok_or_else(|| Broken::new("it has no deletion()"))?;
        let done = deletion.delete(at, &DeleteOptions::default()).await;
        done.during(|| format!("deleting {at} beside writers"))
    });
    join_all(all).await.into_iter().collect()
}

async fn collect_until(lab: &Lab, is_over: &AtomicBool, collecting: Collecting) -> Held {
    if !lab.has(Ability::Collection) || collecting == Collecting::Never {
        return Ok(());
    }
    let transport = lab.other_transport();
    while !is_over.load(Ordering::Relaxed) {
        collect_by(&*transport, lab.at(), CollectMode::Delete, Duration::ZERO).await?;
        tokio::time::sleep(LATER / 2).await;
    }
    Ok(())
}
