//! [`Tasks`]: runs jobs, one after the other, with the transports that their settings ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use transship::local::FileCache;
use transship::transfer::{Attached, Compare, Failures, by_digest};
use transship::transport::{Archives, Cache, ReadOptions, few};
use transship::trust::Policy;
use transship::{
    Digest, Error, ErrorKind, ImageName, Images, Platforms, Reference, Result, Settings, Source,
    Tags, Transfer, TransferOptions, Transports, WriteMode,
};

use super::backup;
use super::job::{Choice, From, Job, Registries};
use super::report::SyncReport;
use crate::exit;
use crate::places::{self, Input};
use crate::session::{Session, Side};

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Write,
    /// What would be written is found out.
    Look,
}

pub(super) struct Tasks<'s> {
    pub(super) session: &'s Session,
    pub(super) mode: Mode,
    policy: Option<Arc<Policy>>,
    /// By settings: connections and tokens are shared by jobs.
    transports: BTreeMap<(Side, Vec<String>), Transports>,
    /// The hosts of the registries that jobs read or write.
    hosts: BTreeSet<String>,
}

/// A job whose places are known.
pub(super) struct Task {
    pub(super) from: Transports,
    pub(super) to: Transports,
    pub(super) sources: Vec<Input>,
    pub(super) destination: Reference,
}

/// What came of a job.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// The names at the destination.
    pub(super) names: Vec<ImageName>,
    /// What each of them stands for: the root at the source.
    pub(super) roots: Vec<Digest>,
    /// Where these are.
    pub(super) places: Vec<Reference>,
    /// Whether all is there that was asked for.
    pub(super) complete: bool,
}

/// Sources that go in one transfer.
struct Part {
    sources: Vec<Source>,
    destination: Reference,
    tags: Tags,
    images: Images,
}

impl<'s> Tasks<'s> {
    pub(super) fn new(session: &'s Session, mode: Mode, policy: Option<Arc<Policy>>) -> Self {
        Self { session, mode, policy, transports: BTreeMap::new(), hosts: BTreeSet::new() }
    }

    /// Finds the places of a job, and what is wrong with it.
    pub(super) async fn open(&mut self, job: &Job) -> Result<Task> {
        // What is set for a registry is known when its name is: without settings, references are the same.
        let known = self.transports(Side::Destination, &Settings::new())?;
        let destination = places::output(&job.to, &known, self.session).await?;
        let to = self.settings(&job.registries.destination, &destination);
        let to = self.transports(Side::Destination, &to)?;
        let texts = match &job.from {
            From::Place(text, _) => std::slice::from_ref(text),
            From::Listed(texts) => texts,
        };
        let known = self.transports(Side::Source, &Settings::new())?;
        let (mut sources, mut from) = (Vec::new(), known.clone());
        for text in texts {
            let source = places::input(text, &known, self.session).await?;
            let settings = self.settings(&job.registries.source, &source.reference);
            from = self.transports(Side::Source, &settings)?;
            sources.push(source);
        }
        let transport = to.of(&destination)?;
        if places::is_stream(&destination)
            || sources.iter().any(|one| places::is_stream(&one.reference))
        {
            return Err(wrong("a place that is brought up to date is no pipe"));
        }
        if job.prune && (transport.deletion().is_none() || transport.archives().is_none()) {
            return Err(wrong(format!("{destination} cannot be pruned")));
        }
        if job.backup.is_some() && destination.scheme() != "docker" {
            return Err(wrong("`backup` keeps tags of registries"));
        }
        let task = Task { from, to, sources, destination };
        let is_choosy = matches!(&job.from, From::Place(_, choice) if !choice.tags.is_all() || !choice.is_by_tags());
        if let [Input { reference, .. }] = &task.sources[..]
            && task.archives(reference)?.is_none()
            && (job.prune || is_choosy)
        {
            return Err(wrong(format!(
                "{reference} is one image: tags and `prune` need a repository or archive"
            )));
        }
        Ok(task)
    }

    /// What is set for the registry of a place.
    fn settings(&mut self, registries: &Registries, at: &Reference) -> Settings {
        let host = (at.scheme() == "docker")
            .then(|| at.locator().trim_start_matches('/').split('/').next())
            .flatten();
        let Some(host) = host else { return Settings::new() };
        self.hosts.insert(host.to_owned());
        registries.get(host).cloned().unwrap_or_default()
    }

