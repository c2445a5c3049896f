//! Failures, retries, cancellation, and the events that tell of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use transship_core::*;
use transship_transfer::*;

use crate::images::*;
use crate::memory::Memory;
use crate::{copy, options, transfer};

fn many_layers() -> (Memory, Vec<Digest>) {
    let from = Memory::new("from");
    let layers: Vec<_> = (1..9).map(|seed| Layer::new(&content(seed), LayerForm::Plain)).collect();
    let digests = layers.iter().map(|layer| sha256(&layer.content)).collect();
    from.show(&["x"], &Image::with(layers).put(&from));
    (from, digests)
}

type Heard = Arc<Mutex<Vec<Event>>>;

fn listening() -> (Heard, TransferOptions) {
    let heard = Heard::default();
    let into = Arc::clone(&heard);
    let options = options(|o| {
        o.observer = Events::new(move |event| into.lock().unwrap().push(event.clone()));
    });
    (heard, options)
}

/// That there is one end, and that it is the last.
fn end(heard: &Heard) -> EventKind {
    let heard = heard.lock().unwrap();
    let ends: Vec<_> = heard.iter().filter(|event| event.kind.is_end()).collect();
    assert_eq!(ends.len(), 1, "{heard:?}");
    assert_eq!(heard.last(), ends.first().copied());
    assert!(heard.iter().all(|event| event.transfer == heard[0].transfer));
    ends[0].kind.clone()
}

#[tokio::test]
async fn success_is_reported_from_plan_to_end() {
    let (from, digests) = many_layers();
    let (heard, options) = listening();
    let to = Memory::new("to");
    to.add_blob(content(1));
    copy(&from, &to, options).await.unwrap();
    assert_eq!(end(&heard), EventKind::Finished);
    let heard = heard.lock().unwrap();
    let count = |is: fn(&EventKind) -> bool| heard.iter().filter(|e| is(&e.kind)).count();
    assert!(matches!(heard[0].kind, EventKind::Planned { images: 1, blobs: 9, .. }));
    assert!(matches!(heard[1].kind, EventKind::ImageStarted { .. }));
    assert_eq!(count(|e| matches!(e, EventKind::BlobStarted { .. })), 8);
    assert_eq!(count(|e| matches!(e, EventKind::Stored { .. })), 8);
    assert_eq!(count(|e| matches!(e, EventKind::Committed { .. })), 1);
    assert!(heard.iter().any(|event| matches!(&event.kind,
        EventKind::Reused { blob: BlobId(0), digest, .. } if *digest == digests[0])));
    let advanced: u64 = heard
        .iter()
        .map(|event| match &event.kind {
            EventKind::Advanced { bytes, .. } => *bytes,
            _ => 0,
        })
        .sum();
    let EventKind::Planned { bytes, .. } = heard[0].kind else { panic!() };
    assert_eq!(advanced, bytes - 5_000);
}

#[tokio::test]
async fn events_are_json_with_a_tag() {
    let (from, _) = many_layers();
    let (heard, options) = listening();
    copy(&from, &Memory::new("to"), options).await.unwrap();
    let heard = heard.lock().unwrap();
    let json: Vec<_> = heard.iter().map(|e| serde_json::to_value(e).unwrap()).collect();
    assert_eq!(json[0]["event"], "planned");
    assert_eq!(json[1]["event"], "image_started");
    assert_eq!(json[1]["source"], "from:box");
    assert_eq!(json.last().unwrap()["event"], "finished");
    assert!(json.iter().all(|event| event["transfer"].is_u64()));
}

#[tokio::test]
async fn bytes_that_are_not_true_are_corrupt() {
    let (from, digests) = many_layers();
    from.state().faults.wrong.insert(digests[3].clone());
    let (heard, options) = listening();
    let to = Memory::new("to");
    let error = copy(&from, &to, options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let text = error.to_string();
    assert!(text.starts_with("from:box: layer 4 of 8 (sha256:"), "{text}");
    assert!(to.state().images.is_empty());
    assert!(matches!(end(&heard), EventKind::Failed { kind, error }
        if kind == "corrupt" && error == text));
}

#[tokio::test]
async fn a_layer_that_is_missing_is_damage() {
    let (from, digests) = many_layers();
    from.state().faults.missing.insert(digests[7].clone());
    let error = copy(&from, &Memory::new("to"), TransferOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("layer 8 of 8"), "{error}");
}

#[tokio::test]
async fn the_first_failure_cancels_the_rest() {
    let (from, digests) = many_layers();
    let to = Memory::new("to");
    to.state().faults.unwritable.insert(digests[2].clone());
    // These would never end by themselves.
    for digest in [&digests[0], &digests[1], &digests[3]] {
        from.state().faults.stuck.insert(digest.clone());
    }
    let (heard, mut options) = listening();
    options.jobs = std::num::NonZeroUsize::new(4);
    let copied = copy(&from, &to, options);
    let error = tokio::time::timeout(Duration::from_secs(20), copied).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert!(matches!(end(&heard), EventKind::Failed { .. }));
    assert_eq!(to.state().putting.0, 0);
}

#[tokio::test]
async fn a_failure_of_a_later_image_is_not_waited_for() {
    let from = Memory::new("from");
    for seed in [1, 2] {
        let layer = Layer::new(&content(seed), LayerForm::Plain);
        from.show(&[], &Image::with(vec![layer]).put(&from));
    }
    from.state().faults.stuck.insert(sha256(&content(1)));
    from.state().faults.wrong.insert(sha256(&content(2)));
    let all = options(|o| o.images = Images::All);
    let to = Memory::new("to");
    let copied = copy(&from, &to, all);
    let error = tokio::time::timeout(Duration::from_secs(20), copied).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(to.state().images.is_empty());
}

#[tokio::test]
async fn a_dropped_transfer_is_cancelled() {
    let (from, digests) = many_layers();
    from.state().faults.stuck.insert(digests[5].clone());
    for compress in [Compress::Auto, Compress::Gzip(None)] {
        let (heard, mut options) = listening();
        options.compress = compress;
        let to = Memory::new("to");
        let run = transfer(&from, &to, options).run();
        let timeout = tokio::time::timeout(Duration::from_millis(300), run);
        assert!(timeout.await.is_err());
        assert_eq!(end(&heard), EventKind::Cancelled);
        assert_eq!(to.state().open, 0);
        assert!(to.state().images.is_empty());
    }
}

#[tokio::test]
async fn a_transfer_that_never_ran_says_nothing() {
    let (from, _) = many_layers();
    let (heard, options) = listening();
    drop(transfer(&from, &Memory::new("to"), options).run());
    assert!(heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_may_pass_is_tried_once_more() {
    for compress in [Compress::Auto, Compress::Zstd(None)] {
        let (from, digests) = many_layers();
        let (heard, mut options) = listening();
        options.compress = compress;
        let to = Memory::new("to");
        from.state().faults.flaky.insert(digests[1].clone(), 1);
        copy(&from, &to, options).await.unwrap();
        let heard = heard.lock().unwrap();
        assert!(heard.iter().any(|event| matches!(&event.kind,
            EventKind::Retried { why, .. } if why.contains("the line was cut"))));
    }
    let (from, digests) = many_layers();
    from.state().faults.flaky.insert(digests[1].clone(), 1);
    let looks = options(|o| o.compress = Compress::Zstd(None));
    copy(&from, &Memory::new("to"), looks).await.unwrap();
    let (from, digests) = many_layers();
    from.state().faults.flaky.insert(digests[1].clone(), 2);
    let error = copy(&from, &Memory::new("to"), TransferOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
