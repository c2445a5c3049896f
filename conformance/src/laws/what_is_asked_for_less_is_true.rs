//! What a place says of an image without opening it is true.

use transship_core::{Committed, ImageDestination, ImageName, Manifest, ReadOptions, WriteMode};

use super::image_or_index;
use crate::broken::{While, hold, listed};
use crate::lab::Lab;
use crate::model::{Built, Child, Format, Image, Index, Node, Presence};
use crate::runner::Kit;
use crate::{Ability, Found, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_is_asked_for_less_is_true",
    sentence: "What a place says of an image without opening it is true.",
    promises: &[
        "Its digest, size and media type are those of the root.",
        "It is the archive that [`read`](Self::read) opens for that reference.",
        "It may be, for the reference of each archive that is there.",
        "What it gives is what the commit of that root gave; of another root it gives nothing.",
        "`None` for a [sparse](Accepts::sparse) index, as a copy may have more of it.",
        "`None` with [`WriteMode::Replace`](crate::WriteMode::Replace) where the archive holds other images, too.",
        "Where it does, an image that is opened to be compared gives its root's descriptor",
    ],
    needs: &[],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..50, |lab, seed| {
        let built = image_or_index(lab, &Image::simple(*seed))?;
        let other = Image::simple(seed + 100).build()?;
        lab.step(async {
            let names = lab.facts().some_name();
            let committed = lab.write(&built, WriteMode::Create, &names).await?;
            for at in &committed.references {
                root(lab, at).await?;
                archive(lab, at).await?;
            }
            let again = lab.destination(again(lab), &names).await?;
            let said = shows(&*again, &built.root).await?;
            if let Some(shown) = said {
                let digests = (&shown.descriptor.digest, &committed.descriptor.digest);
                hold!(digests.0 == digests.1, "{} shows, and it is {}", digests.0, digests.1);
                let references = (&shown.references, &committed.references);
                hold!(references.0 == references.1, "it shows as {}, and is {}", listed(references.0), listed(references.1));
            }
            let wrong = shows(&*again, &other.root).await?;
            hold!(wrong.is_none(), "an image shows that was never written: {}", listed(wrong.iter().map(|shown| &shown.descriptor.digest)));
            drop(again);
            moved(lab, &built, &other).await
        })?;
        sparse(&lab.another()?, *seed)?;
        several(&lab.another()?, *seed)?;
        replaced(&lab.another()?, *seed)
    })
}

/// The mode in which an image is written that may be there.
fn again(lab: &Lab) -> WriteMode {
    match lab.transport().default_mode() {
        WriteMode::Create => WriteMode::Replace,
        default => default,
    }
}

async fn shows(destination: &dyn ImageDestination, of: &Manifest) -> Held<Option<Committed>> {
    let shown = match destination.shows_image(of).await {
        Ok(None) => destination.shows(of.descriptor()).await,
        shown => shown,
    };
    shown.during(|| "asking whether it shows")
}

/// An index of which a child is absent does not show: a copy may have more of it. A remote place would have to be asked for each child.
fn sparse(lab: &Lab, seed: u8) -> Held {
    if !lab.has(Ability::SparseIndexes) || lab.claims().found == Found::Trusted {
        return Ok(());
    }
    let child = |seed, presence| Child { node: Node::Image(Image::simple(seed)), presence };
    let children = vec![child(seed, Presence::Here), child(seed + 1, Presence::Absent)];
    let built = Index { format: Format::Oci, children, described: false }.build()?;
    lab.step(async {
        let names = lab.facts().some_name();
        lab.write(&built, WriteMode::Create, &names).await?;
        let again = lab.destination(again(lab), &names).await?;
        let shown = shows(&*again, &built.root).await?;
        hold!(shown.is_none(), "an index without one of its children shows as if nothing were left to do");
        Ok(())
    })
}

