//! `cargo xtask faults`: each system call that writes, of each operation and place, fails or is the last one.
//!
//! Every operation is run once under strace to see its calls. Then each of them is made to fail, in a run of its own, with
//! EIO, ENOSPC, EDQUOT or EINTR, and the process is killed at it, or interrupted as by Ctrl-C; and files may grow to so many
//! bytes only, so that a write is short and the next one fails. After each: what is there is the old content or the new, whole;
//! the exit code is 0 only with the new, and an error over the new content says that it is there; no error says that something
//! was not found; the same operation succeeds then, and nothing is left behind: in a layout, after `gc`, exactly the blobs that
//! the images need. Nothing is random: two runs try the same, as far as threads take turns alike.

mod case;
mod place;
mod points;
mod server;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{fs, thread};

use crate::args::Args;
use crate::built;
use crate::counts::Counts;
use crate::scale::make::{self, Shape};
use crate::sh::{self, Result};
use case::{CASES, Case};
use place::{Ended, Place, State};
use points::{Fault, Point};

/// How many faults of each operation are tried in `cargo xtask test`.
const PART: usize = 5;

/// The exit code for what is not there.
const NOT_FOUND: i32 = 3;

/// What all cases share.
pub(crate) struct Tools {
    strace: PathBuf,
    transship: PathBuf,
    folder: PathBuf,
    /// Archives: two images, and a third that shares a layer with them.
    old: PathBuf,
    new: PathBuf,
    jobs: usize,
}

/// What an operation does, uncut.
struct Outcomes {
    before: State,
    after: State,
}

pub(crate) fn run(args: &mut Args) -> Result<bool> {
    let filter = args.value("--filter")?.unwrap_or_default();
    let every = if args.flag("--part") { PART } else { usize::MAX };
    let points = args.number("--points", every)?;
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let jobs = args.number("--jobs", cores)?;
    args.finish()?;
    let Some(strace) = sh::find("strace") else {
        return Err("strace is not installed (Debian: strace)".to_owned());
    };
    let counts = all(strace, &filter, points, jobs)?;
    println!("{counts}");
    Ok(counts.good())
}

/// A part, which takes a minute; skipped without strace.
pub(crate) fn part(require_peers: bool) -> Result<Counts> {
    match sh::find("strace") {
        Some(strace) => all(strace, "", PART, 2),
        None if require_peers => Err("strace is not installed (Debian: strace)".to_owned()),
        None => {
            println!("skipped  faults: strace is not installed");
            Ok(Counts { skipped: 1, ..Counts::default() })
        }
    }
}

