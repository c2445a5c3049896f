//! What an append reads of the archive that is there, in bytes: alone in its file, as the system counts for the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg(all(target_os = "linux", feature = "docker-archive", feature = "oci-layout"))]

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use transship::local::FileCache;
use transship::transport::{Cache, Commit, Expect};
use transship::{Body, ImageName, Reference, Settings, Transports, WriteMode, WriteOptions};
use transship_conformance::model::{Built, Image, Layer};

const SIZE: usize = 8 << 20;

/// The bytes that this process has read so far.
fn bytes_read() -> usize {
    let text = std::fs::read_to_string("/proc/self/io").unwrap();
    let count = text.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    count.parse().unwrap()
}

/// An image of a large layer that all have, and of a small one of its own.
fn image(seed: u8) -> Built {
    let mut image = Image::simple(seed);
    image.layers = vec![Layer::small(1, SIZE), Layer::small(seed * 4, 100)];
    image.build().unwrap()
}

/// A process that uses the cache at a path.
async fn append(at: &Reference, name: &str, built: &Built, cache: &Path) -> usize {
    let mut how = WriteOptions::default();
    how.names = vec![ImageName::new(name).unwrap()];
    how.mode = Some(WriteMode::Append);
    how.cache = Cache::new(FileCache::new(cache));
    let transports = Transports::linked(&Settings::new()).unwrap();
    let begun = bytes_read();
    let place = transports.of(at).unwrap().destination(at, &how).await.unwrap();
    for blob in &built.blobs {
        let expect = Expect::from(&blob.descriptor);
        if place.has(&expect).await.unwrap().is_none() {
            place.put_blob(expect, Body::from_bytes(blob.bytes.clone())).await.unwrap();
        }
    }
    place.commit(Commit::new(&built.root)).await.unwrap();
    bytes_read() - begun
}

/// Layers of the archive that is there are hashed once, by the first append, and then only copied to the new file.
#[tokio::test]
async fn layers_that_are_there_are_not_hashed_at_each_append() {
    for scheme in ["oci-archive", "docker-archive"] {
        let folder = tempfile::tempdir().unwrap();
        let (path, cache) = (folder.path().join("archive.tar"), folder.path().join("known"));
        let transports = Transports::linked(&Settings::new()).unwrap();
        let at = transports.parse(&format!("{scheme}:{}", path.display())).unwrap();
        append(&at, "one:1", &image(1), &cache).await;
        // What is younger than a tick of the clock is not believed.
        tokio::time::sleep(Duration::from_millis(50)).await;
        append(&at, "two:1", &image(2), &cache).await;
        for seed in 3..6 {
            let read = append(&at, &format!("more:{seed}"), &image(seed), &cache).await;
            assert!(read < SIZE * 3 / 2, "{scheme}: {read} bytes, and {SIZE} have to be copied");
        }
        // What was written to since is not believed.
        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(SIZE as u64 / 2)).unwrap();
        file.write_all(b"tampered").unwrap();
        drop(file);
        let mut how = WriteOptions::default();
        how.mode = Some(WriteMode::Append);
        how.cache = Cache::new(FileCache::new(&cache));
        let place = transports.of(&at).unwrap().destination(&at, &how).await.unwrap();
        let large = Expect::from(&image(1).layers()[0].descriptor);
        assert!(place.has(&large).await.unwrap().is_none(), "{scheme}");
    }
}
