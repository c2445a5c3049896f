//! A place from which an image was deleted holds no more than one where it never was.

use std::cell::Cell;
use std::collections::BTreeMap;

use transship_core::{ImageName, WriteMode};

use super::deletion_removes_that_image_alone::{delete, one_name_each};
use super::shared_blobs_are_stored_once::{LARGE, grows_little};
use super::{files_in, room, write_archive};
use crate::broken::{hold, listed};
use crate::expected;
use crate::lab::Lab;
use crate::runner::Kit;
use crate::model::{Image, Layer};
use crate::strategies::{Pick, archives as generated};
use crate::{Ability, Held, Law, Space};

pub(crate) const LAW: Law = Law {
    name: "deletion_leaves_nothing_of_the_image",
    sentence: "A place from which an image was deleted holds no more than one where it never was.",
    promises: &["What only it needed goes with it"],
    needs: &[Ability::ManyImages, Ability::Deletion, Ability::Files, Ability::NothingLeft],
    cost: 1,
    check,
};

/// The names of folders that are empty now may stay in a tar: `blobs`, and one for each algorithm.
const FOLDERS: u64 = 3 * 512;

/// Slack for a database, which may split its pages in another way.
const PAGES: u64 = 64 << 10;

fn check(kit: &Kit) -> Held {
    // It is the same for each case, and takes long.
    let looked = Cell::new(false);
    kit.each((generated(kit.facts(), 6), Pick::any()), |lab, (archive, which)| {
        if lab.claims().space == Space::Pages && !looked.replace(true) {
            frees_pages(&lab.another()?)?;
        }
        let archive = one_name_each(archive);
        let entries = expected::build(&archive)?;
        lab.step(write_archive(lab, WriteMode::Create, &entries))?;
        if lab.has(Ability::Append) {
            // Each comes twice, and is needed once.
            lab.step(write_archive(lab, WriteMode::Append, &entries))?;
        }
        let mut want = expected::shown(entries, lab.facts());
        if want.is_empty() {
            return Ok(());
        }
        let snapshot = lab.snapshot()?;
        let there = snapshot.images().len();
        hold!(there == want.len(), "{there} images of {} are there", want.len());
        let shown = which.get(snapshot.images());
        // A place that lists names has an order of its own.
        want.retain(|entry| shown.seen.is(&entry.built, lab.facts()).is_err());
        let reference = shown.reference.clone();
        lab.step(delete(lab, &reference))?;
        let fresh = lab.another()?;
        fresh.step(write_archive(&fresh, WriteMode::Create, &want))?;
        no_more(&kept(lab)?, &kept(&fresh)?)
    })
}

/// So many images come and go before the files are measured, and in so many of the last ones: files grow in steps, and may shrink.
const FIRST: u8 = 8;

/// So many come after the first ones.
const MORE: u8 = 32;

/// In a place of pages the room of an image that was deleted is for the next one: files do not grow with each.
fn frees_pages(lab: &Lab) -> Held {
    if !lab.has(Ability::Append) {
        return Ok(());
    }
    let names = |number: u8| {
        Ok::<_, crate::Broken>(vec![ImageName::new(&format!("docker.io/library/kit:{number}"))?])
    };
    lab.step(async { lab.write(&Image::simple(0).build()?, WriteMode::Create, &names(0)?).await })?;
    let (mut before, mut after) = (0, u64::MAX);
    for number in 1..=FIRST + MORE {
        let layers = vec![Layer::small(4 * number, LARGE)];
        let built = Image { layers, ..Image::simple(number) }.build()?;
        let committed = lab.step(lab.write(&built, WriteMode::Append, &names(number)?))?;
        let with_it = room(lab)?;
        lab.step(delete(lab, &committed.references[0].to_string()))?;
        if number <= FIRST {
            before = before.max(with_it);
        }
        if number > MORE {
            after = after.min(room(lab)?);
        }
    }
    let what = format!("{MORE} images of a layer of {LARGE} B come and are deleted");
    grows_little(before, after, MORE, &what)
}

/// What a place holds.
pub(super) struct Kept {
    /// What the fixture sees, and the sizes of those that are files.
    facts: BTreeMap<String, u64>,
    /// The size of all other files, as of a database of which the fixture shows rows.
    others: u64,
}

/// In which order bytes are kept is the transport's affair.
pub(super) fn kept(lab: &Lab) -> Held<Kept> {
    let facts = lab.fixture_snapshot()?.into_keys().map(|name| (name, 0)).collect();
    let mut kept = Kept { facts, others: 0 };
    // Pages that are free stay in their file.
    if lab.claims().space == Space::Exact {
        let folder = lab.folder()?;
        let mut files = Vec::new();
        files_in(folder, &mut files)?;
        for file in files {
            let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
            let size = file.metadata()?.len();
            match kept.facts.get_mut(&name) {
                Some(fact) => *fact = size,
                None => kept.others += size,
            }
        }
    }
    Ok(kept)
}

pub(super) fn no_more(left: &Kept, enough: &Kept) -> Held {
    let extra: Vec<_> = left.facts.keys().filter(|name| !enough.facts.contains_key(*name)).collect();
    hold!(extra.is_empty(), "{}: still there, and no image needs it", listed(extra));
    let pairs = left.facts.iter().map(|(name, size)| {
        (&**name, *size, enough.facts.get(name).copied().unwrap_or_default(), FOLDERS)
    });
    let others = ("the place's file", left.others, enough.others, PAGES);
    for (name, size, want, more) in pairs.chain([others]) {
        hold!(size <= want + more, "{name} has {size} B, and {want} B where the image never was");
    }
    Ok(())
}
