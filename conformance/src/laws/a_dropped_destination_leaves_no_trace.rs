//! A destination that is dropped, whatever was put, leaves the place as it was.

use std::pin::pin;

use futures_util::future::{Either, select};
use transship_core::{Body, Expect, WriteMode};

use crate::broken::{While, hold, listed};
use crate::lab::{Lab, Way, put};
use crate::model::Node;
use crate::runner::Kit;
use crate::strategies::{nodes, plain_images};
use crate::streams::Slow;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_dropped_destination_leaves_no_trace",
    sentence: "A destination that is dropped, whatever was put, leaves the place as it was.",
    promises: &[
        "After a drop, the place is as it was before.",
        "Drop never publishes.",
    ],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let images = (plain_images(kit.facts()), nodes(kit.facts()));
    kit.each((images, 0_usize..8), |lab, ((first, second), puts)| {
        while_it_puts(lab, *puts % 2)?;
        dropped(lab, second, *puts, WriteMode::Create)?;
        lab.step(async { lab.write(&first.build()?, WriteMode::Create, &[]).await })?;
        dropped(lab, second, *puts, WriteMode::Replace)?;
        if lab.has(Ability::Append) {
            dropped(lab, second, *puts, WriteMode::Append)?;
        }
        Ok(())
    })
}

/// What it leaves where a step was under way, and has ended.
fn while_it_puts(lab: &Lab, pieces: usize) -> Held {
    let before = lab.fixture_snapshot()?;
    lab.step(async {
        let slow = Slow::default();
        let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
        let put = destination.put_blob(Expect::anything(), Body::from_reader(slow.clone()));
        match select(put, pin!(slow.has_given(pieces + 1))).await {
            Either::Left(_) => {
                let why = "a put of a body that never ends has ended";
                Err(Broken::new(why))
            }
            // Given up.
            Either::Right(((), put)) => {
                drop(put);
                Ok(())
            }
        }
    })?;
    let after = lab.fixture_snapshot()?;
    let new: Vec<_> = after.keys().filter(|name| !before.contains_key(*name)).collect();
    hold!(after == before, "dropped while it puts, it leaves {}", listed(new));
    Ok(())
}

fn dropped(lab: &Lab, node: &Node, puts: usize, mode: WriteMode) -> Held {
    let before = lab.snapshot()?;
    lab.step(async {
        let built = node.build()?;
        let destination = lab.destination(mode, &lab.facts().some_name()).await?;
        for (at, blob) in built.blobs.iter().enumerate().take(puts) {
            put(&*destination, blob, Way::nth(at)).await?;
        }
        for manifest in built.below.iter().take(puts.saturating_sub(built.blobs.len())) {
            destination.put_manifest(manifest).await.during(|| "putting a manifest")?;
        }
        drop(destination);
        Ok(())
    })?;
    lab.is_as_before(&before)
        .map_err(|e| e.while_doing(format!("dropped, {mode:?}, after {puts} puts")))
}
