//! [`Lab`]: one case of one law: a transport, a fresh place, and what laws do with them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::sample::select;
use proptest::strategy::Strategy;
use tokio::runtime::{Builder, Runtime};
use transship_core::{
    ArchiveReader, ArchiveWriter, Archives, Body, Commit, Committed, Expect, ImageDestination,
    ImageName, ImageSource, ReadOptions, Reference, Transport, WriteMode, WriteOptions,
};

use crate::broken::While;
use crate::child::{Job, Process};
use crate::model::{Blob, Built};
use crate::snapshot::Snapshot;
use crate::{Broken, Claims, Fixture, Held, Holds, Place, Replaces};

/// After this time a step is taken to hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// A transport and a fresh place.
#[derive(Debug)]
pub(crate) struct Lab {
    fixture: Arc<dyn Fixture>,
    test: Option<Arc<str>>,
    transport: Arc<dyn Transport>,
    place: Place,
    at: Reference,
    claims: Claims,
}

impl Lab {
    /// `test` is the test that another process runs.
    pub(crate) fn new(fixture: &Arc<dyn Fixture>, test: Option<Arc<str>>) -> Held<Self> {
        let transport = fixture.transport();
        let place = fixture.place()?;
        let at = transport.parse(place.locator()).during(|| "parsing the fixture's place")?;
        let (fixture, claims) = (Arc::clone(fixture), fixture.claims());
        Ok(Self { fixture, test, transport, place, at, claims })
    }

    /// Another fresh place of the same transport.
    pub(crate) fn another(&self) -> Held<Self> {
        Self::new(&self.fixture, self.test.clone())
    }

    /// Another process, which does a job at this place.
    pub(crate) fn process(&self, job: Job) -> Held<Process> {
        let test = self.test.as_deref();
        let test = test.ok_or_else(|| Broken::new("no test is known that a process could run"))?;
        Process::start(test, self.at.locator(), job)
    }

    /// What the fixture says of the place.
    pub(crate) fn facts(&self) -> Held<std::collections::BTreeMap<String, String>> {
        self.fixture.snapshot(&self.place).during(|| "the fixture's snapshot")
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

    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The place's own folder, if what is stored can be seen.
    pub(crate) fn files(&self) -> Option<&Path> {
        self.place.folder()
    }

    pub(crate) fn folder(&self) -> Held<&Path> {
        self.files().ok_or_else(|| {
            Broken::new("its files can be seen, it claims, and its places have no folder")
        })
    }

    /// Runs a step in a runtime of its own, and waits until all blocking work that it began has ended.
    pub(crate) fn step<T>(&self, step: impl Future<Output = Held<T>>) -> Held<T> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        self.step_on(runtime, step)
    }

    /// As [`step`](Self::step), where all tasks share one thread.
    pub(crate) fn step_on_one_thread<T>(&self, step: impl Future<Output = Held<T>>) -> Held<T> {
        self.step_on(Builder::new_current_thread().enable_all().build()?, step)
    }

    fn step_on<T>(&self, runtime: Runtime, step: impl Future<Output = Held<T>>) -> Held<T> {
        let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, step).await });
        end(runtime, done.is_ok());
        done.unwrap_or_else(|_| {
            let place = &self.at;
            Err(Broken::new(format!("{place}: it hangs: nothing for {} s", PATIENCE.as_secs())))
        })
    }

    /// What the transport and the place show now.
    pub(crate) fn snapshot(&self) -> Held<Snapshot> {
        self.step(Snapshot::take(self)).map_err(|e| e.while_doing("looking at the place"))
    }

    pub(crate) fn archives(&self) -> Held<&dyn Archives> {
        self.transport
            .archives()
            .ok_or_else(|| Broken::new("it claims to hold many images, and has no archives()"))
    }

    pub(crate) async fn reader(&self) -> Held<Box<dyn ArchiveReader>> {
        let reader = self.archives()?.read(&self.at, &ReadOptions::default()).await;
        reader.during(|| "opening the container to read")
    }

    pub(crate) async fn writer(&self, mode: WriteMode) -> Held<Box<dyn ArchiveWriter>> {
        let writer = self.archives()?.write(&self.at, &how(mode, &[])).await;
        writer.during(|| "opening the container to write")
    }

    pub(crate) async fn source(&self, at: &Reference) -> Held<Box<dyn ImageSource>> {
        let source = self.transport.source(at, &ReadOptions::default()).await;
        source.during(|| format!("opening {at}"))
    }

    pub(crate) async fn destination(
        &self,
        mode: WriteMode,
        names: &[ImageName],
    ) -> Held<Box<dyn ImageDestination>> {
        let destination = self.transport.destination(&self.at, &how(mode, names)).await;
        destination.during(|| format!("opening a place for an image, {mode:?}, {names:?}"))
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

    /// How a container is written again: in place of what is there, where that can be.
    pub(crate) fn again(&self) -> WriteMode {
        match self.claims.replaces {
            Replaces::Containers => WriteMode::Replace,
            Replaces::Images => WriteMode::Append,
        }
    }

    /// How many images one place takes.
    pub(crate) fn holds_many(&self) -> bool {
        self.claims.holds == Holds::Many
    }
}

fn end(runtime: Runtime, well: bool) {
    if well {
        // Waits for blocking work.
        drop(runtime);
    } else {
        runtime.shutdown_background();
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
        destination.put_manifest(manifest).await.during(|| format!("putting manifest {digest}"))?;
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
    let stored = destination
        .put_blob(Expect::from(&blob.descriptor), way.body(&blob.bytes)?)
        .await
        .during(|| format!("putting blob {digest} of {} B, {way:?}", blob.bytes.len()))?;
    if stored.digest == *digest && stored.size == blob.descriptor.size {
        return Ok(());
    }
    Err(Broken::new(format!("put_blob says that it stored {stored:?}, which is not {digest}")))
}

pub(crate) async fn commit(
    destination: Box<dyn ImageDestination + '_>,
    built: &Built,
) -> Held<Committed> {
    let platform = built.preferred();
    let what = Commit::new(&built.root).without(&built.absent).preferring(platform.as_ref());
    destination.commit(what).await.during(|| "committing")
}
