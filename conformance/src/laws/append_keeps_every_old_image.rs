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
use crate::{Ability, Broken, Held, Law, Listed};

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
    let corners: Vec<_> =
        corners.iter().skip(1).zip(&corners).map(|(old, new)| (old.clone(), new.clone())).collect();
    kit.each_with(&corners, two, |lab, (old, new)| {
        let all: Vec<Named> = old.images.iter().chain(&new.images).cloned().collect();
        let all = distinct(all, lab.facts());
        let kept = old.images.len();
        append(lab, &all[..kept.min(all.len())], &all[kept.min(all.len())..])
    })
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
        let same = |is: &&Shown| is.seen.root == was.seen.root;
        let is = match lab.claims().listed {
            Listed::Images => after.images().get(at),
            Listed::Names => after.images().iter().find(same),
        };
        let reference = &was.reference;
        let Some(is) = is else { return Err(Broken::new(format!("{reference} is gone"))) };
        // It may have got another name.
        if lab.claims().listed == Listed::Images {
            hold!(was.reference == is.reference, "{reference} is now {}", is.reference);
        }
        hold!(was.seen.root == is.seen.root, "{reference} is described otherwise than before");
        hold!(was.seen.below == is.seen.below, "{reference} has other manifests than before");
    }
    Ok(())
}
