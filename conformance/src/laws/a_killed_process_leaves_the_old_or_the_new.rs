//! A process that is killed leaves what was there or what it was to make, and the next one goes on from there.

use proptest::strategy::Just;
use transship_core::WriteMode;

use crate::broken::{While, hold};
use crate::child::{self, Ended, Job, Kind};
use crate::lab::Lab;
use crate::runner::Kit;
use crate::snapshot::Snapshot;
use crate::trace::Tracer;
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_killed_process_leaves_the_old_or_the_new",
    sentence: "A process that is killed leaves what was there or what it was to make, and the next one goes on from there.",
    promises: &[
        "Each name, durably, all at once or not at all",
        "It is durable, and all or nothing, also when its future is dropped.",
    ],
    needs: &[Ability::Files, Ability::ManyProcesses],
    // The same calls each time.
    cost: u32::MAX,
    check,
};

/// At how many calls of each job a process is killed.
const POINTS: usize = 12;

/// More calls than a job makes.
const NEVER: usize = 60_000;

/// The images that are there, and the one that a process writes.
const THERE: [u8; 2] = [1, 2];
const NEW: u8 = 5;
const NEXT: u8 = 9;

fn check(kit: &Kit) -> Held {
    let Some(tracer) = Tracer::new()? else {
        kit.not_able("not looked at: strace is missing, or may not trace");
        return Ok(());
    };
    kit.each(Just(()), |lab, ()| {
        let kinds = [Kind::Replace, Kind::Append, Kind::Delete];
        let able = kinds.into_iter().filter(|kind| is_able(*kind, lab));
        able.into_iter().try_for_each(|kind| {
            each_point(lab, &tracer, kind).map_err(|e| e.while_doing(format!("{kind:?}")))
        })
    })
}

fn is_able(kind: Kind, lab: &Lab) -> bool {
    match kind {
        Kind::Append => lab.has(Ability::Append),
        Kind::Delete => lab.has(Ability::Deletion),
        _ => true,
    }
}

fn each_point(lab: &Lab, tracer: &Tracer, kind: Kind) -> Held {
    let job = Job { kind, first: NEW, count: 1 };
    let done = prepared(lab)?;
    done.killed_process(job, tracer, NEVER)?.end()?;
    let (calls, after) = (tracer.changes()?, done.shown()?);
    hold!(calls > 0, "strace sees no call that changes files");
    for point in points(calls) {
        let place = prepared(lab)?;
        let before = place.shown()?;
        let ended = place.killed_process(job, tracer, point)?.end_or_killed()?;
        let what = || format!("killed at call {point} of {calls} that change files");
        if ended == Ended::Itself {
            // Calls of several threads: none of them made so many.
            continue;
        }
        let left = place.shown().during(what)?;
        if left.shows_equal(&before).is_err() {
            left.shows_equal(&after)
                .map_err(|e| e.while_doing("neither the old nor the new"))
                .map_err(|e| e.while_doing(what()))?;
        }
        goes_on(&place, &left).map_err(|e| e.while_doing(what()))?;
    }
    Ok(())
}

/// The last calls, where what shows changes, and some of those before.
fn points(calls: usize) -> Vec<usize> {
    let close = (1..=calls).rev().take(POINTS / 2);
    let before = calls.saturating_sub(POINTS / 2);
    let far = (1..=before).rev().step_by((before / (POINTS / 2)).max(1)).take(POINTS / 2);
    close.chain(far).collect()
}

/// A place of its own where images are.
fn prepared(lab: &Lab) -> Held<Lab> {
    let place = lab.another()?;
    let mut mode = WriteMode::Create;
    for number in THERE.into_iter().take(if lab.has(Ability::Append) { 2 } else { 1 }) {
        let (image, names) = (child::image(number)?, child::names(number, lab.facts())?);
        place.step(place.write(&image, mode, &names))?;
        mode = WriteMode::Append;
    }
    Ok(place)
}

/// Another image can be written after it.
fn goes_on(place: &Lab, left: &Snapshot) -> Held {
    let joins = place.has(Ability::Append);
    let mode = if joins { WriteMode::Append } else { WriteMode::Replace };
    let (image, names) = (child::image(NEXT)?, child::names(NEXT, place.facts())?);
    place.step(place.write(&image, mode, &names)).during(|| "writing another image after that")?;
    let now = place.shown()?;
    let want = if joins { left.images().len() + 1 } else { 1 };
    hold!(now.images().len() == want, "{} images are there after another one was written, of {want}", now.images().len());
    let is_it = |one: &crate::snapshot::Shown| one.seen.is(&image, place.facts()).is_ok();
    if now.images().iter().any(is_it) {
        return Ok(());
    }
    Err(Broken::new("another image that was written after that is not there"))
}
