//! A name that an earlier image has moves to the later one, in one writer and when appending.

use proptest::prelude::*;
use transship_core::{ImageName, WriteMode};

use super::write_archive;
use crate::broken::{While, hold};
use crate::expected::{self, Entry};
use crate::lab::{Lab, commit, put_all};
use crate::model::{Archive, Image, Named, Node};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::snapshot::{Shown, Snapshot};
use crate::strategies::{names, plain_images};
use crate::{Ability, Broken, Held, Law, Listed, Taken};

pub(crate) const LAW: Law = Law {
    name: "a_name_taken_over_moves",
    sentence: "A name that an earlier image has moves to the later one, in one writer and when appending.",
    promises: &["A name that an earlier image has is taken over."],
    needs: &[Ability::ManyImages],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let names = proptest::collection::vec(names(kit.facts()), 3);
    let takes = proptest::collection::vec((0_usize..3, 1_usize..4), 2..5);
    let images = proptest::collection::vec(plain_images(kit.facts()), 4);
    kit.each((names, takes, images, any::<bool>()), |lab, (names, takes, images, append)| {
        let mut written = takes.iter().zip(images).map(|((from, to), image)| Named {
            node: Node::Image(image.clone()),
            names: names.iter().skip(*from).take(*to).cloned().collect(),
        });
        let images: Vec<Named> = written.by_ref().filter(|image| !image.names.is_empty()).collect();
        let facts = lab.facts();
        let build = |images: &[Named]| expected::build(&Archive { images: images.to_vec() });
        let joins = *append && facts.has(Ability::Append);
        let cut = if joins { images.len() / 2 } else { images.len() };
        lab.step(write_archive(lab, WriteMode::Create, &build(&images[..cut])?))?;
        if joins {
            lab.step(write_archive(lab, WriteMode::Append, &build(&images[cut..])?))?;
        }
        let want = expected::shown(build(&images)?, facts);
        expected::check_taken(&lab.snapshot()?, &want, facts)?;
        in_order(&lab.another()?)?;
        if facts.has(Ability::Append) { at_once(&lab.another()?) } else { Ok(()) }
    })
}

/// An image gets a second name after another image came, and then loses the first one to a third image.
fn in_order(lab: &Lab) -> Held {
    let facts = lab.facts();
    if facts.claims.listed == Listed::Names || !facts.has(Ability::SeveralNames) {
        return Ok(());
    }
    let entry = |seed: u8, tag: &str| -> Held<Entry> {
        let names = vec![ImageName::new(&format!("docker.io/library/{tag}:1"))?];
        Ok(Entry { built: Image::simple(seed).build()?, names })
    };
    let written = [entry(1, "one")?, entry(2, "two")?, entry(1, "more")?, entry(3, "one")?];
    lab.step(write_archive(lab, WriteMode::Create, &written))?;
    let [first, second, _, third] = &written;
    let snapshot = lab.snapshot()?;
    let place = |of: &Entry| {
        let is = |image: &Shown| image.seen.is(&of.built, facts).is_ok();
        let at = snapshot.images().iter().position(is);
        at.ok_or_else(|| Broken::new("an image that has a name is not listed"))
    };
    let (first, second, third) = (place(first)?, place(second)?, place(third)?);
    let holds = match facts.claims.taken {
        Taken::AtTheEnd => first < second && second < third,
        Taken::InItsPlace => third < second,
        Taken::WithItsNames => second < first,
    };
    hold!(
        holds,
        "of three images, the first got a name more and lost its first name to the third: they are at {first}, {second} and {third}"
    );
    Ok(())
}

/// If two images are opened with one name, the one that is committed last has it.
fn at_once(lab: &Lab) -> Held {
    let (names, images) = (lab.facts().some_name(), [Image::simple(1), Image::simple(2)]);
    lab.step(async {
        let (first, second) = (images[0].build()?, images[1].build()?);
        // So that the place is there.
        lab.write(&Image::simple(3).build()?, WriteMode::Create, &[other_name()?]).await?;
        let one = lab.destination(WriteMode::Append, &names).await?;
        let two = lab.destination(WriteMode::Append, &names).await?;
        put_all(&*one, &first).await?;
        put_all(&*two, &second).await?;
        commit(one, &first).await?;
        let committed = commit(two, &second).await?;
        let what = || "the image that was committed last of two with one name";
        let seen = Seen::read(&*lab.source(&committed.references[0]).await.during(what)?).await?;
        seen.is(&second, lab.facts()).during(what)?;
        let snapshot = Snapshot::take(lab).await?;
        let counts = snapshot.images().iter().map(|image| image.seen.names.len());
        let counts: Vec<_> = counts.filter(|count| *count > 0).collect();
        hold!(counts == [1, 1], "there should be two images with one name each; the numbers of names are {counts:?}");
        Ok(())
    })
}

fn other_name() -> Held<ImageName> {
    Ok(ImageName::new("docker.io/library/other:1")?)
}
