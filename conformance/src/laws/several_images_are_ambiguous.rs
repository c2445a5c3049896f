//! An archive of several images without a choice is `Ambiguous`, and the error lists the names to choose from.

use transship_core::{ErrorKind, ImageName, ReadOptions, WriteMode};

use super::{fails, write_archive};
use crate::expected::Entry;
use crate::lab::Lab;
use crate::model::Image;
use crate::runner::Kit;
use crate::{Ability, Held, Law, Reading};

pub(crate) const LAW: Law = Law {
    name: "several_images_are_ambiguous",
    sentence: "An archive of several images without a choice is `Ambiguous`, and the error lists the names to choose from.",
    promises: &[
        "`Ambiguous` when several images fit, or none is chosen of several.",
        "`Ambiguous`, before anything passes, where several images are listed and none is chosen.",
    ],
    needs: &[Ability::ManyImages, Ability::Ambiguity],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(2_u8..6, |lab, count| {
        of_these(lab, *count, *count)?;
        // Of several without a name, none may be chosen because it has one.
        if lab.has(Ability::OneWithoutName) { Ok(()) } else { of_these(&lab.another()?, *count, 1) }
    })
}

/// So many images, of which the first have names.
fn of_these(lab: &Lab, count: u8, named: u8) -> Held {
    let name = |seed: u8| format!("docker.io/library/kit:{seed}");
    let entry = |seed: u8| {
        let name = (seed < named).then(|| ImageName::new(&name(seed))).transpose()?;
        Ok(Entry { built: Image::simple(seed).build()?, names: name.into_iter().collect() })
    };
    let entries = (0..count).map(entry).collect::<Held<Vec<_>>>()?;
    lab.step(write_archive(lab, WriteMode::Create, &entries))?;
    lab.step(async {
        let opened = lab.transport().source(lab.at(), &ReadOptions::default()).await;
        let (first, last) = (name(0), name(named - 1));
        let naming = [lab.at().locator(), &first, &last];
        fails(opened, &[ErrorKind::Ambiguous], &naming, "opening one of several")?;
        let one_pass = lab.archives()?.one_pass();
        let Some(one_pass) = one_pass.filter(|_| lab.claims().reading == Reading::InOnePass) else {
            return Ok(());
        };
        let chosen = one_pass.chosen(lab.at()).await;
        let what = "asking before a pass which one of several is chosen";
        fails(chosen, &[ErrorKind::Ambiguous], &naming, what)
    })
}
