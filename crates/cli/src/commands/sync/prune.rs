//! Deletes at the destinations the names that the sources have no more.
//!
//! A name goes only if all of this is so: it is in a repository that an entry with `prune` writes, the patterns of that entry
//! choose it, no entry brings it, nothing failed at all, and it is no tag of a signature and no backup.

use std::collections::HashSet;

use transship::transport::{
    ArchiveEntry, DeleteMode, DeleteOptions, DeletedNames, Deletion, ResultExt, Transport,
};
use transship::{Digest, Error, ErrorKind, Hint, ImageName, ReadOptions, Reference, Result};

use super::backup::is_backup;
use super::job::{From, Job, repository_of, tag_of};
use super::report::SyncReport;
use super::task::{Brought, Mode, Task, Tasks};
use crate::exit;
use crate::places;

/// What is needed to know what goes.
struct Pruning<'a> {
    jobs: &'a [Job],
    tasks: &'a Tasks<'a>,
    /// All names that entries have brought.
    expected: HashSet<&'a ImageName>,
}

/// The names of a place that stay.
struct Staying {
    names: Vec<Reference>,
    /// Of their images, once they were asked for.
    digests: Option<HashSet<Digest>>,
}

/// Deletes what is to go. What fails is reported; an error is that the command was stopped.
pub(super) async fn prune(
    jobs: &[Job],
    tasks_of: &[Task],
    brought: &[Brought],
    tasks: &Tasks<'_>,
    report: &mut SyncReport,
) -> exit::Result<()> {
    let expected = brought.iter().flat_map(|one| &one.names).collect();
    let pruning = Pruning { jobs, tasks, expected };
    // What an entry would have brought to any of the places is not known where it failed.
    if brought.iter().any(|one| !one.complete) {
        for job in jobs.iter().filter(|job| job.prune) {
            report.warn(format!("{}: nothing is deleted, as something failed", job.context));
        }
        return Ok(());
    }
    for ((job, task), own) in jobs.iter().zip(tasks_of).zip(brought) {
        if !job.prune {
            continue;
        }
        for place in &own.places {
            match pruning.place(job, task, own, place, report).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error.into()),
                Err(error) => report.failed(&place.to_string(), &error),
            }
        }
    }
    Ok(())
}

