//! A tar builder that knows nothing of the one under test, and the smallest images.

#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod write;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use transship_core::{
    ArchiveReader, Archives, Body, Descriptor, Document, Error, ErrorKind, ImageDocument,
    ImageSource, ReadOptions, Result, Transport, sha256,
};
use transship_docker_archive::DockerArchive;

/// A tar, entry by entry.
#[derive(Clone, Default)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.entry(name, b'0', "", bytes.as_ref())
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(name, b'2', target, b"")
    }

    pub(crate) fn hardlink(self, name: &str, target: &str) -> Self {
        self.entry(name, b'1', target, b"")
    }

    pub(crate) fn folder(self, name: &str) -> Self {
        self.entry(name, b'5', "", b"")
    }

    fn entry(mut self, name: &str, kind: u8, link: &str, bytes: &[u8]) -> Self {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[108..116].copy_from_slice(b"0000000\0");
        header[116..124].copy_from_slice(b"0000000\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[148..156].fill(b' ');
        header[156] = kind;
        header[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    pub(crate) fn save(self, folder: &Path) -> PathBuf {
        save(folder, &self.end())
    }
}

pub(crate) fn save(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("a.tar");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A layer with one file.
pub(crate) fn layer(text: &str) -> Vec<u8> {
    Tar::new().file(&format!("etc/{text}"), text.repeat(100)).end()
}

/// A config over plain layers; `what` makes it differ from others.
pub(crate) fn config(what: &str, layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| sha256(layer).to_string()).collect();
    json!({
        "architecture": "arm64",
        "variant": "v8",
        "os": "linux",
        "config": { "Cmd": [what], "Healthcheck": { "Test": ["NONE"] } },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": [],
    })
    .to_string()
    .into_bytes()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    sha256(bytes).encoded().to_owned()
}

/// A manifest.json of `(config, tags, layers)`.
pub(crate) fn manifest(images: &[(&str, &[&str], &[&str])]) -> Vec<u8> {
    let image = |(config, tags, layers): &(&str, &[&str], &[&str])| {
        let tags = if tags.is_empty() { Value::Null } else { json!(tags) };
        json!({ "Config": config, "RepoTags": tags, "Layers": layers })
    };
    Value::from(images.iter().map(image).collect::<Vec<_>>()).to_string().into_bytes()
}

/// An archive of one image, `x:1`, with its only layer as given.
pub(crate) fn one_layer(config: &[u8], layer: &[u8]) -> Tar {
    Tar::new()
        .file("c.json", config)
        .file("l", layer)
        .file("manifest.json", manifest(&[("c.json", &["x:1"], &["l"])]))
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 1).unwrap()
}

pub(crate) fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Opens `docker-archive:PATH` with a selector's text behind it.
pub(crate) async fn source(path: &Path, selector: &str) -> Result<Box<dyn ImageSource>> {
    let transport = DockerArchive::new();
    let at = transport.parse(&format!("{}{selector}", path.display()))?;
    transport.source(&at, &ReadOptions::default()).await
}

pub(crate) async fn reader(path: &Path) -> Result<Box<dyn ArchiveReader>> {
    let transport = DockerArchive::new();
    let at = transport.parse(&path.display().to_string())?;
    Archives::read(&transport, &at, &ReadOptions::default()).await
}

/// All of an image.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pulled {
    pub(crate) manifest: Bytes,
    pub(crate) document: ImageDocument,
    pub(crate) config: Bytes,
    pub(crate) layers: Vec<Bytes>,
}

pub(crate) async fn pull(source: &dyn ImageSource) -> Result<Pulled> {
    let root = source.root().await?;
    let Document::Image(document) = root.document() else { panic!("an index") };
    let config = source.blob(&document.config).await?.bytes(u64::MAX).await?;
    let mut layers = Vec::new();
    for layer in &document.layers {
        layers.push(source.blob(layer).await?.bytes(u64::MAX).await?);
    }
    let document = document.clone();
    Ok(Pulled { manifest: root.bytes().clone(), document, config, layers })
}

pub(crate) async fn pull_from(path: &Path, selector: &str) -> Result<Pulled> {
    pull(&*source(path, selector).await?).await
}

/// Through every door of [`Body`], the errors.
pub(crate) async fn through_every_door(
    source: &dyn ImageSource,
    of: &Descriptor,
    scratch: &Path,
) -> Vec<Error> {
    let body = || async { source.blob(of).await };
    let mut errors = Vec::new();
    let mut note = |result: Result<()>| errors.extend(result.err());
    note(async { body().await?.bytes(u64::MAX).await.map(drop) }.await);
    note(
        async {
            let mut stream = body().await?.into_stream();
            while let Some(chunk) = stream.next().await {
                chunk?;
            }
            Ok(())
        }
        .await,
    );
    let to = scratch.join("door");
    let file = std::sync::Arc::new(std::fs::File::create(&to).unwrap());
    note(async { body().await?.copy_to_file(file, &to).await.map(drop) }.await);
    note(async { chunks(body().await?).await }.await);
    errors
}

async fn chunks(body: Body) -> Result<()> {
    transship_core::run_blocking(move |cancel| body.chunks(cancel)?.finish().map(drop)).await
}

pub(crate) fn assert_error<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, says: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

/// The names of a tar's entries, as another reader sees them.
pub(crate) fn tar_names(path: &Path) -> Vec<String> {
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let entries = archive.entries().unwrap();
    entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

/// The text of an entry, as another reader sees it.
pub(crate) fn tar_text(path: &Path, name: &str) -> String {
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let mut text = String::new();
    let mut entries = archive.entries().unwrap().map(|entry| entry.unwrap());
    let mut entry = entries.find(|entry| entry.path().unwrap() == Path::new(name)).unwrap();
    entry.read_to_string(&mut text).unwrap();
    text
}

/// How many of a tar's entries have an extension.
pub(crate) fn count_of(path: &Path, extension: &str) -> usize {
    let names = tar_names(path);
    names.iter().filter(|n| Path::new(n).extension().is_some_and(|e| e == extension)).count()
}
