//! A runtime of one thread is enough: its other tasks go on while the transport works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::try_join;
use tokio::sync::mpsc;
use transship_core::{Body, ByteStream, CollectMode, Commit, DeleteOptions, Expect, ImageDestination, ImageName, ImageSource, ReadOptions, WriteMode};

use super::collect;
use crate::broken::While;
use crate::lab::Lab;
use crate::model::{Blob, Built, Image, Layer};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::watch::{awaited, patience};
use crate::{Ability, Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_runtime_of_one_thread_is_enough",
    sentence: "A runtime of one thread is enough: its other tasks go on while the transport works.",
    promises: &[
        "Methods that are `async` are called within a tokio runtime, which may have a single thread, and do not block it",
        "It may be asked for again, concurrently, and dropped half read.",
        "A body that is half read holds up no commit to the same place.",
    ],
    needs: &[],
    cost: 32,
    check,
};

/// So long nobody may have the thread.
const LONGEST: Duration = Duration::from_secs(1);

/// A machine that does something else has it longer now and then, but not each time.
const TRIES: usize = 3;

/// So many bodies are open at once.
const BODIES: usize = 40;

fn check(kit: &Kit) -> Held {
    // Built and cached before time is measured: building it is not the work of the transport.
    shared().diff_id()?;
    kit.each(0_u8..40, |lab, seed| {
        let mut had = Duration::ZERO;
        for _ in 0..TRIES {
            let (lab, other) = (lab.another()?, lab.another()?);
            had = lab.step_on_one_thread(steadily(all_work(&lab, *seed)))?;
            if lab.has(Ability::ManyImages) {
                had = had.max(other.step_on_one_thread(steadily(of_an_archive(&other, *seed)))?);
            }
            if had < LONGEST {
                return Ok(());
            }
        }
        let millis = had.as_millis();
        Err(Broken::new(format!("for {millis} ms no other task of the thread went on: it is blocked")))
    })
}

