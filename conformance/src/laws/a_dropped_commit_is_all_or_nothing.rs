//! A commit that is dropped at any of its await points shows all of the image or nothing, and a retry succeeds.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use transship_core::{Commit, ImageName, WriteMode};

use crate::Abandoned;
use crate::interrupt::{MOST_POLLS, dropped_after};
use crate::lab::{Lab, put_all};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Broken, Facts, Held, Law, Listed};

pub(crate) const LAW: Law = Law {
    name: "a_dropped_commit_is_all_or_nothing",
    sentence: "A commit that is dropped at any of its await points shows all of the image or nothing, and a retry succeeds.",
    promises: &["Each name, durably, all at once or not at all, also when it fails or its future is dropped."],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let joins = kit.facts().has(Ability::Append);
    let mode = if joins { WriteMode::Append } else { WriteMode::Replace };
    let linger = select(vec![0_u64, 0, 30, 100, 300, 1000, 3000]);
    let images = (plain_images(kit.facts()), plain_images(kit.facts()));
    kit.each((images, (linger, any::<bool>())), |lab, ((first, second), (micros, there))| {
        for polls in 0..MOST_POLLS {
            let lab = lab.another()?;
            if *there {
                lab.step(async { lab.write(&first.build()?, WriteMode::Create, &[]).await })?;
            }
            let ended = one(&lab, second, mode, polls, Duration::from_micros(*micros));
            if ended.map_err(|e| e.while_doing(format!("dropped after {polls} polls")))? {
                break;
            }
        }
        Ok(())
    })
}

/// Whether the commit ended before it was dropped.
fn one(lab: &Lab, image: &Image, mode: WriteMode, polls: usize, linger: Duration) -> Held<bool> {
    let built = image.build()?;
    let before = lab.snapshot()?;
    let ended = lab.step(async {
        let destination = lab.destination(mode, &names(lab.facts())?).await?;
        put_all(&*destination, &built).await?;
        Ok(dropped_after(destination.commit(Commit::new(&built.root)), polls, linger).await)
    })?;
    let after = lab.snapshot()?;
    let nothing = after.same_but_abandoned(&before, Abandoned::Nothing).is_ok()
        || after.same_but_abandoned(&before, lab.claims().abandoned).is_ok();
    let all = shows(lab, &built)?;
    let done = ended.is_some();
    match ended {
        Some(Err(e)) => return Err(Broken::from(e).while_doing("committing")),
        Some(Ok(_)) if !all => {
            return Err(Broken::new("a commit that succeeded does not show"));
        }
        _ if !all && !nothing => {
            after.same_but_abandoned(&before, lab.claims().abandoned)?;
        }
        _ => {}
    }
    lab.step(lab.write(&built, mode, &names(lab.facts())?))
        .map_err(|e| e.while_doing("trying again"))?;
    if shows(lab, &built)? { Ok(done) } else { Err(Broken::new("the second try does not show")) }
}

/// Two, where a place is written as a whole: there they show together. A registry's tags, and names of an engine, move one by one.
fn names(facts: &Facts) -> Held<Vec<ImageName>> {
    let mut names = facts.some_name();
    // What was opened by one name need not know the others where names are listed.
    let knows_all = facts.claims.listed == Listed::Images;
    if knows_all && facts.has(Ability::SeveralNames) && facts.has(Ability::ReplacesArchives) {
        names.push(ImageName::new("docker.io/library/kit:2")?);
    }
    Ok(names)
}

/// Whether an image shows, whole and under its names.
fn shows(lab: &Lab, built: &Built) -> Held<bool> {
    let names = names(lab.facts())?;
    let snapshot = lab.snapshot()?;
    Ok(snapshot.images().iter().any(|image| {
        let has_them = names.iter().all(|name| image.seen.names.contains(name));
        has_them && image.seen.is(built, lab.facts()).is_ok()
    }))
}
