//! What a commit shows survives a power cut: its bytes and the names that lead to them are synced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::strategy::Just;

use crate::broken::hold;
use crate::child::{Job, Kind};
use crate::lab::Lab;
use crate::runner::Kit;
use crate::trace::Tracer;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_commit_survives_a_power_cut",
    sentence: "What a commit shows survives a power cut: its bytes and the names that lead to them are synced.",
    promises: &[
        "Each name, durably, all at once or not at all",
        "All or nothing, durably, also when its future is dropped.",
        "It is durable, and all or nothing, also when its future is dropped.",
    ],
    needs: &[Ability::Files, Ability::ManyProcesses],
    // The same calls each time.
    cost: u32::MAX,
    check,
};

fn check(kit: &Kit) -> Held {
    let Some(tracer) = Tracer::new()? else {
        kit.not_able("not looked at: strace is missing, or may not trace");
        return Ok(());
    };
    kit.each(Just(()), |lab, ()| {
        let all = [Kind::Replace, Kind::Replace, Kind::Append, Kind::Join, Kind::Delete];
        let able = all.into_iter().filter(|kind| is_able(*kind, lab));
        able.zip(0..).try_for_each(|(kind, number)| {
            one(lab, &tracer, job(kind, number)).map_err(|e| e.while_doing(format!("{kind:?}")))
        })
    })
}

fn is_able(kind: Kind, lab: &Lab) -> bool {
    match kind {
        Kind::Append | Kind::Join | Kind::Find => lab.has(Ability::Append),
        Kind::Collect => lab.has(Ability::Collection),
        Kind::Delete | Kind::DeleteThose => {
            let is_there = lab.has(Ability::Append) || !lab.has(Ability::ManyImages);
            is_there && lab.has(Ability::Deletion)
        }
        _ => true,
    }
}

fn job(kind: Kind, first: u8) -> Job {
    Job { kind, first, count: 1 }
}

fn one(lab: &Lab, tracer: &Tracer, job: Job) -> Held {
    let folder = lab.folder()?.canonicalize()?;
    let facts: BTreeMap<_, _> = lab.fixture_snapshot()?;
    let before: BTreeSet<PathBuf> = facts.into_keys().map(|name| folder.join(name)).collect();
    lab.traced_process(job, tracer)?.end()?;
    if job.kind == Kind::Delete {
        hold!(tracer.has_synced(&folder)?, "a deletion syncs nothing, so the image may come back after a power cut");
    }
    let lost = tracer.lost(&folder, &before)?;
    hold!(lost.is_empty(), "a power cut may lose what was committed: {}", lost.join("; "));
    Ok(())
}
