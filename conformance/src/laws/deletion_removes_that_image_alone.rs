//! Deleting an image removes that image alone, a look removes nothing, and deleting what is not there is `NotFound`.

use proptest::prelude::*;
use transship_core::{DeleteMode, DeleteOptions, DeletedNames, Digest, ErrorKind, WriteMode, sha256};

use super::{fails, write_archive};
use crate::broken::{While, hold};
use crate::expected::{self, identity};
use crate::lab::Lab;
use crate::model::Archive;
use crate::runner::Kit;
use crate::strategies::{archives as generated, corner_archives};
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "deletion_removes_that_image_alone",
    sentence: "Deleting an image removes that image alone, a look removes nothing, and deleting what is not there is `NotFound`.",
    promises: &[
        "Deletes that image and nothing else",
        "Chosen otherwise, the image goes with all of its names.",
        "Told to [look](crate::DeleteMode::Look), it changes nothing, and does not find what deleting would not find.",
        "`NotFound` and `Ambiguous` as in opening it; then nothing has changed.",
        "Another root is a `Conflict`, and nothing has changed.",
    ],
    needs: &[Ability::ManyImages, Ability::Deletion],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let corners: Vec<_> = corner_archives(kit.facts())
        .into_iter()
        .filter(|archive| archive.images.len() < 6)
        .flat_map(|archive| (0..archive.images.len()).map(move |at| (archive.clone(), at)))
        .enumerate()
        .map(|(at, (archive, which))| (archive, which, at % 2 == 0))
        .collect();
    let inputs = (generated(kit.facts(), 6), 0_usize..6, any::<bool>());
    kit.each_with(&corners, inputs, |lab, (archive, which, by_root)| {
        let archive = one_name_each(archive);
        let entries = expected::build(&archive)?;
        lab.step(write_archive(lab, WriteMode::Create, &entries))?;
        let came: Vec<_> = entries.iter().map(|entry| identity(&entry.built, lab.facts())).collect();
        let mut want = expected::shown(entries, lab.facts());
        if want.is_empty() {
            return Ok(());
        }
        if want.len() > 1 && lab.has(Ability::Ambiguity) {
            let before = lab.snapshot()?;
            lab.step(ambiguous(lab))?;
            lab.snapshot()?.same(&before)?;
        }
        let which = which % want.len();
        let before = lab.snapshot()?;
        let shown = &before.images()[which];
        let reference = shown.reference.clone();
        // A place that lists names has an order of its own.
        let is_it = |entry: &expected::Entry| shown.seen.is(&entry.built, lab.facts()).is_ok();
        let which = want.iter().position(is_it).unwrap_or(which);
        // An image that came twice may have several names, also one that the place gave it.
        let id = identity(&want[which].built, lab.facts());
        let times = came.iter().filter(|came| **came == id).count();
        let names = if times > 1 { DeletedNames::All } else { DeletedNames::Given };
        lab.step(look(lab, &reference))?;
        let mut others = vec![sha256(b"another image")];
        others.extend(want[which].built.below.first().map(|child| child.descriptor().digest.clone()));
        let is_offered = lab.step(delete_another(lab, &reference, &others))?;
        lab.snapshot()?.same(&before)?;
        want.remove(which);
        let root = &shown.seen.root.descriptor().digest;
        let root = Some(root).filter(|_| is_offered && *by_root);
        lab.step(delete_where(lab, &reference, names, root))?;
        let snapshot = lab.snapshot()?;
        // What is not replaced as a whole, as a repository, may be no more than its images.
        let may_be_gone = want.is_empty() && !lab.has(Ability::ReplacesArchives);
        hold!(!snapshot.is_absent() || may_be_gone, "the archive is gone");
        expected::check(&snapshot, &want, lab.facts())
    })
}

/// An image that is there under names is deleted by one of them, so it has at most one.
pub(super) fn one_name_each(archive: &Archive) -> Archive {
    let mut images = archive.images.clone();
    for image in &mut images {
        image.names.truncate(1);
    }
    Archive { images }
}

