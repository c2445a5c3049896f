//! A writer that asks what is beside an image gets all of it, and can add to it.

use transship_core::WriteMode;

use crate::beside::{has_list, list, put_list, show, there, write};
use crate::broken::{hold, listed};
use crate::lab::{Lab, put_all};
use crate::model::Image;
use crate::runner::Kit;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_is_beside_can_be_added_to",
    sentence: "A writer that asks what is beside an image gets all of it, and can add to it.",
    promises: &[
        "It gives what is there, and [`blob_beside`](Self::blob_beside) reads its blobs, so that a writer can add to it.",
    ],
    needs: &[Ability::Beside, Ability::Append],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| lab.step(added_to(lab, *seed)))
}

async fn added_to(lab: &Lab, seed: u8) -> Held {
    let (built, mut signatures) = (Image::simple(seed).build()?, vec![seed]);
    let mut before = list(&signatures)?;
    write(lab, &built, &before, WriteMode::Create).await?;
    for more in [60, 61] {
        let destination = lab.destination(WriteMode::Append, &lab.facts().some_name()).await?;
        let found = there(&*destination, &built.root).await?;
        let (digests, want) = (found.iter().map(|m| &m.descriptor().digest), &before.root.descriptor().digest);
        hold!(digests.clone().eq([want]), "{want} is beside the image, and a writer that asks gets {}", listed(digests));
        signatures.push(more);
        let all = list(&signatures)?;
        put_all(&*destination, &built).await?;
        put_list(&*destination, &built.root, &all).await?;
        let at = show(destination, &built).await?;
        has_list(&*lab.source(&at).await?, &built.root, &all).await?;
        before = all;
    }
    Ok(())
}
