//! The only image of a place can be deleted, and no other one in place of it; then it is not found, and another one can be written.

use proptest::prelude::*;
use transship_core::{
    DeleteMode, DeleteOptions, Deletion, Digest, ErrorKind, ReadOptions, Reference, WriteMode,
    sha256,
};

use super::fails;
use crate::broken::{While, hold};
use crate::lab::{Lab, how};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::snapshot::Snapshot;
use crate::strategies::plain_images;
use crate::{Abandoned, Ability, Broken, Empty, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "the_only_image_can_be_deleted",
    sentence: "The only image of a place can be deleted, and no other one in place of it; then it is not found, and another one can be written.",
    promises: &[
        "Deletes that image and nothing else",
        "What only it needed goes with it",
        "`NotFound` and `Ambiguous` as in opening it; then nothing has changed.",
        "Told to [look](crate::DeleteMode::Look), it changes nothing, and does not find what deleting would not find.",
        "Another root is a `Conflict`, and nothing has changed.",
    ],
    needs: &[Ability::Deletion],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    let image = Image::simple(1).fit_for(kit.facts());
    let corners = [true, false].map(|by_root| (image.clone(), image.clone(), by_root));
    let images = (plain_images(kit.facts()), plain_images(kit.facts()), any::<bool>());
    kit.each_with(&corners, images, |lab, (image, next, by_root)| {
        let image = Image { seed: 1, ..image.clone() }.build()?;
        let next = Image { seed: 2, ..next.clone() }.build()?;
        let nothing = lab.snapshot()?;
        let names = lab.facts().some_name();
        let committed = lab.step(lab.write(&image, WriteMode::Create, &names))?;
        let (at, before) = (&committed.references[0], lab.snapshot()?);
        let root = before.images().first().map(|shown| &shown.seen.root.descriptor().digest);
        let is_offered = lab.step(before_it(lab, at))?;
        let by_root = root.filter(|_| is_offered && *by_root);
        lab.snapshot()?
            .same(&before)
            .map_err(|e| e.while_doing("looking, and deleting another one"))?;
        lab.step(delete(lab, at, by_root))?;
        let after = lab.snapshot()?;
        let found = after.images().len();
        hold!(found == 0, "the only image was deleted, and {found} are there");
        lab.step(is_gone(lab, at))?;
        lab.snapshot()?.same(&after).map_err(|e| e.while_doing("deleting what is not there"))?;
        if !lab.has(Ability::ManyImages) {
            as_if_never(lab, &after, &nothing)?;
        }
        creates_nothing(lab)?;
        written_again(lab, &next)
    })
}

/// What can be listed is there, if without images.
fn creates_nothing(lab: &Lab) -> Held {
    if !lab.has(Ability::ManyImages) || lab.claims().empty == Empty::None {
        return Ok(());
    }
    lab.step(async {
        if lab.archives()?.read(lab.at(), &ReadOptions::default()).await.is_err() {
            return Ok(());
        }
        let how = how(WriteMode::Create, &lab.facts().some_name());
        let opened = lab.transport().destination(lab.at(), &how).await;
        fails(opened, &[ErrorKind::AlreadyExists], &[], "creating where no image is left and a listing shows that")
    })
}

fn deletion(lab: &Lab) -> Held<&dyn Deletion> {
    let deletion = lab.transport().deletion();
    deletion.ok_or_else(|| Broken::new("deletion is claimed, and is not there"))
}

/// Looks, and deletes another one. Gives whether it can be deleted by its root.
async fn before_it(lab: &Lab, at: &Reference) -> Held<bool> {
    let look = DeleteOptions::default().with_mode(DeleteMode::Look);
    deletion(lab)?.delete(at, &look).await.during(|| format!("looking before {at} is deleted"))?;
    let other = sha256(b"another image");
    let done = deletion(lab)?.delete_if(at, &other, &DeleteOptions::default()).await;
    let is_offered = !matches!(&done, Err(e) if e.kind() == ErrorKind::Unsupported);
    let kinds = [ErrorKind::Conflict, ErrorKind::Unsupported];
    fails(done, &kinds, &[lab.at().locator()], "deleting it in place of another image")?;
    Ok(is_offered)
}

async fn delete(lab: &Lab, at: &Reference, root: Option<&Digest>) -> Held {
    let how = DeleteOptions::default();
    let done = match root {
        Some(root) => deletion(lab)?.delete_if(at, root, &how).await,
        None => deletion(lab)?.delete(at, &how).await,
    };
    done.during(|| format!("deleting {at}, the only image"))
}

/// It can be opened no more, and not deleted again.
async fn is_gone(lab: &Lab, at: &Reference) -> Held {
    let (kinds, place) = ([ErrorKind::NotFound], [lab.at().locator()]);
    let opened = lab.other_transport().source(at, &ReadOptions::default()).await;
    fails(opened, &kinds, &place, "opening the only image, which was deleted")?;
    for mode in [DeleteMode::Look, DeleteMode::Delete] {
        let how = DeleteOptions::default().with_mode(mode);
        fails(deletion(lab)?.delete(at, &how).await, &kinds, &place, "deleting it again")?;
    }
    Ok(())
}

/// A place that is its image has gone with it.
fn as_if_never(lab: &Lab, after: &Snapshot, nothing: &Snapshot) -> Held {
    if !lab.has(Ability::NothingLeft) {
        return Ok(());
    }
    let same = after.same_files(nothing, Abandoned::Nothing);
    same.map_err(|e| e.while_doing("where an image was deleted, and its place is that image"))
}

/// Where the place was its image, another one can be created there.
fn written_again(lab: &Lab, next: &Built) -> Held {
    let mode = match (lab.has(Ability::ManyImages), lab.has(Ability::Append)) {
        (false, _) => WriteMode::Create,
        (true, true) => WriteMode::Append,
        (true, false) => WriteMode::Replace,
    };
    let what = "writing another image, where the only one was deleted";
    lab.step(lab.write(next, mode, &lab.facts().some_name())).map_err(|e| e.while_doing(what))?;
    let snapshot = lab.snapshot()?;
    let [shown] = snapshot.images() else {
        let found = snapshot.images().len();
        return Err(Broken::new(format!("{what}: {found} images are there")));
    };
    shown.seen.is(next, lab.facts()).during(|| what)
}
