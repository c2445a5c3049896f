//! A blob that images of an archive share is there once.

use std::fs;
use std::path::Path;

use transship_core::WriteMode;

use super::write_archive;
use crate::broken::hold;
use crate::expected::Entry;
use crate::model::{Image, Layer, noise};
use crate::runner::Kit;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "shared_blobs_are_stored_once",
    sentence: "A blob that images of an archive share is there once.",
    promises: &["A blob that images share is stored once."],
    needs: &[Ability::ManyImages, Ability::Files],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(2_u8..5, |lab, images| {
        let folder = lab.folder()?;
        let layer = Layer::small(8, 5000);
        let entries = (0..*images).map(|seed| {
            let image = Image { layers: vec![layer.clone(), layer.clone()], ..Image::simple(seed) };
            let name = format!("docker.io/library/kit:{seed}");
            let names = vec![transship_core::ImageName::new(&name)?];
            Ok(Entry { built: image.build()?, names })
        });
        let entries = entries.collect::<Held<Vec<_>>>()?;
        // Some are in one writer, the others come after.
        let joins = lab.has(Ability::Append);
        let (first, more) = entries.split_at(if joins { 1 } else { entries.len() });
        lab.step(write_archive(lab, WriteMode::Create, first))?;
        if joins {
            lab.step(write_archive(lab, WriteMode::Append, more))?;
        }
        // A piece from the middle, so that what was stored in two halves is found, too.
        let found = occurrences(folder, &noise(9, 5000)[2400..2500])?;
        hold!(found <= 1, "a layer that {images} images share is stored {found} times");
        Ok(())
    })
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
