//! What is left behind by what fails, is dropped or is given up.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use support::write::{Image, commit, put, writer, writer_with};
use support::{count_of, pull_from, reader, tar_names};
use tempfile::tempdir;
use transship_core::{Body, Commit, Error, ErrorKind, Expect, Transport, WriteMode, WriteOptions};
use transship_docker_archive::DockerArchive;

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits until these are all: a step that was given up ends within a chunk.
async fn become_files(folder: &Path, names: &[&str]) {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while files(folder) != names {
        assert!(std::time::Instant::now() < end, "{:?} stay", files(folder));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_nothing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let writer = writer(&path).await.unwrap();
    commit(writer.image(&[]).await.unwrap(), &Image::new("a", &["low"])).await.unwrap();
    assert!(!path.exists(), "nothing shows before finish");
    drop(writer);
    assert_eq!(files(folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_destination_that_is_dropped_leaves_the_old_archive() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    std::fs::write(&path, "old").unwrap();
    let transport = DockerArchive::new();
    let at = transport.parse(&path.display().to_string()).unwrap();
    let mut how = WriteOptions::default();
    how.mode = Some(WriteMode::Replace);
    let destination = transport.destination(&at, &how).await.unwrap();
    put(&*destination, &Image::new("a", &["low"])).await.unwrap();
    drop(destination);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");

    let destination = transport.destination(&at, &how).await.unwrap();
    let result = destination.commit(Commit::new(&Image::new("a", &["low"]).manifest())).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(files(folder.path()), ["a.tar"]);
}

#[tokio::test]
async fn an_image_that_is_dropped_has_no_name_entry_or_document() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let mut writer = writer(&path).await.unwrap();
    let (a, b) = (Image::new("a", &["low"]), Image::new("b", &["low"]));
    let dropped = writer.image(&[]).await.unwrap();
    put(&*dropped, &a).await.unwrap();
    drop(dropped);
    commit(writer.image(&[]).await.unwrap(), &b).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(reader(&path).await.unwrap().entries().len(), 1);
    let id = support::hex(&a.config);
    assert!(!tar_names(&path).iter().any(|name| name.contains(&id)));
    assert_eq!(pull_from(&path, "").await.unwrap().config, b.config);
}

/// Yields some bytes, then fails or waits for ever.
struct Broken {
    left: usize,
    then: fn() -> io::Error,
}

impl Read for Broken {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err((self.then)());
        }
        let n = out.len().min(self.left);
        out[..n].fill(1);
        self.left -= n;
        Ok(n)
    }
}

#[tokio::test]
async fn a_put_that_fails_is_rewound() {
    let folder = tempdir().unwrap();
    let (clean, failed) = (folder.path().join("clean.tar"), folder.path().join("failed.tar"));
    let image = Image::new("a", &["low"]);
    let mut plain = writer(&clean).await.unwrap();
    commit(plain.image(&[]).await.unwrap(), &image).await.unwrap();
    plain.finish().await.unwrap();

    let mut writer = writer(&failed).await.unwrap();
    let destination = writer.image(&[]).await.unwrap();
    for left in [0, 1000, 5 << 20] {
        let broken = Broken { left, then: || Error::new(ErrorKind::Unavailable, "gone").into_io() };
        let result = destination.put_blob(Expect::anything(), Body::from_reader(broken)).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let wrong = Expect::digest(transship_core::sha256(b"other"));
    let body = Body::from_bytes(vec![1; 3 << 20]);
    let result = destination.put_blob(wrong.clone(), body).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(destination.has(&wrong).await.unwrap(), None);
    commit(destination, &image).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(std::fs::read(clean).unwrap(), std::fs::read(failed).unwrap());
}

#[tokio::test]
async fn a_put_whose_future_is_dropped_is_rewound() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let mut writer = writer(&path).await.unwrap();
    let image = Image::new("a", &["low"]);
    let destination = writer.image(&[]).await.unwrap();
    let endless = Body::from_reader(io::repeat(7));
    let put_endless = destination.put_blob(Expect::anything(), endless);
    assert!(tokio::time::timeout(Duration::from_millis(50), put_endless).await.is_err());
    commit(destination, &image).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(pull_from(&path, "").await.unwrap().layers, image.layers);
    assert_eq!(count_of(&path, "tar"), 2);
}

#[tokio::test]
async fn the_end_of_a_step_that_was_given_up_cleans_up() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let transport = DockerArchive::new();
    let at = transport.parse(&path.display().to_string()).unwrap();
    let destination = transport.destination(&at, &WriteOptions::default()).await.unwrap();
    let endless = Body::from_reader(io::repeat(7));
    let put_endless = destination.put_blob(Expect::anything(), endless);
    assert!(tokio::time::timeout(Duration::from_millis(50), put_endless).await.is_err());
    drop(destination);
    become_files(folder.path(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finish_whose_future_is_dropped_is_all_or_nothing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    std::fs::write(&path, "old").unwrap();
    for _ in 0..30 {
        let mut writer = writer_with(&path, WriteMode::Replace).await.unwrap();
        let image = Image::new("a", &["low", "high"]);
        commit(writer.image(&[]).await.unwrap(), &image).await.unwrap();
        let _ = tokio::time::timeout(Duration::from_micros(200), writer.finish()).await;
        become_files(folder.path(), &["a.tar"]).await;
        if std::fs::read(&path).unwrap() != b"old" {
            assert_eq!(pull_from(&path, "").await.unwrap().config, image.config);
            std::fs::write(&path, "old").unwrap();
        }
    }
}

#[tokio::test]
async fn a_file_that_came_in_between_is_not_replaced() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let mut writer = writer(&path).await.unwrap();
    commit(writer.image(&[]).await.unwrap(), &Image::new("a", &[])).await.unwrap();
    std::fs::write(&path, "somebody's").unwrap();
    assert_eq!(writer.finish().await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody's");
    drop(writer);
    assert_eq!(files(folder.path()), ["a.tar"]);
}
