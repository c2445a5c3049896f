//! [`Lab`]: one case of one law: a transport, a fresh place, and what laws do with them.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::sample::select;
use proptest::strategy::Strategy;
use tokio::runtime::{Builder, Handle, Runtime};
use transship_core::{
    ArchiveReader, ArchiveWriter, Archives, Body, CollectMode, Commit, Committed, Expect,
    ImageDestination, ImageName, ImageSource, ReadOptions, Reference, Transport, WriteMode,
    WriteOptions,
};

use crate::broken::{While, hold};
use crate::child::{Job, Kind, Process};
use crate::laws::collect;
use crate::model::{Blob, Built};
use crate::snapshot::Snapshot;
use crate::trace::Tracer;
use crate::watch::{awaited, awaiting, patience, waiting};
use crate::{Abandoned, Ability, Broken, Claims, Dropped, Facts, Fixture, Held, Place, Replaces};

/// Within this time tasks end that an operation left when it was dropped.
const TASKS_END: Duration = Duration::from_secs(5);

/// A transport and a fresh place.
#[derive(Debug)]
pub(crate) struct Lab {
    fixture: Arc<dyn Fixture>,
    test: Option<Arc<str>>,
    transport: Arc<dyn Transport>,
    place: Place,
    at: Reference,
    facts: Arc<Facts>,
}

impl Lab {
    /// `test` is the test that another process runs.
    pub(crate) fn new(
        fixture: &Arc<dyn Fixture>,
        test: Option<Arc<str>>,
        facts: &Arc<Facts>,
    ) -> Held<Self> {
        awaiting("the fixture to give a transport and a place");
        let transport = fixture.transport();
        let place = fixture.place()?;
        awaiting("the place's locator to be parsed");
        let at = transport.parse(place.locator()).during(|| "parsing the fixture's place")?;
        let (fixture, facts) = (Arc::clone(fixture), Arc::clone(facts));
        Ok(Self { fixture, test, transport, place, at, facts })
    }

    /// Another fresh place of the same transport.
    pub(crate) fn another(&self) -> Held<Self> {
        Self::new(&self.fixture, self.test.clone(), &self.facts)
    }

    /// Another process, which does a job at this place.
    pub(crate) fn process(&self, job: Job) -> Held<Process> {
        self.process_at(self.at.locator(), job)
    }

    /// Another process, which opens a reference, and finds the image of a number.
    pub(crate) fn process_that_opens(&self, reference: &str, number: u8) -> Held<Process> {
        let locator = reference.split_once(':').map(|(_, locator)| locator);
        let locator =
            locator.ok_or_else(|| Broken::new(format!("{reference:?} is no reference")))?;
        self.process_at(locator, Job { kind: Kind::Open, first: number, count: 1 })
    }

    /// Another process, which does a job at an image of this place.
    pub(crate) fn process_at(&self, locator: &str, job: Job) -> Held<Process> {
        self.process_by(locator, job, &[])
    }

    /// As [`process`](Self::process), where what it does to files is written down.
    pub(crate) fn traced_process(&self, job: Job, tracer: &Tracer) -> Held<Process> {
        self.process_by(self.at.locator(), job, &tracer.words())
    }

    /// As [`process`](Self::process), which is killed at the call of a number that changes files.
    pub(crate) fn killed_process(&self, job: Job, tracer: &Tracer, at: usize) -> Held<Process> {
        self.process_by(self.at.locator(), job, &tracer.words_to_kill(at))
    }

    fn process_by(&self, locator: &str, job: Job, before: &[OsString]) -> Held<Process> {
        let test = self.test.as_deref();
        let test = test.ok_or_else(|| Broken::new("no test is known that a process could run"))?;
        Process::start(test, locator, job, before)
    }

    /// What the fixture says of the place.
    pub(crate) fn fixture_snapshot(&self) -> Held<std::collections::BTreeMap<String, String>> {
        self.fixture.snapshot(&self.place).during(|| "the fixture's snapshot")
    }

    /// All that is stored in the place's own folder, whatever the fixture says of it.
    pub(crate) fn stored(&self) -> Held<std::collections::BTreeMap<String, String>> {
        self.place.files().during(|| "looking at the place's files")
    }

    /// Another value of the transport, which looks at the same place.
    pub(crate) fn other_transport(&self) -> Arc<dyn Transport> {
        self.fixture.transport()
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    pub(crate) fn at(&self) -> &Reference {
        &self.at
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) fn claims(&self) -> &Claims {
        &self.facts.claims
    }

    pub(crate) fn has(&self, ability: Ability) -> bool {
        self.facts.has(ability)
    }

    /// The locator of the place, as a path.
    pub(crate) fn path(&self) -> &Path {
        Path::new(self.place.locator())
    }

    /// The place's own folder, if what is stored can be seen.
    pub(crate) fn files(&self) -> Option<&Path> {
        self.place.folder()
    }

    /// Whether what was given up has left the place as it was; what it is claimed to leave goes with the next collection.
    pub(crate) fn is_as_before(&self, before: &Snapshot) -> Held {
        let abandoned = self.claims().abandoned;
        let after = self.snapshot()?;
        after.same_but_abandoned(before, abandoned)?;
        if abandoned == Abandoned::Nothing || before.is_absent() {
            return Ok(());
        }
        self.step(collect(self, CollectMode::Delete))?;
        let collected = self.snapshot()?.same(before);
        collected
            .map_err(|e| e.while_doing("what is left until it is collected, after a collection"))
    }

    pub(crate) fn folder(&self) -> Held<&Path> {
        self.files().ok_or_else(|| Broken::new("its places have no folder of their own"))
    }

    /// Runs a step in a runtime of its own, and waits until all blocking work that it began has ended.
    pub(crate) fn step<T>(&self, step: impl Future<Output = Held<T>>) -> Held<T> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        step_on(self.at.locator(), runtime, self.with_its_tasks(step))
    }

