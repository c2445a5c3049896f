//! While other processes delete and collect, what processes write to the same place is whole, and what is deleted is gone.

use transship_core::WriteMode;

use crate::broken::{While, hold, listed};
use crate::child::{self, Job, Kind};
use crate::lab::Lab;
use crate::runner::Kit;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "processes_that_delete_take_nothing_else",
    sentence: "While other processes delete and collect, what processes write to the same place is whole, and what is deleted is gone.",
    promises: &["What others commit meanwhile stays, whole.", "Writers of ours are waited for"],
    needs: &[
        Ability::ManyImages,
        Ability::Append,
        Ability::Names,
        Ability::ManyWriters,
        Ability::ManyProcesses,
        Ability::Deletion,
    ],
    cost: 8,
    check,
};

/// How many images each process writes or deletes.
const EACH: u8 = 3;

/// The number of the first image that is deleted.
const OLD: u8 = 200;

fn check(kit: &Kit) -> Held {
    kit.each(1_u8..3, |lab, writers| {
        for number in OLD..OLD + EACH {
            let (built, names) = (child::image(number)?, child::names(number, lab.facts())?);
            let mode = if number == OLD { WriteMode::Create } else { WriteMode::Append };
            lab.step(lab.write(&built, mode, &names))?;
        }
        let mut jobs = vec![Job { kind: Kind::DeleteThose, first: OLD, count: EACH }];
        let job = |at: u8| Job { kind: Kind::Find, first: at * EACH, count: EACH };
        jobs.extend((0..*writers).map(job));
        if lab.has(Ability::Collection) {
            jobs.push(Job { kind: Kind::Collect, first: 0, count: 2 * EACH });
        }
        let all = jobs.into_iter().map(|job| lab.process(job)).collect::<Held<Vec<_>>>()?;
        for process in all {
            process.end()?;
        }
        alone_are_there(lab, writers * EACH)
    })
}

fn alone_are_there(lab: &Lab, count: u8) -> Held {
    let snapshot =
        lab.snapshot().map_err(|e| e.while_doing("after writing and deleting at once"))?;
    for number in 0..count {
        let names = child::names(number, lab.facts())?;
        let found = snapshot.images().iter().find(|image| image.seen.names == names);
        let lost =
            || Broken::new(format!("{} was written beside deletions, and is lost", listed(&names)));
        found
            .ok_or_else(lost)?
            .seen
            .is(&child::image(number)?, lab.facts())
            .during(|| listed(&names))?;
    }
    let found = snapshot.images().len();
    hold!(
        found == usize::from(count),
        "{found} images are there, {count} were written, and the others deleted"
    );
    Ok(())
}