impl Pruning<'_> {
    async fn place(
        &self,
        job: &Job,
        task: &Task,
        own: &Brought,
        place: &Reference,
        report: &mut SyncReport,
    ) -> Result<()> {
        let transport = task.to.of(place)?;
        let Some(archives) = transport.archives() else { return Ok(()) };
        let Some(reader) = archives.read(place, &self.tasks.read_options()).await.if_found()?
        else {
            return Ok(());
        };
        let repositories: HashSet<String> = own.names.iter().map(repository_of).collect();
        let (mut go, mut stay) = (Vec::new(), Vec::new());
        for entry in reader.entries() {
            for name in &entry.names {
                let goes = repositories.contains(&repository_of(name)) && self.goes(job, name);
                if goes { &mut go } else { &mut stay }.push(named(
                    &**transport,
                    place,
                    entry,
                    name,
                )?);
            }
        }
        let mut stay = Staying { names: stay, digests: None };
        for at in go {
            if self.is_brought_by_digest(&**transport, &at).await? {
                report.warn(format!("{at}: it stays, as its digest is brought"));
                continue;
            }
            let outcome = match self.tasks.mode {
                Mode::Write => self.delete(&**transport, &at, &mut stay).await,
                Mode::Look => self.look(&**transport, &at, &mut stay, report).await,
            };
            match outcome {
                Ok(()) => report.deleted(&at),
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                // The others go all the same.
                Err(error) => report.failed(&at.to_string(), &error),
            }
        }
        Ok(())
    }

    /// Deletes a name. Where only the image can be deleted, with all that show it, it is, if none of these stays.
    async fn delete(
        &self,
        transport: &dyn Transport,
        at: &Reference,
        stay: &mut Staying,
    ) -> Result<()> {
        let how = &self.tasks.read_options();
        let options = DeleteOptions::default().with_observer(how.observer.clone());
        let refused = match deletion(transport, at)?.delete(at, &options).await {
            Ok(()) => return Ok(()),
            // It went with another name of the same image.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.advice() == Some(&Hint::DeleteAllNames) => error,
            Err(error) => return Err(error),
        };
        if stay.shows_image_of(transport, at, how).await? {
            return Err(refused);
        }
        deletion(transport, at)?.delete(at, &options.with_names(DeletedNames::All)).await
    }

    /// Finds out whether a name could be deleted. Only trying tells whether a registry deletes a tag alone.
    async fn look(
        &self,
        transport: &dyn Transport,
        at: &Reference,
        stay: &mut Staying,
        report: &mut SyncReport,
    ) -> Result<()> {
        let how = &self.tasks.read_options();
        if !transport.compares_roots() {
            let options = DeleteOptions::default().with_observer(how.observer.clone());
            let options = options.with_mode(DeleteMode::Look);
            return deletion(transport, at)?.delete(at, &options).await;
        }
        if stay.shows_image_of(transport, at, how).await? {
            report.warn(format!(
                "{at}: it goes only if the registry can delete a tag alone, as another tag of its image stays"
            ));
        }
        Ok(())
    }

    /// Whether a name stands for an image that an entry brings by its digest: some registries delete a name with its image.
    async fn is_brought_by_digest(
        &self,
        transport: &dyn Transport,
        at: &Reference,
    ) -> Result<bool> {
        let digests = self.expected.iter().filter_map(|name| name.as_str().split_once('@'));
        let digests: HashSet<&str> = digests.map(|(_, digest)| digest).collect();
        if digests.is_empty() || !transport.compares_roots() {
            return Ok(false);
        }
        let found = digest_of(transport, at, &self.tasks.read_options()).await?;
        Ok(found.is_some_and(|digest| digests.contains(digest.as_ref())))
    }

    fn goes(&self, job: &Job, name: &ImageName) -> bool {
        let chosen = match &job.from {
            From::Place(_, choice) => choice.chooses(name),
            From::Listed(_) => true,
        };
        let tag = tag_of(name);
        let kept = self.jobs.iter().filter_map(|job| job.backup.as_deref());
        chosen
            && !self.expected.contains(name)
            && !name.is_beside()
            && !kept.into_iter().any(|pattern| is_backup(pattern, &tag))
    }
}

/// The reference of one of the names of an entry. It says the name: positions change with each deletion, and a digest may get
/// names of others meanwhile. A registry lists names, each with a reference of its own.
fn named(
    transport: &dyn Transport,
    place: &Reference,
    entry: &ArchiveEntry,
    name: &ImageName,
) -> Result<Reference> {
    if transport.compares_roots() {
        return Ok(entry.reference.clone());
    }
    places::named(transport, place, name)
}

impl Staying {
    /// Whether one of them shows the image of another name.
    async fn shows_image_of(
        &mut self,
        transport: &dyn Transport,
        at: &Reference,
        how: &ReadOptions,
    ) -> Result<bool> {
        let Some(digest) = digest_of(transport, at, how).await? else { return Ok(false) };
        if self.digests.is_none() {
            let mut digests = HashSet::new();
            for name in &self.names {
                digests.extend(digest_of(transport, name, how).await?);
            }
            self.digests = Some(digests);
        }
        Ok(self.digests.as_ref().is_some_and(|digests| digests.contains(&digest)))
    }
}

fn deletion<'t>(transport: &'t dyn Transport, at: &Reference) -> Result<&'t dyn Deletion> {
    let unable = || Error::new(ErrorKind::Unsupported, format!("{at} cannot be deleted"));
    transport.deletion().ok_or_else(unable)
}

async fn digest_of(
    transport: &dyn Transport,
    at: &Reference,
    how: &ReadOptions,
) -> Result<Option<Digest>> {
    let found = transport.source(at, &how.clone().with_compare(true)).await.if_found()?;
    Ok(found.and_then(|image| Some(image.root_descriptor()?.digest.clone())))
}
