//! A blob that images of an archive share is there once.

use std::fs;
use std::path::Path;

use transship_core::WriteMode;

use super::{room, write_archive};
use crate::broken::hold;
use crate::expected::Entry;
use crate::lab::Lab;
use crate::model::{Image, Layer, noise};
use crate::runner::Kit;
use crate::{Ability, Held, Law, Space};

pub(crate) const LAW: Law = Law {
    name: "shared_blobs_are_stored_once",
    sentence: "A blob that images of an archive share is there once.",
    promises: &["A blob that images share is stored once."],
    needs: &[Ability::ManyImages, Ability::Files],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(2_u8..5, |lab, images| match lab.claims().space {
        Space::Exact => once(lab, *images),
        Space::Pages => without_growth(lab, *images),
    })
}

fn once(lab: &Lab, images: u8) -> Held {
    let entries = sharing(&Layer::small(8, 5000), images)?;
    // Some are in one writer, the others come after.
    let joins = lab.has(Ability::Append);
    let (first, more) = entries.split_at(if joins { 1 } else { entries.len() });
    lab.step(write_archive(lab, WriteMode::Create, first))?;
    if joins {
        lab.step(write_archive(lab, WriteMode::Append, more))?;
    }
    // A piece from the middle, so that what was stored in two halves is found, too.
    let found = occurrences(lab.folder()?, &noise(9, 5000)[2400..2500])?;
    hold!(found <= 1, "a layer that {images} images share is stored {found} times");
    Ok(())
}

/// In a place of pages a layer may be there again, in a free one. With each image that shares it, the files do not grow by it.
fn without_growth(lab: &Lab, first: u8) -> Held {
    let entries = sharing(&Layer::small(8, LARGE), first + MORE)?;
    let (first, more) = entries.split_at(usize::from(first));
    lab.step(write_archive(lab, WriteMode::Create, first))?;
    let before = room(lab)?;
    let after = if lab.has(Ability::Append) {
        for entry in more {
            lab.step(write_archive(lab, WriteMode::Append, std::slice::from_ref(entry)))?;
        }
        room(lab)?
    } else {
        let other = lab.another()?;
        other.step(write_archive(&other, WriteMode::Create, &entries))?;
        room(&other)?
    };
    let what = format!("{MORE} images come that share a layer of {LARGE} B with those that are there");
    grows_little(before, after, MORE, &what)
}

/// Images of one layer.
fn sharing(layer: &Layer, count: u8) -> Held<Vec<Entry>> {
    let one = |seed| {
        let image = Image { layers: vec![layer.clone(), layer.clone()], ..Image::simple(seed) };
        let name = format!("docker.io/library/kit:{seed}");
        let names = vec![transship_core::ImageName::new(&name)?];
        Ok(Entry { built: image.build()?, names })
    };
    (0..count).map(one).collect()
}

/// A layer larger than the pages of a database, so that each copy of it shows in the size of the files.
pub(super) const LARGE: usize = 256 << 10;

/// So often it comes after the files were measured: in steps of which a database grows, too, once is not seen.
const MORE: u8 = 12;

/// Whether files grew by less than half of what so many [`LARGE`] layers take.
pub(super) fn grows_little(before: u64, after: u64, layers: u8, what: &str) -> Held {
    let (grown, most) = (after.saturating_sub(before), LARGE as u64 * u64::from(layers) / 2);
    hold!(grown < most, "the files grow by {grown} B, from {before} B, while {what}");
    Ok(())
}

pub(super) fn occurrences(folder: &Path, piece: &[u8]) -> Held<usize> {
    let mut found = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let kind = path.symlink_metadata()?.file_type();
        if kind.is_dir() {
            found += occurrences(&path, piece)?;
        } else if kind.is_file() {
            let bytes = fs::read(&path)?;
            found += bytes.windows(piece.len()).filter(|window| *window == piece).count();
        }
    }
    Ok(found)
}
