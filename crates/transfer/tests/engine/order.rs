//! The order of blobs, and how many are on their way at once.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use transship_core::*;
use transship_transfer::*;

use crate::images::*;
use crate::memory::Memory;
use crate::{copy, options, transfer};

fn images(count: u8, layers: u8) -> Memory {
    let from = Memory::new("from");
    for image in 0..count {
        let layers = (0..layers).map(|at| Layer::new(&content(image + at), LayerForm::Gzip));
        from.show(&[&format!("i{image}")], &Image::with(layers.collect()).put(&from));
    }
    from
}

fn all(jobs: usize) -> TransferOptions {
    options(|o| {
        o.images = Images::All;
        o.jobs = NonZeroUsize::new(jobs);
    })
}

/// What was written, in order, is the same for any number of jobs.
#[tokio::test]
async fn a_planned_order_is_kept() {
    let from = images(5, 4);
    for compress in [Compress::Auto, Compress::Plain, Compress::Zstd(None)] {
        let mut logs = Vec::new();
        for jobs in 1..=8 {
            let to = Memory::new("to").accepting(|a| a.order = AcceptsOrder::AsPlanned);
            let mut options = all(jobs);
            options.compress = compress;
            copy(&from, &to, options).await.unwrap();
            assert_eq!(to.state().putting.1, 1, "one after the other");
            logs.push(to.state().log.clone());
        }
        logs.dedup();
        assert_eq!(logs.len(), 1, "{compress:?}");
        // Of each image the blobs that are new, then its commit.
        let commits = logs[0].iter().filter(|line| line.starts_with("commit ")).count();
        assert_eq!(commits, 5);
        assert!(logs[0][5].starts_with("commit "), "{:?}", logs[0]);
    }
}

/// Bytes that stay longer than the layers that need few shares of processors.
fn large(seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_add(1);
    let next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(state ^ state >> 15)
    };
    std::iter::from_fn(next).take(5 << 18).flat_map(u32::to_le_bytes).collect()
}

/// Where one is put after the other, the next one is read ahead, and one that fails is put in its turn all the same.
#[tokio::test]
async fn while_one_is_put_the_next_one_begins() {
    for compress in [Compress::Auto, Compress::Plain, Compress::Zstd(None)] {
        let from = Memory::new("from");
        let layers = (0..3).map(|seed| Layer::new(&large(seed), LayerForm::Gzip)).collect();
        let root = Image::with(layers).put(&from);
        from.show(&["a"], &root);
        let Document::Image(image) = root.document() else { panic!("an image") };
        let layers: Vec<Digest> = image.layers.iter().map(|layer| layer.digest.clone()).collect();
        // One that is compressed gets its processors when the one before has been read.
        if matches!(compress, Compress::Auto | Compress::Plain) {
            let until = layers.windows(2).map(|pair| (pair[0].clone(), pair[1].clone()));
            from.state().faults.until = until.collect();
        }
        let to = Memory::new("to").accepting(|a| a.order = AcceptsOrder::AsPlanned);
        to.state().faults.refused = 1;
        let how = options(|o| o.compress = compress);
        let copied = tokio::time::timeout(Duration::from_secs(60), copy(&from, &to, how)).await;
        copied.expect("it hangs").unwrap();
        assert_eq!((to.puts(), to.state().putting.1), (4, 1), "one after the other");
        let asked = from.state().asked.clone();
        let asked: Vec<_> = layers.iter().map(|layer| asked[layer]).collect();
        assert_eq!(asked, [2, 1, 1], "{compress:?}");
    }
}

#[tokio::test]
async fn commits_are_in_order_whatever_arrives_first() {
    let from = images(8, 3);
    let roots: Vec<_> =
        from.state().images.iter().map(|i| i.root.descriptor().digest.clone()).collect();
    let to = Memory::new("to");
    let report = copy(&from, &to, all(8)).await.unwrap();
    let committed: Vec<_> = report.images.iter().map(|image| image.digest.clone()).collect();
    assert_eq!(committed, roots);
    let shown: Vec<_> =
        to.state().images.iter().map(|image| image.root.descriptor().digest.clone()).collect();
    assert_eq!(shown, roots);
}

