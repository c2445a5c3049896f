//! Moves blobs: with bounded concurrency, each once, and again after a failure that may pass.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::{OnceCell, Semaphore};
use transship_core::{
    AcceptsOrder, Body, Descriptor, Digest, Expect, ImageDestination, ImageSource, LayerForm,
    MediaType, Result, ResultExt, Stored, cancelled, run_blocking,
};

use crate::commit::manifests::{CopiedBlobs, TaskKey};
use crate::commit::report::{ImageReport, Report};
use crate::copy::cache::LayerCache;
use crate::copy::recompress::{CancelOnDrop, Change, changed};
use crate::events::emit::{Emitter, OpenBlob};
use crate::open::stream::StagedBlobs;
use crate::plan::layers::LayerPlan;
use crate::plan::nodes::ImagePlan;
use crate::{BlobId, Compress, EventKind, ImageId, Since, TransferOptions};

/// One blob that an image needs.
#[derive(Clone, Debug)]
pub(crate) struct BlobTask {
    pub(crate) key: TaskKey,
    pub(crate) source: Arc<Descriptor>,
    /// The type that it gets.
    media_type: MediaType,
    pub(crate) diff_id: Option<Digest>,
    /// For a layer: its position, and how many there are.
    layer: Option<(usize, usize)>,
}

impl BlobTask {
    fn layer(layer: &LayerPlan, at: (usize, usize)) -> Option<Self> {
        Some(Self {
            key: TaskKey::of(layer)?,
            source: Arc::clone(&layer.source),
            media_type: layer.media_type.clone(),
            diff_id: layer.diff_id.clone(),
            layer: Some(at),
        })
    }

    fn config(config: &Arc<Descriptor>) -> Self {
        Self {
            key: TaskKey::kept(config),
            source: Arc::clone(config),
            media_type: config.media_type.clone(),
            diff_id: None,
            layer: None,
        }
    }

    /// For messages.
    fn what(&self) -> String {
        let digest = &self.source.digest;
        match (self.layer, &self.diff_id) {
            (Some((at, of)), Some(diff_id)) if self.key.to.is_some() => {
                format!("layer {} of {of} ({digest}, diff ID {diff_id})", at + 1)
            }
            (Some((at, of)), _) => format!("layer {} of {of} ({digest})", at + 1),
            (None, _) => format!("config {digest}"),
        }
    }

    /// What will be there, as far as it is known before.
    pub(crate) fn expect(&self) -> Expect {
        let expect = match (self.key.to, &self.diff_id) {
            (None, _) => Expect::from(&*self.source),
            (Some(LayerForm::Plain), Some(diff_id)) => Expect::digest(diff_id.clone()),
            _ => Expect::anything(),
        };
        expect.with_media_type(self.media_type.clone())
    }
}

/// The blobs of an image, each once, in the order in which they go: of each manifest the layers from the lowest up,
/// then the config.
pub(crate) fn tasks(plan: &ImagePlan) -> Vec<BlobTask> {
    let mut seen = std::collections::HashSet::new();
    let mut all = Vec::new();
    for leaf in plan.images() {
        let count = leaf.layers.len();
        let layers = leaf.layers.iter().enumerate();
        let layers = layers.filter_map(|(at, layer)| BlobTask::layer(layer, (at, count)));
        for task in layers.chain([BlobTask::config(&leaf.config)]) {
            if seen.insert(task.key.clone()) {
                all.push(task);
            }
        }
    }
    all
}

/// Moves the blobs of a transfer.
#[derive(Debug)]
pub(crate) struct Scheduler {
    events: Emitter,
    compress: Compress,
    since: Option<Since>,
    cache: LayerCache,
    jobs: usize,
    threads: NonZeroUsize,
    on_their_way: Semaphore,
    changing: Semaphore,
    cells: Mutex<HashMap<TaskKey, Arc<Cell>>>,
    /// The next blob's number.
    next: AtomicUsize,
    /// What came with a source that comes once.
    staged: StagedBlobs,
    /// The size of all of them at their sources.
    bytes: AtomicU64,
    counts: Counts,
}

