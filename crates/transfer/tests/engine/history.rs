//! The events of any transfer tell a history in which what was started ends once.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use transship_core::*;
use transship_transfer::*;

use crate::images::*;
use crate::memory::Memory;
use crate::{options, transfer};

/// What goes wrong with the layer of a seed.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Wrong,
    Missing,
    Unwritable,
    Stuck,
    There,
}

#[derive(Clone, Debug)]
struct Case {
    images: Vec<Vec<u8>>,
    faults: Vec<(u8, Fault)>,
    keep_going: bool,
    compress: Compress,
    jobs: usize,
}

fn case() -> impl Strategy<Value = Case> {
    let fault = prop::sample::select(vec![
        Fault::Wrong,
        Fault::Missing,
        Fault::Unwritable,
        Fault::Stuck,
        Fault::There,
    ]);
    let compress = prop::sample::select(vec![Compress::Keep, Compress::Gzip(Some(1))]);
    let layers = prop::collection::vec(0..6_u8, 0..4);
    (
        prop::collection::vec(layers, 1..5),
        prop::collection::vec((0..6_u8, fault), 0..3),
        any::<bool>(),
        compress,
        1..5_usize,
    )
        .prop_map(|(images, faults, keep_going, compress, jobs)| Case {
            images,
            faults,
            keep_going,
            compress,
            jobs,
        })
}

fn places(case: &Case) -> (Memory, Memory) {
    let (from, to) = (Memory::new("from"), Memory::new("to"));
    for (at, seeds) in case.images.iter().enumerate() {
        let layer = |seed: &u8| Layer::new(&content(*seed), LayerForm::Plain);
        let image = Image::with(seeds.iter().map(layer).collect()).put(&from);
        from.show(&[&format!("x{at}")], &image);
    }
    for (seed, fault) in &case.faults {
        let digest = sha256(&content(*seed));
        match fault {
            Fault::Wrong => drop(from.state().faults.wrong.insert(digest)),
            Fault::Missing => drop(from.state().faults.missing.insert(digest)),
            Fault::Stuck => drop(from.state().faults.stuck.insert(digest)),
            Fault::Unwritable => drop(to.state().faults.unwritable.insert(digest)),
            Fault::There => drop(to.add_blob(content(*seed))),
        }
    }
    (from, to)
}

/// Runs it, drops it when it hangs, and gives what was told and how it ended.
async fn told(case: &Case) -> (Vec<EventKind>, Option<Result<Report>>) {
    let (from, to) = places(case);
    let heard: Arc<Mutex<Vec<EventKind>>> = Arc::default();
    let into = Arc::clone(&heard);
    let options = options(|o| {
        o.images = Images::All;
        o.compress = case.compress;
        o.jobs = NonZeroUsize::new(case.jobs);
        o.failures = if case.keep_going { Failures::KeepGoing } else { Failures::Stop };
        o.observer = Events::new(move |event| into.lock().unwrap().push(event.kind.clone()));
    });
    let running = transfer(&from, &to, options).run();
    let done = tokio::time::timeout(Duration::from_millis(200), running).await.ok();
    // Blocking work that was given up may have something to say still.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let heard = heard.lock().unwrap().clone();
    (heard, done)
}

#[derive(Debug, Default)]
struct History {
    open: BTreeSet<BlobId>,
    ended: BTreeSet<BlobId>,
    images: BTreeMap<ImageId, usize>,
    bytes: BTreeMap<BlobId, (u64, u64)>,
    over: bool,
    moved: usize,
    reused: usize,
    committed: usize,
}

impl History {
    fn add(&mut self, kind: &EventKind) {
        assert!(!self.over, "{kind:?} comes after the end");
        match kind {
            EventKind::BlobStarted { blob, size, .. } => {
                assert!(!self.ended.contains(blob) && self.open.insert(*blob), "{kind:?}: again");
                self.bytes.insert(*blob, (*size, 0));
            }
            EventKind::Advanced { blob, bytes } => {
                assert!(self.open.contains(blob), "{kind:?}: it is not on its way");
                let (size, done) = self.bytes.get_mut(blob).unwrap();
                *done += bytes;
                assert!(*done <= *size, "{kind:?}: {done} of {size}");
            }
            EventKind::Stored { blob, .. } => {
                let (size, done) = self.bytes[blob];
                assert_eq!(size, done, "{kind:?}");
                self.moved += 1;
                self.end(*blob);
            }
            EventKind::Reused { blob, .. } => {
                self.reused += 1;
                self.end(*blob);
            }
            EventKind::LeftOut { blob, .. }
            | EventKind::BlobFailed { blob, .. }
            | EventKind::BlobCancelled { blob } => self.end(*blob),
            EventKind::ImageStarted { image, .. } => {
                assert!(self.images.insert(*image, 0).is_none(), "{kind:?}: again");
            }
            EventKind::Committed { image, .. } => {
                self.committed += 1;
                *self.images.get_mut(image).unwrap() += 1;
            }
            EventKind::ImageFailed { image: Some(image), .. }
            | EventKind::ImageCancelled { image } => {
                // It may fail when it is planned, and then it never started.
                *self.images.entry(*image).or_default() += 1;
            }
            kind => self.over = kind.is_end(),
        }
    }

    fn end(&mut self, blob: BlobId) {
        self.open.remove(&blob);
        assert!(self.ended.insert(blob), "{blob:?} ends twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_was_started_ends_once(case in case()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (heard, done) = runtime.block_on(told(&case));
        let mut history = History::default();
        for kind in &heard {
            history.add(kind);
        }
        prop_assert!(history.over, "{heard:?}");
        prop_assert!(history.open.is_empty(), "{heard:?}");
        prop_assert!(history.images.values().all(|ends| *ends == 1), "{heard:?}");
        match done {
            None => prop_assert_eq!(heard.last(), Some(&EventKind::Cancelled)),
            Some(Err(error)) => {
                let kind = error.kind().to_string();
                let failed = EventKind::Failed { kind, error: error.to_string() };
                prop_assert_eq!(heard.last(), Some(&failed));
            }
            Some(Ok(report)) => {
                prop_assert_eq!(heard.last(), Some(&EventKind::Finished));
                prop_assert_eq!(history.moved, report.blobs_moved);
                prop_assert_eq!(history.reused, report.blobs_reused);
                prop_assert_eq!(history.committed, report.images.len());
            }
        }
    }
}
