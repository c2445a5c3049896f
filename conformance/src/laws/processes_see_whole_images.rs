//! While processes replace each other's image, every reader finds a whole one, and the last one to be written stays.

use transship_core::WriteMode;

use crate::child::{self, Job, Kind};
use crate::expected;
use crate::runner::Kit;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "processes_see_whole_images",
    sentence: "While processes replace each other's image, every reader finds a whole one, and the last one to be written stays.",
    promises: &[
        "Each entry's reference opens the same image in a new transport value, in another process too.",
        "It is replaced as a whole, at once, when the new one is complete.",
    ],
    needs: &[Ability::ManyProcesses],
    cost: 8,
    check,
};

/// How many images are written.
const IMAGES: u8 = 5;

fn check(kit: &Kit) -> Held {
    kit.each(0..IMAGES, |lab, number| {
        let (first, names) = (child::image(*number)?, child::names_to_replace(*number, lab.facts())?);
        lab.step(lab.write(&first, WriteMode::Create, &names))?;
        // At the same time: one who writes, and one who looks.
        let reads = lab.process(Job { kind: Kind::Read, first: IMAGES, count: 10 })?;
        let writes = lab.process(Job { kind: Kind::Replace, first: 0, count: IMAGES })?;
        writes.end()?;
        reads.end()?;
        let all = (0..IMAGES).map(child::image).collect::<Held<Vec<_>>>()?;
        let (old, last): (Vec<_>, _) = (all.iter().collect(), &all[all.len() - 1]);
        let shown = lab.snapshot()?;
        let found = expected::check_replaced(&shown, &old, last, lab.facts());
        found.map_err(|e| e.while_doing("what another process wrote last"))?;
        let mut images = shown.images().iter();
        let image = images.find(|image| image.seen.is(last, lab.facts()).is_ok());
        let image = image.ok_or_else(|| Broken::new("what another process wrote last is not listed"))?;
        lab.process_that_opens(&image.reference, IMAGES - 1)?.end()
    })
}
