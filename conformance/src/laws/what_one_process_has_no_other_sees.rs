//! Where one process alone sees what it wrote, another one opens nothing there.

use transship_core::WriteMode;

use crate::child::{self, Job, Kind};
use crate::runner::Kit;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "what_one_process_has_no_other_sees",
    sentence: "Where one process alone sees what it wrote, another one opens nothing there.",
    promises: &[
        "Each entry's reference opens the same image in a new transport value, in another process too.",
    ],
    needs: &[Ability::OneProcess],
    cost: 16,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(0_u8..3, |lab, number| {
        let names = child::names(*number, lab.facts())?;
        let image = child::image(*number)?;
        let committed = lab.step(lab.write(&image, WriteMode::Create, &names))?;
        let Some(at) = committed.references.first() else {
            return Err(Broken::new("the commit gives no reference"));
        };
        lab.process_at(at.locator(), Job { kind: Kind::Miss, first: *number, count: 1 })?.end()
    })
}
