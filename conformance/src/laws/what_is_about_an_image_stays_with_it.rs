//! What is about an image stays with it whatever comes and goes beside it, and goes with it.

use bytes::Bytes;
use proptest::prelude::*;
use transship_core::{CollectMode, WriteMode};

use super::collecting_takes_garbage_alone::collect;
use super::deletion_leaves_nothing_of_the_image::{kept, no_more};
use super::deletion_removes_that_image_alone::delete;
use super::referrers_come_with_their_image::{are_there, index_about, put_with, referrer};
use crate::broken::{While, hold};
use crate::lab::{Lab, commit};
use crate::model::{Built, Image, noise};
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_is_about_an_image_stays_with_it",
    sentence: "What is about an image stays with it whatever comes and goes beside it, and goes with it.",
    promises: &[
        "Every image stays whole, and so does what is about it.",
        "Deletes that image and nothing else",
        "What only it needed goes with it, or with the next [collection]",
    ],
    needs: &[Ability::ManyImages, Ability::Append, Ability::Referrers],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each((plain_images(kit.facts()), any::<bool>()), |lab, (image, first)| {
        let [one, two, three] = [1, 2, 3].map(|number| Signed::of(lab, image, number));
        let (one, two, three) = (one?, two?, three?);
        lab.step(one.write(lab, WriteMode::Create))?;
        lab.step(two.write(lab, WriteMode::Append))?;
        each_is_there(lab, &[&one, &two], "two were written")?;
        lab.step(three.write(lab, WriteMode::Append))?;
        each_is_there(lab, &[&one, &two, &three], "a third one was appended")?;
        collected(lab)?;
        each_is_there(lab, &[&one, &two, &three], "three were written, after a collection")?;
        if !lab.has(Ability::Deletion) {
            return Ok(());
        }
        let (gone, left) = if *first { (&one, [&two, &three]) } else { (&two, [&one, &three]) };
        lab.step(delete(lab, &gone.reference(lab)?))?;
        each_is_there(lab, &left, "one of three was deleted")?;
        collected(lab)?;
        each_is_there(lab, &left, "one of three was deleted, after a collection")?;
        leaves_nothing(lab, &left)
    })
}

/// An image with what is about it.
struct Signed {
    number: u8,
    built: Built,
    about: Vec<Built>,
    signatures: Vec<Bytes>,
}

impl Signed {
    fn of(lab: &Lab, image: &Image, number: u8) -> Held<Self> {
        let built = Image { seed: number, ..image.clone() }.build()?;
        let mut about = vec![referrer(&built.root, 1)?, referrer(&built.root, 2)?];
        about.push(referrer(&about[0].root, 3)?);
        if lab.has(Ability::Indexes) {
            about.push(index_about(&built.root, usize::from(number))?);
        }
        let signs = lab.has(Ability::Signatures);
        let signatures = (0..u64::from(number)).filter(|_| signs);
        let signatures = signatures.map(|at| noise(u64::from(number) * 10 + at, 400).into());
        Ok(Self { number, built, about, signatures: signatures.collect() })
    }

    async fn write(&self, lab: &Lab, mode: WriteMode) -> Held {
        let mut names = lab.facts().some_name();
        if !names.is_empty() {
            let name = format!("docker.io/library/kit:{}", self.number);
            names = vec![transship_core::ImageName::new(&name)?];
        }
        let destination = lab.destination(mode, &names).await?;
        if let Some(able) = destination.signatures().filter(|_| !self.signatures.is_empty()) {
            let put = able.put_signatures(None, self.signatures.clone()).await;
            put.during(|| "putting signatures")?;
        }
        put_with(&*destination, &self.built, &self.about).await?;
        commit(destination, &self.built).await.map(drop)
    }

    /// By which it is listed now.
    fn reference(&self, lab: &Lab) -> Held<String> {
        let snapshot = lab.snapshot()?;
        let is_it = |shown: &&crate::snapshot::Shown| shown.seen.is(&self.built, lab.facts()).is_ok();
        let shown = snapshot.images().iter().find(is_it);
        let lost = || Broken::new(format!("image {} of three is not listed", self.number));
        shown.map(|shown| shown.reference.clone()).ok_or_else(lost)
    }

    async fn is_there(&self, lab: &Lab, reference: &str) -> Held {
        let locator = reference.split_once(':').map_or(reference, |(_, locator)| locator);
        let source = lab.source(&lab.transport().parse(locator)?).await?;
        are_there(lab, &*source, &self.about).await?;
        if self.signatures.is_empty() {
            return Ok(());
        }
        let Some(kept) = source.signatures() else {
            return Err(Broken::new("it keeps signatures, and its source has no signatures()"));
        };
        let found = kept.signatures(None).await.during(|| "reading signatures")?;
        let (have, put) = (found.len(), self.signatures.len());
        hold!(found == self.signatures, "it has {have} signatures, which are not the {put} that were put");
        Ok(())
    }
}

/// Whether all are listed, and each has what is about it.
fn each_is_there(lab: &Lab, want: &[&Signed], when: &str) -> Held {
    let listed = lab.snapshot()?.images().len();
    hold!(listed == want.len(), "{when}: {listed} images are listed of {}", want.len());
    for one in want {
        let what = || format!("{when}: what is about image {}", one.number);
        let reference = one.reference(lab)?;
        lab.step(one.is_there(lab, &reference)).map_err(|e| e.while_doing(what()))?;
    }
    Ok(())
}

fn collected(lab: &Lab) -> Held {
    if lab.has(Ability::Collection) {
        lab.step(collect(lab, CollectMode::Delete))?;
    }
    Ok(())
}

/// What was about the one that is gone is gone with it, where the kit sees what is stored.
fn leaves_nothing(lab: &Lab, left: &[&Signed]) -> Held {
    let goes = lab.has(Ability::NothingLeft) || lab.has(Ability::Collection);
    if !lab.has(Ability::Files) || !goes {
        return Ok(());
    }
    let fresh = lab.another()?;
    let mut mode = WriteMode::Create;
    for one in left {
        fresh.step(one.write(&fresh, mode))?;
        mode = WriteMode::Append;
    }
    no_more(&kept(lab)?, &kept(&fresh)?)
        .map_err(|e| e.while_doing("what was about an image that was deleted"))
}
