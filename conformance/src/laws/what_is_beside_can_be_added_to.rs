//! A writer that asks what is beside an image gets all of it, and can add to it.

use transship_core::{Commit, WriteMode};

use crate::beside::{has_list, list, put_list, show, there, write};
use crate::broken::{While, hold, listed};
use crate::lab::{Lab, put_all};
use crate::model::Image;
use crate::runner::Kit;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_is_beside_can_be_added_to",
    sentence: "A writer that asks what is beside an image gets all of it, and can add to it.",
    promises: &[
        "It gives what is there, and [`blob_beside`](Self::blob_beside) reads its blobs, so that a writer can add to it.",
        "In an archive that is being written, what an earlier image of the same writer put is there.",
    ],
    needs: &[Ability::Beside, Ability::Append],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| {
        lab.step(added_to(lab, *seed))?;
        let other = lab.another()?;
        other.step(in_a_writer(&other, *seed))
    })
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

/// An image comes twice in one writer, as a copy of all tags writes it.
async fn in_a_writer(lab: &Lab, seed: u8) -> Held {
    if !lab.has(Ability::ManyImages) {
        return Ok(());
    }
    let built = Image::simple(seed).build()?;
    let (before, all) = (list(&[seed])?, list(&[seed, 60])?);
    let mut writer = lab.writer(WriteMode::Create).await?;
    let first = writer.image(&lab.facts().some_name()).await.during(|| "opening an image")?;
    put_all(&*first, &built).await?;
    put_list(&*first, &built.root, &before).await?;
    first.commit(Commit::new(&built.root)).await.during(|| "committing in a writer")?;
    let second = writer.image(&lab.facts().some_name()).await.during(|| "opening an image")?;
    let found = there(&*second, &built.root).await?;
    let (digests, want) = (found.iter().map(|m| &m.descriptor().digest), &before.root.descriptor().digest);
    hold!(digests.clone().eq([want]), "an image of a writer put {want} beside itself, and when it comes again it gets {}", listed(digests));
    put_all(&*second, &built).await?;
    put_list(&*second, &built.root, &all).await?;
    second.commit(Commit::new(&built.root)).await.during(|| "committing it again in a writer")?;
    writer.finish().await.during(|| "finishing")?;
    let reader = lab.reader().await?;
    let entry = reader.entries().first().ok_or_else(|| Broken::new("a writer wrote no image"))?;
    has_list(&*reader.open(entry).await?, &built.root, &all).await
}