    /// As [`step`](Self::step), where all tasks share one thread.
    pub(crate) fn step_on_one_thread<T>(&self, step: impl Future<Output = Held<T>>) -> Held<T> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        step_on(self.at.locator(), runtime, self.with_its_tasks(step))
    }

    /// A step, and the tasks that end what it dropped, where these are claimed.
    async fn with_its_tasks<T>(&self, step: impl Future<Output = Held<T>>) -> Held<T> {
        let done = step.await?;
        if self.claims().dropped == Dropped::InTasks {
            tasks_end().await?;
        }
        Ok(done)
    }

    /// What the transport and the place show now. On one thread: nothing goes on beside it, and to start threads takes longer
    /// than to look at most places.
    pub(crate) fn snapshot(&self) -> Held<Snapshot> {
        self.step_on_one_thread(Snapshot::take(self))
            .map_err(|e| e.while_doing("looking at the place"))
    }

    /// What shows at the place, whatever the fixture says of it.
    pub(crate) fn shown(&self) -> Held<Snapshot> {
        self.step_on_one_thread(Snapshot::shown(self))
            .map_err(|e| e.while_doing("looking at the place"))
    }

    pub(crate) fn archives(&self) -> Held<&dyn Archives> {
        self.transport.archives().ok_or_else(|| Broken::new("it has no archives()"))
    }

    pub(crate) async fn reader(&self) -> Held<Box<dyn ArchiveReader>> {
        let how = ReadOptions::default();
        let reader = waiting("the archive to open", self.archives()?.read(&self.at, &how)).await;
        reader.during(|| "opening the archive to read")
    }

    pub(crate) async fn writer(&self, mode: WriteMode) -> Held<Box<dyn ArchiveWriter>> {
        let how = how(mode, &[]);
        let what = format!("the archive to open for writing, {mode:?}");
        let writer = waiting(what, self.archives()?.write(&self.at, &how)).await;
        writer.during(|| "opening the archive to write")
    }

    pub(crate) async fn source(&self, at: &Reference) -> Held<Box<dyn ImageSource>> {
        let how = ReadOptions::default();
        let source = waiting(format!("{at} to open"), self.transport.source(at, &how)).await;
        source.during(|| format!("opening {at}"))
    }

    pub(crate) async fn destination(
        &self,
        mode: WriteMode,
        names: &[ImageName],
    ) -> Held<Box<dyn ImageDestination>> {
        let how = how(mode, names);
        let what = format!("a place for an image to open, {mode:?}, {}", named(names));
        let destination = waiting(what, self.transport.destination(&self.at, &how)).await;
        destination.during(|| format!("opening a place for an image, {mode:?}, {}", named(names)))
    }

    /// Writes an image by itself.
    pub(crate) async fn write(
        &self,
        built: &Built,
        mode: WriteMode,
        names: &[ImageName],
    ) -> Held<Committed> {
        let destination = self.destination(mode, names).await?;
        put_all(&*destination, built).await?;
        commit(destination, built).await
    }

    /// How an archive is written again: in place of what is there, where that can be.
    pub(crate) fn again(&self) -> WriteMode {
        match self.claims().replaces {
            Replaces::Archives => WriteMode::Replace,
            Replaces::Images | Replaces::Names => WriteMode::Append,
        }
    }
}