/// The longest time for which another task of the thread did not go on.
async fn steadily(work: impl Future<Output = Held>) -> Held<Duration> {
    let (began, longest, last) = (Instant::now(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let tick = move |longest: &AtomicU64, last: &AtomicU64| {
        let now = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let before = last.swap(now, Ordering::Relaxed);
        longest.fetch_max(now.saturating_sub(before), Ordering::Relaxed);
    };
    let ticks = tokio::spawn({
        let (longest, last) = (Arc::clone(&longest), Arc::clone(&last));
        async move {
            loop {
                tick(&longest, &last);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    });
    let done = work.await;
    tick(&longest, &last);
    ticks.abort();
    done.map(|()| Duration::from_millis(longest.load(Ordering::Relaxed)))
}

/// More than is read ahead: a body that is verified once is hashed up to four chunks of 1 MiB before they are asked for.
fn shared() -> Layer {
    Layer::tar(4, 8_000_000)
}

async fn all_work(lab: &Lab, seed: u8) -> Held {
    let layers = vec![shared(), Layer::tar(seed, 900)];
    let built = Image { layers, ..Image::simple(seed) }.build()?;
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    put_fed(&*destination, &built).await?;
    let committed = destination.commit(Commit::new(&built.root)).await.during(|| "committing")?;
    let source = lab.source(&committed.references[0]).await?;
    Seen::read(&*source).await?.is(&built, lab.facts())?;
    let Some(layer) = source.root().await?.document().parts().nth(1).cloned() else { return Ok(()) };
    let half_read = half_read(&*source, &layer).await?;
    if lab.has(Ability::Append) && lab.has(Ability::Names) {
        // Shorter than the limit of the whole step, so that this message comes first.
        let written = tokio::time::timeout(patience() * 4 / 5, beside(lab, &*source, &layer)).await;
        let why = || {
            let waiting = awaited();
            Broken::new(format!("while bodies of one image are half read, no other one can be written (waiting for {waiting}): the bodies hold it up, or two commits each other"))
        };
        written.map_err(|_| why())??;
    }
    for stream in half_read {
        let rest: Vec<_> = stream.collect().await;
        rest.into_iter().collect::<transship_core::Result<Vec<_>>>().during(|| "reading a body to its end")?;
    }
    if lab.has(Ability::Deletion) {
        let Some(deletion) = lab.transport().deletion() else { return Ok(()) };
        let deleted = deletion.delete(&committed.references[0], &DeleteOptions::default()).await;
        deleted.during(|| "deleting")?;
    }
    Ok(())
}

/// What is done with an archive as a whole.
async fn of_an_archive(lab: &Lab, seed: u8) -> Held {
    let built = Image { layers: vec![shared(), Layer::tar(seed, 900)], ..Image::simple(seed) }.build()?;
    let mut writer = lab.writer(WriteMode::Create).await?;
    let destination = writer.image(&lab.facts().some_name()).await.during(|| "opening an image of a writer")?;
    put_fed(&*destination, &built).await?;
    destination.commit(Commit::new(&built.root)).await.during(|| "committing in a writer")?;
    writer.finish().await.during(|| "finishing")?;
    let reader = lab.reader().await?;
    for entry in reader.entries() {
        reader.details(entry).await.during(|| "asking for the details of an entry")?;
        reader.open(entry).await.during(|| "opening an entry")?.root().await?;
    }
    if let Some(once) = lab.archives()?.one_pass() {
        let passed = once.pass(lab.at(), &ReadOptions::default(), None).await;
        passed.during(|| "reading it in one pass")?;
    }
    if lab.has(Ability::Collection) {
        collect(lab, CollectMode::Delete).await?;
    }
    Ok(())
}

/// Puts what other tasks of the thread give, piece by piece.
async fn put_fed(destination: &dyn ImageDestination, built: &Built) -> Held {
    for blob in &built.blobs {
        let digest = &blob.descriptor.digest;
        let put = destination.put_blob(Expect::from(&blob.descriptor), Body::from_stream(fed(blob)));
        put.await.during(|| format!("putting {digest}, which another task of the thread feeds"))?;
    }
    for manifest in &built.below {
        destination.put_manifest(manifest).await?;
    }
    Ok(())
}

fn fed(blob: &Blob) -> ByteStream {
    let (give, mut get) = mpsc::channel::<Bytes>(1);
    let mut bytes = blob.bytes.clone();
    tokio::spawn(async move {
        while !bytes.is_empty() {
            tokio::task::yield_now().await;
            let piece = bytes.split_to(bytes.len().min(30_000));
            if give.send(piece).await.is_err() {
                return;
            }
        }
    });
    futures_util::stream::poll_fn(move |context| get.poll_recv(context).map(|piece| piece.map(Ok))).boxed()
}

/// Many bodies, of each of which the beginning was read.
async fn half_read(source: &dyn ImageSource, layer: &transship_core::Descriptor) -> Held<Vec<ByteStream>> {
    let (mut bodies, mut streams) = (Vec::new(), Vec::new());
    for at in 0..BODIES {
        let body = source.blob(layer).await;
        bodies.push(body.during(|| format!("opening body {at} of {BODIES} at once"))?);
    }
    for (at, body) in bodies.into_iter().enumerate() {
        let mut stream = body.into_stream();
        let first = stream.next().await.transpose();
        first.during(|| format!("reading body {at} of {BODIES} at once"))?;
        streams.push(stream);
    }
    Ok(streams)
}

/// What is read from a place is put to it again, and two images are committed at once.
async fn beside(
    lab: &Lab,
    source: &dyn ImageSource,
    layer: &transship_core::Descriptor,
) -> Held {
    let first = again(lab, source, layer, 0).await?;
    if lab.has(Ability::ManyWriters) {
        // Neither commit begins before both images are put: so one always meets the other.
        let second = again(lab, source, layer, 1).await?;
        try_join(first.commit(), second.commit()).await?;
    } else {
        first.commit().await?;
    }
    Ok(())
}

/// An image that is put and not yet committed.
struct Put {
    destination: Box<dyn ImageDestination>,
    built: Built,
}

impl Put {
    async fn commit(self) -> Held {
        let committed = self.destination.commit(Commit::new(&self.built.root)).await;
        committed.during(|| "committing one of two at once")?;
        Ok(())
    }
}

async fn again(
    lab: &Lab,
    source: &dyn ImageSource,
    layer: &transship_core::Descriptor,
    at: u8,
) -> Held<Put> {
    let name = ImageName::new(&format!("docker.io/library/beside:{at}"))?;
    let mut built = Image { layers: vec![shared()], ..Image::simple(100 + at) }.build()?;
    built.blobs.retain(|blob| blob.descriptor.digest != layer.digest);
    let destination = lab.destination(WriteMode::Append, &[name]).await?;
    let body = source.blob(layer).await.during(|| "reading, to put it again")?;
    let body = body.expecting(&Expect::from(layer))?;
    destination.put_blob(Expect::from(layer), body).await.during(|| "putting what is read from the same place")?;
    put_fed(&*destination, &built).await?;
    Ok(Put { destination, built })
}