/// One blob for all the images that need it.
#[derive(Debug)]
struct Cell {
    id: BlobId,
    /// Whether it was brought, or tried to be.
    tried: AtomicBool,
    stored: OnceCell<Stored>,
}

#[derive(Debug, Default)]
struct Counts {
    moved: AtomicUsize,
    reused: AtomicUsize,
    left_out: AtomicUsize,
    read: Arc<AtomicU64>,
    written: AtomicU64,
}

/// What a blob is read for.
#[derive(Clone, Copy, Debug)]
enum Reads {
    ToPut,
    /// To see what it becomes.
    ToSee,
}

/// From where to where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'a> {
    pub(crate) image: ImageId,
    pub(crate) source: &'a dyn ImageSource,
    pub(crate) destination: &'a dyn ImageDestination,
}

/// How many blobs may be on their way at once.
pub(crate) fn jobs(options: &TransferOptions) -> usize {
    options.jobs.map_or_else(|| (threads().get() * 2).min(8), NonZeroUsize::get)
}

/// How many threads an encoder may have: more of them need memory, and the disk is no faster. The compiler makes it, and would
/// refuse 0.
const ENCODER_THREADS: NonZeroUsize = NonZeroUsize::new(4).unwrap();

fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// How many layers may change form at once, counted in shares of memory: about 10 MiB each.
const CHANGING: u32 = 4;

/// A layer of at most so many bytes needs little memory, and is compressed on one thread.
const SMALL: u64 = 4 << 20;

/// An encoder has threads of its own, and buffers for each. One or two keep all processors busy; more of them at once
/// would only need more memory.
fn share(task: &BlobTask, to: LayerForm) -> u32 {
    match to {
        LayerForm::Plain => 1,
        _ if task.source.size <= SMALL => 1,
        _ if threads() <= ENCODER_THREADS => CHANGING,
        _ => CHANGING / 2,
    }
}

impl Scheduler {
    pub(crate) fn new(options: &TransferOptions, events: Emitter, staged: &StagedBlobs) -> Self {
        let jobs = jobs(options);
        Self {
            events,
            compress: options.compress,
            since: options.since.clone(),
            cache: LayerCache::new(options),
            jobs,
            threads: threads().min(ENCODER_THREADS),
            on_their_way: Semaphore::new(jobs),
            changing: Semaphore::new(CHANGING as usize),
            cells: Mutex::default(),
            next: AtomicUsize::new(0),
            staged: Arc::clone(staged),
            bytes: AtomicU64::new(0),
            counts: Counts::default(),
        }
    }

    /// Numbers blobs that will be needed, in this order.
    pub(crate) fn expect(&self, tasks: &[BlobTask]) {
        for task in tasks {
            self.cell(task);
        }
    }

    /// Tells what all images that were planned need.
    pub(crate) fn emit_planned(&self, images: usize) {
        let blobs = self.cells.lock().unwrap_or_else(PoisonError::into_inner).len();
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.events.emit(EventKind::Planned { images, blobs, bytes });
    }

    /// What was done.
    pub(crate) fn report(&self, images: Vec<ImageReport>) -> Report {
        let Counts { moved, reused, left_out, read, written } = &self.counts;
        Report {
            images,
            failed: Vec::new(),
            blobs_moved: moved.load(Ordering::Relaxed),
            blobs_reused: reused.load(Ordering::Relaxed),
            blobs_left_out: left_out.load(Ordering::Relaxed),
            bytes_read: read.load(Ordering::Relaxed),
            bytes_written: written.load(Ordering::Relaxed),
        }
    }

    /// Brings all blobs of an image. The first failure gives up the others.
    pub(crate) async fn copy_all(
        &self,
        route: Route<'_>,
        tasks: &[BlobTask],
    ) -> Result<CopiedBlobs> {
        let at_once = match route.destination.accepts().order {
            AcceptsOrder::AsPlanned => 1,
            _ => self.jobs,
        };
        // By position: a stream of references is not `Send`.
        stream::iter(0..tasks.len())
            .map(|at| async move {
                let task = &tasks[at];
                let stored = self.get(route, task).await.context(|| task.what())?;
                Ok((task.key.clone(), stored))
            })
            .buffer_unordered(at_once)
            .try_collect()
            .await
    }

