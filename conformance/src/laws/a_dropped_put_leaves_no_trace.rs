//! A put that is dropped midway leaves no trace, and the destination goes on.

use std::cell::Cell;
use std::time::Duration;

use transship_core::{Body, Expect, WriteMode};

use crate::broken::hold;
use crate::child::{Job, Kind};
use crate::lab::{Lab, commit, put_all};
use crate::model::Image;
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::{Pick, plain_images};
use crate::streams::stuck;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_dropped_put_leaves_no_trace",
    sentence: "A put that is dropped midway leaves no trace, and the destination goes on.",
    promises: &["A dropped put leaves no trace."],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let at = (Pick::any(), Pick::any());
    let millis = 0_u64..8;
    let is_first = Cell::new(kit.facts().has(Ability::ManyProcesses));
    kit.each((plain_images(kit.facts()), at, millis), |lab, (image, at, millis)| {
        if is_first.replace(false) {
            // To start a process takes its time.
            lab.another()?.process(Job { kind: Kind::GiveUp, first: 1, count: 1 })?.end()?;
        }
        let before = lab.snapshot()?;
        lab.step(abandoned(lab, image, at, *millis))?;
        lab.snapshot()?.same(&before)?;
        lab.step(goes_on(lab, image, at, *millis))
    })
}

type At = (Pick, Pick);

/// Puts a body that stops coming, and gives up on it.
async fn give_up(
    destination: &dyn transship_core::ImageDestination,
    blob: &crate::model::Blob,
    after: usize,
    millis: u64,
) -> Held {
    let body = Body::from_stream(stuck(&blob.bytes, after));
    let put = destination.put_blob(Expect::from(&blob.descriptor), body);
    match tokio::time::timeout(Duration::from_millis(millis), put).await {
        Err(_) => Ok(()),
        Ok(_) => {
            Err(Broken::new("a put of a body that never ends has ended"))
        }
    }
}

async fn abandoned(lab: &Lab, image: &Image, at: &At, millis: u64) -> Held {
    let built = image.build()?;
    let blob = &built.blobs[at.0.index(built.blobs.len())];
    let destination = lab.destination(WriteMode::Create, &[]).await?;
    give_up(&*destination, blob, at.1.index(blob.bytes.len() + 1), millis).await
}

async fn goes_on(lab: &Lab, image: &Image, at: &At, millis: u64) -> Held {
    let built = image.build()?;
    let blob = &built.blobs[at.0.index(built.blobs.len())];
    let destination = lab.destination(WriteMode::Create, &[]).await?;
    give_up(&*destination, blob, at.1.index(blob.bytes.len() + 1), millis).await?;
    let has = destination.has(&Expect::from(&blob.descriptor)).await?;
    hold!(has.is_none(), "after a put that was dropped, has says that it is there");
    put_all(&*destination, &built).await?;
    let committed = commit(destination, &built).await?;
    let source = lab.source(&committed.references[0]).await?;
    Seen::read(&*source).await?.is(&built, lab.facts())
}
