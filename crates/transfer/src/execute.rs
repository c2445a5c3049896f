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

use crate::build::{Arrived, Key};
use crate::forms::LayerPlan;
use crate::plan::ImagePlan;
use crate::recompress::{Change, Stop, changed};
use crate::remember::Remembered;
use crate::report::{ImageReport, Report};
use crate::stream::Came;
use crate::tell::{OnItsWay, Tell};
use crate::{BlobId, Compress, EventKind, ImageId, Since, TransferOptions};

/// One blob that an image needs.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) key: Key,
    pub(crate) source: Arc<Descriptor>,
    /// The type that it gets.
    media_type: MediaType,
    pub(crate) diff_id: Option<Digest>,
    /// For a layer: its position, and how many there are.
    layer: Option<(usize, usize)>,
}

impl Work {
    fn layer(layer: &LayerPlan, at: (usize, usize)) -> Option<Self> {
        Some(Self {
            key: Key::of(layer)?,
            source: Arc::clone(&layer.source),
            media_type: layer.media_type.clone(),
            diff_id: layer.diff_id.clone(),
            layer: Some(at),
        })
    }

    fn config(config: &Arc<Descriptor>) -> Self {
        Self {
            key: Key::kept(config),
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
pub(crate) fn works(plan: &ImagePlan) -> Vec<Work> {
    let mut seen = std::collections::HashSet::new();
    let mut all = Vec::new();
    for leaf in plan.images() {
        let count = leaf.layers.len();
        let layers = leaf.layers.iter().enumerate();
        let layers = layers.filter_map(|(at, layer)| Work::layer(layer, (at, count)));
        for work in layers.chain([Work::config(&leaf.config)]) {
            if seen.insert(work.key.clone()) {
                all.push(work);
            }
        }
    }
    all
}

/// Moves the blobs of a transfer.
#[derive(Debug)]
pub(crate) struct Mover {
    tell: Tell,
    compress: Compress,
    since: Option<Since>,
    remembered: Remembered,
    jobs: usize,
    threads: NonZeroUsize,
    on_their_way: Semaphore,
    changing: Semaphore,
    cells: Mutex<HashMap<Key, Arc<Cell>>>,
    /// The next blob's number.
    next: AtomicUsize,
    /// What came with a source that comes once.
    came: Came,
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
pub(crate) struct Way<'a> {
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
fn share(work: &Work, to: LayerForm) -> u32 {
    match to {
        LayerForm::Plain => 1,
        _ if work.source.size <= SMALL => 1,
        _ if threads() <= ENCODER_THREADS => CHANGING,
        _ => CHANGING / 2,
    }
}

impl Mover {
    pub(crate) fn new(options: &TransferOptions, tell: Tell, came: &Came) -> Self {
        let jobs = jobs(options);
        Self {
            tell,
            compress: options.compress,
            since: options.since.clone(),
            remembered: Remembered::new(options),
            jobs,
            threads: threads().min(ENCODER_THREADS),
            on_their_way: Semaphore::new(jobs),
            changing: Semaphore::new(CHANGING as usize),
            cells: Mutex::default(),
            next: AtomicUsize::new(0),
            came: Arc::clone(came),
            bytes: AtomicU64::new(0),
            counts: Counts::default(),
        }
    }

    /// Numbers blobs that will be needed, in this order.
    pub(crate) fn expect(&self, works: &[Work]) {
        for work in works {
            self.cell(work);
        }
    }

    /// Tells what all images that were planned need.
    pub(crate) fn tell_planned(&self, images: usize) {
        let blobs = self.cells.lock().unwrap_or_else(PoisonError::into_inner).len();
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.tell.tell(EventKind::Planned { images, blobs, bytes });
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
    pub(crate) async fn bring_all(&self, way: Way<'_>, works: &[Work]) -> Result<Arrived> {
        let at_once = match way.destination.accepts().order {
            AcceptsOrder::AsPlanned => 1,
            _ => self.jobs,
        };
        // By position: a stream of references is not `Send`.
        stream::iter(0..works.len())
            .map(|at| async move {
                let work = &works[at];
                let stored = self.get(way, work).await.context(|| work.what())?;
                Ok((work.key.clone(), stored))
            })
            .buffer_unordered(at_once)
            .try_collect()
            .await
    }

    /// Brings a blob, or waits for another image to have brought it.
    async fn get(&self, way: Way<'_>, work: &Work) -> Result<Stored> {
        let cell = self.cell(work);
        let mut ours = false;
        let stored = cell
            .stored
            .get_or_try_init(|| {
                ours = true;
                self.bring(way, work, self.try_of(&cell))
            })
            .await?;
        if ours || self.is_left_out(stored) || self.shares(way, stored).await? {
            return Ok(stored.clone());
        }
        self.bring(way, work, self.try_of(&cell)).await
    }

    fn number(&self) -> BlobId {
        BlobId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The number of a try to bring a blob: the blob's own, once.
    fn try_of(&self, cell: &Cell) -> BlobId {
        if cell.tried.swap(true, Ordering::Relaxed) { self.number() } else { cell.id }
    }

    fn cell(&self, work: &Work) -> Arc<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(&work.key) {
            return Arc::clone(cell);
        }
        self.bytes.fetch_add(work.source.size, Ordering::Relaxed);
        let cell = Arc::new(Cell {
            id: self.number(),
            tried: AtomicBool::new(false),
            stored: OnceCell::new(),
        });
        cells.insert(work.key.clone(), Arc::clone(&cell));
        cell
    }

    /// Whether what was brought for another image is there for this one.
    async fn shares(&self, way: Way<'_>, stored: &Stored) -> Result<bool> {
        let want = Expect::digest(stored.digest.clone()).with_size(stored.size);
        Ok(way.destination.has(&want).await?.is_some())
    }

    /// Brings a blob. However it ends, that is told.
    async fn bring(&self, way: Way<'_>, work: &Work, id: BlobId) -> Result<Stored> {
        let on_its_way = OnItsWay::new(&self.tell, id);
        let brought = self.bring_it(way, work, id).await;
        if let Err(error) = &brought {
            on_its_way.failed(error);
        }
        brought
    }

    async fn bring_it(&self, way: Way<'_>, work: &Work, id: BlobId) -> Result<Stored> {
        let _permit = self.on_their_way.acquire().await.map_err(|_| cancelled())?;
        if let Some(stored) = self.reuse(way, work).await? {
            if self.came.contains(&stored.digest) {
                // It counts only if the source has it where it says: an archive that is a file is read in that way.
                way.source.blob(&work.source).await?;
                return Ok(self.has_come(way, work, stored, id));
            }
            self.counts.reused.fetch_add(1, Ordering::Relaxed);
            let Stored { digest, size, .. } = stored.clone();
            self.tell.tell(EventKind::Reused { blob: id, image: way.image, digest, size });
            return Ok(stored);
        }
        let _change = match work.key.to {
            Some(to) => {
                Some(self.changing.acquire_many(share(work, to)).await.map_err(|_| cancelled())?)
            }
            None => None,
        };
        if work.key.to.is_none() {
            let stored = Stored::new(work.source.digest.clone(), work.source.size);
            if self.is_left_out(&stored) {
                return Ok(self.left_out(way, stored, id));
            }
        }
        self.tell_start(way, work, id);
        // What a layer becomes is only known afterwards. It is made twice if it is not among what is left out.
        if work.key.to.is_some() && self.since.is_some() {
            let stored = self.read(way, work, id, Reads::ToSee).await?;
            self.remembered.note(work, &stored).await?;
            if self.is_left_out(&stored) {
                return Ok(self.left_out(way, stored, id));
            }
            self.tell.tell(EventKind::ReadAgain { blob: id });
        }
        let stored = self.read(way, work, id, Reads::ToPut).await?;
        self.remembered.note(work, &stored).await?;
        self.counts.moved.fetch_add(1, Ordering::Relaxed);
        self.counts.written.fetch_add(stored.size, Ordering::Relaxed);
        let Stored { digest, size, .. } = stored.clone();
        self.tell.tell(EventKind::Stored { blob: id, digest, size });
        Ok(stored)
    }

    /// Reads a blob, and once more if that fails in a way that may pass.
    async fn read(&self, way: Way<'_>, work: &Work, id: BlobId, reads: Reads) -> Result<Stored> {
        match self.read_once(way, work, id, reads).await {
            Err(error) if error.retryable() => {
                self.tell.tell(EventKind::Retried { blob: id, why: error.to_string() });
                self.read_once(way, work, id, reads).await
            }
            result => result,
        }
    }

    fn left_out(&self, way: Way<'_>, stored: Stored, id: BlobId) -> Stored {
        self.counts.left_out.fetch_add(1, Ordering::Relaxed);
        let Stored { digest, size, .. } = stored.clone();
        self.tell.tell(EventKind::LeftOut { blob: id, image: way.image, digest, size });
        stored
    }

    fn tell_start(&self, way: Way<'_>, work: &Work, id: BlobId) {
        let Descriptor { digest, media_type, size, .. } = Descriptor::clone(&work.source);
        self.tell.tell(EventKind::BlobStarted {
            blob: id,
            image: way.image,
            digest,
            media_type,
            size,
        });
    }

    /// A blob came with its source.
    fn has_come(&self, way: Way<'_>, work: &Work, stored: Stored, id: BlobId) -> Stored {
        self.tell_start(way, work, id);
        self.counts.moved.fetch_add(1, Ordering::Relaxed);
        self.counts.read.fetch_add(stored.size, Ordering::Relaxed);
        self.counts.written.fetch_add(stored.size, Ordering::Relaxed);
        let Stored { digest, size, .. } = stored.clone();
        self.tell.tell(EventKind::Stored { blob: id, digest, size });
        stored
    }

    fn is_left_out(&self, stored: &Stored) -> bool {
        self.since.as_ref().is_some_and(|since| since.has(&stored.digest))
    }

    /// The blob, if it is there already or can be had without its bytes passing here.
    async fn reuse(&self, way: Way<'_>, work: &Work) -> Result<Option<Stored>> {
        let expect = self.remembered.expect(work).await?;
        if expect.digest.is_none() {
            return Ok(None);
        }
        if let Some(stored) = way.destination.has(&expect).await? {
            return Ok(Some(stored));
        }
        if work.key.to.is_some() {
            return Ok(None);
        }
        way.destination.take_from(&expect, way.source.reference()).await
    }

    async fn read_once(
        &self,
        way: Way<'_>,
        work: &Work,
        id: BlobId,
        reads: Reads,
    ) -> Result<Stored> {
        let body = way.source.blob(&work.source).await?;
        let (body, _stop) = self.prepared(body, work, id)?;
        match reads {
            Reads::ToPut => way.destination.put_blob(work.expect(), body).await,
            Reads::ToSee => run_blocking(move |cancel| body.chunks(cancel)?.finish()).await,
        }
    }

    fn prepared(&self, body: Body, work: &Work, id: BlobId) -> Result<(Body, Option<Stop>)> {
        let (reading, read) = (self.tell.reading(id), Arc::clone(&self.counts.read));
        let body = body.on_progress(move |bytes| {
            read.fetch_add(bytes, Ordering::Relaxed);
            reading.advanced(bytes);
        });
        let Some(to) = work.key.to else { return Ok((body, None)) };
        let (body, stop) = changed(body, self.change(work, to))?;
        Ok((body, Some(stop)))
    }

    fn change(&self, work: &Work, to: LayerForm) -> Change {
        let threads = if work.source.size <= SMALL { NonZeroUsize::MIN } else { self.threads };
        Change { to, compress: self.compress, diff_id: work.diff_id.clone(), threads }
    }
}
