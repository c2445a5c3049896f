//! One blob from source to destination: it is reused, or else read, changed and put, and once more after a failure that may
//! pass.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use transship_core::{
    Body, Cache, Descriptor, Digest, Expect, ImageDestination, ImageSource, LayerForm, Result,
    Stored, needed_blob, parse_digest, run_blocking,
};

use super::place::Place;
use super::recompress::{begun, changed};
use super::schedule::{EncoderPermit, Scheduler};
use super::task::BlobTask;
use crate::codec::{DEFAULT_GZIP_LEVEL, DEFAULT_ZSTD_LEVEL};
use crate::events::emit::OpenBlob;
use crate::plan::form_name;
use crate::{BlobId, Compress, EventKind, ImageId, TransferOptions};

/// How many bytes may come of a blob over a network before it is its turn. Two blobs that do stay under 64 MiB with all the rest.
const COMING: usize = 8 << 20;

/// From where to where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'a> {
    pub(crate) image: ImageId,
    pub(crate) source: &'a dyn ImageSource,
    pub(crate) destination: &'a dyn ImageDestination,
    pub(crate) reuse: Reuse,
}

/// Whether what is there already counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    WhatIsThere,
    Nothing,
}

/// What a blob is read for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Put,
    /// To know what it becomes.
    Digest,
}

struct BlobCopy<'a> {
    scheduler: &'a Scheduler,
    route: Route<'a>,
    task: &'a BlobTask,
    id: BlobId,
}

/// Copies a blob, in its place. However it ends, an event says so.
pub(super) async fn copy_blob(
    scheduler: &Scheduler,
    route: Route<'_>,
    (task, id): (&BlobTask, BlobId),
    place: &mut Place,
) -> Result<Stored> {
    let open = OpenBlob::new(&scheduler.events, id);
    let copied = BlobCopy { scheduler, route, task, id }.run(place).await;
    if let Err(error) = &copied {
        open.failed(error);
    }
    copied
}

impl BlobCopy<'_> {
    async fn run(&self, place: &mut Place) -> Result<Stored> {
        if self.scheduler.since.is_some() {
            // Only what a layer becomes says whether it goes anywhere: nothing is read ahead.
            place.put().await?;
        }
        let _stream = self.scheduler.stream(self.task).await?;
        if self.route.reuse == Reuse::WhatIsThere
            && let Some(stored) = self.reuse().await?
        {
            return Ok(stored);
        }
        if self.task.key.to.is_none() {
            let source = &self.task.source;
            let stored = Stored::new(source.digest.clone(), source.size);
            if self.scheduler.is_left_out(&stored) {
                return Ok(self.left_out(stored));
            }
            self.started();
            return self.put(None, place).await;
        }
        let permit = self.scheduler.encoder(self.task).await?;
        self.started();
        if self.scheduler.since.is_some() {
            // What a layer becomes is only known afterwards. It is made twice if it is not among what is left out.
            let stored = self.read(Purpose::Digest, Some(permit), place).await?;
            self.scheduler.cache.note(self.task, &stored).await?;
            if self.scheduler.is_left_out(&stored) {
                return Ok(self.left_out(stored));
            }
            self.emit(EventKind::ReadAgain { blob: self.id });
            let permit = self.scheduler.encoder(self.task).await?;
            return self.put(Some(permit), place).await;
        }
        self.put(Some(permit), place).await
    }

    /// The blob, if it is there already or can be had without its bytes passing here.
    async fn reuse(&self) -> Result<Option<Stored>> {
        let (route, task) = (self.route, self.task);
        let mut found = task.probe(route.destination, &self.scheduler.cache).await?;
        if found.is_none() && task.key.to.is_none() {
            found = route.destination.take_from(&task.expect(), route.source.reference()).await?;
        }
        let Some(stored) = found else { return Ok(None) };
        if self.scheduler.staged.contains(&stored.digest) {
            // It counts only if the source has it where it says: an archive that is a file is read in that way.
            needed_blob(route.source, &task.source).await?;
            self.started();
            self.scheduler.counts.read.fetch_add(stored.size, Ordering::Relaxed);
            return Ok(Some(self.stored(stored)));
        }
        self.scheduler.counts.reused.fetch_add(1, Ordering::Relaxed);
        let Stored { digest, size, .. } = stored.clone();
        self.emit(EventKind::Reused { blob: self.id, image: route.image, digest, size });
        Ok(Some(stored))
    }

    async fn put(&self, permit: Option<EncoderPermit>, place: &mut Place) -> Result<Stored> {
        let stored = self.read(Purpose::Put, permit, place).await?;
        self.scheduler.cache.note(self.task, &stored).await?;
        Ok(self.stored(stored))
    }

    /// Reads it, and once more if that fails in a way that may pass. A layer that changes form needs a permit.
    async fn read(
        &self,
        purpose: Purpose,
        permit: Option<EncoderPermit>,
        place: &mut Place,
    ) -> Result<Stored> {
        let changes = permit.is_some();
        let first = async {
            let body = self.open(permit, place).await?;
            place.put().await?;
            self.pass(purpose, body).await
        };
        match first.await {
            Err(error) if error.retryable() => {
                self.emit(EventKind::Retried { blob: self.id, why: error.to_string() });
                place.put().await?;
                let permit = match changes {
                    true if place.is_in_order() => Some(EncoderPermit::default()),
                    true => Some(self.scheduler.encoder(self.task).await?),
                    false => None,
                };
                self.pass(purpose, self.open(permit, place).await?).await
            }
            result => result,
        }
    }

    /// The body in the form that it gets. One that may have to wait for its turn begins to be read.
    async fn open(&self, permit: Option<EncoderPermit>, place: &Place) -> Result<Body> {
        let body = needed_blob(self.route.source, &self.task.source).await?;
        let (reading, read) =
            (self.scheduler.events.reading(self.id), Arc::clone(&self.scheduler.counts.read));
        let body = body.on_progress(move |bytes| {
            read.fetch_add(bytes, Ordering::Relaxed);
            reading.advanced(bytes);
        });
        match self.scheduler.change(self.task).zip(permit) {
            Some((change, permit)) if place.is_in_order() => begun(body, change, permit),
            Some((change, permit)) => changed(body, change, permit),
            None if place.is_in_order() => Ok(body.ahead(COMING)),
            None => Ok(body),
        }
    }

    async fn pass(&self, purpose: Purpose, body: Body) -> Result<Stored> {
        match purpose {
            Purpose::Put => self.route.destination.put_blob(self.task.expect(), body).await,
            Purpose::Digest => run_blocking(move |cancel| body.chunks(cancel)?.finish()).await,
        }
    }

    fn started(&self) {
        let Descriptor { digest, media_type, size, .. } = Descriptor::clone(&self.task.source);
        let (blob, image) = (self.id, self.route.image);
        self.emit(EventKind::BlobStarted { blob, image, digest, media_type, size });
    }

    fn stored(&self, stored: Stored) -> Stored {
        self.scheduler.counts.moved.fetch_add(1, Ordering::Relaxed);
        self.scheduler.counts.written.fetch_add(stored.size, Ordering::Relaxed);
        let Stored { digest, size, .. } = stored.clone();
        self.emit(EventKind::Stored { blob: self.id, digest, size });
        stored
    }

    fn left_out(&self, stored: Stored) -> Stored {
        self.scheduler.counts.left_out.fetch_add(1, Ordering::Relaxed);
        let Stored { digest, size, .. } = stored.clone();
        self.emit(EventKind::LeftOut { blob: self.id, image: self.route.image, digest, size });
        stored
    }

    fn emit(&self, kind: EventKind) {
        self.scheduler.events.emit(kind);
    }
}

