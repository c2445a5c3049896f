//! What a writer puts beside an image shows under its tag when the image is committed, and not before.

use transship_core::{Commit, Descriptor, ImageDestination, Reference, WriteMode};

use crate::beside::{ability, tag};
use crate::broken::{While, hold, listed};
use crate::lab::{Lab, put_all};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_is_beside_shows_with_its_image",
    sentence: "What a writer puts beside an image shows under its tag when the image is committed, and not before.",
    promises: &[
        "It shows beside the image, with the commit, and not without it.",
        "What stands [beside](crate::PutBeside) an image is no image: it is not there.",
    ],
    needs: &[Ability::Beside],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| {
        let (built, beside) = (Image::simple(*seed).build()?, Image::simple(seed + 100).build()?);
        let before = lab.snapshot()?;
        lab.step(async {
            let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
            put(&*destination, &built, &beside).await
        })?;
        lab.snapshot()?.shows_the_same(&before).during(|| "after putting it, without a commit")?;
        lab.step(shows(lab, &built, &beside))
    })
}

async fn put(destination: &dyn ImageDestination, built: &Built, beside: &Built) -> Held {
    let able = ability(destination)?;
    put_all(destination, built).await?;
    put_all(destination, beside).await?;
    destination.put_manifest(&beside.root).await.during(|| "putting a manifest")?;
    able.put_beside(&tag(&built.root), &beside.root).await.during(|| "putting it beside an image")
}

async fn shows(lab: &Lab, built: &Built, beside: &Built) -> Held {
    let names = lab.facts().some_name();
    let alone = lab.write(built, WriteMode::Create, &names).await?;
    let found = find(lab, &alone.references[0], built).await?;
    hold!(found.is_empty(), "an image shows beside one that came alone: {}", listed(found.iter().map(|(name, _)| name)));
    let destination = lab.destination(WriteMode::Append, &names).await?;
    put(&*destination, built, beside).await?;
    let early = find(lab, &alone.references[0], built).await?;
    hold!(early.is_empty(), "an image shows beside another one before the commit: {}", listed(early.iter().map(|(name, _)| name)));
    let committed = destination.commit(Commit::new(&built.root)).await.during(|| "committing")?;
    hold!(committed.lost.is_empty(), "it says that it lost something: {}", committed.lost.join("; "));
    let found = find(lab, &committed.references[0], built).await?;
    let (tag, want) = (tag(&built.root), &beside.root.descriptor().digest);
    let same = matches!(&found[..], [(name, of)] if *name == tag && of.digest == *want);
    hold!(same, "{tag} with {want} was put beside it, and there is {}", listed(found.iter().map(|(name, _)| name)));
    if lab.has(Ability::ManyImages) {
        let reader = lab.reader().await?;
        let entries = reader.entries().iter().map(|entry| &entry.reference);
        hold!(entries.len() == 1, "of one image with one beside it these are listed: {}", listed(entries));
        for beside in reader.beside() {
            let opened = reader.open(beside).await.during(|| "opening what is listed beside images")?;
            let root = opened.root().await.during(|| "reading it")?;
            hold!(root.descriptor().digest == *want, "{} is not what was put", beside.reference);
        }
    }
    Ok(())
}

async fn find(lab: &Lab, at: &Reference, built: &Built) -> Held<Vec<(String, Descriptor)>> {
    let source = lab.source(at).await?;
    let Some(referrers) = source.referrers() else {
        return Err(Broken::new("images are kept beside others, and the source has no referrers()"));
    };
    let found = referrers.beside(&built.root.descriptor().digest).await;
    found.during(|| "asking what is beside it")
}
