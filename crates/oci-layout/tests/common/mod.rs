//! What the tests share: small images, and looking at what is on disk.
#![allow(dead_code, unreachable_pub, reason = "not every test uses all of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};
use transship_core::{
    Body, Commit, Committed, Descriptor, Expect, ImageDestination, ImageName, ImageSource,
    Manifest, MediaType, ReadOptions, Reference, Result, Transport, WriteMode, WriteOptions,
    sha256,
};
use transship_oci_layout::{OciArchive, OciLayout};

/// An image in memory.
#[derive(Clone, Debug)]
pub struct Made {
    pub manifest: Manifest,
    /// Config and layers.
    pub blobs: Vec<(Descriptor, Bytes)>,
}

pub fn digest_of(bytes: &[u8]) -> String {
    sha256(bytes).to_string()
}

pub fn blob(media_type: &str, bytes: impl Into<Bytes>) -> (Descriptor, Bytes) {
    let bytes = bytes.into();
    let descriptor =
        Descriptor::new(MediaType::from(media_type), sha256(&bytes), bytes.len() as u64);
    (descriptor, bytes)
}

/// An image for linux/amd64 whose content follows from a text.
pub fn image(seed: &str) -> Made {
    image_for(seed, "amd64")
}

pub fn image_for(seed: &str, architecture: &str) -> Made {
    let config = json!({"architecture": architecture, "os": "linux", "seed": seed,
        "rootfs": {"type": "layers", "diff_ids": []}});
    let config = blob("application/vnd.oci.image.config.v1+json", config.to_string());
    let shared = blob("application/vnd.oci.image.layer.v1.tar", "shared by all");
    let own = blob("application/vnd.oci.image.layer.v1.tar", format!("layer of {seed}"));
    made(&json!({}), vec![config, shared, own])
}

/// A manifest of a config and layers, with more fields.
pub fn made(fields: &Value, blobs: Vec<(Descriptor, Bytes)>) -> Made {
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blobs[0].0,
        "layers": blobs[1..].iter().map(|(d, _)| d).collect::<Vec<_>>(),
    });
    for (key, value) in fields.as_object().unwrap() {
        manifest[key] = value.clone();
    }
    Made { manifest: Manifest::new(manifest.to_string()).unwrap(), blobs }
}

/// An index of manifests, each with a platform of linux.
pub fn index(children: &[(&Manifest, &str)]) -> Manifest {
    let entries: Vec<Value> = children
        .iter()
        .map(|(manifest, architecture)| {
            let mut entry = serde_json::to_value(manifest.descriptor()).unwrap();
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
            entry
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": MediaType::ImageIndex.to_string(), "manifests": entries});
    Manifest::new(index.to_string()).unwrap()
}

pub fn at(transport: &dyn Transport, path: &Path, rest: &str) -> Reference {
    let path = path.to_str().unwrap().replace(':', "\\:");
    transport.parse(&format!("{path}{rest}")).unwrap()
}

pub fn oci(path: &Path, rest: &str) -> Reference {
    at(&OciLayout::new(), path, rest)
}

pub fn tar(path: &Path, rest: &str) -> Reference {
    at(&OciArchive::new(), path, rest)
}

pub fn name(text: &str) -> ImageName {
    ImageName::new(text).unwrap()
}

pub fn how(mode: WriteMode) -> WriteOptions {
    let mut how = WriteOptions::default();
    how.mode = Some(mode);
    how
}

pub fn transport_of(reference: &Reference) -> Box<dyn Transport> {
    match reference.scheme() {
        "oci" => Box::new(OciLayout::new()),
        _ => Box::new(OciArchive::new()),
    }
}

pub async fn source(at: &Reference) -> Result<Box<dyn ImageSource>> {
    transport_of(at).source(at, &ReadOptions::default()).await
}

pub async fn destination(at: &Reference) -> Result<Box<dyn ImageDestination>> {
    transport_of(at).destination(at, &WriteOptions::default()).await
}

pub async fn put_blobs(to: &dyn ImageDestination, made: &Made) -> Result<()> {
    for (descriptor, bytes) in &made.blobs {
        to.put_blob(Expect::from(descriptor), Body::from_bytes(bytes.clone())).await?;
    }
    Ok(())
}

pub async fn write_to(to: Box<dyn ImageDestination + '_>, made: &Made) -> Result<Committed> {
    put_blobs(&*to, made).await?;
    to.commit(Commit::new(&made.manifest)).await
}

pub async fn write(at: &Reference, made: &Made) -> Result<Committed> {
    write_to(destination(at).await?, made).await
}

/// Reads all of an image and compares it.
pub async fn assert_holds(at: &Reference, made: &Made) {
    let source = source(at).await.unwrap();
    let root = source.root().await.unwrap();
    assert_eq!(root.bytes(), made.manifest.bytes(), "{at}");
    for (descriptor, bytes) in &made.blobs {
        let read = source.blob(descriptor).await.unwrap().bytes(1 << 20).await.unwrap();
        assert_eq!(read, bytes, "{at}");
    }
}

/// All files below a folder, with their content; folders end in a slash.
pub fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        let Ok(entries) = fs::read_dir(&at) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                all.insert(format!("{name}/"), Vec::new());
                folders.push(path);
            } else {
                all.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    all
}

pub fn names_in(folder: &Path) -> Vec<String> {
    tree(folder).into_keys().collect()
}

pub fn read_index(layout: &Path) -> Value {
    serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap()
}

/// A layout as another tool may write it: `index.json` as given, and blobs.
pub fn lay_out(folder: &Path, index: &Value, blobs: &[Bytes]) {
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
    for bytes in blobs {
        fs::write(folder.join("blobs/sha256").join(sha256(bytes).encoded()), bytes).unwrap();
    }
}

/// All bytes of images, for [`lay_out`].
pub fn bytes_of(images: &[&Made]) -> Vec<Bytes> {
    let all = images.iter().flat_map(|made| {
        made.blobs.iter().map(|(_, b)| b.clone()).chain([made.manifest.bytes().clone()])
    });
    all.collect()
}

/// An entry of `index.json`.
pub fn entry(manifest: &Manifest, fields: &Value) -> Value {
    let mut entry = serde_json::to_value(manifest.descriptor()).unwrap();
    for (key, value) in fields.as_object().unwrap() {
        entry[key] = value.clone();
    }
    entry
}

pub fn named(manifest: &Manifest, name: &str) -> Value {
    entry(manifest, &json!({"annotations": {"org.opencontainers.image.ref.name": name}}))
}

pub fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xtask/goldens")
}
