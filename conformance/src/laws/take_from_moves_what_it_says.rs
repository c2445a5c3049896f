//! If `take_from` says that it got a blob, the blob is here, whole; if it says `None`, nothing has changed. Where it takes from, nothing changes.

use transship_core::{Expect, ImageDestination, Reference, Stored, WriteMode, sha256};

use super::has_is_true::{spoil, still_damaged};
use crate::broken::{While, hold};
use crate::lab::{Lab, Way, commit, put};
use crate::model::Built;
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::{corner_images, plain_images};
use crate::{Found, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "take_from_moves_what_it_says",
    sentence: "If `take_from` says that it got a blob, the blob is here, whole; if it says `None`, nothing has changed. Where it takes from, nothing changes.",
    promises: &[
        "`None` when it cannot; then nothing has changed.",
        "What it says it has got is here, as if it had been put; where it came from nothing has changed.",
    ],
    needs: &[],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let facts = kit.facts().without_artifacts();
    let corners: Vec<_> = corner_images(&facts).into_iter().step_by(3).collect();
    kit.each_with(&corners, plain_images(kit.facts()), |lab, image| {
        let from = lab.another()?;
        let built = image.build()?;
        let names = lab.facts().some_name();
        let written = from.step(from.write(&built, WriteMode::Create, &names))?;
        let before = from.snapshot()?;
        let nothing = lab.snapshot()?;
        lab.step(dropped(lab, &built, &written.references[0]))?;
        lab.snapshot()?.same(&nothing)?;
        lab.step(taken(lab, &built, &written.references[0]))?;
        let same = from.snapshot()?.same(&before);
        same.map_err(|e| e.while_doing("where it came from"))?;
        damaged(&lab.another()?, &from, &built, &written.references[0])
    })
}

/// What cannot be taken is not; what was taken goes with the destination.
async fn dropped(lab: &Lab, built: &Built, from: &Reference) -> Held {
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    let absent = Expect::digest(sha256(b"absent")).with_size(6);
    let got = destination.take_from(&absent, from).await.during(|| "taking what is not there")?;
    hold!(got.is_none(), "take_from says that it has got {}, which is not there", said(got.as_ref()));
    let other = Reference::new("other", "somewhere");
    let got = destination.take_from(&Expect::from(&built.blobs[0].descriptor), &other).await;
    let got = got.during(|| "taking from a place of another transport")?;
    hold!(got.is_none(), "take_from says that it has got {} from another transport", said(got.as_ref()));
    for blob in &built.blobs {
        if lab.claims().found == Found::Checked {
            let size = blob.descriptor.size + 1;
            let longer = Expect::digest(blob.descriptor.digest.clone()).with_size(size);
            let got = destination.take_from(&longer, from).await.ok().flatten();
            hold!(got.is_none(), "take_from says that it has got {}, asked for {size} B", said(got.as_ref()));
        }
        let has = destination.has(&Expect::from(&blob.descriptor)).await?;
        hold!(has.is_none(), "take_from got nothing, and has says that it is there");
        take(&*destination, &Expect::from(&blob.descriptor), from).await?;
    }
    Ok(())
}

/// What is damaged there is not taken.
fn damaged(lab: &Lab, there: &Lab, built: &Built, from: &Reference) -> Held {
    let Some(folder) = there.files().filter(|_| lab.claims().found == Found::Checked) else {
        return Ok(());
    };
    let spoiled = spoil(folder, built)?;
    if spoiled.is_empty() || there.snapshot().is_ok() {
        return Ok(());
    }
    lab.step(async {
        let spoiled = still_damaged(&*there.other_transport(), from, spoiled).await;
        let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
        for blob in spoiled {
            let got = destination.take_from(&Expect::from(&blob.descriptor), from).await.ok().flatten();
            let digest = &blob.descriptor.digest;
            hold!(got.is_none(), "a byte of {digest} has changed where it is taken from, and it is taken");
        }
        Ok(())
    })
}

async fn take(destination: &dyn ImageDestination, want: &Expect, from: &Reference) -> Held<bool> {
    let of = want.digest.as_ref().map(ToString::to_string).unwrap_or_default();
    let got = destination.take_from(want, from).await.during(|| format!("taking {of}"))?;
    let Some(got) = got else { return Ok(false) };
    let same = Some(&got.digest) == want.digest.as_ref() && Some(got.size) == want.size;
    hold!(same, "asked for {of}, of {} B, take_from says that it has got {}", want.size.unwrap_or_default(), said(Some(&got)));
    Ok(true)
}

/// For messages: what it says.
fn said(got: Option<&Stored>) -> String {
    got.map_or_else(|| "nothing".to_owned(), |got| format!("{}, of {} B", got.digest, got.size))
}

async fn taken(lab: &Lab, built: &Built, from: &Reference) -> Held {
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    for (at, blob) in built.blobs.iter().enumerate() {
        if !take(&*destination, &Expect::from(&blob.descriptor), from).await? {
            put(&*destination, blob, Way::nth(at)).await?;
        }
    }
    for manifest in &built.below {
        destination.put_manifest(manifest).await?;
    }
    let committed = commit(destination, built).await?;
    let source = lab.source(&committed.references[0]).await?;
    Seen::read(&*source).await?.is(built, lab.facts()).during(|| "of blobs that were taken")
}
