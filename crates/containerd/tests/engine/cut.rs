//! Bytes at the socket, and copies that are cut.

use transship_core::{
    Body, Commit, Descriptor, Expect, ImageDestination, Manifest, MediaType, ReadOptions,
    Transport, WriteOptions, sha256,
};

use super::lease;
use super::proxy::Proxy;
use super::sample::Sample;
use super::server::Running;

const MIB: u64 = 1 << 20;

/// What requests and documents take beside layers.
const SMALL: u64 = 64 << 10;

/// How often a copy is cut, each way.
const CUTS: u64 = 100;

/// What a read sends when it has all: frames that let containerd send more.
const AFTER: u64 = 200;

/// In the last bytes it is cut as often as in all others.
const LAST: u64 = 2000;

/// Deletes the leases of copies that were killed, which otherwise expire, and all that only they kept.
fn expire(running: &Running) {
    for (id, _) in lease::of(running) {
        running.ctr_ok("default", &["leases", "delete", "--sync", &id]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_image_sends_what_is_new() {
    let Some(running) = Running::start("bytes") else { return };
    let size = 2 * usize::try_from(MIB).unwrap();
    let first = Sample::new(&["a", "b", "c", "d", "e"], size);
    let second = Sample::new(&["a", "b", "c", "d", "f"], size);
    let proxy = Proxy::start(&running);
    first.write(&proxy.store(), "x:1").await.unwrap();
    let before = proxy.sent();
    assert!((10 * MIB..10 * MIB + SMALL).contains(&before), "{before}");
    second.write(&proxy.store(), "x:2").await.unwrap();
    let sent = proxy.sent() - before;
    assert!((2 * MIB..2 * MIB + SMALL).contains(&sent), "{sent}");
    // Another namespace of the same containerd gets everything without its bytes.
    let before = proxy.sent();
    let store = proxy.store();
    let (from, to) = (store.parse("x:1").unwrap(), store.parse("k8s.io//x:1").unwrap());
    let destination = store.destination(&to, &WriteOptions::default()).await.unwrap();
    for bytes in first.blobs() {
        let want = Expect::digest(sha256(bytes)).with_size(bytes.len() as u64);
        assert!(destination.has(&want).await.unwrap().is_none());
        assert!(destination.take_from(&want, &from).await.unwrap().is_some());
    }
    destination.commit(Commit::new(&first.root)).await.unwrap();
    let sent = proxy.sent() - before;
    assert!(sent < SMALL, "{sent}");
    let checked = running.ctr_ok("k8s.io", &["images", "check"]);
    assert!(checked.contains("complete (6/6)"), "{checked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_was_cut_goes_on_where_it_stopped() {
    let Some(running) = Running::start("resume") else { return };
    let image = Sample::new(&["a"], 16 << 20);
    let killed = Proxy::that_ends_after(&running, 9 * MIB);
    let error = image.write(&killed.store(), "x:1").await.unwrap_err();
    assert!(error.retryable(), "{error}");
    Running::until("the upload is let go of", || {
        running.ctr_ok("default", &["content", "active"]).contains("MiB")
            || running.ctr_ok("default", &["content", "active"]).lines().count() == 2
    });
    let proxy = Proxy::start(&running);
    image.write(&proxy.store(), "x:1").await.unwrap();
    assert!(proxy.sent() < 9 * MIB, "{} bytes were sent again", proxy.sent());
    expire(&running);
    assert!(running.is_tidy("default"));
    assert_eq!(running.content("default").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_anywhere_a_name_has_the_old_or_the_new_image_whole() {
    let Some(running) = Running::start("cuts") else { return };
    let moved = written_and_cut(&running, Proxy::that_ends_after, Proxy::sent).await;
    assert!(moved < CUTS);
}

/// containerd does all that it is asked, and the copy does not hear of it.
#[tokio::test(flavor = "multi_thread")]
async fn deaf_anywhere_a_name_has_the_old_or_the_new_image_whole() {
    let Some(running) = Running::start("deaf") else { return };
    let moved = written_and_cut(&running, Proxy::that_answers_up_to, Proxy::received).await;
    assert!((1..CUTS).contains(&moved), "{moved}");
}

/// Writes an image over another one again and again, and cuts it each time. Says how often the name has moved.
async fn written_and_cut(
    running: &Running,
    cut: fn(&Running, u64) -> Proxy,
    passed: fn(&Proxy) -> u64,
) -> u64 {
    let images = [Sample::new(&["a", "b"], 20_000), Sample::new(&["a", "c"], 20_000)];
    images[0].write(&running.store(), "x:1").await.unwrap();
    let proxy = Proxy::start(running);
    images[1].write(&proxy.store(), "y:1").await.unwrap();
    let whole = passed(&proxy);
    let delete = transship_core::DeleteOptions::default();
    let store = running.store();
    let other = store.parse("y:1").unwrap();
    store.deletion().unwrap().delete(&other, &delete).await.unwrap();
    let mut moved = 0;
    for at in 0..CUTS {
        // More of them in the last bytes, where the name moves.
        let half = CUTS / 2;
        let last = LAST.min(whole);
        let limit = if at < half { whole * at / half } else { whole - (CUTS - at) * last / half };
        let killed = cut(running, limit);
        let written = images[1].write(&killed.store(), "x:1").await;
        let source = store.source(&store.parse("x:1").unwrap(), &ReadOptions::default()).await;
        let root = source.unwrap().root().await.unwrap().descriptor().digest.clone();
        let new = root == *images[1].digest();
        assert!(new || root == *images[0].digest() && written.is_err(), "at {limit}: {written:?}");
        let checked = running.ctr_ok("default", &["images", "check"]);
        assert!(checked.contains("complete (3/3)"), "at {limit}: {checked}");
        assert_eq!(checked.lines().count(), 2, "at {limit}: {checked}");
        Running::until(&format!("nothing else is left at {limit}"), || {
            expire(running);
            running.collect("default");
            running.is_tidy("default") && running.content("default").len() == 4
        });
        moved += u64::from(new);
        if new {
            images[0].write(&store, "x:1").await.unwrap();
        }
    }
    moved
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_cut_anywhere_is_an_error() {
    let Some(running) = Running::start("reads") else { return };
    let image = Sample::new(&["a", "b"], 100_000);
    image.write(&running.store(), "x:1").await.unwrap();
    let proxy = Proxy::start(&running);
    assert_eq!(image.read(&proxy.store(), "x:1").await.unwrap(), image.layers);
    let answers = (Proxy::that_answers_up_to as fn(&Running, u64) -> Proxy, proxy.received());
    // What is asked after the last byte was read is of no use any more: it is less than this.
    let requests = (Proxy::that_ends_after as fn(&Running, u64) -> Proxy, proxy.sent() - AFTER);
    for (way, (cutting, whole)) in [answers, requests].into_iter().enumerate() {
        for at in 0..CUTS {
            let limit = whole * at / CUTS;
            let cut = cutting(&running, limit);
            let error = image.read(&cut.store(), "x:1").await.unwrap_err();
            assert!(error.retryable(), "{way} at {limit}: {error}");
            let at = format!("{} (from the option containerd-address)", cut.socket());
            assert!(error.to_string().contains(&at), "{way} at {limit}: {error}");
        }
    }
    assert!(running.is_tidy("default"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_with_gaps_keeps_its_bytes_and_its_gaps() {
    let Some(running) = Running::start("sparse") else { return };
    let (here, absent) = (Sample::new(&["a"], 700), Sample::new(&["b"], 700));
    let listed = [&here, &absent].map(|image| image.root.descriptor().to_json()).join(",");
    let index = format!(
        "{{ \"schemaVersion\": 2, \"mediaType\": \"{}\", \"manifests\": [{listed}] }}\n",
        MediaType::ImageIndex
    );
    let index = Manifest::new(index).unwrap();
    let (store, gaps) = (running.store(), [absent.root.descriptor().clone()]);
    let at = store.parse("x:1").unwrap();
    let destination = store.destination(&at, &WriteOptions::default()).await.unwrap();
    here.put(&*destination).await.unwrap();
    destination.put_manifest(&here.root).await.unwrap();
    destination.commit(Commit::new(&index).without(&gaps)).await.unwrap();
    running.collect("default");
    let source = store.source(&at, &ReadOptions::default()).await.unwrap();
    assert_eq!(source.root().await.unwrap().bytes(), index.bytes());
    let read = |of: Descriptor| async { (source.manifest(&of).await, of) };
    assert!(read(here.root.descriptor().clone()).await.0.is_ok());
    let error = read(gaps[0].clone()).await.0.unwrap_err();
    assert_eq!(error.kind(), transship_core::ErrorKind::NotFound, "{error}");
    // What is there later is no gap any more.
    let destination = store.destination(&at, &WriteOptions::default()).await.unwrap();
    put_all(&*destination, &[&here, &absent]).await;
    destination.commit(Commit::new(&index)).await.unwrap();
    running.collect("default");
    assert!(read(gaps[0].clone()).await.0.is_ok());
}

async fn put_all(to: &dyn ImageDestination, images: &[&Sample]) {
    for image in images {
        for bytes in image.blobs() {
            let expect = Expect::digest(sha256(bytes)).with_size(bytes.len() as u64);
            to.put_blob(expect, Body::from_bytes(bytes.clone())).await.unwrap();
        }
        to.put_manifest(&image.root).await.unwrap();
    }
}