    /// Refuses settings of registries that no job reads or writes: their host is a mistake.
    pub(super) fn refuse_unused_registries(&self, jobs: &[Job]) -> Result<()> {
        let set = jobs.iter().flat_map(|job| job.registries.source.keys());
        let mut unused = set.filter(|host| !self.hosts.contains(*host));
        let Some(host) = unused.next() else { return Ok(()) };
        let hosts: Vec<&str> = self.hosts.iter().map(String::as_str).collect();
        let message = format!("[registries.\"{host}\"]: no entry uses this registry");
        Err(wrong(message).hint(match &*hosts {
            [] => "no entry uses a registry".to_owned(),
            hosts => format!("entries use {}", few(hosts)),
        }))
    }

    fn transports(&mut self, side: Side, settings: &Settings) -> Result<Transports> {
        let key = settings.iter().map(|(scheme, key, value)| format!("{scheme}.{key}={value}"));
        let key = (side, key.collect());
        if let Some(known) = self.transports.get(&key) {
            return Ok(known.clone());
        }
        let made = self.session.transports_with(side, settings)?;
        self.transports.insert(key, made.clone());
        Ok(made)
    }

    /// Brings the images of a job. What fails is reported; an error is that the command was stopped.
    pub(super) async fn run(
        &self,
        job: &Job,
        task: &Task,
        report: &mut SyncReport,
    ) -> exit::Result<Brought> {
        let mut brought = Brought { complete: true, ..Brought::default() };
        let outcome = async {
            for part in self.parts(job, task).await? {
                self.bring(job, task, part, report, &mut brought).await?;
            }
            Ok(())
        };
        match outcome.await {
            Ok(()) => {}
            Err(error) if Error::kind(&error) == ErrorKind::Cancelled => return Err(error.into()),
            Err(error) => {
                brought.complete = false;
                report.failed(&job.context, &error);
            }
        }
        Ok(brought)
    }

    async fn parts(&self, job: &Job, task: &Task) -> Result<Vec<Part>> {
        let destination = &task.destination;
        let part = |sources, images, tags| Part {
            sources,
            destination: destination.clone(),
            tags,
            images,
        };
        match &job.from {
            From::Place(_, choice) => {
                let Some(place) = task.sources.first() else { return Ok(Vec::new()) };
                if task.archives(&place.reference)?.is_none() {
                    let source = Source::from(place.reference.clone());
                    return Ok(vec![part(vec![source], Images::One, Tags::default())]);
                }
                if choice.is_by_tags() {
                    let source =
                        Source::from(place.reference.clone()).opened(place.how.passed.clone());
                    return Ok(vec![part(vec![source], Images::All, choice.tags.clone())]);
                }
                let chosen = self.chosen(task, place, choice).await?;
                Ok(vec![part(Source::list(chosen), Images::One, Tags::default())])
            }
            From::Listed(_) => {
                let (tags, digests): (Vec<_>, Vec<_>) = task
                    .sources
                    .iter()
                    .map(|one| &one.reference)
                    .partition(|at| !at.locator().contains('@'));
                let mut parts = Vec::new();
                if !tags.is_empty() {
                    let sources = Source::list(tags.into_iter().map(Source::from));
                    parts.push(part(sources, Images::One, Tags::default()));
                }
                for at in digests {
                    let digest =
                        at.locator().split_once('@').map(|(_, digest)| digest).unwrap_or_default();
                    let to = task.pinned(digest)?;
                    parts.push(Part {
                        destination: to,
                        ..part(vec![at.into()], Images::One, Tags::default())
                    });
                }
                Ok(parts)
            }
        }
    }

