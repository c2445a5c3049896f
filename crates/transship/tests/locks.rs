//! Each operation that waits for another writer reports that, and gives up when it has waited for as long as it may.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg(all(unix, feature = "docker-archive", feature = "oci-layout"))]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use transship::local::{Lock, LockWait};
use transship::transport::{Cancel, CollectMode, CollectOptions, Commit, DeleteOptions, Expect};
use transship::{
    Body, ErrorKind, ImageName, Notice, Observer, Reference, Result, Settings, Transports,
    WriteMode, WriteOptions,
};
use transship_conformance::model::{Built, Image};

/// Longer than a wait that is not reported.
const LIMIT: Duration = Duration::from_millis(1_200);

/// Each scheme, what of a place is locked, and what then waits.
const WAITS: [(&str, &str, &[Operation]); 4] = [
    ("docker-archive", "", &[Operation::Append, Operation::Replace, Operation::Delete]),
    ("oci-archive", "", &[Operation::Append, Operation::Replace, Operation::Delete]),
    ("oci", "oci-layout", &[Operation::Append, Operation::Replace, Operation::Delete]),
    ("oci", "blobs", &[Operation::Append, Operation::Replace, Operation::Collect]),
];

#[derive(Clone, Copy, Debug)]
enum Operation {
    Append,
    Replace,
    Delete,
    Collect,
}

async fn write(
    transports: &Transports,
    at: &Reference,
    built: &Built,
    how: &WriteOptions,
) -> Result<()> {
    let place = transports.of(at)?.destination(at, how).await?;
    for blob in &built.blobs {
        let body = Body::from_bytes(blob.bytes.clone());
        place.put_blob(Expect::from(&blob.descriptor), body).await?;
    }
    place.commit(Commit::new(&built.root)).await.map(drop)
}

async fn run(
    operation: Operation,
    transports: &Transports,
    at: &Reference,
    observer: &Observer,
) -> Result<()> {
    let transport = transports.of(at)?;
    let mut writing = WriteOptions::default();
    (writing.observer, writing.lock_timeout) = (observer.clone(), Some(LIMIT));
    match operation {
        Operation::Append | Operation::Replace => {
            let append = matches!(operation, Operation::Append);
            // With a name: an image without one is refused before the wait where such an image is there already.
            writing.names = vec![ImageName::new("second:1").unwrap()];
            writing.mode = Some(if append { WriteMode::Append } else { WriteMode::Replace });
            write(transports, at, &Image::simple(2).build().unwrap(), &writing).await
        }
        Operation::Delete => {
            let mut how = DeleteOptions::default();
            (how.observer, how.lock_timeout) = (observer.clone(), Some(LIMIT));
            transport.deletion().unwrap().delete(at, &how).await
        }
        Operation::Collect => {
            let mut how = CollectOptions::new(CollectMode::Delete);
            (how.observer, how.lock_timeout) = (observer.clone(), Some(LIMIT));
            transport.collection().unwrap().collect(at, &how).await.map(drop)
        }
    }
}

#[test]
fn a_wait_for_another_writer_is_reported_and_has_a_limit() {
    // At the same time, as each of them waits.
    std::thread::scope(|scope| {
        for (scheme, locked, operations) in WAITS {
            let all = check(scheme, locked, operations);
            scope.spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(all));
        }
    });
}

async fn check(scheme: &str, locked: &str, operations: &[Operation]) {
    let transports = Transports::linked(&Settings::new()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("place");
    let at = transports.parse(&format!("{scheme}:{}", place.display())).unwrap();
    let first = Image::simple(1).build().unwrap();
    write(&transports, &at, &first, &WriteOptions::default()).await.unwrap();
    let lock = hold(&if locked.is_empty() { place } else { place.join(locked) });
    for operation in operations {
        let what = format!("{operation:?} {scheme} {locked}");
        let notices = Arc::<Mutex<Vec<Notice>>>::default();
        let hears = Arc::clone(&notices);
        let observer = Observer::new(move |notice| hears.lock().unwrap().push(notice));
        let error = run(*operation, &transports, &at, &observer).await.expect_err(&what);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{what}: {error}");
        assert!(error.to_string().contains("still locked by another process"), "{error}");
        let said = notices.lock().unwrap();
        let waits = |notice: &&Notice| matches!(notice, Notice::Warning(text) if text.contains("waiting for it"));
        assert_eq!(said.iter().filter(waits).count(), 1, "{what}: {said:?}");
    }
    drop(lock);
    run(Operation::Replace, &transports, &at, &Observer::default()).await.unwrap();
}

fn hold(path: &Path) -> Lock {
    Lock::exclusive(path, &LockWait::default(), &Cancel::new()).unwrap()
}
