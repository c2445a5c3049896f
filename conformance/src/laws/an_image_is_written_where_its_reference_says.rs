//! A destination is the image that its reference names: opened by it, written, and opened by it again, it is the new one.

use proptest::prelude::*;
use transship_core::{Commit, ErrorKind, ImageName, Reference, WriteMode, sha256};

use super::fails;
use crate::broken::{While, hold, listed};
use crate::lab::{Lab, commit, how, put_all};
use crate::model::{Built, Image};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::{meaning, names, plain_images, spelled_names};
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "an_image_is_written_where_its_reference_says",
    sentence: "A destination is the image that its reference names: opened by it, written, and opened by it again, it is the new one.",
    promises: &[
        "The image is the one that the reference names afterwards, where it names one.",
        "The image's names are fixed here: the one in the reference and those of the options.",
        "A commit of another root is `Corrupt`, and nothing shows.",
        "Of the references that it gives, one for each name, each opens the image.",
        "Each is there once, however often it was given.",
        "`InvalidInput` when the reference names an image in it",
        "What the reference says beyond the archive's place is not looked at.",
        "Each transport heeds the mode, the names and the names to fall back to.",
    ],
    needs: &[],
    cost: 1,
    check,
};

/// How many names of texts are looked at each time.
const SPELLED: usize = 11;

fn check(kit: &Kit) -> Held {
    let images = (plain_images(kit.facts()), plain_images(kit.facts()));
    let what = (images, names(kit.facts()), any::<bool>());
    let simple = || (Image::simple(1), Image::simple(2));
    let spelled = spelled_names(kit.facts()).into_iter().take(SPELLED);
    let spelled: Vec<_> = spelled.map(|name| (simple(), name, false)).collect();
    kit.each_with(&spelled, what, |lab, ((first, second), name, names_again)| {
        let has_names = lab.has(Ability::Names);
        let names = if has_names { vec![name.clone()] } else { Vec::new() };
        // Once more, twice, or not.
        let again = if *names_again { [&*names, &*names].concat() } else { Vec::new() };
        // Where the place is a name itself, it holds no name of another one.
        if has_names && lab.has(Ability::Ambiguity) {
            lab.step(falls_back(lab, name))?;
        }
        let (first, second) = (first.build()?, second.build()?);
        lab.step(one(lab, &first, &second, &names, &again))?;
        if !has_names {
            return Ok(());
        }
        let other = lab.another()?;
        other.step(with_one_more(&other, &first, &second, &names))?;
        pinned(&lab.another()?, &first)
    })
}

async fn one(
    lab: &Lab,
    first: &Built,
    second: &Built,
    names: &[ImageName],
    names_again: &[ImageName],
) -> Held {
    let written = lab.write(first, WriteMode::Create, names).await?;
    let count = written.references.len();
    hold!(count == 1, "a commit of an image with {} names gives {count} references", names.len());
    let at = &written.references[0];
    if !names.is_empty() {
        archives(lab, at).await?;
    }
    let mode = if lab.has(Ability::Append) { WriteMode::Append } else { WriteMode::Replace };
    let mut how = how(mode, names_again);
    if !names.is_empty() {
        how.fallback_names = vec![ImageName::new("docker.io/library/fallback:1")?];
    }
    let opened = lab.transport().destination(at, &how).await;
    let destination = opened.during(|| format!("opening {at} to write"))?;
    let (taken, want) = (destination.names(), names.len());
    hold!(taken.len() == want, "opened by {at}, it has the names {} instead of {want}", listed(taken));
    hold!(destination.reference() == at, "opened by {at}, it is {}", destination.reference());
    put_all(&*destination, second).await?;
    let again = commit(destination, second).await?;
    let given = &again.references;
    hold!(given.len() == count && given.contains(at), "written by {at}, it is {}", listed(given));
    for at in [at, &again.references[0]] {
        let seen = Seen::read(&*lab.source(at).await?).await?;
        seen.is(second, lab.facts()).during(|| format!("{at}, written by that reference"))?;
    }
    Ok(())
}

