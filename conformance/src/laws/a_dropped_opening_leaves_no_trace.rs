//! An opening that is dropped at any of its await points, to read or to write, leaves no trace.

use std::time::Duration;

use proptest::sample::select;
use transship_core::{ReadOptions, WriteMode};

use crate::broken::While;
use crate::interrupt::{MOST_POLLS, dropped_after};
use crate::lab::{Lab, how};
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_dropped_opening_leaves_no_trace",
    sentence: "An opening that is dropped at any of its await points, to read or to write, leaves no trace.",
    promises: &["After a drop, the place is as it was before.", "Reading changes nothing."],
    needs: &[],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    let linger = select(vec![0_u64, 100, 1000]);
    kit.each((plain_images(kit.facts()), linger), |lab, (image, micros)| {
        let linger = Duration::from_micros(*micros);
        all_points(lab, WriteMode::Create, linger)?;
        let names = lab.facts().some_name();
        lab.step(async { lab.write(&image.build()?, WriteMode::Create, &names).await })?;
        all_points(lab, WriteMode::Replace, linger)?;
        if lab.has(Ability::Append) {
            all_points(lab, WriteMode::Append, linger)?;
        }
        // Nothing of them is in the way.
        lab.step(async { lab.write(&image.build()?, WriteMode::Replace, &names).await }).map(drop)
    })
}

fn all_points(lab: &Lab, mode: WriteMode, linger: Duration) -> Held {
    let before = lab.snapshot()?;
    for polls in 0..MOST_POLLS {
        let ended = lab.step(open(lab, mode, polls, linger))?;
        lab.is_as_before(&before)
            .map_err(|e| e.while_doing(format!("opened, {mode:?}, and dropped after {polls} polls")))?;
        if ended {
            break;
        }
    }
    Ok(())
}

/// Whether all of them ended before they were dropped.
async fn open(lab: &Lab, mode: WriteMode, polls: usize, linger: Duration) -> Held<bool> {
    let (transport, read, write) =
        (lab.transport(), ReadOptions::default(), how(mode, &lab.facts().some_name()));
    let destination = dropped_after(transport.destination(lab.at(), &write), polls, linger).await;
    let mut ended = destination.transpose().during(|| format!("opening, {mode:?}"))?.is_some();
    // Where nothing is, it fails, and leaves no trace.
    ended &= dropped_after(transport.source(lab.at(), &read), polls, linger).await.is_some();
    if lab.has(Ability::ManyImages) {
        let of_writer = if mode == WriteMode::Replace { lab.again() } else { mode };
        let (archives, write) = (lab.archives()?, how(of_writer, &[]));
        let writer = dropped_after(archives.write(lab.at(), &write), polls, linger).await;
        ended &= writer.transpose().during(|| format!("opening a writer, {mode:?}"))?.is_some();
        ended &= dropped_after(archives.read(lab.at(), &read), polls, linger).await.is_some();
    }
    Ok(ended)
}
