//! An image that is committed again gains what is new, and loses nothing. A blob that is put again replaces a damaged one.

use proptest::prelude::*;
use transship_core::{CollectMode, Commit, Reference, Sparse, WriteMode};

use super::a_stored_blob_that_changes_is_corrupt::{Change, changed};
use super::collecting_takes_garbage_alone::collect;
use super::referrers_come_with_their_image::{are_there, put_with, referrer};
use crate::broken::{While, hold};
use crate::lab::{By, Lab, commit, put_all};
use crate::model::{Built, Child, Format, Image, Index, Layer, Node, Presence};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_comes_again_completes_what_is_there",
    sentence: "An image that is committed again gains what is new, and loses nothing. A blob that is put again replaces a damaged one.",
    promises: &[
        "An image that is there already gains what it lacked",
        "What is put takes the place of bytes that are there and are damaged.",
    ],
    needs: &[],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    let of = |change, by| (change, by, 0_u8);
    let corners = [
        of(Change::Byte(0), By::Itself),
        of(Change::Byte(2500), By::AWriter),
        of(Change::Short, By::Itself),
        of(Change::Long, By::Itself),
    ];
    let change = (0_usize..200).prop_map(Change::Byte);
    kit.each_with(&corners, (change, By::any(), 0_u8..50), |lab, (change, by, seed)| {
        gaps(lab, *by, *seed)?;
        about(&lab.another()?, *by, *seed)?;
        damage(&lab.another()?, *by, *change)
    })
}

/// How something is written to a place where it is already.
fn again(lab: &Lab) -> WriteMode {
    if joins(lab) { WriteMode::Append } else { lab.again() }
}

fn joins(lab: &Lab) -> bool {
    lab.has(Ability::Append)
}

/// An image with what is about it.
struct Whole<'a> {
    built: &'a Built,
    about: &'a [Built],
}

async fn write(lab: &Lab, of: &Whole<'_>, by: By, mode: WriteMode) -> Held<Reference> {
    let names = lab.facts().some_name();
    let committed = if by == By::AWriter && joins(lab) {
        let mut writer = lab.writer(mode).await?;
        let destination = writer.image(&names).await.during(|| "opening an image")?;
        put_with(&*destination, of.built, of.about).await?;
        let committed = commit(destination, of.built).await?;
        writer.finish().await.during(|| "finishing")?;
        committed
    } else {
        let destination = lab.destination(mode, &names).await?;
        if of.about.is_empty() {
            put_all(&*destination, of.built).await?;
        } else {
            put_with(&*destination, of.built, of.about).await?;
        }
        let what = Commit::new(&of.built.root).without(&of.built.absent);
        destination.commit(what).await.during(|| "committing")?
    };
    if lab.has(Ability::Collection) {
        collect(lab, CollectMode::Delete).await?;
    }
    Ok(committed.references[0].clone())
}

/// A sparse index that is completed later, and one that is not made sparse again.
fn gaps(lab: &Lab, by: By, seed: u8) -> Held {
    let accepted = lab.step(async {
        let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
        Ok(destination.accepts().sparse == Sparse::Accepted)
    })?;
    if !lab.has(Ability::Indexes) || !accepted {
        return Ok(());
    }
    let child = |seed, presence| Child { node: Node::Image(Image::simple(seed)), presence };
    let nested = |presence| {
        let children = vec![child(seed + 2, Presence::Here), child(seed + 3, presence)];
        let node = Node::Index(Index { format: Format::Oci, children, described: false });
        Child { node, presence: Presence::Here }
    };
    let index = |presence| {
        let children = vec![child(seed, Presence::Here), child(seed + 1, presence), nested(presence)];
        Index { format: Format::Oci, children, described: false }.build()
    };
    let (less, more) = (index(Presence::Absent)?, index(Presence::Here)?);
    signed_gaps(lab, by, &less, &more)?;
    lab.step(async {
        let (less, more) = (Whole { built: &less, about: &[] }, Whole { built: &more, about: &[] });
        write(lab, &less, By::Itself, WriteMode::Create).await?;
        let at = write(lab, &more, by, again(lab)).await?;
        is_whole(lab, &at, &more).await.during(|| "a sparse index that was completed later")?;
        if joins(lab) {
            let at = write(lab, &less, by, again(lab)).await?;
            is_whole(lab, &at, &more).await.during(|| "a whole index that came again sparse")?;
        }
        Ok(())
    })
}

/// A sparse index that is completed later without what is about it: as many parts are not the same ones.
fn signed_gaps(lab: &Lab, by: By, less: &Built, more: &Built) -> Held {
    if !lab.has(Ability::Referrers) || !joins(lab) {
        return Ok(());
    }
    for count in 1..=4 {
        let lab = &lab.another()?;
        let about = (0..count).map(|at| referrer(&less.root, at)).collect::<Held<Vec<_>>>()?;
        let (less, more) = (Whole { built: less, about: &about }, Whole { built: more, about: &[] });
        lab.step(async {
            write(lab, &less, By::Itself, WriteMode::Create).await?;
            let at = write(lab, &more, by, again(lab)).await?;
            is_whole(lab, &at, &more).await.during(|| "a sparse index with referrers that was completed later")
        })?;
    }
    Ok(())
}

/// Something that is about an image, and comes later.
fn about(lab: &Lab, by: By, seed: u8) -> Held {
    if !lab.has(Ability::Referrers) {
        return Ok(());
    }
    let built = Image::simple(seed).build()?;
    let first = referrer(&built.root, 1)?;
    // What is about what was there already comes later, too.
    let below = referrer(&first.root, 3)?;
    // The last one is of the same type as the first.
    let about = [first, below, referrer(&built.root, 2)?, referrer(&built.root, 5)?];
    lab.step(async {
        let steps: [&[Built]; 3] = [&about[..1], &about, &[]];
        let steps = if joins(lab) { &steps[..] } else { &steps[..2] };
        let mut mode = WriteMode::Create;
        for about in steps {
            write(lab, &Whole { built: &built, about }, by, mode).await?;
            mode = again(lab);
        }
        let at = write(lab, &Whole { built: &built, about: if joins(lab) { &[] } else { &about } }, by, mode).await?;
        let source = lab.source(&at).await?;
        are_there(lab, &*source, &about).await.during(|| "of what is about an image and came later")
    })
}

/// Stored bytes that have changed, and are put again.
fn damage(lab: &Lab, by: By, change: Change) -> Held {
    if !lab.has(Ability::Files) {
        return Ok(());
    }
    let layers = vec![Layer::small(4, 300), Layer::small(8, 5000)];
    let built = Image { layers, ..Image::simple(1) }.build()?;
    let whole = Whole { built: &built, about: &[] };
    lab.step(async { write(lab, &whole, by, WriteMode::Create).await.map(drop) })?;
    let mut done = false;
    for blob in &built.blobs {
        done |= changed(lab.folder()?, &blob.bytes, change)?;
    }
    lab.step(async {
        let at = write(lab, &whole, by, again(lab)).await?;
        let held = is_whole(lab, &at, &whole).await;
        if done { held.during(|| "put again after stored bytes had changed") } else { held }
    })
}

async fn is_whole(lab: &Lab, at: &Reference, of: &Whole<'_>) -> Held {
    let seen = Seen::read(&*lab.source(at).await?).await?;
    hold!(seen.absent.is_empty(), "it lacks {}", seen.absent.join(", "));
    seen.is(of.built, lab.facts())
}