fn all(strace: PathBuf, filter: &str, points: usize, jobs: usize) -> Result<Counts> {
    let folder = sh::target()?.join(format!("faults-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let (old, new) = (folder.join("old.tar"), folder.join("new.tar"));
    make::archive(&Shape::alike(0, 2, 1), &old)?;
    make::archive(&Shape::alike(2, 1, 1), &new)?;
    let tools = Tools { strace, transship: built::tested_command()?, folder, old, new, jobs };
    println!("faults: {}", tools.transship.display());
    let mut counts = Counts::default();
    for case in CASES.iter().filter(|case| case.to_string().contains(filter)) {
        let (tried, failures) = one(&tools, case, points)?;
        counts.passed += (tried - failures.len()) as u64;
        counts.failed += failures.len() as u64;
        println!("{:<8} {case}: {tried} faults", if failures.is_empty() { "ok" } else { "FAILED" });
        for failure in failures {
            println!("    {failure}");
        }
    }
    // What cannot be removed now is in the target folder.
    let _ = fs::remove_dir_all(&tools.folder);
    Ok(counts)
}

/// Tries the faults of a case; gives how many hit, and what went wrong.
fn one(tools: &Tools, case: &Case, points: usize) -> Result<(usize, Vec<String>)> {
    let template = tools.folder.join("template");
    fresh(&template)?;
    let place = Place::new(tools, case, &template);
    place.prepare()?;
    let before = place.state()?;
    let whole = tools.folder.join("whole");
    copy_tree(&template, &whole)?;
    let place = Place::new(tools, case, &whole);
    let log = tools.folder.join("strace.log");
    place.traced(&log)?;
    let outcomes = Outcomes { before, after: place.state()? };
    if outcomes.before == outcomes.after && !case.may_change_nothing() {
        return Err(format!("{case} changes nothing: {:?}", outcomes.before));
    }
    let largest = place.largest()?;
    let faults = spread(points::all(&log, &whole, largest)?, points);
    let (next, hits, failures) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::default());
    thread::scope(|scope| {
        for job in 0..tools.jobs {
            let (next, hits, failures, faults) = (&next, &hits, &failures, &faults);
            let (template, outcomes) = (&template, &outcomes);
            scope.spawn(move || {
                let here = tools.folder.join(format!("job-{job}"));
                while let Some((point, fault)) = faults.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let done = hit(tools, case, (template, &here), outcomes, (point, *fault));
                    if !matches!(done, Ok(false)) {
                        hits.fetch_add(1, Ordering::SeqCst);
                    }
                    if let Err(why) = done {
                        let failures: &Mutex<Vec<String>> = failures;
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        failures.push(format!("{fault:?} at {point}: {why}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((hits.into_inner(), failures))
}

/// Whether the fault hit.
fn hit(
    tools: &Tools,
    case: &Case,
    (template, here): (&Path, &Path),
    outcomes: &Outcomes,
    (point, fault): (&Point, Fault),
) -> Result<bool> {
    fresh(here)?;
    fs::remove_dir(here).map_err(|e| e.to_string())?;
    copy_tree(template, here)?;
    let place = Place::new(tools, case, here);
    let log = here.with_extension("log");
    let Some(ended) = place.with_fault(point, fault, &log)? else { return Ok(false) };
    let said = || format!("it ended with {}: {}", ended.status, ended.said);
    let state = place.state().map_err(|e| format!("{e}; {}", said()))?;
    if state != outcomes.before && state != outcomes.after {
        return Err(format!("neither old nor new: {state:?}; {}", said()));
    }
    if ended.status.success() && state != outcomes.after {
        return Err(format!("exit code 0 over the old content; {}", said()));
    }
    if !fault.ends_it() {
        place.is_settled().map_err(|e| format!("{e}; {}", said()))?;
        is_reported(case, &ended, state == outcomes.after)
            .map_err(|e| format!("{e}; {}", said()))?;
    }
    place.again(state == outcomes.after).map_err(|e| format!("the retry: {e}; {}", said()))?;
    let state = place.state()?;
    if state != outcomes.after && !case.goes_once() {
        return Err(format!("the retry left {state:?}; {}", said()));
    }
    place.is_clean().map_err(|e| format!("{e}; {}", said()))?;
    Ok(true)
}

/// Whether an operation that failed says what is true: nothing was missing, and what is there is there.
fn is_reported(case: &Case, ended: &Ended, done: bool) -> Result<()> {
    if ended.status.success() {
        return Ok(());
    }
    if ended.status.code() == Some(NOT_FOUND) {
        return Err("its exit code says that something was not found".to_owned());
    }
    // A sync that fails after the rename: the content shows, and may be lost with the power.
    if done && !case.may_change_nothing() && !ended.said.contains("is there") {
        return Err("it does not say that the new content is there".to_owned());
    }
    Ok(())
}

/// So many of them, from all over.
fn spread<T>(all: Vec<T>, points: usize) -> Vec<T> {
    let total = all.len();
    if points >= total {
        return all;
    }
    let picked = |at: usize| at * points / total != (at + 1) * points / total;
    all.into_iter().enumerate().filter(|(at, _)| picked(*at)).map(|(_, one)| one).collect()
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fresh(to)?;
    let from = from.join(".").display().to_string();
    sh::stdout(&mut sh::command("cp", ["-a", &from, &to.display().to_string()])).map(drop)
}

/// An empty folder.
fn fresh(folder: &Path) -> Result<()> {
    let failed = |e| format!("{}: {e}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    fs::create_dir_all(folder).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn a_part_comes_from_all_over() {
        assert_eq!(spread((0..10).collect(), 20), (0..10).collect::<Vec<_>>());
        assert_eq!(spread((0..10).collect(), 2), [4, 9]);
        assert_eq!(spread((0..7).collect::<Vec<_>>(), 3).len(), 3);
    }
}