    /// The images of a place that a choice of skopeo's chooses.
    async fn chosen(&self, task: &Task, place: &Input, choice: &Choice) -> Result<Vec<Source>> {
        let at = &place.reference;
        let Some(archives) = task.archives(at)? else { return Ok(Vec::new()) };
        let reader = archives.read(at, &place.how).await?;
        let entries = reader.entries().iter();
        let some = entries.filter(|entry| entry.names.iter().any(|name| choice.chooses(name)));
        let some: Vec<Source> = some.map(|entry| Source::from(&entry.reference)).collect();
        if some.is_empty() {
            let message = format!("{at} has no such tag");
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        Ok(some)
    }

    async fn bring(
        &self,
        job: &Job,
        task: &Task,
        part: Part,
        report: &mut SyncReport,
        brought: &mut Brought,
    ) -> Result<()> {
        let options = self.options(job, task, &part)?;
        let transfer = Transfer::many(part.sources, part.destination.clone())
            .options(options)
            .from_transports(task.from.clone())
            .to_transports(task.to.clone());
        if self.mode == Mode::Look || job.backup.is_some() {
            let plan = transfer.plan().await?;
            if let Some(pattern) = &job.backup {
                let keeping = backup::Keeping { tasks: self, task, pattern };
                keeping.keep(&plan, report).await?;
            }
            if self.mode == Mode::Look {
                for image in &plan.images {
                    report.planned(image);
                    let at = std::slice::from_ref(&image.destination);
                    brought.add(task, (&image.names, &image.source_digest), at)?;
                }
                plan.failed.iter().for_each(|failure| report.image_failed(failure));
                brought.complete &= plan.failed.is_empty();
                return Ok(());
            }
        }
        let done = transfer.run().await?;
        for image in &done.images {
            report.brought(image);
            brought.add(task, (&image.names, &image.source_digest), &image.destinations)?;
        }
        done.failed.iter().for_each(|failure| report.image_failed(failure));
        brought.complete &= done.failed.is_empty();
        Ok(())
    }

    fn options(&self, job: &Job, task: &Task, part: &Part) -> Result<TransferOptions> {
        let mut options = TransferOptions::default();
        options.images = part.images;
        options.tags = part.tags.clone();
        if !job.platforms.is_empty() {
            options.platforms = Platforms::Only(job.platforms.clone());
        }
        if job.referrers {
            options.attached = Attached::Copy;
        }
        options.failures = Failures::KeepGoing;
        // What did not change is not reported as copied.
        options.compare = Compare::Plans;
        let transport = task.to.of(&task.destination)?;
        if transport.default_mode() == WriteMode::Create {
            options.mode = Some(WriteMode::Append);
        }
        if let Some(path) = FileCache::default_path() {
            options.cache = Cache::new(FileCache::new(path));
        }
        options.observer = self.session.reporter.events();
        options.policy.clone_from(&self.policy);
        options.spool.clone_from(&self.session.tmpdir);
        Ok(options)
    }

    pub(super) fn read_options(&self) -> ReadOptions {
        self.session.read_options()
    }
}

impl Task {
    /// What reads the place of a reference as an archive, where it is none of its images.
    fn archives(&self, at: &Reference) -> Result<Option<&dyn Archives>> {
        let archives = self.from.of(at)?.archives();
        Ok(archives.filter(|archives| archives.may_be_archive(at)))
    }

    /// Where an image goes that has no tag: in a registry under its digest.
    fn pinned(&self, digest: &str) -> Result<Reference> {
        let to = &self.destination;
        if to.scheme() != "docker" {
            return Ok(to.clone());
        }
        by_digest(&self.to, to, digest)
    }
}

impl Brought {
    fn add(
        &mut self,
        task: &Task,
        (names, root): (&[ImageName], &Digest),
        at: &[Reference],
    ) -> Result<()> {
        // A registry has names of its own; elsewhere images keep theirs.
        match task.destination.scheme() {
            "docker" => {
                let own = at.iter().map(|at| at.locator().trim_start_matches('/'));
                self.names.extend(own.filter_map(|name| ImageName::new(name).ok()));
            }
            _ => self.names.extend(names.iter().cloned()),
        }
        self.roots.resize(self.names.len(), root.clone());
        let archives = task.to.of(&task.destination)?.archives();
        for at in at {
            let place = archives.and_then(|archives| archives.archive_of(at));
            let place = place.unwrap_or_else(|| task.destination.clone());
            if !self.places.contains(&place) {
                self.places.push(place);
            }
        }
        Ok(())
    }
}

fn wrong(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, why.into())
}
