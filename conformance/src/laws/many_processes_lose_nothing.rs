//! Many processes that write to one place lose nothing: each image is there, whole, under its name.

use transship_core::WriteMode;

use crate::broken::{While, hold, listed};
use crate::child::{self, Job, Kind};
use crate::lab::Lab;
use crate::runner::Kit;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "many_processes_lose_nothing",
    sentence: "Many processes that write to one place lose nothing: each image is there, whole, under its name.",
    promises: &["Any number may append to one archive at once; none loses another's image."],
    needs: &[Ability::ManyImages, Ability::Append, Ability::Names, Ability::ManyWriters, Ability::ManyProcesses],
    cost: 8,
    check,
};

/// How many images each of them writes.
const EACH: u8 = 3;

fn check(kit: &Kit) -> Held {
    kit.each((2_u8..4, proptest::bool::ANY), |lab, (processes, there)| {
        if *there {
            let (first, names) = (child::image(200)?, child::names(200, lab.facts())?);
            lab.step(lab.write(&first, WriteMode::Create, &names))?;
        }
        let job = |at: u8| Job { kind: Kind::Append, first: at * EACH, count: EACH };
        let all: Vec<_> = (0..*processes).map(|at| lab.process(job(at))).collect::<Held<_>>()?;
        for process in all {
            process.end()?;
        }
        all_there(lab, processes * EACH, *there)
    })
}

fn all_there(lab: &Lab, count: u8, old: bool) -> Held {
    let snapshot = lab.snapshot()?;
    let numbers: Vec<u8> = (0..count).chain(old.then_some(200)).collect();
    for number in &numbers {
        let names = child::names(*number, lab.facts())?;
        let found = snapshot.images().iter().find(|image| image.seen.names == names);
        let found = found.ok_or_else(|| Broken::new(format!("{} of another process is lost", listed(&names))))?;
        found.seen.is(&child::image(*number)?, lab.facts()).during(|| listed(&names))?;
    }
    let found = snapshot.images().len();
    hold!(found == numbers.len(), "{found} images are there, {} were written", numbers.len());
    Ok(())
}