#[tokio::test]
async fn jobs_are_a_limit() {
    let from = images(4, 8);
    for jobs in [1, 3] {
        let to = Memory::new("to");
        copy(&from, &to, all(jobs)).await.unwrap();
        assert!(to.state().putting.1 <= jobs, "{} at once", to.state().putting.1);
    }
    let to = Memory::new("to");
    copy(&from, &to, all(4)).await.unwrap();
    assert!(to.state().putting.1 > 1, "several at once");
}

#[tokio::test]
async fn what_several_images_share_changes_form_once() {
    let from = images(4, 4);
    let to = Memory::new("to");
    let mut options = all(8);
    options.compress = Compress::Zstd(None);
    let report = copy(&from, &to, options).await.unwrap();
    // Seven different layers and four configs.
    assert_eq!((to.puts(), report.blobs_moved), (11, 11));
}

#[tokio::test]
async fn a_second_time_moves_nothing() {
    let from = images(3, 3);
    let to = Memory::new("to");
    let first = copy(&from, &to, all(4)).await.unwrap();
    assert_eq!(first.blobs_reused, 0);
    let second = copy(&from, &to, all(4)).await.unwrap();
    assert_eq!((second.blobs_moved, second.bytes_read), (0, 0));
    assert_eq!(second.blobs_reused, first.blobs_moved);
}

#[tokio::test]
async fn a_plain_layer_that_is_there_is_not_unpacked_again() {
    let from = images(1, 3);
    let to = Memory::new("to").accepting(|a| a.layers = AcceptsLayers::PlainOnly);
    (0..3).for_each(|seed| drop(to.add_blob(content(seed))));
    let report = copy(&from, &to, all(4)).await.unwrap();
    assert_eq!((report.blobs_moved, report.blobs_reused), (1, 3));
}

/// The future can be sent to another thread, as programs with several do.
#[test]
fn a_transfer_can_be_spawned() {
    fn is_send<T: Send>(_: &T) {}
    let (from, to) = (Memory::new("from"), Memory::new("to"));
    is_send(&transfer(&from, &to, all(1)).run());
    is_send(&transfer(&from, &to, all(1)).plan());
}

/// Of source and destination on one host, no request waits for an answer that nobody polls.
#[tokio::test]
async fn sources_and_destinations_may_share_their_connections() {
    for permits in 1..=3 {
        let (from, mut to) = (images(9, 3), Memory::new("to"));
        to.line = Arc::new(Semaphore::new(permits));
        let from = Memory { line: Arc::clone(&to.line), ..from };
        let mut options = all(8);
        options.compress = Compress::Zstd(None);
        let planned = crate::plan(&from, &to, options.clone());
        let planned = tokio::time::timeout(Duration::from_secs(60), planned).await;
        let planned = planned.expect("the plan hangs").unwrap();
        let copied = tokio::time::timeout(Duration::from_secs(60), copy(&from, &to, options)).await;
        let copied = copied.expect("the copy hangs").unwrap();
        assert_eq!((planned.images.len(), copied.images.len()), (9, 9));
    }
}

/// Planning reads each document once, however many images there are, and the copy reads none again.
#[tokio::test]
async fn many_images_are_planned_once() {
    let from = images(120, 2);
    let to = Memory::new("to");
    copy(&from, &to, all(8)).await.unwrap();
    let configs: Vec<Digest> = from
        .state()
        .images
        .iter()
        .filter_map(|image| match image.root.document() {
            Document::Image(image) => Some(image.config.digest.clone()),
            _ => None,
        })
        .collect();
    let asked = from.state().asked.clone();
    // Once to plan, and once to copy it.
    assert!(configs.iter().all(|config| asked[config] <= 2), "{asked:?}");
}
