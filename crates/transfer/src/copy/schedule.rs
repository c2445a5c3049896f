//! [`Scheduler`]: each blob of a transfer once, with bounded concurrency.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use transship_core::{
    AcceptsOrder, Digest, Expect, LayerForm, Result, ResultExt, Stored, cancelled,
};

use super::blob::{LayerCache, Route, copy_blob};
use super::place::{Place, Places};
use super::recompress::Change;
use super::task::{BlobNumbers, BlobTask, CopiedBlobs, TaskKey};
use crate::commit::report::{ImageReport, Report};
use crate::events::emit::Emitter;
use crate::locked;
use crate::open::{Batch, StagedBlobs};
use crate::{BlobId, Compress, Since};

/// A blob of at most so many bytes takes one permit of a stream: it hardly needs memory.
const SMALL_BLOB: u64 = 1 << 20;

/// How many threads an encoder may have: more of them need memory, and the disk is no faster. The compiler makes it, and would
/// refuse 0.
const ENCODER_THREADS: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// How many layers are read at once to change form, counted in shares of processors: a large layer keeps all of them busy.
const PROCESSORS: u32 = 4;

/// As many shares of memory, about 10 MiB each: a large layer is written to its end while the next one is read.
const MEMORY: u32 = 2 * PROCESSORS;

/// How many blobs are on their way to a destination that takes one after the other: one is put, and one is read ahead.
const IN_ORDER: usize = 2;

/// A layer of at most so many bytes needs little memory, and is compressed on one thread.
const SMALL: u64 = 4 << 20;

/// Up to this level zstd needs no more than its shares of memory.
const MOST_FRUGAL: i32 = 8;

/// Schedules the blobs of a transfer.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) events: Emitter,
    pub(super) since: Option<Since>,
    pub(super) cache: LayerCache,
    /// Blobs of a stream that are at the destination already.
    pub(super) staged: StagedBlobs,
    pub(super) counts: Counts,
    compress: Compress,
    at_once: usize,
    /// How many permits of `streams` a blob takes that is not small.
    large: u32,
    threads: NonZeroUsize,
    streams: Semaphore,
    processors: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    cells: Mutex<HashMap<TaskKey, Arc<Cell>>>,
    /// The next blob's number.
    next: AtomicUsize,
}

/// One blob for all the images that need it.
#[derive(Debug)]
struct Cell {
    id: BlobId,
    /// Whether it was copied, or tried to be.
    tried: AtomicBool,
    stored: OnceCell<Stored>,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) moved: AtomicUsize,
    pub(super) reused: AtomicUsize,
    pub(super) left_out: AtomicUsize,
    pub(super) read: Arc<AtomicU64>,
    pub(super) written: AtomicU64,
}

/// Leave to change the form of one layer. One without shares is for the second try in an order: the layer behind it may hold
/// all of them, and waits for this one.
#[derive(Debug, Default)]
pub(crate) struct EncoderPermit {
    /// Until the layer was read.
    pub(super) processors: Option<OwnedSemaphorePermit>,
    /// Until what it became was read.
    pub(super) memory: Option<OwnedSemaphorePermit>,
}

fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl Cell {
    fn new(id: BlobId) -> Arc<Self> {
        Arc::new(Self { id, tried: AtomicBool::new(false), stored: OnceCell::new() })
    }
}

impl Scheduler {
    pub(super) fn new(batch: &Batch<'_>, blobs: BlobNumbers) -> Self {
        let (options, at_once) = (batch.options, batch.options.streams());
        Self {
            events: batch.events.clone(),
            since: options.since.clone(),
            cache: LayerCache::new(options),
            staged: Arc::clone(&batch.sources.staged),
            counts: Counts::default(),
            compress: options.compress,
            at_once: at_once * options.small_per_stream() as usize,
            large: options.small_per_stream(),
            threads: threads().min(ENCODER_THREADS),
            streams: Semaphore::new(at_once * options.small_per_stream() as usize),
            processors: Arc::new(Semaphore::new(PROCESSORS as usize)),
            memory: Arc::new(Semaphore::new(MEMORY as usize)),
            next: AtomicUsize::new(blobs.ids.len()),
            cells: Mutex::new(
                blobs.ids.into_iter().map(|(key, id)| (key, Cell::new(id))).collect(),
            ),
        }
    }

