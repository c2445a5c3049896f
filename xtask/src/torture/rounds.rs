//! [`Rounds`]: changes a place, cuts it short, and looks at what is there.

use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;

use super::Cut;
use super::bench::{Bench, Ends, Held, copy_tree, fresh};
use super::case::{Case, Change};
use super::disk::{Mounted, PAGE, Random};
use crate::sh::{self, Result};

/// So many times as many moments are drawn as have to hit.
const DRAWS: u64 = 20;
/// How often what needs no room is seen to need none.
const FULL: u64 = 5;

/// A change of a place, cut short in one way, again and again.
pub(super) struct Rounds<'a> {
    pub(super) bench: &'a Bench,
    pub(super) case: &'a Case,
    pub(super) cut: Cut,
}

/// What the cuts left that hit the change while it ran.
#[derive(Default)]
struct Tally {
    runs: u64,
    hits: u64,
    old: u64,
    new: u64,
    /// `gc` had deleted a part.
    between: u64,
}

impl Rounds<'_> {
    /// Until so many cuts have hit.
    pub(super) fn run(&self, hits: u64, random: &mut Random) -> Result<String> {
        let (template, work) = (self.bench.folder.join("template"), self.bench.folder.join("work"));
        fresh(&template)?;
        self.bench.prepare(self.case, &template)?;
        fresh(&work)?;
        let ends = self.bench.ends(self.case, &template, &work)?;
        let mounted = match self.cut {
            Cut::Starved => Some(Mounted::new(&work)?),
            _ => None,
        };
        let mut tally = Tally::default();
        while tally.hits < hits && tally.runs < DRAWS * hits {
            let here = work.join(format!("run-{}", tally.runs));
            copy_tree(&template, &here)?;
            let (hit, how) = match &mounted {
                Some(mounted) => self.starve(&here, random, mounted)?,
                None => self.stop(&here, &ends, random)?,
            };
            let at = |e: String| format!("run {}, {how}: {e}", tally.runs);
            let found = self.left(&here, &ends, mounted.as_ref()).map_err(at)?;
            tally.count(hit, &found, &ends);
            fs::remove_dir_all(&here).map_err(|e| format!("{}: {e}", here.display()))?;
            if mounted.is_some() && self.case.needs_no_room() && tally.runs == FULL {
                return Ok(format!("needs no room: done {FULL} times on a full disk"));
            }
        }
        drop(mounted);
        if tally.hits < hits {
            return Err(format!("only {tally}"));
        }
        Ok(format!("{tally}, of {:.2?}", ends.took))
    }

    /// What is there, which has to be right, and become right with a retry.
    fn left(&self, here: &Path, ends: &Ends, mounted: Option<&Mounted<'_>>) -> Result<Held> {
        let found = self.bench.holds(self.case, here)?;
        if found.images != ends.before.images && found.images != ends.after.images {
            return Err(format!("{:?} is neither old nor new", found.images));
        }
        let within =
            ends.after.blobs.is_subset(&found.blobs) && found.blobs.is_subset(&ends.before.blobs);
        if self.case.change == Change::Gc && !within {
            return Err("a blob went that an image needs, or one came".to_owned());
        }
        if let Some(mounted) = mounted {
            mounted.leave(4 * self.bench.new_size)?;
        }
        self.bench.retry(self.case, here, &found, ends)?;
        Ok(found)
    }

    /// On a disk that is too small, if that is a hit.
    fn starve(
        &self,
        here: &Path,
        random: &mut Random,
        disk: &Mounted<'_>,
    ) -> Result<(bool, String)> {
        let pages = if self.case.needs_no_room() {
            0
        } else {
            random.next() % (self.room(here)? * 5 / 4 / PAGE + 1)
        };
        disk.leave(pages * PAGE)?;
        let how = format!("with {pages} pages of room");
        match sh::finish(&mut self.bench.change(self.case, here))?.status.code() {
            Some(0) => Ok((false, how)),
            Some(1) if !self.case.needs_no_room() => Ok((true, how)),
            code => Err(format!("{how} it ended with {code:?}")),
        }
    }

    /// Killed or cancelled, if that is a hit: it may have ended by itself.
    fn stop(&self, here: &Path, ends: &Ends, random: &mut Random) -> Result<(bool, String)> {
        let delay = random.below(ends.took.mul_f64(1.1));
        let mut command = self.bench.change(self.case, here);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        sleep(delay);
        let is_running = child.try_wait().map_err(|e| e.to_string())?.is_none();
        if is_running && self.cut == Cut::Killed {
            child.kill().map_err(|e| e.to_string())?;
        } else if is_running {
            let pid = child.id().to_string();
            let _ = sh::finish(&mut sh::command("kill", ["-INT", &pid]));
        }
        let status = child.wait().map_err(|e| e.to_string())?;
        let how = format!("{:?} after {delay:?}", self.cut);
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok((false, how)),
            // Before it handles the signal, a process dies of it.
            (Some(130), _) | (None, Some(2 | 9)) if is_running => Ok((true, how)),
            _ => Err(format!("{how}: {status}")),
        }
    }

    /// What the change may need of a disk.
    fn room(&self, here: &Path) -> Result<u64> {
        let (path, new) = (here.join(self.case.place), self.bench.new_size);
        let size = |path: &Path| {
            fs::metadata(path)
                .map(|found| found.len())
                .map_err(|e| format!("{}: {e}", path.display()))
        };
        match self.case.change {
            Change::Append | Change::Replace if path.is_dir() => Ok(new),
            // The archive is written anew beside the old one.
            _ if path.is_file() => Ok(new + size(&path)?),
            _ => Ok(size(&path.join("index.json"))?.next_multiple_of(PAGE)),
        }
    }
}

impl Tally {
    fn count(&mut self, hit: bool, found: &Held, ends: &Ends) {
        self.runs += 1;
        if !hit {
            return;
        }
        self.hits += 1;
        let is_gc = ends.before.images == ends.after.images;
        let is = |end: &Held| found.images == end.images && (!is_gc || found.blobs == end.blobs);
        if is(&ends.after) {
            self.new += 1;
        } else if is(&ends.before) {
            self.old += 1;
        } else {
            self.between += 1;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, hits, old, new, between } = self;
        write!(f, "{hits} hits in {runs} runs: old in {old}, new in {new}")?;
        if *between > 0 {
            write!(f, ", a part gone in {between}")?;
        }
        Ok(())
    }
}