/// Waits for the tasks of this runtime.
pub(crate) async fn tasks_end() -> Held {
    let (begun, metrics) = (Instant::now(), Handle::current().metrics());
    while metrics.num_alive_tasks() > 0 {
        let seconds = TASKS_END.as_secs();
        hold!(begun.elapsed() < TASKS_END, "a task goes on {seconds} s after a step has ended");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Runs a step, for as long as one may take.
pub(crate) fn step_on<T>(
    place: &str,
    runtime: Runtime,
    step: impl Future<Output = Held<T>>,
) -> Held<T> {
    let limit = patience();
    let done = runtime.block_on(async { tokio::time::timeout(limit, step).await });
    let done = done.map_err(|_| {
        let (seconds, what) = (limit.as_secs(), awaited());
        Broken::new(format!("{place}: it hangs: {seconds} s have passed waiting for {what}"))
    });
    end(runtime, done.is_ok());
    done?
}

fn end(runtime: Runtime, well: bool) {
    if well {
        let before = awaited();
        awaiting(format!("the blocking work to end that was begun up to {before}"));
        drop(runtime);
        awaiting(before);
    } else {
        runtime.shutdown_background();
    }
}

/// Names, for messages.
pub(crate) fn named(names: &[ImageName]) -> String {
    match names {
        [] => "without a name".to_owned(),
        names => {
            let names: Vec<&str> = names.iter().map(ImageName::as_str).collect();
            format!("as {}", names.join(", "))
        }
    }
}

pub(crate) fn how(mode: WriteMode, names: &[ImageName]) -> WriteOptions {
    let mut how = WriteOptions::default();
    how.mode = Some(mode);
    how.names = names.to_vec();
    how
}

/// Puts the blobs and the manifests below the root, as the engine would.
pub(crate) async fn put_all(destination: &dyn ImageDestination, built: &Built) -> Held {
    for (at, blob) in built.blobs.iter().enumerate() {
        put(destination, blob, Way::nth(at)).await?;
    }
    for manifest in &built.below {
        let digest = &manifest.descriptor().digest;
        let put =
            waiting(format!("manifest {digest} to be put"), destination.put_manifest(manifest));
        put.await.during(|| format!("putting manifest {digest}"))?;
    }
    Ok(())
}

/// What an image is written by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A destination of its own.
    Itself,
    /// One of a writer.
    AWriter,
}

impl By {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        select(vec![Self::Itself, Self::AWriter])
    }

    /// For messages.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Itself => "written by a destination of its own",
            Self::AWriter => "written by a writer",
        }
    }
}

/// Puts the blobs that are not there already.
pub(crate) async fn put_missing(destination: &dyn ImageDestination, built: &Built) -> Held {
    for (at, blob) in built.blobs.iter().enumerate() {
        let found = destination.has(&Expect::from(&blob.descriptor)).await;
        if found.during(|| "looking for a blob")?.is_none() {
            put(destination, blob, Way::nth(at)).await?;
        }
    }
    Ok(())
}

/// By which kind of body a blob comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Bytes,
    Reopen,
    Stream,
    Reader,
    File,
}

/// For messages: what a put reads from.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes in memory",
            Self::Reopen => "a stream that can be opened again",
            Self::Stream => "a stream",
            Self::Reader => "a reader",
            Self::File => "a file",
        })
    }
}

impl Way {
    pub(crate) const ALL: [Self; 5] =
        [Self::Bytes, Self::Reopen, Self::Stream, Self::Reader, Self::File];

    pub(crate) fn nth(at: usize) -> Self {
        Self::ALL[at % Self::ALL.len()]
    }

    pub(crate) fn body(self, bytes: &bytes::Bytes) -> Held<Body> {
        let bytes = bytes.clone();
        Ok(match self {
            Self::Bytes => Body::from_bytes(bytes),
            Self::Reopen => Body::from_fn(move |at| {
                let at = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                let rest = bytes.slice(at..);
                async move { Ok(crate::streams::in_pieces(rest)) }
            }),
            Self::Stream => Body::from_stream(crate::streams::in_pieces(bytes)),
            Self::Reader => Body::from_reader(std::io::Cursor::new(bytes)),
            Self::File => Body::from_file(crate::streams::file_range(&bytes)?),
        })
    }
}

pub(crate) async fn put(destination: &dyn ImageDestination, blob: &Blob, way: Way) -> Held {
    let digest = &blob.descriptor.digest;
    let size = blob.bytes.len();
    let what = format!("blob {digest} of {size} B to be put, from {way}");
    let put = destination.put_blob(Expect::from(&blob.descriptor), way.body(&blob.bytes)?);
    let stored = waiting(what, put)
        .await
        .during(|| format!("putting blob {digest} of {size} B, from {way}"))?;
    if stored.digest == *digest && stored.size == blob.descriptor.size {
        return Ok(());
    }
    let (said, bytes) = (stored.digest, stored.size);
    Err(Broken::new(format!("put_blob says that it stored {bytes} B as {said}, and not {digest}")))
}

pub(crate) async fn commit(
    destination: Box<dyn ImageDestination + '_>,
    built: &Built,
) -> Held<Committed> {
    try_commit(destination, built).await?.during(|| "committing")
}

/// As [`commit`], where the commit itself may fail.
pub(crate) async fn try_commit(
    destination: Box<dyn ImageDestination + '_>,
    built: &Built,
) -> Held<transship_core::Result<Committed>> {
    let platform = built.preferred();
    let what = Commit::new(&built.root).without(&built.absent).preferring(platform.as_ref());
    let again = waiting("what was found to be looked at again", destination.verify_found(what));
    let again = again.await.during(|| "looking again at what was found")?;
    let other =
        again.iter().find(|digest| built.blobs.iter().all(|b| b.descriptor.digest != **digest));
    if let Some(other) = other {
        return Err(Broken::new(format!(
            "verify_found gives {other}, which is no blob of the image"
        )));
    }
    for blob in built.blobs.iter().filter(|blob| again.contains(&blob.descriptor.digest)) {
        put(&*destination, blob, Way::Bytes).await?;
    }
    Ok(waiting("the commit", destination.commit(what)).await)
}