    /// Brings a blob, or waits for another image to have brought it.
    async fn get(&self, route: Route<'_>, task: &BlobTask) -> Result<Stored> {
        let cell = self.cell(task);
        let mut ours = false;
        let stored = cell
            .stored
            .get_or_try_init(|| {
                ours = true;
                self.copy_blob(route, task, self.try_of(&cell))
            })
            .await?;
        if ours || self.is_left_out(stored) || self.shares(route, stored).await? {
            return Ok(stored.clone());
        }
        self.copy_blob(route, task, self.try_of(&cell)).await
    }

    fn number(&self) -> BlobId {
        BlobId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The number of a try to bring a blob: the blob's own, once.
    fn try_of(&self, cell: &Cell) -> BlobId {
        if cell.tried.swap(true, Ordering::Relaxed) { self.number() } else { cell.id }
    }

    fn cell(&self, task: &BlobTask) -> Arc<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(&task.key) {
            return Arc::clone(cell);
        }
        self.bytes.fetch_add(task.source.size, Ordering::Relaxed);
        let cell = Arc::new(Cell {
            id: self.number(),
            tried: AtomicBool::new(false),
            stored: OnceCell::new(),
        });
        cells.insert(task.key.clone(), Arc::clone(&cell));
        cell
    }

    /// Whether what was brought for another image is there for this one.
    async fn shares(&self, route: Route<'_>, stored: &Stored) -> Result<bool> {
        let want = Expect::digest(stored.digest.clone()).with_size(stored.size);
        Ok(route.destination.has(&want).await?.is_some())
    }

    /// Brings a blob. However it ends, that is told.
    async fn copy_blob(&self, route: Route<'_>, task: &BlobTask, id: BlobId) -> Result<Stored> {
        let open_blob = OpenBlob::new(&self.events, id);
        let copied = self.copy_or_reuse(route, task, id).await;
        if let Err(error) = &copied {
            open_blob.failed(error);
        }
        copied
    }

    async fn copy_or_reuse(&self, route: Route<'_>, task: &BlobTask, id: BlobId) -> Result<Stored> {
        let _permit = self.on_their_way.acquire().await.map_err(|_| cancelled())?;
        if let Some(stored) = self.reuse(route, task).await? {
            if self.staged.contains(&stored.digest) {
                // It counts only if the source has it where it says: an archive that is a file is read in that way.
                route.source.blob(&task.source).await?;
                return Ok(self.was_staged(route, task, stored, id));
            }
            self.counts.reused.fetch_add(1, Ordering::Relaxed);
            let Stored { digest, size, .. } = stored.clone();
            self.events.emit(EventKind::Reused { blob: id, image: route.image, digest, size });
            return Ok(stored);
        }
        let _change = match task.key.to {
            Some(to) => {
                Some(self.changing.acquire_many(share(task, to)).await.map_err(|_| cancelled())?)
            }
            None => None,
        };
        if task.key.to.is_none() {
            let stored = Stored::new(task.source.digest.clone(), task.source.size);
            if self.is_left_out(&stored) {
                return Ok(self.left_out(route, stored, id));
            }
        }
        self.emit_start(route, task, id);
        // What a layer becomes is only known afterwards. It is made twice if it is not among what is left out.
        if task.key.to.is_some() && self.since.is_some() {
            let stored = self.read(route, task, id, Reads::ToSee).await?;
            self.cache.note(task, &stored).await?;
            if self.is_left_out(&stored) {
                return Ok(self.left_out(route, stored, id));
            }
            self.events.emit(EventKind::ReadAgain { blob: id });
        }
        let stored = self.read(route, task, id, Reads::ToPut).await?;
        self.cache.note(task, &stored).await?;
        self.counts.moved.fetch_add(1, Ordering::Relaxed);
        self.counts.written.fetch_add(stored.size, Ordering::Relaxed);
        let Stored { digest, size, .. } = stored.clone();
        self.events.emit(EventKind::Stored { blob: id, digest, size });
        Ok(stored)
    }

