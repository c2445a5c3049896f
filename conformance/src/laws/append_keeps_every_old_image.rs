//! Appending keeps every image that is there byte for byte, and a reader that was opened before still reads what it opened.

use transship_core::WriteMode;

use super::write_archive;
use crate::broken::{While, hold};
use crate::expected::{self, Entry};
use crate::lab::Lab;
use crate::model::{Archive, Named};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::snapshot::Shown;
use crate::strategies::{archives as generated, corner_archives, distinct};
use crate::{Ability, Broken, Held, Law, Listed, Taken};

pub(crate) const LAW: Law = Law {
    name: "append_keeps_every_old_image",
    sentence: "Appending keeps every image that is there byte for byte, and a reader that was opened before still reads what it opened.",
    promises: &["It is joined: its images stay, byte for byte."],
    needs: &[Ability::ManyImages, Ability::Append],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let two = (generated(kit.facts(), 6), generated(kit.facts(), 6));
    let corners = corner_archives(kit.facts());
    let mut pairs: Vec<_> =
        corners.iter().skip(1).zip(&corners).map(|(old, new)| (old.clone(), new.clone())).collect();
    pairs.extend(without_and_with_a_name(&corners));
    kit.each_with(&pairs, two, |lab, (old, new)| {
        let all: Vec<Named> = old.images.iter().chain(&new.images).cloned().collect();
        let all = distinct(all, lab.facts());
        let kept = old.images.len();
        append(lab, &all[..kept.min(all.len())], &all[kept.min(all.len())..])
    })
}

/// An image without a name, which comes again with one.
fn without_and_with_a_name(corners: &[Archive]) -> Option<(Archive, Archive)> {
    let starts_named = |archive: &Archive, named: bool| {
        archive.images.first().is_some_and(|image| image.names.is_empty() != named)
    };
    let old = corners.iter().find(|archive| starts_named(archive, false))?;
    let same = |new: &&Archive| {
        starts_named(new, true) && new.images[0].node == old.images[0].node
    };
    Some((old.clone(), corners.iter().find(same)?.clone()))
}

fn append(lab: &Lab, old: &[Named], new: &[Named]) -> Held {
    let build = |images: &[Named]| expected::build(&Archive { images: images.to_vec() });
    lab.step(write_archive(lab, WriteMode::Create, &build(old)?))?;
    let want: Vec<Entry> = expected::shown(build(old)?, lab.facts());
    let before = lab.snapshot()?;
    lab.step(async {
        let reader = lab.reader().await?;
        write_archive(lab, WriteMode::Append, &build(new)?).await?;
        for (at, entry) in reader.entries().iter().enumerate() {
            let source = reader.open(entry).await.during(|| "opening by the old reader")?;
            let seen = Seen::read(&*source).await.during(|| "reading by the old reader")?;
            let want = expected::of_entry(entry, at, &want, lab.facts());
            expected::is_one_of(&seen, &want, lab.facts())
                .during(|| "by a reader that was opened before")?;
        }
        Ok(())
    })?;
    let all: Vec<Named> = old.iter().chain(new).cloned().collect();
    let want = expected::shown(build(&all)?, lab.facts());
    let after = lab.snapshot()?;
    expected::check(&after, &want, lab.facts())?;
    for (at, was) in before.images().iter().enumerate() {
        let same = |is: &&Shown| is.seen.root.bytes() == was.seen.root.bytes();
        let keeps_its_place =
            lab.claims().listed == Listed::Images && lab.claims().taken != Taken::WithItsNames;
        let mut images = after.images().iter();
        let is = if keeps_its_place { images.nth(at) } else { images.find(same) };
        let reference = &was.reference;
        let Some(is) = is else { return Err(Broken::new(format!("{reference} is gone"))) };
        // It may have got another name; what had none, and was listed by its digest, is listed by that.
        if lab.claims().listed == Listed::Images && was.reference != is.reference {
            let kept = was.names.iter().any(|name| is.names.contains(name));
            hold!(!kept && !is.names.is_empty(), "{reference} is now {}", is.reference);
            lab.step(opens(lab, was))?;
        }
        hold!(is_described_alike(was, is), "{reference} is described otherwise than before");
        hold!(is.seen.keeps(&was.seen), "{reference} has other manifests than before");
    }
    Ok(())
}

/// Whether the reference that it had still opens it.
async fn opens(lab: &Lab, was: &Shown) -> Held {
    let locator = was.reference.split_once(':').map_or("", |(_, locator)| locator);
    let at = lab.transport().parse(locator)?;
    let seen = Seen::read(&*lab.source(&at).await?).await.during(|| was.reference.clone())?;
    let same = seen.root.bytes() == was.seen.root.bytes();
    hold!(same, "{} opens another image since it has a name", was.reference);
    Ok(())
}

/// Names may be annotations of the root: an image that got another name has others.
fn is_described_alike(was: &Shown, is: &Shown) -> bool {
    let descriptor = |of: &Shown| {
        let mut descriptor = of.seen.root.descriptor().clone();
        if was.names != is.names {
            descriptor.annotations.clear();
        }
        descriptor
    };
    was.seen.root.bytes() == is.seen.root.bytes() && descriptor(was) == descriptor(is)
}
