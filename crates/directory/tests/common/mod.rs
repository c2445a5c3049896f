//! Small images, and places for them.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::print_stderr,
    reason = "each test file uses a part, and says what it skips"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use transship_core::{
    Body, Commit, Committed, Descriptor, Expect, ImageDestination, ImageSource, Manifest,
    MediaType, ReadOptions, Reference, Result, Transport, WriteOptions, sha256,
};
use transship_directory::Directory;

/// An image in memory.
pub struct Image {
    pub root: Manifest,
    pub blobs: Vec<(Descriptor, Bytes)>,
}

/// A blob of bytes.
pub fn blob(kind: MediaType, bytes: impl Into<Bytes>) -> (Descriptor, Bytes) {
    let bytes = bytes.into();
    (Descriptor::new(kind, sha256(&bytes), bytes.len() as u64), bytes)
}

/// An image whose blobs say `text`.
pub fn image(text: &str) -> Image {
    let config = blob(MediaType::ImageConfig, format!(r#"{{"comment":"{text}"}}"#));
    let layers = [1, 2].map(|n| blob(MediaType::ImageLayer, format!("layer {n} of {text}")));
    image_of(config, layers.to_vec())
}

pub fn image_of(config: (Descriptor, Bytes), layers: Vec<(Descriptor, Bytes)>) -> Image {
    let json = |d: &Descriptor| serde_json::to_string(d).unwrap();
    let list: Vec<String> = layers.iter().map(|(d, _)| json(d)).collect();
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}}"#,
        json(&config.0),
        list.join(",")
    );
    let blobs = std::iter::once(config).chain(layers).collect();
    Image { root: Manifest::new(text).unwrap(), blobs }
}

/// An index of manifests.
pub fn index(of: &[&Manifest]) -> Manifest {
    let list: Vec<String> =
        of.iter().map(|m| serde_json::to_string(m.descriptor()).unwrap()).collect();
    Manifest::new(format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, list.join(","))).unwrap()
}

pub fn at(path: &Path) -> Reference {
    Directory::new().parse(path.to_str().unwrap()).unwrap()
}

pub async fn source(path: &Path) -> Result<Box<dyn ImageSource>> {
    Directory::new().source(&at(path), &ReadOptions::default()).await
}

pub async fn destination(path: &Path) -> Result<Box<dyn ImageDestination>> {
    Directory::new().destination(&at(path), &WriteOptions::default()).await
}

/// Puts the blobs of an image.
pub async fn put(image: &Image, to: &dyn ImageDestination) {
    for (descriptor, bytes) in &image.blobs {
        let body = Body::from_bytes(bytes.clone());
        to.put_blob(Expect::from(descriptor), body).await.unwrap();
    }
}

/// Writes an image.
pub async fn write(image: &Image, path: &Path) -> Result<Committed> {
    let to = destination(path).await?;
    put(image, &*to).await;
    to.commit(Commit::new(&image.root)).await
}

/// Reads an image and compares all of it.
pub async fn assert_holds(path: &Path, image: &Image) {
    let from = source(path).await.unwrap();
    assert_eq!(from.root().await.unwrap(), image.root);
    assert_blobs(&*from, image).await;
}

pub async fn assert_blobs(from: &dyn ImageSource, image: &Image) {
    for (descriptor, bytes) in &image.blobs {
        let read = from.blob(descriptor).await.unwrap().bytes(1 << 20).await.unwrap();
        assert_eq!(read, *bytes);
    }
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A golden archive, unpacked.
pub fn golden(name: &str, into: &Path) -> PathBuf {
    let archive =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../xtask/goldens/{name}.tar"));
    tar::Archive::new(std::fs::File::open(archive).unwrap()).unpack(into).unwrap();
    into.join(name)
}

/// A filesystem in memory, where mounting is allowed.
pub struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// `None`, with a message, where it is not.
    pub fn mount(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: mounting a tmpfs needs root");
        }
        mounted.then_some(Self(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
