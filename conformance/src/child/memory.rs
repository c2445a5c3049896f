//! The memory of another process that writes and reads a large layer.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use transship_core::{Body, Document, Expect, ReadOptions, Reference, Transport, WriteMode};

use super::names;
use crate::broken::{While, hold};
use crate::lab::{commit, how};
use crate::model::{Built, Image, Layer};
use crate::{Broken, Facts, Held};

/// The size of the layer.
const LARGE: usize = 96 << 20;

/// More than any buffers, and less than the layer.
const MOST: u64 = 64 << 20;

/// The size of a piece of the layer, as it is put.
const PIECE: usize = 256 << 10;

/// Whether this system says what memory a process has.
pub(crate) fn is_known() -> bool {
    in_use().is_some()
}

/// Writes an image with a large layer and reads it.
pub(super) async fn stays_small(
    transport: &dyn Transport,
    at: &Reference,
    number: u8,
    facts: &Facts,
) -> Held {
    let layers = vec![Layer::tar(number % 60, LARGE)];
    let built = Image { layers, ..Image::simple(number) }.build()?;
    let peak = Peak::begin();
    let reference = write(transport, at, &built, number, facts).await?;
    peak.end("writing it")?;
    drop(built);
    let peak = Peak::begin();
    let read = read(transport, &reference).await?;
    peak.end("reading it")?;
    hold!(read >= LARGE, "of a layer of {LARGE} bytes or more {read} are read");
    Ok(())
}

async fn write(
    transport: &dyn Transport,
    at: &Reference,
    built: &Built,
    number: u8,
    facts: &Facts,
) -> Held<Reference> {
    let how = how(WriteMode::Create, &names(number, facts)?);
    let destination = transport.destination(at, &how).await.during(|| "opening to write")?;
    for blob in &built.blobs {
        let body = Body::from_stream(pieces(blob.bytes.clone()).boxed());
        let put = destination.put_blob(Expect::from(&blob.descriptor), body).await;
        put.during(|| "putting a blob")?;
    }
    let committed = commit(destination, built).await?;
    let reference = committed.references.into_iter().next();
    reference.ok_or_else(|| Broken::new("the commit gives no reference"))
}

/// Copies, so that who keeps them has memory of its own.
fn pieces(bytes: Bytes) -> impl StreamExt<Item = transship_core::Result<Bytes>> + Send {
    let count = bytes.len().div_ceil(PIECE);
    stream::iter((0..count).map(move |at| {
        let end = bytes.len().min((at + 1) * PIECE);
        Ok(Bytes::copy_from_slice(&bytes[at * PIECE..end]))
    }))
}

/// How many bytes the only layer has.
async fn read(transport: &dyn Transport, at: &Reference) -> Held<usize> {
    let source = transport.source(at, &ReadOptions::default()).await.during(|| "opening it")?;
    let root = source.root().await.during(|| "reading the root")?;
    let layer = match root.document() {
        Document::Image(image) => image.layers.first(),
        _ => None,
    };
    let layer = layer.ok_or_else(|| Broken::new("an image with a layer reads back without"))?;
    let mut pieces = source.blob(layer).await.during(|| "opening its layer")?.into_stream();
    let mut len = 0;
    while let Some(piece) = pieces.next().await {
        len += piece.during(|| "reading its layer")?.len();
    }
    Ok(len)
}

/// Looks all the time at how much memory this process has.
struct Peak {
    begun_with: u64,
    most: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    looking: JoinHandle<()>,
}

impl Peak {
    fn begin() -> Self {
        let begun_with = in_use().unwrap_or_default();
        let most = Arc::new(AtomicU64::new(begun_with));
        let ended = Arc::new(AtomicBool::new(false));
        let (looks, stops) = (Arc::clone(&most), Arc::clone(&ended));
        let looking = std::thread::spawn(move || {
            while !stops.load(Ordering::SeqCst) {
                looks.fetch_max(in_use().unwrap_or_default(), Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { begun_with, most, ended, looking }
    }

    fn end(self, what: &str) -> Held {
        self.ended.store(true, Ordering::SeqCst);
        self.looking.join().map_err(|_| Broken::new("looking at the memory panicked"))?;
        let more = self.most.load(Ordering::SeqCst).saturating_sub(self.begun_with);
        let mib = |bytes: u64| bytes >> 20;
        hold!(
            more < MOST,
            "{what} takes {} MiB of memory; its layer has {} MiB",
            mib(more),
            LARGE >> 20
        );
        Ok(())
    }
}

/// Bytes of this process that are no file's: a database that maps its file into memory needs no memory for that.
fn in_use() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}