    pub(super) fn report(&self, images: Vec<ImageReport>) -> Report {
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

    /// Copies all blobs of an image. The first failure gives up the others.
    pub(super) async fn copy_blobs(
        &self,
        route: Route<'_>,
        tasks: &[BlobTask],
    ) -> Result<CopiedBlobs> {
        let in_order = route.destination.accepts().order == AcceptsOrder::AsPlanned;
        let mut places = Places::default();
        // By position: a stream of references is not `Send`.
        let blobs = stream::iter(0..tasks.len()).map(|at| {
            let mut place = if in_order { places.next() } else { Place::anywhere() };
            async move {
                let task = &tasks[at];
                let stored = self.copy_in_place(route, task, &mut place);
                Ok((task.key.clone(), stored.await.context(|| task.what())?))
            }
        });
        if in_order {
            blobs.buffered(IN_ORDER).try_collect().await
        } else {
            blobs.buffer_unordered(self.at_once).try_collect().await
        }
    }

    async fn copy_in_place(
        &self,
        route: Route<'_>,
        task: &BlobTask,
        place: &mut Place,
    ) -> Result<Stored> {
        place.begin().await?;
        let stored = self.copy_once(route, task, place).await?;
        place.end().await?;
        Ok(stored)
    }

    /// Copies a blob, or waits for another image to have copied it.
    async fn copy_once(
        &self,
        route: Route<'_>,
        task: &BlobTask,
        place: &mut Place,
    ) -> Result<Stored> {
        let cell = self.cell(&task.key);
        let mut ours = false;
        let stored = cell
            .stored
            .get_or_try_init(|| {
                ours = true;
                copy_blob(self, route, (task, self.try_of(&cell)), place)
            })
            .await?;
        if ours || self.is_left_out(stored) {
            return Ok(stored.clone());
        }
        // What was copied for another image may not be there for this one.
        let want = Expect::digest(stored.digest.clone()).with_size(stored.size);
        if route.destination.has(&want).await?.is_some() {
            return Ok(stored.clone());
        }
        copy_blob(self, route, (task, self.try_of(&cell)), place).await
    }

    /// Puts what was found at the destination and is not there after all.
    pub(crate) async fn put_again(
        &self,
        route: Route<'_>,
        tasks: &[BlobTask],
        (copied, again): (&CopiedBlobs, &[Digest]),
    ) -> Result<()> {
        for task in tasks {
            if copied.get(&task.key).is_some_and(|stored| again.contains(&stored.digest)) {
                let put =
                    copy_blob(self, route, (task, self.number()), &mut Place::anywhere()).await;
                put.context(|| task.what())?;
            }
        }
        Ok(())
    }

    fn number(&self) -> BlobId {
        BlobId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The number of a try to copy a blob: the blob's own, once.
    fn try_of(&self, cell: &Cell) -> BlobId {
        if cell.tried.swap(true, Ordering::Relaxed) { self.number() } else { cell.id }
    }

    fn cell(&self, key: &TaskKey) -> Arc<Cell> {
        let mut cells = locked(&self.cells);
        // One that was not planned is of an image that has changed since.
        Arc::clone(cells.entry(key.clone()).or_insert_with(|| Cell::new(self.number())))
    }

    pub(super) fn is_left_out(&self, stored: &Stored) -> bool {
        self.since.as_ref().is_some_and(|since| since.has(&stored.digest))
    }

    /// Waits until one more blob may be copied.
    pub(super) async fn stream(&self, task: &BlobTask) -> Result<SemaphorePermit<'_>> {
        let permits = if task.source.size <= SMALL_BLOB { 1 } else { self.large };
        self.streams.acquire_many(permits).await.map_err(|_| cancelled())
    }

    /// Waits until one more layer may change form. An encoder has threads of its own, and buffers for each: one or two
    /// keep all processors busy, and more of them at once would only need more memory.
    pub(super) async fn encoder(&self, task: &BlobTask) -> Result<EncoderPermit> {
        let processors = match task.key.to {
            None | Some(LayerForm::Plain) => 1,
            _ if task.source.size <= SMALL => 1,
            _ if threads() <= ENCODER_THREADS => PROCESSORS,
            _ => PROCESSORS / 2,
        };
        // The threads of high levels have hundreds of MiB.
        let memory = match self.compress {
            Compress::Zstd(Some(level)) if level > MOST_FRUGAL => MEMORY / PROCESSORS * processors,
            _ => processors,
        };
        let acquire =
            |semaphore: &Arc<Semaphore>, shares| Arc::clone(semaphore).acquire_many_owned(shares);
        let memory = acquire(&self.memory, memory).await.map_err(|_| cancelled())?;
        let processors = acquire(&self.processors, processors).await.map_err(|_| cancelled())?;
        Ok(EncoderPermit { processors: Some(processors), memory: Some(memory) })
    }

    /// How a blob is changed on the way.
    pub(super) fn change(&self, task: &BlobTask) -> Option<Change> {
        let threads = if task.source.size <= SMALL { NonZeroUsize::MIN } else { self.threads };
        let (compress, diff_id) = (self.compress, task.diff_id.clone());
        task.key.to.map(|to| Change { to, compress, diff_id, threads })
    }
}
