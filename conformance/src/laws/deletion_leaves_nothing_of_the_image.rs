//! A place from which an image was deleted holds no more than one where it never was.

use std::collections::BTreeMap;

use proptest::prelude::*;
use transship_core::WriteMode;

use super::deletion_removes_that_image_alone::{delete, one_name_each};
use super::write_archive;
use crate::broken::{hold, listed};
use crate::expected;
use crate::lab::Lab;
use crate::runner::Kit;
use crate::strategies::archives as generated;
use crate::{Ability, Held, Law};

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

fn check(kit: &Kit) -> Held {
    kit.each((generated(kit.facts(), 6), any::<prop::sample::Index>()), |lab, (archive, which)| {
        let archive = one_name_each(archive);
        let entries = expected::build(&archive)?;
        lab.step(write_archive(lab, WriteMode::Create, &entries))?;
        let mut want = expected::shown(entries, lab.facts());
        if want.is_empty() {
            return Ok(());
        }
        let which = which.index(want.len());
        let reference = lab.snapshot()?.images()[which].reference.clone();
        want.remove(which);
        lab.step(delete(lab, &reference))?;
        let fresh = lab.another()?;
        fresh.step(write_archive(&fresh, WriteMode::Create, &want))?;
        no_more(&sizes(lab)?, &sizes(&fresh)?)
    })
}

/// What the fixture sees, and how large it is where it is a file. In which order bytes are kept is the transport's affair.
fn sizes(lab: &Lab) -> Held<BTreeMap<String, Option<u64>>> {
    let folder = lab.folder()?;
    let size = |name: &String| folder.join(name).metadata().ok().filter(std::fs::Metadata::is_file);
    let facts = lab.fixture_snapshot()?.into_keys();
    Ok(facts.map(|name| (name.clone(), size(&name).map(|found| found.len()))).collect())
}

fn no_more(
    left: &BTreeMap<String, Option<u64>>,
    enough: &BTreeMap<String, Option<u64>>,
) -> Held {
    let extra: Vec<_> = left.keys().filter(|name| !enough.contains_key(*name)).collect();
    hold!(extra.is_empty(), "nobody needs {}", listed(extra));
    for (name, size) in left {
        let want = enough.get(name).copied().flatten();
        hold!(
            size.unwrap_or_default() <= want.unwrap_or_default() + FOLDERS,
            "{name} has {} B, and {} where the image never was",
            size.unwrap_or_default(),
            want.unwrap_or_default()
        );
    }
    Ok(())
}
