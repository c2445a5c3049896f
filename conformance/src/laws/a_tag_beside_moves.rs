//! A tag beside an image stands for what was put there last.

use transship_core::WriteMode;

use crate::beside::{has_list, list, there, write};
use crate::broken::{While, hold, listed};
use crate::lab::Lab;
use crate::model::Image;
use crate::runner::Kit;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_tag_beside_moves",
    sentence: "A tag beside an image stands for what was put there last.",
    promises: &[
        "The tag moves to it from what has it. Where the tag may not move, the commit says so in [`Committed::lost`].",
    ],
    needs: &[Ability::Beside, Ability::Append],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| lab.step(moves(lab, *seed)))
}

async fn moves(lab: &Lab, seed: u8) -> Held {
    let built = Image::simple(seed).build()?;
    let lists = [list(&[seed])?, list(&[60, 61])?, list(&[62])?];
    let mut mode = WriteMode::Create;
    for list in &lists {
        let at = write(lab, &built, list, mode).await?;
        has_list(&*lab.source(&at).await?, &built.root, list).await?;
        mode = WriteMode::Append;
        let later = lab.destination(mode, &lab.facts().some_name()).await?;
        let found = there(&*later, &built.root).await?;
        let digests = found.iter().map(|manifest| &manifest.descriptor().digest);
        let want = &list.root.descriptor().digest;
        hold!(digests.clone().eq([want]), "{want} was put there last, and a writer that asks gets {}", listed(digests));
    }
    if lab.has(Ability::ManyImages) {
        let reader = lab.reader().await?;
        for entry in reader.beside() {
            let root = reader.open(entry).await.during(|| "opening what is listed beside images")?;
            let root = root.root().await.during(|| "reading it")?;
            let (is, want) = (&root.descriptor().digest, &lists[2].root.descriptor().digest);
            hold!(is == want, "{} lists {is}, and {want} was put there last", entry.reference);
        }
    }
    Ok(())
}
