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
use crate::once::Streams;
use crate::{options, transfer};

/// What goes wrong with the layer of a seed.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Wrong,
    Long,
    Missing,
    Unwritable,
    Stuck,
    Slow,
    /// The destination does not say that it has it, so that each image has to bring it.
    Unseen,
    /// So often, in a way that may pass.
    Flaky(usize),
    There,
}

#[derive(Clone, Debug)]
struct Case {
    /// Of each image the seeds of its layers, plain or compressed.
    images: Vec<Vec<(u8, bool)>>,
    faults: Vec<(u8, Fault)>,
    /// How many blobs are refused at first, in a way that may pass.
    refused: usize,
    /// A delta against a place that has the layers of these seeds.
    since: Option<Vec<u8>>,
    /// A source that comes once, and whether its blobs can be kept as they come.
    once: Option<bool>,
    keep_going: bool,
    compress: Compress,
    jobs: usize,
    /// Events are read when all is over.
    queued: bool,
    /// When the future is dropped, if it has not ended.
    dropped: Duration,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Wrong),
        Just(Fault::Long),
        Just(Fault::Missing),
        Just(Fault::Unwritable),
        Just(Fault::Stuck),
        Just(Fault::Slow),
        Just(Fault::Unseen),
        (1..4_usize).prop_map(Fault::Flaky),
        Just(Fault::There),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let compress = vec![Compress::Keep, Compress::Plain, Compress::Gzip(Some(6))];
    let layers = prop::collection::vec((0..6_u8, any::<bool>()), 0..4);
    // Most run to their end, and what hangs is dropped then.
    let dropped =
        prop_oneof![3 => Just(100_000), 1 => 0..6_000_u64].prop_map(Duration::from_micros);
    let places = (
        prop::collection::vec(layers, 1..5),
        prop::collection::vec((0..6_u8, fault()), 0..3),
        prop_oneof![2 => Just(0), 1 => 1..4_usize],
        prop::option::of(prop::collection::vec(0..6_u8, 0..4)),
        prop::option::weighted(0.3, any::<bool>()),
    );
    let options =
        (any::<bool>(), prop::sample::select(compress), 1..5_usize, any::<bool>(), dropped);
    (places, options).prop_map(|(places, options)| {
        let (images, faults, refused, since, once) = places;
        let (keep_going, compress, jobs, queued, dropped) = options;
        Case { images, faults, refused, since, once, keep_going, compress, jobs, queued, dropped }
    })
}

const FORMS: [LayerForm; 2] = [LayerForm::Plain, LayerForm::Gzip];

fn places(case: &Case) -> (Memory, Memory) {
    let (mut from, mut to) = (Memory::new("from"), Memory::new("to"));
    if let Some(stages) = case.once {
        from.streams = Streams::Once;
        to.streams = if stages { Streams::Stages } else { Streams::Never };
    }
    to.accepts.deltas = Deltas::Accepted;
    to.state().faults.refused = case.refused;
    for (at, seeds) in case.images.iter().enumerate() {
        let layer =
            |(seed, zipped): &(u8, bool)| Layer::new(&content(*seed), FORMS[usize::from(*zipped)]);
        let image = Image::with(seeds.iter().map(layer).collect()).put(&from);
        from.show(&[&format!("x{at}")], &image);
    }
    for (seed, fault) in &case.faults {
        for form in FORMS {
            let bytes = in_form(&content(*seed), form);
            let digest = sha256(&bytes);
            let mut state = from.state();
            match fault {
                Fault::Wrong => drop(state.faults.wrong.insert(digest)),
                Fault::Long => drop(state.faults.long.insert(digest)),
                Fault::Missing => drop(state.faults.missing.insert(digest)),
                Fault::Stuck => drop(state.faults.stuck.insert(digest)),
                Fault::Slow => drop(state.faults.slow.insert(digest)),
                Fault::Flaky(often) => drop(state.faults.flaky.insert(digest, *often)),
                Fault::Unwritable => drop(to.state().faults.unwritable.insert(digest)),
                Fault::Unseen => drop(to.state().faults.unseen.insert(digest)),
                Fault::There => drop(to.add_blob(bytes)),
            }
        }
    }
    (from, to)
}

