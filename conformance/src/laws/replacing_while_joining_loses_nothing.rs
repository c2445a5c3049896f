//! If a place is replaced while a writer adds an image, the place has both, whole, or adding fails with `Conflict`.

use transship_core::{Error, ErrorKind, ImageName, WriteMode};

use super::one_line;
use crate::broken::{While, hold};
use crate::expected::{self, Entry};
use crate::lab::{By, Lab, commit, how, put_all, put_missing};
use crate::model::Image;
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "replacing_while_joining_loses_nothing",
    sentence: "If a place is replaced while a writer adds an image, the place has both, whole, or adding fails with `Conflict`.",
    promises: &["Where it is replaced meanwhile, what replaced it is joined"],
    needs: &[Ability::ManyImages, Ability::Append, Ability::ManyWriters, Ability::Names, Ability::ReplacesArchives],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    let images = (plain_images(kit.facts()), plain_images(kit.facts()));
    kit.each((images, By::any()), |lab, ((image, other), by)| {
        // The one that joins has its layers from the old one.
        let old = named(image, 1)?;
        let (joins, replaces) = (named(image, 2)?, named(other, 3)?);
        lab.step(lab.write(&old.built, WriteMode::Create, &old.names))?;
        let joined = lab.step(join(lab, &joins, &replaces, *by))?;
        let mut want = vec![replaces];
        want.extend(joined.then_some(joins));
        let snapshot = lab.snapshot().map_err(|e| e.while_doing("after both"))?;
        expected::check(&snapshot, &want, lab.facts())
            .map_err(|e| e.while_doing(format!("replaced while joined, which succeeds: {joined}")))
    })
}

fn named(image: &Image, seed: u8) -> Held<Entry> {
    let built = Image { seed, ..image.clone() }.build()?;
    Ok(Entry { built, names: vec![ImageName::new(&format!("docker.io/library/kit:{seed}"))?] })
}

/// Whether joining succeeded.
async fn join(lab: &Lab, joins: &Entry, replaces: &Entry, by: By) -> Held<bool> {
    let done = if by == By::AWriter {
        let mut writer = lab.writer(WriteMode::Append).await?;
        let image = writer.image(&joins.names).await.during(|| "opening an image of a writer")?;
        put_missing(&*image, &joins.built).await?;
        commit(image, &joins.built).await?;
        replace(lab, replaces).await?;
        writer.finish().await
    } else {
        let destination = lab.destination(WriteMode::Append, &joins.names).await?;
        put_missing(&*destination, &joins.built).await?;
        replace(lab, replaces).await?;
        let what = transship_core::Commit::new(&joins.built.root);
        destination.commit(what).await.map(|_| ())
    };
    done.map_or_else(|e| fails_well(&e), |()| Ok(true))
}

fn fails_well(error: &Error) -> Held<bool> {
    one_line(error)?;
    let kind = error.kind();
    hold!(kind == ErrorKind::Conflict, "joining what was replaced meanwhile fails as {kind}: {error}");
    Ok(false)
}

async fn replace(lab: &Lab, with: &Entry) -> Held {
    let how = how(WriteMode::Replace, &with.names);
    let destination = lab.other_transport().destination(lab.at(), &how).await;
    let destination = destination.during(|| "opening to replace")?;
    put_all(&*destination, &with.built).await?;
    commit(destination, &with.built).await.during(|| "replacing what is being joined")?;
    Ok(())
}
