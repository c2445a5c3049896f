//! Deleting an image by one of several names takes that name alone; by its last one, or asked for all names, the image.

use proptest::prelude::*;
use transship_core::{DeleteOptions, DeletedNames, ImageName, ReadOptions, Reference, WriteMode};

use crate::broken::{While, hold};
use crate::expected::{self, Entry};
use crate::lab::Lab;
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_deleted_name_leaves_the_others",
    sentence: "Deleting an image by one of several names takes that name alone; by its last one, or asked for all names, the image.",
    promises: &[
        "By one of several names, that name goes, and the image stays under the others.",
        "Chosen otherwise, the image goes with all of its names.",
        "Asked for [all names](crate::DeletedNames::All), it deletes the image with all of them",
    ],
    needs: &[Ability::ManyImages, Ability::Names, Ability::SeveralNames, Ability::Deletion],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let images = (plain_images(kit.facts()), plain_images(kit.facts()));
    kit.each((images, any::<bool>(), any::<bool>()), |lab, ((other, image), first, all)| {
        let (other, image) = (other.build()?, image.build()?);
        if expected::identity(&other, lab.facts()) == expected::identity(&image, lab.facts()) {
            return Ok(());
        }
        let names = names()?;
        // Of all names, more than two go.
        let (others, own) = (&names[..1], if *all { &names[1..] } else { &names[1..3] });
        lab.step(lab.write(&other, WriteMode::Create, others))?;
        let committed = lab.step(lab.write(&image, WriteMode::Append, own))?;
        let (true, [one, two, ..]) = (committed.references.len() == own.len(), &committed.references[..]) else {
            return Err(Broken::new("the commit does not give a reference for each name"));
        };
        let (gone, left) = if *first { (one, two) } else { (two, one) };
        let entry = |built: &crate::model::Built, names: &[ImageName]| Entry {
            built: built.clone(),
            names: names.to_vec(),
        };
        if *all {
            match lab.step(by_no_name(lab, &own[0], &committed.references))? {
                // An image that is chosen otherwise has no name that could go alone.
                Some(chosen) if *first => lab.step(delete(lab, &chosen, DeletedNames::Given))?,
                _ => lab.step(delete(lab, gone, DeletedNames::All))?,
            }
            expected::check(&lab.snapshot()?, &[entry(&other, others)], lab.facts())
                .map_err(|e| e.while_doing("after all names"))?;
            return committed.references.iter().try_for_each(|at| lab.step(is_gone(lab, at)));
        }
        let kept = usize::from(*first);
        lab.step(delete(lab, gone, DeletedNames::Given))?;
        let want = [entry(&other, others), entry(&image, &own[kept..=kept])];
        expected::check(&lab.snapshot()?, &want, lab.facts())
            .map_err(|e| e.while_doing("after one of two names"))?;
        lab.step(delete(lab, left, DeletedNames::Given))?;
        expected::check(&lab.snapshot()?, &want[..1], lab.facts())
            .map_err(|e| e.while_doing("after the last name"))?;
        lab.step(is_gone(lab, left))
    })
}

/// The image of a name, by a reference of the listing that is none of its names.
async fn by_no_name(lab: &Lab, name: &ImageName, named: &[Reference]) -> Held<Option<Reference>> {
    let reader = lab.reader().await?;
    let mut entries = reader.entries().iter().filter(|entry| entry.names.contains(name));
    let at = entries.next().map(|entry| entry.reference.clone());
    // However the listing spells a name, it is one.
    Ok(at.filter(|at| !named.contains(at) && !at.locator().contains("kit:")))
}

fn names() -> Held<Vec<ImageName>> {
    let name = |n: usize| Ok(ImageName::new(&format!("docker.io/library/kit:{n}"))?);
    (0..5).map(name).collect()
}

async fn delete(lab: &Lab, at: &Reference, names: DeletedNames) -> Held {
    let deletion = lab.transport().deletion();
    let deletion = deletion.ok_or_else(|| Broken::new("deletion is claimed, and is not there"))?;
    let how = DeleteOptions::default().with_names(names);
    deletion.delete(at, &how).await.during(|| format!("deleting {at}"))
}

async fn is_gone(lab: &Lab, at: &Reference) -> Held {
    let opened = lab.other_transport().source(at, &ReadOptions::default()).await;
    hold!(opened.is_err(), "{at} is there after it was deleted");
    Ok(())
}