impl BlobTask {
    /// The blob at the destination, if it is there and that can be known before.
    pub(crate) async fn probe(
        &self,
        destination: &dyn ImageDestination,
        cache: &LayerCache,
    ) -> Result<Option<Stored>> {
        let expect = cache.expect(self).await?;
        if expect.digest.is_none() { Ok(None) } else { destination.has(&expect).await }
    }
}

/// Goes up whenever an encoder gives other bytes for the same input and level.
const ENCODERS: u32 = 2;

/// What earlier transfers made of layers, by diff ID, encoder and level, so that nothing is compressed a second time to find out
/// that the result is there.
#[derive(Clone, Debug)]
pub(crate) struct LayerCache {
    cache: Cache,
    compress: Compress,
}

impl LayerCache {
    pub(crate) fn new(options: &TransferOptions) -> Self {
        Self { cache: options.cache.clone(), compress: options.compress }
    }

    /// What will be there, as far as it is known before.
    pub(crate) async fn expect(&self, task: &BlobTask) -> Result<Expect> {
        let mut expect = task.expect();
        let Some(question) = self.question(task) else { return Ok(expect) };
        let cache = self.cache.clone();
        let answer = run_blocking(move |_| Ok(cache.recall(&question))).await?;
        if let Some((digest, size)) = answer.as_deref().and_then(parse) {
            expect.digest = Some(digest);
            expect.size = Some(size);
        }
        Ok(expect)
    }

    /// Keeps what a layer became. Its diff ID was checked on the way.
    pub(crate) async fn note(&self, task: &BlobTask, stored: &Stored) -> Result<()> {
        let Some(question) = self.question(task) else { return Ok(()) };
        let (cache, answer) = (self.cache.clone(), format!("{} {}", stored.digest, stored.size));
        run_blocking(move |_| {
            cache.note(&question, &answer);
            Ok(())
        })
        .await
    }

    /// `None` for what is not compressed, or known without asking.
    fn question(&self, task: &BlobTask) -> Option<String> {
        let to = task.key.to.filter(|_| self.cache.is_set())?;
        let level = match (to, self.compress) {
            (LayerForm::Gzip, Compress::Gzip(Some(level))) => i64::from(level),
            (LayerForm::Gzip, _) => i64::from(DEFAULT_GZIP_LEVEL),
            (LayerForm::Zstd, Compress::Zstd(Some(level))) => i64::from(level),
            (LayerForm::Zstd, _) => i64::from(DEFAULT_ZSTD_LEVEL),
            _ => return None,
        };
        let diff_id = task.diff_id.as_ref()?;
        let (form, release) = (form_name(to), env!("CARGO_PKG_VERSION"));
        Some(format!("layer {form} {level} {release}-{ENCODERS} {diff_id}"))
    }
}

fn parse(answer: &str) -> Option<(Digest, u64)> {
    let (digest, size) = answer.split_once(' ')?;
    Some((parse_digest(digest).ok()?, size.parse().ok()?))
}