/// A name of the options comes beside the one in the reference, or is refused where an image has one name.
async fn with_one_more(lab: &Lab, first: &Built, second: &Built, names: &[ImageName]) -> Held {
    let written = lab.write(first, WriteMode::Create, names).await?;
    let at = &written.references[0];
    let mode = if lab.has(Ability::Append) { WriteMode::Append } else { WriteMode::Replace };
    let other = ImageName::new("docker.io/library/one-more:1")?;
    let what = || format!("opening {at} to write it as {other}, too");
    let opened = lab.transport().destination(at, &how(mode, std::slice::from_ref(&other))).await;
    if !lab.has(Ability::SeveralNames) {
        return fails(opened, &[ErrorKind::Unsupported], &[], &what());
    }
    let destination = opened.during(what)?;
    let taken = destination.names();
    hold!(taken.len() == 2, "{}: it has the names {}", what(), listed(taken));
    hold!(destination.reference() == at, "{}: it is {}", what(), destination.reference());
    put_all(&*destination, second).await?;
    let given = commit(destination, second).await?.references;
    hold!(given.len() == 2 && given.contains(at), "{}: it is {}", what(), listed(&given));
    for at in &given {
        let seen = Seen::read(&*lab.source(at).await?).await?;
        seen.is(second, lab.facts()).during(|| format!("{at}, which the commit gave"))?;
    }
    Ok(())
}

/// A name with a digest takes no other image, where a place holds images to it.
fn pinned(lab: &Lab, built: &Built) -> Held {
    let name = format!("docker.io/library/pinned@{}", sha256(b"another image"));
    let how = how(WriteMode::Create, &[ImageName::new(&name)?]);
    let before = lab.snapshot()?;
    lab.step(async {
        let Ok(destination) = lab.transport().destination(lab.at(), &how).await else { return Ok(()) };
        if destination.pinned().is_empty() {
            return Ok(());
        }
        put_all(&*destination, built).await?;
        let done = destination.commit(Commit::new(&built.root)).await;
        fails(done, &[ErrorKind::Corrupt], &[], &format!("committing another image as {name}"))
    })?;
    if lab.snapshot()?.shows_the_same(&before).is_err() {
        return Err(Broken::new(format!("another image was committed as {name}, which was refused, and shows")));
    }
    Ok(())
}

/// Where nothing else names an image, the names to fall back to do.
async fn falls_back(lab: &Lab, name: &ImageName) -> Held {
    let mut how = how(WriteMode::Create, &[]);
    how.fallback_names = vec![name.clone()];
    let opened = lab.transport().destination(lab.at(), &how).await;
    let opened = opened.during(|| format!("opening a place with {name} to fall back to"))?;
    let taken: Vec<_> = opened.names().iter().map(|name| meaning(name, lab.facts())).collect();
    let want = [meaning(name, lab.facts())];
    hold!(taken == want, "nothing else names it, and of {name} it takes the names {}", listed(taken));
    Ok(())
}

/// A reference of an image, where one of an archive is wanted.
async fn archives(lab: &Lab, at: &Reference) -> Held {
    let Some(archives) = lab.transport().archives() else { return Ok(()) };
    let listed = archives.read(at, &transship_core::ReadOptions::default()).await;
    let listed = listed.during(|| format!("listing {at}"))?;
    let (is, place) = (listed.reference(), lab.at());
    hold!(is == place, "the archive of {at} says that it is {is}, and is {place}");
    let entries = listed.entries().len();
    hold!(entries == 1, "listing {at} gives {entries} images of one");
    let opened = archives.write(at, &how(WriteMode::Replace, &lab.facts().some_name())).await;
    // Names are given to each image: also those of the options are none of the archive's.
    let opened = match opened {
        Err(e) => Err(e),
        Ok(_) => archives.write(at, &how(WriteMode::Replace, &[])).await,
    };
    fails(opened, &[ErrorKind::InvalidInput], &[], &format!("writing an archive by {at}"))
}