    /// Reads a blob, and once more if that fails in a way that may pass.
    async fn read(
        &self,
        route: Route<'_>,
        task: &BlobTask,
        id: BlobId,
        reads: Reads,
    ) -> Result<Stored> {
        match self.read_once(route, task, id, reads).await {
            Err(error) if error.retryable() => {
                self.events.emit(EventKind::Retried { blob: id, why: error.to_string() });
                self.read_once(route, task, id, reads).await
            }
            result => result,
        }
    }

    fn left_out(&self, route: Route<'_>, stored: Stored, id: BlobId) -> Stored {
        self.counts.left_out.fetch_add(1, Ordering::Relaxed);
        let Stored { digest, size, .. } = stored.clone();
        self.events.emit(EventKind::LeftOut { blob: id, image: route.image, digest, size });
        stored
    }

    fn emit_start(&self, route: Route<'_>, task: &BlobTask, id: BlobId) {
        let Descriptor { digest, media_type, size, .. } = Descriptor::clone(&task.source);
        self.events.emit(EventKind::BlobStarted {
            blob: id,
            image: route.image,
            digest,
            media_type,
            size,
        });
    }

    /// A blob came with its source.
    fn was_staged(&self, route: Route<'_>, task: &BlobTask, stored: Stored, id: BlobId) -> Stored {
        self.emit_start(route, task, id);
        self.counts.moved.fetch_add(1, Ordering::Relaxed);
        self.counts.read.fetch_add(stored.size, Ordering::Relaxed);
        self.counts.written.fetch_add(stored.size, Ordering::Relaxed);
        let Stored { digest, size, .. } = stored.clone();
        self.events.emit(EventKind::Stored { blob: id, digest, size });
        stored
    }

    fn is_left_out(&self, stored: &Stored) -> bool {
        self.since.as_ref().is_some_and(|since| since.has(&stored.digest))
    }

    /// The blob, if it is there already or can be had without its bytes passing here.
    async fn reuse(&self, route: Route<'_>, task: &BlobTask) -> Result<Option<Stored>> {
        let expect = self.cache.expect(task).await?;
        if expect.digest.is_none() {
            return Ok(None);
        }
        if let Some(stored) = route.destination.has(&expect).await? {
            return Ok(Some(stored));
        }
        if task.key.to.is_some() {
            return Ok(None);
        }
        route.destination.take_from(&expect, route.source.reference()).await
    }

    async fn read_once(
        &self,
        route: Route<'_>,
        task: &BlobTask,
        id: BlobId,
        reads: Reads,
    ) -> Result<Stored> {
        let body = route.source.blob(&task.source).await?;
        let (body, _stop) = self.prepared(body, task, id)?;
        match reads {
            Reads::ToPut => route.destination.put_blob(task.expect(), body).await,
            Reads::ToSee => run_blocking(move |cancel| body.chunks(cancel)?.finish()).await,
        }
    }

    fn prepared(
        &self,
        body: Body,
        task: &BlobTask,
        id: BlobId,
    ) -> Result<(Body, Option<CancelOnDrop>)> {
        let (reading, read) = (self.events.reading(id), Arc::clone(&self.counts.read));
        let body = body.on_progress(move |bytes| {
            read.fetch_add(bytes, Ordering::Relaxed);
            reading.advanced(bytes);
        });
        let Some(to) = task.key.to else { return Ok((body, None)) };
        let (body, stop) = changed(body, self.change(task, to))?;
        Ok((body, Some(stop)))
    }

    fn change(&self, task: &BlobTask, to: LayerForm) -> Change {
        let threads = if task.source.size <= SMALL { NonZeroUsize::MIN } else { self.threads };
        Change { to, compress: self.compress, diff_id: task.diff_id.clone(), threads }
    }
}