fn since(seeds: &[u8]) -> Since {
    let forms = |seed: &u8| FORMS.map(|form| sha256(&in_form(&content(*seed), form)));
    Since::new(seeds.iter().flat_map(forms))
}

/// Runs it, drops it when its time is over, and gives what was told and how it ended.
async fn told(case: &Case) -> (Vec<EventKind>, Option<Result<Report>>) {
    let (from, to) = places(case);
    let heard: Arc<Mutex<Vec<EventKind>>> = Arc::default();
    let into = Arc::clone(&heard);
    let (queued, queue) = Events::queued();
    let options = options(|o| {
        o.images = Images::All;
        o.compress = case.compress;
        o.jobs = NonZeroUsize::new(case.jobs);
        o.since = case.since.as_deref().map(since);
        o.failures = if case.keep_going { Failures::KeepGoing } else { Failures::Stop };
        let heard = Events::new(move |event| into.lock().unwrap().push(event.kind.clone()));
        o.observer = if case.queued { queued } else { heard };
    });
    let running = transfer(&from, &to, options).run();
    let done = tokio::time::timeout(case.dropped, running).await.ok();
    // Blocking work that was given up may have something to say still.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let mut heard = heard.lock().unwrap().clone();
    heard.extend(std::iter::from_fn(|| queue.try_recv()).map(|event| event.kind));
    (heard, done)
}

/// A blob that was started and has not ended.
#[derive(Debug, Default)]
struct OpenBlob {
    size: u64,
    done: u64,
    retried: usize,
    read_again: bool,
}

#[derive(Debug, Default)]
struct History {
    open: BTreeMap<BlobId, OpenBlob>,
    ended: BTreeSet<BlobId>,
    images: BTreeMap<ImageId, usize>,
    /// Bytes that came with the source, and have not been said to be those of a blob.
    came: u64,
    is_delta: bool,
    over: bool,
    moved: usize,
    reused: usize,
    left_out: usize,
    committed: usize,
    retried: usize,
    read_again: usize,
}

impl History {
    fn add(&mut self, kind: &EventKind) {
        assert!(!self.over, "{kind:?} comes after the end");
        match kind {
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
            EventKind::StreamAdvanced { bytes } => self.came += bytes,
            kind if kind.is_end() => self.over = true,
            kind => self.blob(kind),
        }
    }

    fn blob(&mut self, kind: &EventKind) {
        match kind {
            EventKind::BlobStarted { blob, size, .. } => {
                let open = OpenBlob { size: *size, ..OpenBlob::default() };
                assert!(!self.ended.contains(blob), "{kind:?}: it has ended");
                assert!(self.open.insert(*blob, open).is_none(), "{kind:?}: again");
            }
            EventKind::Advanced { blob, bytes } => {
                let open = self.open_blob(*blob);
                open.done += bytes;
                assert!(*bytes > 0 && open.done <= open.size, "{kind:?}: {open:?}");
            }
            EventKind::Retried { blob, .. } => {
                self.retried += 1;
                let open = self.open_blob(*blob);
                open.done = 0;
                open.retried += 1;
                assert!(open.retried <= 1 + usize::from(open.read_again), "{kind:?}: {open:?}");
            }
            EventKind::ReadAgain { blob } => {
                assert!(self.is_delta, "{kind:?}: of no delta");
                self.read_again += 1;
                let open = self.open_blob(*blob);
                assert!(open.done == open.size && !open.read_again, "{kind:?}: {open:?}");
                (open.done, open.read_again) = (0, true);
            }
            EventKind::Stored { blob, .. } => {
                let open = self.end(*blob).expect("it was started");
                // What came with the source was told as it came.
                let came = open.done == 0 && self.came >= open.size;
                assert!(open.done == open.size || came, "{kind:?}: {open:?}");
                self.came -= open.size - open.done;
                self.moved += 1;
            }
            EventKind::LeftOut { blob, .. } => {
                assert!(self.is_delta, "{kind:?}: of no delta");
                let whole = self.end(*blob).is_none_or(|open| open.done == open.size);
                assert!(whole, "{kind:?}: it was not read to its end");
                self.left_out += 1;
            }
            EventKind::Reused { blob, .. } => {
                assert!(self.end(*blob).is_none(), "{kind:?}: nothing of it has to be read");
                self.reused += 1;
            }
            EventKind::BlobFailed { blob, .. } => drop(self.end(*blob)),
            EventKind::BlobCancelled { blob } => {
                assert!(self.end(*blob).is_some(), "{kind:?}: it is not open");
            }
            _ => {}
        }
    }

