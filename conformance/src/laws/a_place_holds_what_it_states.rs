//! A place holds what its transport states, and no more: several images, several names, manifests about images, signatures.

use transship_core::{
    AcceptsNames, Commit, Error, ErrorKind, ImageName, ReadOptions, Result, WriteMode,
};

use super::fails;
use super::referrers_come_with_their_image::referrer;
use crate::broken::{While, hold};
use crate::lab::{Lab, how, put_all};
use crate::model::Image;
use crate::runner::Kit;
use crate::{Ability, Empty, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_place_holds_what_it_states",
    sentence: "A place holds what its transport states, and no more: several images, several names, manifests about images, signatures.",
    promises: &[
        "It is there if, and only if, a place holds several images.",
        "It says what [`Accepts`](crate::Accepts) of its destinations says.",
        "Where [`Accepts::referrers`] refuses them, manifests about others are refused",
    ],
    needs: &[],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| {
        lab.step(holds_indexes(lab))?;
        let built = Image::simple(*seed).build()?;
        lab.step(lab.write(&built, WriteMode::Create, &lab.facts().some_name()))?;
        lab.step(source_agrees(lab))?;
        let before = lab.snapshot()?;
        lab.step(second_image(lab, *seed))?;
        lab.snapshot()?.same(&before)?;
        let other = lab.another()?;
        other.step(about(&other, *seed))?;
        let other = lab.another()?;
        other.step(of_no_images(&other))?;
        other.step(several_names(&other))
    })
}

/// What it says of indexes is what its destinations accept.
async fn holds_indexes(lab: &Lab) -> Held {
    let says = lab.transport().holds_indexes(lab.at()).await?;
    let takes = lab.has(Ability::Indexes);
    hold!(
        says == takes,
        "holds_indexes() is {says}, and that destinations accept indexes is {takes}"
    );
    Ok(())
}

/// What a destination keeps, its source gives back.
async fn source_agrees(lab: &Lab) -> Held {
    let source = lab.transport().source(lab.at(), &ReadOptions::default()).await;
    let Ok(source) = source else { return Ok(()) };
    let agree = |gives: bool, ability: Ability, what: &str| -> Held {
        let keeps = lab.facts().has(ability);
        let says = if gives { "its source has" } else { "its source has no" };
        let takes = if keeps { "its destination takes them" } else { "its destination refuses them" };
        hold!(gives == keeps, "{says} {what}, and {takes}");
        Ok(())
    };
    agree(source.referrers().is_some(), Ability::Referrers, "referrers()")?;
    agree(source.signatures().is_some(), Ability::Signatures, "signatures()")
}

/// Beside the first one, where a place holds one.
async fn second_image(lab: &Lab, seed: u8) -> Held {
    if lab.has(Ability::ManyImages) {
        return Ok(());
    }
    let append = how(WriteMode::Append, &lab.facts().some_name());
    let built = Image::simple(seed + 1).build()?;
    let written = async {
        let destination = lab.transport().destination(lab.at(), &append).await?;
        let put = put_all(&*destination, &built).await;
        put.map_err(|broken| Error::new(ErrorKind::Unexpected, broken.to_string()))?;
        destination.commit(Commit::new(&built.root)).await
    };
    fails(written.await, &[ErrorKind::Unsupported], &[], "a second image, where archives() is none")
}

/// A manifest about an image, where none is kept.
async fn about(lab: &Lab, seed: u8) -> Held {
    if lab.has(Ability::Referrers) {
        return Ok(());
    }
    let built = Image::simple(seed).build()?;
    let about = referrer(&built.root, 1)?;
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    put_all(&*destination, &built).await?;
    let put = async {
        destination.put_manifest(&about.root).await?;
        destination.commit(Commit::new(&built.root)).await
    };
    fails(put.await, &[ErrorKind::Unsupported], &[], "a manifest about an image, none is accepted")
}

/// An archive that nothing was written to.
async fn of_no_images(lab: &Lab) -> Held {
    if !lab.has(Ability::ManyImages) {
        return Ok(());
    }
    lab.writer(WriteMode::Create).await?.finish().await.during(|| "finishing without an image")?;
    let listed = lab.archives()?.read(lab.at(), &ReadOptions::default()).await;
    match lab.claims().empty {
        Empty::Held => {
            let count = listed.during(|| "listing an archive of no images")?.entries().len();
            hold!(count == 0, "an archive of no images lists {count}");
            Ok(())
        }
        Empty::None => {
            let kinds = [ErrorKind::NotFound];
            fails(listed.map(|_| ()), &kinds, &[], "listing where no image was written")
        }
    }
}

/// Two names for one image, where it may have one.
async fn several_names(lab: &Lab) -> Held {
    if lab.facts().accepts.names != AcceptsNames::One {
        return Ok(());
    }
    let names: Vec<ImageName> = ["docker.io/library/kit:1", "docker.io/library/kit:2"]
        .iter()
        .map(|name| ImageName::new(name))
        .collect::<Result<_>>()?;
    let opened = lab.transport().destination(lab.at(), &how(lab.again(), &names)).await;
    fails(opened.map(|_| ()), &[ErrorKind::Unsupported], &[], "opening with two names")
}
