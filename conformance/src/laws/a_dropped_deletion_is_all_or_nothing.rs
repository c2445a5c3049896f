//! A deletion that is dropped at any of its await points has deleted the image or changed nothing, and a retry succeeds.

use std::time::Duration;

use proptest::sample::select;
use transship_core::{DeleteOptions, ErrorKind, ImageName, Reference, WriteMode};

use super::write_archive;
use crate::broken::hold;
use crate::expected::{self, Entry};
use crate::interrupt::{MOST_POLLS, dropped_after};
use crate::lab::Lab;
use crate::model::Image;
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_dropped_deletion_is_all_or_nothing",
    sentence: "A deletion that is dropped at any of its await points has deleted the image or changed nothing, and a retry succeeds.",
    promises: &["It is durable, and all or nothing, also when its future is dropped."],
    needs: &[Ability::Deletion],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    let linger = select(vec![0_u64, 100, 1000]);
    kit.each((plain_images(kit.facts()), linger), |lab, (image, micros)| {
        for polls in 0..MOST_POLLS {
            let (lab, linger) = (lab.another()?, Duration::from_micros(*micros));
            let ended = one(&lab, image, polls, linger);
            if ended.map_err(|e| e.while_doing(format!("dropped after {polls} polls")))? {
                break;
            }
        }
        Ok(())
    })
}

/// Two images of the same layers, or one where there is room for one.
fn written(lab: &Lab, image: &Image) -> Held<Vec<Entry>> {
    let has_names = lab.has(Ability::Names);
    let several = lab.has(Ability::ManyImages) && has_names;
    let mut all = Vec::new();
    for seed in 1..=if several { 2 } else { 1 } {
        let name = has_names.then(|| ImageName::new(&format!("docker.io/library/kit:{seed}")));
        let names = name.transpose()?.into_iter().collect();
        all.push(Entry { built: Image { seed, ..image.clone() }.build()?, names });
    }
    if several {
        lab.step(write_archive(lab, WriteMode::Create, &all))?;
    } else {
        lab.step(lab.write(&all[0].built, WriteMode::Create, &all[0].names))?;
    }
    Ok(all)
}

/// Whether it ended before it was dropped.
fn one(lab: &Lab, image: &Image, polls: usize, linger: Duration) -> Held<bool> {
    let all = written(lab, image)?;
    let (before, left) = (lab.snapshot()?, &all[1..]);
    let (found, want) = (before.images().len(), all.len());
    hold!(found == want, "{found} images of {want} are there");
    let text = before.images()[0].reference.clone();
    let at = lab.transport().parse(text.split_once(':').map_or(&*text, |(_, locator)| locator))?;
    let ended = lab.step(delete(lab, &at, polls, linger))?;
    let after = lab.snapshot()?;
    let gone = expected::check(&after, left, lab.facts());
    match ended {
        true => gone?,
        false if gone.is_ok() => {}
        false => {
            after.shows_the_same(&before)?;
            let again = lab.step(delete(lab, &at, usize::MAX, linger))?;
            hold!(again, "the second try does not end");
            expected::check(&lab.snapshot()?, left, lab.facts())
                .map_err(|e| e.while_doing("after the second try"))?;
        }
    }
    Ok(ended)
}

async fn delete(lab: &Lab, at: &Reference, polls: usize, linger: Duration) -> Held<bool> {
    let deletion = lab.transport().deletion();
    let deletion = deletion.ok_or_else(|| Broken::new("deletion is claimed, and is not there"))?;
    match dropped_after(deletion.delete(at, &DeleteOptions::default()), polls, linger).await {
        None => Ok(false),
        Some(Ok(())) => Ok(true),
        Some(Err(e)) => {
            hold!(e.kind() != ErrorKind::NotFound, "{at} is listed, and is not found: {e}");
            Err(Broken::from(e).while_doing("deleting"))
        }
    }
}
