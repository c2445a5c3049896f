//! Archives from and to pipes.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::write::{Image, commit, writer};
use support::{config, layer, one_layer, pull_from};
use tempfile::tempdir;
use transship_core::{ReadOptions, Transport, WriteOptions};
use transship_docker_archive::DockerArchive;

fn pipe(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[tokio::test]
async fn an_archive_from_a_pipe() {
    let folder = tempdir().unwrap();
    let path = pipe(folder.path());
    let low = layer("low");
    let config = config("a", &[&low]);
    let (bytes, to) = (one_layer(&config, &low).end(), path.clone());
    let feeding = std::thread::spawn(move || std::fs::write(to, bytes));
    let transport = DockerArchive::new();
    let at = transport.parse(&format!("{}:x:1", path.display())).unwrap();
    let mut how = ReadOptions::default();
    how.spool = Some(folder.path().to_owned());
    let source = transport.source(&at, &how).await.unwrap();
    feeding.join().unwrap().unwrap();
    let pulled = support::pull(&*source).await.unwrap();
    assert_eq!((pulled.config.as_ref(), pulled.layers[0].as_ref()), (&*config, &*low));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the spool has no name");
}

#[tokio::test]
async fn an_archive_to_a_pipe_is_the_same() {
    let folder = tempdir().unwrap();
    let (file, path) = (folder.path().join("a.tar"), pipe(folder.path()));
    let image = Image::new("a", &["low", "high"]);
    let mut writer = writer(&file).await.unwrap();
    commit(writer.image(&[]).await.unwrap(), &image).await.unwrap();
    writer.finish().await.unwrap();

    let from = path.clone();
    let draining = std::thread::spawn(move || std::fs::read(from).unwrap());
    let transport = DockerArchive::new();
    let at = transport.parse(&path.display().to_string()).unwrap();
    let mut how = WriteOptions::default();
    how.spool = Some(folder.path().to_owned());
    let destination = transport.destination(&at, &how).await.unwrap();
    commit(destination, &image).await.unwrap();
    assert_eq!(draining.join().unwrap(), std::fs::read(&file).unwrap());
    assert_eq!(pull_from(&file, "").await.unwrap().config, image.config);
}
