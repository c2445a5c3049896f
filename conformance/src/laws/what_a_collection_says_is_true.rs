//! What a collection says is garbage is needed by nobody and as large as it says; what it says stays does, for a reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use transship_core::{
    CollectMode, CollectOptions, Collected, Digest, Garbage, ImageName, Kept, Manifest, WriteMode,
    parse_digest,
};

use super::collecting_takes_garbage_alone::{collect, collect_by};
use super::deletion_removes_that_image_alone::delete;
use super::{files_in, write_archive};
use crate::broken::{hold, listed};
use crate::expected::Entry;
use crate::lab::Lab;
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::snapshot::{Shown, Snapshot};
use crate::strategies::plain_images;
use crate::{Ability, Broken, Held, Law, Manifests};

pub(crate) const LAW: Law = Law {
    name: "what_a_collection_says_is_true",
    sentence: "What a collection says is garbage is needed by nobody and as large as it says; what it says stays does, for a reason.",
    promises: &[
        "What no image needs, sorted.",
        "What stays although no image is known to need it, and why.",
        "What might be needed stays: where a document cannot be read, everything does, and the result says so.",
        "What is younger than",
    ],
    needs: &[Ability::ManyImages, Ability::Collection, Ability::Names],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    let corner = (Image::simple(3).fit_for(kit.facts()), Image::simple(4).fit_for(kit.facts()));
    let images = (plain_images(kit.facts()), plain_images(kit.facts()));
    kit.each_with(&[corner], images, |lab, (goes, stays)| {
        let (goes, stays) = (entry(goes, 1)?, entry(stays, 2)?);
        let both = [goes, stays];
        lab.step(write_archive(lab, WriteMode::Create, &both))?;
        let [goes, stays] = both.map(|entry| entry.built);
        if lab.has(Ability::Deletion) {
            let reference = reference(&lab.snapshot()?, &goes, lab)?;
            lab.step(delete(lab, &reference))?;
        }
        let there = lab.snapshot()?;
        let looked = lab.step(collect(lab, CollectMode::Look))?;
        is_true(lab, &looked, &goes, &stays)?;
        nothing_stays(&looked)?;
        young_parts_are_reported(lab, &looked)?;
        lab.snapshot()?.same(&there).map_err(|e| e.while_doing("after sparing the young"))?;
        where_one_cannot_be_read(lab, &looked, &goes, &stays)?;
        let before = lab.stored()?;
        let taken = lab.step(collect(lab, CollectMode::Delete))?;
        is_true(lab, &taken, &goes, &stays)?;
        removed_parts_are_reported(&before, &lab.stored()?, &taken, &goes)?;
        nothing_stays(&lab.step(collect(lab, CollectMode::Look))?)?;
        lab.snapshot()?.shows_the_same(&there).map_err(|e| e.while_doing("after all collections"))
    })
}

fn entry(image: &Image, seed: u8) -> Held<Entry> {
    let built = Image { seed, ..image.clone() }.build()?;
    Ok(Entry { built, names: vec![ImageName::new(&format!("docker.io/library/kit:{seed}"))?] })
}

/// By which an image is listed.
fn reference(there: &Snapshot, of: &Built, lab: &Lab) -> Held<String> {
    let is_it = |shown: &&Shown| shown.seen.is(of, lab.facts()).is_ok();
    let found = there.images().iter().find(is_it).map(|shown| shown.reference.clone());
    found.ok_or_else(|| Broken::new("an image that was written is not listed"))
}

/// Garbage was of the image that went and is not of the other one; it is as large as that was.
fn is_true(lab: &Lab, said: &Collected, goes: &Built, stays: &Built) -> Held {
    let texts: Vec<String> =
        said.garbage.iter().map(|garbage| garbage.digest.to_string()).collect();
    let sorted = texts.windows(2).all(|two| two[0] < two[1]);
    hold!(sorted, "what it says is garbage is not sorted, each once: {}", texts.join(", "));
    for Garbage { digest, size, .. } in &said.garbage {
        hold!(
            size_of(stays, digest).is_none(),
            "{digest} is said to be garbage, and an image needs it"
        );
        let want = size_of(goes, digest);
        // What is made anew has digests of its own.
        let known = want.is_some() || lab.claims().manifests == Manifests::Rebuilt;
        hold!(known, "{digest} is said to be garbage, and was never written");
        let want = want.unwrap_or(*size);
        hold!(want == *size, "{digest} is said to be garbage of {size} B, and has {want}");
    }
    Ok(())
}

