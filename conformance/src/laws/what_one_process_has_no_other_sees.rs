//! Where one process alone sees what it wrote, another one opens nothing there.

use transship_core::WriteMode;

use crate::child::{self, Job, Kind};
use crate::runner::Kit;
use crate::{Ability, Held, Law};

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
        lab.step(lab.write(&child::image(*number)?, WriteMode::Create, &names))?;
        lab.process(Job { kind: Kind::Miss, first: *number, count: 1 })?.end()
    })
}