/// An image shows where all names stand for it, and not where one of them does.
fn several(lab: &Lab, seed: u8) -> Held {
    if !lab.has(Ability::Append) || !lab.has(Ability::SeveralNames) {
        return Ok(());
    }
    let (built, other) = (Image::simple(seed).build()?, Image::simple(seed + 100).build()?);
    let name = |tag: &str| ImageName::new(&format!("docker.io/library/several:{tag}"));
    let (stands, others, new) = (name("stands")?, name("others")?, name("new")?);
    lab.step(async {
        lab.write(&built, WriteMode::Create, std::slice::from_ref(&stands)).await?;
        if lab.has(Ability::ManyImages) {
            lab.write(&other, WriteMode::Append, std::slice::from_ref(&others)).await?;
        }
        for missing in [&others, &new] {
            for names in [[&stands, missing], [missing, &stands]] {
                let again = lab.destination(WriteMode::Append, &names.map(Clone::clone)).await?;
                let shown = shows(&*again, &built.root).await?;
                hold!(shown.is_none(), "an image shows as if nothing were left to do, where one of its two names does not stand for it: {missing}");
            }
        }
        Ok(())
    })
}

/// An archive that would be replaced as a whole does not show what else is in it.
fn replaced(lab: &Lab, seed: u8) -> Held {
    let joins = lab.has(Ability::Append) && lab.has(Ability::Names);
    if !joins || !lab.has(Ability::ReplacesArchives) {
        return Ok(());
    }
    let (built, other) = (Image::simple(seed).build()?, Image::simple(seed + 100).build()?);
    lab.step(async {
        let names = lab.facts().some_name();
        lab.write(&built, WriteMode::Create, &names).await?;
        let others = [ImageName::new("docker.io/library/other:1")?];
        lab.write(&other, WriteMode::Append, &others).await?;
        let again = lab.destination(WriteMode::Replace, &names).await?;
        let shown = shows(&*again, &built.root).await?;
        hold!(shown.is_none(), "one of two images shows as if nothing were left to do, where the archive is to be replaced by it");
        Ok(())
    })
}

/// An image that is there and has lost its name does not show under it.
async fn moved(lab: &Lab, built: &Built, other: &Built) -> Held {
    let names = lab.facts().some_name();
    if names.is_empty() || !lab.has(Ability::Append) || !lab.has(Ability::ManyImages) {
        return Ok(());
    }
    lab.write(other, WriteMode::Append, &names).await?;
    let again = lab.destination(WriteMode::Append, &names).await?;
    let shown = shows(&*again, &built.root).await?;
    hold!(shown.is_none(), "its name stands for another image now, and it shows: {}", listed(shown.iter().map(|shown| &shown.descriptor.digest)));
    Ok(())
}

async fn root(lab: &Lab, at: &transship_core::Reference) -> Held {
    let how = ReadOptions::default().with_compare(true);
    let source = lab.transport().source(at, &how).await.during(|| "opening it to compare it")?;
    let Some(said) = source.root_descriptor().cloned() else {
        let compares = lab.transport().compares_roots();
        hold!(!compares, "compares_roots() is true, and an image that is opened to be compared gives no descriptor");
        return Ok(());
    };
    let root = source.root().await.during(|| "reading the root")?;
    let is = root.descriptor();
    hold!(
        (&said.digest, said.size, &said.media_type) == (&is.digest, is.size, &is.media_type),
        "the root is said to be {} of {} bytes and type {}, and is {} of {} and {}",
        said.digest,
        said.size,
        said.media_type,
        is.digest,
        is.size,
        is.media_type
    );
    Ok(())
}

async fn archive(lab: &Lab, at: &transship_core::Reference) -> Held {
    let Some(archives) = lab.transport().archives() else { return Ok(()) };
    let reader = archives.read(at, &ReadOptions::default()).await;
    let reader = reader.during(|| "opening its archive")?;
    let place = reader.reference();
    if let Some(said) = archives.archive_of(at) {
        hold!(said == *place, "{at} is said to be in {said}, and is in {place}");
    }
    hold!(archives.may_be_archive(place), "{place} is an archive, and is said to be none");
    Ok(())
}
