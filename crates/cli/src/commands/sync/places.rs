//! What entries may not write: what they read, and what another entry writes.

use std::collections::HashMap;

use transship::local::cut_path;
use transship::transport::{ResultExt, few};
use transship::{Digest, Error, ErrorKind, ImageName, Reference, Result, Transports};

use super::job::{From, Job};
use super::task::{Brought, Task};

/// Refuses entries that write what they read, or what another entry writes from somewhere else.
///
/// Of many entries for one archive, each is held against one other at most.
pub(super) fn check(jobs: &[Job], tasks: &[Task]) -> Result<()> {
    let mut first = HashMap::new();
    for (job, task) in jobs.iter().zip(tasks) {
        refuse_own_source(job, task).context(|| &job.context)?;
        let sources = sources(job, task);
        // Images that keep their names may share an archive, if they are of other sources.
        let among = if names_images(task) { Vec::new() } else { sources.clone() };
        let destination = place(&task.to, &task.destination);
        let (other, others) =
            first.entry((destination, among)).or_insert_with(|| (job, sources.clone()));
        // Those that choose other tags of one place may share a repository.
        if *others != sources || other.platforms != job.platforms {
            let message = format!("{} is written by {}, too", task.destination, other.context);
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .hint("a TOML file says where the images of each entry go")
                .context(&job.context));
        }
    }
    Ok(())
}

/// What entries have written. Images that keep their names may meet in an archive, which shows only when they come.
#[derive(Default)]
pub(super) struct Written<'j> {
    /// By place and name: the entry, and the root at its source.
    names: HashMap<(String, ImageName), (&'j Job, Digest)>,
}

impl<'j> Written<'j> {
    /// Notes what an entry has written.
    ///
    /// # Errors
    /// `InvalidInput` where another one has written another image under the same name: the last one stays, and each run changes both.
    pub(super) fn add(&mut self, job: &'j Job, task: &Task, brought: &Brought) -> Result<()> {
        let at = match task.destination.scheme() {
            "docker" => String::new(),
            _ => place(&task.to, &task.destination).0,
        };
        let mut twice = Vec::new();
        for (name, root) in brought.names.iter().zip(&brought.roots) {
            let before = self.names.insert((at.clone(), name.clone()), (job, root.clone()));
            twice.extend(before.filter(|(_, other)| other != root).map(|(other, _)| (name, other)));
        }
        let Some((_, other)) = twice.first() else { return Ok(()) };
        let names: Vec<_> = twice.iter().map(|(name, _)| *name).collect();
        let message = format!("{} has written other images as {}", other.context, few(&names));
        Err(Error::new(ErrorKind::InvalidInput, message))
    }
}

/// Whether a destination decides what images are called, so that those of two sources may get one name.
fn names_images(task: &Task) -> bool {
    let to = &task.destination;
    let archives = task.to.of(to).ok().and_then(|transport| transport.archives());
    match to.scheme() {
        "docker" => !to.locator().ends_with('/'),
        _ => archives.is_none_or(|archives| !archives.may_be_archive(to)) || name_in(to).is_some(),
    }
}

/// Refuses an entry that brings a place to itself or into itself: it would grow with each run, or lose what it has to `prune`.
fn refuse_own_source(job: &Job, task: &Task) -> Result<()> {
    let to = &task.destination;
    for from in sources(job, task) {
        if holds(task, &from, to) {
            let message = format!("{to} is in {from}, from which images come");
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .hint("the destination is another place than the source"));
        }
    }
    Ok(())
}

/// What an entry reads. Images that are listed keep their tags, as those of a repository.
fn sources(job: &Job, task: &Task) -> Vec<Reference> {
    let archive = |at: &Reference| {
        let archives = task.from.of(at).ok()?.archives()?;
        archives.archive_of(at).filter(|_| matches!(job.from, From::Listed(_)))
    };
    let all = task.sources.iter().map(|source| &source.reference);
    let mut all: Vec<_> = all.map(|at| archive(at).unwrap_or_else(|| at.clone())).collect();
    all.dedup();
    all
}

/// Whether what is written to a place is in another one.
fn holds(task: &Task, from: &Reference, to: &Reference) -> bool {
    let (source, destination) = (place(&task.from, from), place(&task.to, to));
    // Without a name, what comes keeps its own.
    if source.0 == destination.0 && (destination.1.is_none() || source == destination) {
        return true;
    }
    if (from.scheme(), to.scheme()) != ("docker", "docker") {
        return false;
    }
    let (from, to) = (from.locator(), to.locator());
    let host = |locator: &str| locator.trim_start_matches('/').split('/').next().map(str::to_owned);
    // Below a host, repositories keep their paths.
    let is_whole = to.trim_start_matches('/').matches('/').count() == 1 && to.ends_with('/');
    (from.ends_with('/') && to.starts_with(from)) || (is_whole && host(from) == host(to))
}

/// What is equal for equal places: for paths, the path without links and what is named there; else the scheme and the locator.
fn place(known: &Transports, at: &Reference) -> (String, Option<String>) {
    let identity = known.of(at).map(|transport| transport.identity(at)).unwrap_or_default();
    match identity.scopes().first() {
        Some(path) if path.starts_with('/') => (path.clone(), name_in(at)),
        _ => (at.scheme().to_owned(), Some(at.locator().to_owned())),
    }
}

/// What stands behind a path.
fn name_in(at: &Reference) -> Option<String> {
    cut_path(at.locator()).1.map(str::to_owned)
}
