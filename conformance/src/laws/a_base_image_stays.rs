//! An image without a name stays when an image that is built on it is committed, is given up, or is deleted.

use std::time::Duration;

use proptest::sample::select;
use transship_core::{Commit, Committed, DeleteOptions, ImageName, Reference, WriteMode};

use crate::broken::While;
use crate::expected::{self, Entry};
use crate::interrupt::{MOST_POLLS, dropped_after};
use crate::lab::{Lab, put_all};
use crate::model::{Config, Image, Layer};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::strategies::plain_images;
use crate::{Ability, Bases, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_base_image_stays",
    sentence: "An image without a name stays when an image that is built on it is committed, is given up, or is deleted.",
    promises: &["Untagged images are there.", "Deletes that image and nothing else"],
    needs: &[Ability::ManyImages, Ability::Append, Ability::Names],
    cost: 4,
    check,
};

fn check(kit: &Kit) -> Held {
    let linger = select(vec![0_u64, 30, 300, 3000]);
    kit.each((plain_images(kit.facts()), linger), |lab, (image, micros)| {
        let linger = Duration::from_micros(*micros);
        let two = Two::of(image, lab)?;
        for polls in 0..MOST_POLLS {
            let lab = lab.another()?;
            let ended = given_up(&lab, &two, polls, linger);
            if ended.map_err(|e| e.while_doing(format!("dropped after {polls} polls")))? {
                break;
            }
        }
        committed_and_deleted(&lab.another()?, &two)
    })
}

/// An image without a name, and one with a name that is built on it.
struct Two {
    base: Image,
    built_on_it: Image,
    name: ImageName,
}

impl Two {
    fn of(image: &Image, lab: &Lab) -> Held<Self> {
        // podman hides no image without layers.
        let first = Layer::small(18, 700);
        let layers = image.layers.iter().cloned().chain([first, Layer::small(19, 700)]).collect();
        let built_on_it =
            Image { config: Config::Steps, layers, ..image.clone() }.fit_for(lab.facts());
        let mut base = built_on_it.clone();
        base.layers.pop();
        Ok(Self { base, built_on_it, name: ImageName::new("docker.io/library/kit:1")? })
    }

    fn base(&self) -> Held<Entry> {
        Ok(Entry { built: self.base.build()?, names: Vec::new() })
    }

    fn built_on_it(&self) -> Held<Entry> {
        Ok(Entry { built: self.built_on_it.build()?, names: vec![self.name.clone()] })
    }

    /// Writes the one without a name. Gives its reference.
    fn begin(&self, lab: &Lab) -> Held<Reference> {
        let built = self.base.build()?;
        let committed = lab.step(lab.write(&built, WriteMode::Create, &[]))?;
        expected::check(&lab.snapshot()?, &[self.base()?], lab.facts())?;
        first(committed)
    }

    fn add(&self, lab: &Lab) -> Held<Reference> {
        let built = self.built_on_it.build()?;
        let names = std::slice::from_ref(&self.name);
        first(lab.step(lab.write(&built, WriteMode::Append, names))?)
    }

    /// Both are there.
    fn both(&self, lab: &Lab, base: &Reference) -> Held {
        let mut want = match lab.claims().bases {
            Bases::Listed => vec![self.base()?],
            Bases::Hidden => Vec::new(),
        };
        want.push(self.built_on_it()?);
        expected::check(&lab.snapshot()?, &want, lab.facts())?;
        lab.step(async {
            let seen = Seen::read(&*lab.source(base).await?).await;
            seen.during(|| base)?.is(&self.base()?.built, lab.facts()).during(|| base)
        })
    }
}

fn first(committed: Committed) -> Held<Reference> {
    let mut references = committed.references.into_iter();
    references.next().ok_or_else(|| Broken::new("the commit gives no reference"))
}

/// Whether the commit ended before it was dropped.
fn given_up(lab: &Lab, two: &Two, polls: usize, linger: Duration) -> Held<bool> {
    let base = two.begin(lab)?;
    let built = two.built_on_it.build()?;
    let ended = lab.step(async {
        let names = std::slice::from_ref(&two.name);
        let destination = lab.destination(WriteMode::Append, names).await?;
        put_all(&*destination, &built).await?;
        Ok(dropped_after(destination.commit(Commit::new(&built.root)), polls, linger).await)
    })?;
    let done = ended.is_some();
    if let Some(Err(error)) = ended {
        return Err(Broken::from(error).while_doing("committing"));
    }
    // A commit that is dropped may go on to its end.
    let shown = lab.snapshot()?;
    let is_there = shown.images().iter().any(|image| !image.seen.names.is_empty());
    if done || is_there {
        two.both(lab, &base)?;
    } else {
        expected::check(&shown, &[two.base()?], lab.facts())?;
    }
    Ok(done)
}

fn committed_and_deleted(lab: &Lab, two: &Two) -> Held {
    let base = two.begin(lab)?;
    let built_on_it = two.add(lab)?;
    two.both(lab, &base).map_err(|e| e.while_doing("after the commit"))?;
    let transport = lab.transport();
    let Some(deletion) = transport.deletion() else { return Ok(()) };
    let delete = |at: &Reference| {
        lab.step(async {
            let deleted = deletion.delete(at, &DeleteOptions::default()).await;
            deleted.during(|| format!("deleting {at}"))
        })
    };
    delete(&built_on_it)?;
    expected::check(&lab.snapshot()?, &[two.base()?], lab.facts())
        .map_err(|e| e.while_doing("after the image that was built on it is deleted"))?;
    two.add(lab)?;
    delete(&base)?;
    expected::check(&lab.snapshot()?, &[two.built_on_it()?], lab.facts())
        .map_err(|e| e.while_doing("after it is deleted itself"))
}