/// Of several, none is chosen.
async fn ambiguous(lab: &Lab) -> Held {
    let deletion = lab.transport().deletion();
    let deletion = deletion.ok_or_else(|| Broken::new("deletion is claimed, and is not there"))?;
    let (place, look) = (lab.at().locator(), DeleteOptions::default().with_mode(DeleteMode::Look));
    let looked = deletion.delete(lab.at(), &look).await;
    fails(looked, &[ErrorKind::Ambiguous], &[place], "looking for one of several, without a choice")?;
    let done = deletion.delete(lab.at(), &DeleteOptions::default()).await;
    fails(done, &[ErrorKind::Ambiguous], &[place], "deleting one of several, without a choice")
}

/// What is there is found, and what is not, is not.
async fn look(lab: &Lab, reference: &str) -> Held {
    let deletion = lab.transport().deletion();
    let deletion = deletion.ok_or_else(|| Broken::new("deletion is claimed, and is not there"))?;
    let locator = reference.split_once(':').map_or(reference, |(_, locator)| locator);
    let (at, how) = (lab.transport().parse(locator)?, DeleteOptions::default().with_mode(DeleteMode::Look));
    deletion.delete(&at, &how).await.during(|| format!("looking before {at} is deleted"))?;
    let nowhere = lab.another()?;
    let done = deletion.delete(nowhere.at(), &how).await;
    fails(done, &[ErrorKind::NotFound], &[nowhere.at().locator()], "looking for what is not there")
}

/// What is there is not deleted in place of another image, or of one of its own children. Gives whether it can be deleted by its root.
async fn delete_another(lab: &Lab, reference: &str, others: &[Digest]) -> Held<bool> {
    let deletion = lab.transport().deletion();
    let deletion = deletion.ok_or_else(|| Broken::new("deletion is claimed, and is not there"))?;
    let locator = reference.split_once(':').map_or(reference, |(_, locator)| locator);
    let at = lab.transport().parse(locator)?;
    let kinds = [ErrorKind::Conflict, ErrorKind::Unsupported];
    let look = DeleteOptions::default().with_mode(DeleteMode::Look);
    let mut is_offered = false;
    for other in others {
        let looked = deletion.delete_if(&at, other, &look).await;
        fails(looked, &kinds, &[locator], &format!("looking whether it can be deleted if its root is {other}"))?;
        let done = deletion.delete_if(&at, other, &DeleteOptions::default()).await;
        is_offered = !matches!(&done, Err(e) if e.kind() == ErrorKind::Unsupported);
        fails(done, &kinds, &[locator], &format!("deleting it if its root is {other}"))?;
    }
    Ok(is_offered)
}

pub(super) async fn delete(lab: &Lab, reference: &str) -> Held {
    delete_where(lab, reference, DeletedNames::Given, None).await
}

/// Deletes it, if its root is that one.
async fn delete_where(
    lab: &Lab,
    reference: &str,
    names: DeletedNames,
    root: Option<&Digest>,
) -> Held {
    let deletion = lab.transport().deletion();
    let deletion = deletion.ok_or_else(|| Broken::new("deletion is claimed, and is not there"))?;
    let locator = reference.split_once(':').map_or(reference, |(_, locator)| locator);
    let at = lab.transport().parse(locator)?;
    let how = DeleteOptions::default().with_names(names);
    match root {
        Some(root) => {
            let done = deletion.delete_if(&at, root, &how).await;
            done.during(|| format!("deleting {at}, if its root is {root}, which it is"))?;
        }
        None => deletion.delete(&at, &how).await.during(|| format!("deleting {at}"))?,
    }
    let nowhere = lab.another()?;
    let done = deletion.delete(nowhere.at(), &DeleteOptions::default()).await;
    fails(done, &[ErrorKind::NotFound], &[nowhere.at().locator()], "deleting what is not there")
}