    fn open_blob(&mut self, blob: BlobId) -> &mut OpenBlob {
        self.open.get_mut(&blob).unwrap_or_else(|| panic!("{blob:?} is not open"))
    }

    fn end(&mut self, blob: BlobId) -> Option<OpenBlob> {
        assert!(self.ended.insert(blob), "{blob:?} ends twice");
        self.open.remove(&blob)
    }
}

/// Runs a case; the events have to be a history, with an end that fits the result.
fn check(case: &Case) -> History {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (heard, done) = runtime.block_on(told(case));
    let mut history = History { is_delta: case.since.is_some(), ..History::default() };
    for kind in &heard {
        if let EventKind::StreamStarted { spooled, .. } = kind {
            let staged = case.once == Some(true) && case.compress == Compress::Keep;
            assert_eq!(spooled.is_none(), staged, "{kind:?}");
        }
        history.add(kind);
    }
    assert!(history.over && history.open.is_empty(), "{heard:?}");
    assert!(history.images.values().all(|ends| *ends == 1), "{heard:?}");
    match done {
        None => assert_eq!(heard.last(), Some(&EventKind::Cancelled)),
        Some(Err(error)) => {
            let kind = error.kind().to_string();
            let failed = EventKind::Failed { kind, error: error.to_string() };
            assert_eq!(heard.last(), Some(&failed));
        }
        Some(Ok(report)) => {
            assert_eq!(heard.last(), Some(&EventKind::Finished));
            let told = (history.moved, history.reused, history.left_out, history.committed);
            let Report { blobs_moved, blobs_reused, blobs_left_out, images, .. } = &report;
            assert_eq!(told, (*blobs_moved, *blobs_reused, *blobs_left_out, images.len()));
        }
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn what_was_started_ends_once(case in case()) {
        check(&case);
    }
}

#[test]
fn a_reading_that_was_given_up_is_not_counted() {
    for compress in [Compress::Keep, Compress::Gzip(Some(6))] {
        let history = check(&Case {
            images: vec![vec![(3, false)]],
            faults: vec![(3, Fault::Slow)],
            refused: 1,
            since: None,
            once: None,
            keep_going: false,
            compress,
            jobs: 1,
            queued: false,
            dropped: Duration::from_secs(20),
        });
        assert_eq!((history.moved, history.committed), (2, 1));
    }
}

#[test]
fn a_delta_shows_what_it_reads() {
    for (since, ends) in [(3, (1, 1)), (4, (2, 0))] {
        let history = check(&Case {
            images: vec![vec![(3, false)]],
            faults: vec![(3, Fault::Flaky(1))],
            refused: 0,
            since: Some(vec![since]),
            once: None,
            keep_going: false,
            compress: Compress::Gzip(Some(6)),
            jobs: 1,
            queued: false,
            dropped: Duration::from_secs(20),
        });
        assert_eq!((history.moved, history.left_out), ends);
        assert_eq!((history.retried, history.read_again), (1, usize::from(since == 4)));
    }
}