/// Where a part of the image that went had a file, and that is gone now, it is said to be garbage.
fn removed_parts_are_reported(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    taken: &Collected,
    goes: &Built,
) -> Held {
    for (file, digest) in before.iter().filter(|(file, _)| !after.contains_key(*file)) {
        let Ok(digest) = parse_digest(digest) else { continue };
        let reported = taken.garbage.iter().any(|garbage| garbage.digest == digest);
        let is_part = size_of(goes, &digest).is_some();
        hold!(reported || !is_part, "{file} is gone, and {digest} is not said to be garbage");
    }
    Ok(())
}

/// How large a part of an image is.
fn size_of(built: &Built, digest: &Digest) -> Option<u64> {
    let manifests = built.below.iter().chain([&built.root]).map(Manifest::descriptor);
    let mut parts = manifests.chain(built.blobs.iter().map(|blob| &blob.descriptor));
    parts.find(|part| part.digest == *digest).map(|part| part.size)
}

/// All can be read and nothing is too young, so nothing stays that no image needs.
fn nothing_stays(said: &Collected) -> Held {
    let kept = listed(said.kept.iter().map(|kept| &kept.what));
    hold!(said.kept.is_empty(), "it is said to stay, though no image needs it: {kept}");
    Ok(())
}

/// Whether it is said of a blob, by its digest or by the path of its file.
fn is_of(lab: &Lab, kept: &Kept, digest: &Digest) -> Held<bool> {
    if kept.what.contains(digest.encoded()) {
        return Ok(true);
    }
    if !lab.has(Ability::Files) {
        return Ok(false);
    }
    let (what, digest) = (Path::new(&kept.what), digest.to_string());
    let is_it = |file: &Path| what.ends_with(file) || file.ends_with(what);
    Ok(lab.stored()?.iter().any(|(file, of)| *of == digest && is_it(Path::new(file))))
}

/// Nothing here is an hour old: what would be garbage stays, and that is said.
fn young_parts_are_reported(lab: &Lab, looked: &Collected) -> Held {
    let hour = CollectOptions::MIN_AGE;
    let said = lab.step(collect_by(lab.transport(), lab.at(), CollectMode::Delete, hour))?;
    for Garbage { digest, .. } in &looked.garbage {
        let reported = said.kept.iter().map(|kept| is_of(lab, kept, digest)).collect::<Held<Vec<_>>>()?;
        hold!(reported.contains(&true), "{digest} is younger than an hour, and is not said to stay");
    }
    for kept in &said.kept {
        let Kept { what, why, .. } = kept;
        let young = looked.garbage.iter().map(|garbage| is_of(lab, kept, &garbage.digest));
        let young = young.collect::<Held<Vec<_>>>()?;
        hold!(young.contains(&true), "{what} is said to stay, and is no garbage: {why}");
        hold!(
            !why.is_empty() && !why.contains(char::is_control),
            "{what} stays, and why is {why:?}"
        );
    }
    Ok(())
}

/// With a manifest that is damaged, what it may need stays, and that is said.
fn where_one_cannot_be_read(lab: &Lab, looked: &Collected, goes: &Built, stays: &Built) -> Held {
    let Some(file) = file_of(lab, stays)? else { return Ok(()) };
    let well = fs::read(&file)?;
    let mut bytes = well.clone();
    bytes[well.len() / 2] ^= 1;
    fs::write(&file, &bytes)?;
    let before = lab.stored()?;
    let done = lab.step(async { Ok(collect(lab, CollectMode::Delete).await) })?;
    let after = lab.stored()?;
    let is_there = fs::read(&file).is_ok_and(|now| now == bytes);
    hold!(is_there, "the manifest of an image is damaged, and a collection took it");
    fs::write(&file, &well)?;
    let Ok(said) = done else {
        hold!(
            before == after,
            "a collection where a manifest is damaged failed, and has changed something"
        );
        return Ok(());
    };
    removed_parts_are_reported(&before, &after, &said, goes)?;
    let taken = listed(said.garbage.iter().map(|garbage| &garbage.digest));
    hold!(said.garbage.is_empty(), "a manifest is damaged, and what it may need goes: {taken}");
    let reported = !said.kept.is_empty() || looked.garbage.is_empty();
    hold!(reported, "a manifest is damaged, so all stays, and that is not said");
    Ok(())
}

/// The file of an image's root, where it has one.
fn file_of(lab: &Lab, of: &Built) -> Held<Option<PathBuf>> {
    if !lab.has(Ability::Files) {
        return Ok(None);
    }
    let mut files = Vec::new();
    files_in(lab.folder()?, &mut files)?;
    let is_it = |file: &PathBuf| fs::read(file).is_ok_and(|bytes| of.root.bytes() == &bytes[..]);
    Ok(files.into_iter().find(is_it))
}
