//! Images, layouts and archives made by hand, so that every byte of them can be wrong.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use transship::transport::sha256;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const TAR_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(crate) const DOCKER_TAR_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// `sha256:HEX` of bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    sha256(bytes).to_string()
}

/// The HEX of it.
pub(crate) fn hex(bytes: &[u8]) -> String {
    digest(bytes).split_off("sha256:".len())
}

/// A tar of one file.
pub(crate) fn layer(name: &str, data: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, data).unwrap();
    builder.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (seed << 1 | 1);
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

/// A config; the fields of `more` replace the usual ones, `null` too.
pub(crate) fn config<L: AsRef<[u8]>>(layers: &[L], more: &Value) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| digest(layer.as_ref())).collect();
    let mut config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": { "Cmd": ["/f"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    merge(&mut config, more);
    config.to_string().into_bytes()
}

/// A descriptor; the fields of `more` are added.
pub(crate) fn descriptor(bytes: &[u8], media_type: &str, more: &Value) -> Value {
    let mut it = json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() });
    merge(&mut it, more);
    it
}

/// An index of descriptors.
pub(crate) fn index(entries: &[Value]) -> Vec<u8> {
    let it = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    it.to_string().into_bytes()
}

/// An OCI manifest.
pub(crate) fn manifest(config: &Value, layers: &[Value]) -> Vec<u8> {
    manifest_of(MANIFEST, config, layers)
}

pub(crate) fn manifest_of(media_type: &str, config: &Value, layers: &[Value]) -> Vec<u8> {
    let it = json!({
        "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers,
    });
    it.to_string().into_bytes()
}

pub(crate) fn platform(os: &str, architecture: &str) -> Value {
    json!({ "platform": { "os": os, "architecture": architecture } })
}

fn merge(into: &mut Value, more: &Value) {
    let (Some(into), Some(more)) = (into.as_object_mut(), more.as_object()) else { return };
    for (key, value) in more {
        into.insert(key.clone(), value.clone());
    }
}

/// One image with gzip layers.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) plain: Vec<Vec<u8>>,
    pub(crate) packed: Vec<Vec<u8>>,
    pub(crate) config: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
    pub(crate) media_type: &'static str,
}

impl Image {
    /// Of two small layers, other ones for another seed.
    pub(crate) fn new(seed: &str) -> Self {
        Self::sized(seed, 2, 2000, &json!({}))
    }

    pub(crate) fn for_architecture(seed: &str, architecture: &str) -> Self {
        Self::sized(seed, 2, 2000, &json!({ "architecture": architecture }))
    }

    /// Of so many layers with so many bytes of text each.
    pub(crate) fn sized(seed: &str, layers: usize, size: usize, more: &Value) -> Self {
        let plain = (0..layers).map(|number| {
            let name = format!("{seed}{number}");
            let data = name.repeat(size / name.len() + 1);
            layer(&name, &data.as_bytes()[..size])
        });
        Self::of(plain.collect(), more)
    }

    /// Of one layer of noise.
    pub(crate) fn of_noise(seed: u64, size: usize) -> Self {
        Self::of(vec![layer("noise", &noise(seed, size))], &json!({}))
    }

    pub(crate) fn of(plain: Vec<Vec<u8>>, more: &Value) -> Self {
        let packed: Vec<_> = plain.iter().map(|layer| gzip(layer)).collect();
        let config = config(&plain, more);
        let layers: Vec<_> =
            packed.iter().map(|layer| descriptor(layer, TAR_GZIP, &json!({}))).collect();
        let manifest = manifest(&descriptor(&config, CONFIG, &json!({})), &layers);
        Self { plain, packed, config, manifest, media_type: MANIFEST }
    }

    /// The same in docker's media types.
    pub(crate) fn docker(mut self) -> Self {
        let layers: Vec<_> = self
            .packed
            .iter()
            .map(|layer| descriptor(layer, DOCKER_TAR_GZIP, &json!({})))
            .collect();
        let config = descriptor(&self.config, DOCKER_CONFIG, &json!({}));
        self.manifest = manifest_of(DOCKER_MANIFEST, &config, &layers);
        self.media_type = DOCKER_MANIFEST;
        self
    }

    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Vec<u8>> {
        std::iter::once(&self.config).chain(&self.packed)
    }

    /// Its descriptor.
    pub(crate) fn entry(&self, more: &Value) -> Value {
        descriptor(&self.manifest, self.media_type, more)
    }

    /// As `docker save` writes it, with these names.
    pub(crate) fn save(&self, path: &Path, names: &[&str]) {
        save(path, &[(self, names)]);
    }
}

/// Several images as `docker save` writes them; layers that they share are there once.
pub(crate) fn save(path: &Path, images: &[(&Image, &[&str])]) {
    let mut tar = Tar::default();
    let mut list = Vec::new();
    let mut there = BTreeSet::new();
    for (image, names) in images {
        for layer in &image.plain {
            let name = format!("{}.tar", hex(layer));
            if there.insert(name.clone()) {
                tar.file(&name, layer);
            }
        }
        let layers: Vec<_> =
            image.plain.iter().map(|layer| format!("{}.tar", hex(layer))).collect();
        let config = format!("{}.json", hex(&image.config));
        tar.file(&config, &image.config);
        list.push(json!({ "Config": config, "RepoTags": names, "Layers": layers }));
    }
    tar.file("manifest.json", json!(list).to_string().as_bytes());
    fs::write(path, tar.finish()).unwrap();
}

/// A tar in memory.
#[derive(Default)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) fn file(&mut self, name: &str, content: &[u8]) {
        self.entry(name, tar::EntryType::Regular, "", content);
    }

    pub(crate) fn folder(&mut self, name: &str) {
        self.entry(name, tar::EntryType::Directory, "", b"");
    }

    pub(crate) fn entry(&mut self, name: &str, kind: tar::EntryType, link: &str, content: &[u8]) {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.padded(content);
    }

    /// A pax header of records, for the next entry or (`g`) for all.
    pub(crate) fn pax(&mut self, kind: tar::EntryType, records: &[(&str, &str)]) {
        let mut text = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length += 1;
            }
            text.push_str(&format!("{length} {key}={value}\n"));
        }
        self.entry("pax", kind, "", text.as_bytes());
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }

    fn padded(&mut self, content: &[u8]) {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }
}

/// An OCI layout in a folder.
pub(crate) struct Layout<'a> {
    path: &'a Path,
    entries: Vec<Value>,
}

impl<'a> Layout<'a> {
    pub(crate) fn new(path: &'a Path) -> Self {
        fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { path, entries: Vec::new() }
    }

    pub(crate) fn blob(&mut self, bytes: &[u8]) {
        fs::write(self.path.join("blobs/sha256").join(hex(bytes)), bytes).unwrap();
    }

    /// A manifest or index with its blobs, which `index.json` does not name.
    pub(crate) fn parts(&mut self, image: &Image) {
        self.blob(&image.manifest);
        for blob in image.blobs() {
            self.blob(blob);
        }
    }

    pub(crate) fn image(&mut self, image: &Image, name: &str) {
        self.parts(image);
        let named = json!({ "annotations": { "org.opencontainers.image.ref.name": name } });
        self.entry(image.entry(&named));
    }

    pub(crate) fn entry(&mut self, entry: Value) {
        self.entries.push(entry);
    }

    pub(crate) fn close(self) {
        let it = json!({ "schemaVersion": 2, "manifests": self.entries });
        fs::write(self.path.join("index.json"), it.to_string()).unwrap();
    }
}

/// A layout of one image.
pub(crate) fn layout(path: &Path, image: &Image, name: &str) {
    let mut layout = Layout::new(path);
    layout.image(image, name);
    layout.close();
}

/// A layout with one entry, and blobs for it.
pub(crate) fn layout_of(path: &Path, entry: Value, blobs: &[&[u8]]) {
    let mut layout = Layout::new(path);
    for blob in blobs {
        layout.blob(blob);
    }
    layout.entry(entry);
    layout.close();
}

/// A layout as an oci-archive, its names with something in front.
pub(crate) fn tar_of(folder: &Path, prefix: &str) -> Vec<u8> {
    let mut tar = Tar::default();
    let mut files = vec!["oci-layout".to_owned(), "index.json".to_owned()];
    for blob in fs::read_dir(folder.join("blobs/sha256")).unwrap() {
        files.push(format!("blobs/sha256/{}", blob.unwrap().file_name().to_str().unwrap()));
    }
    files.sort();
    for file in files {
        tar.file(&format!("{prefix}{file}"), &fs::read(folder.join(&file)).unwrap());
    }
    tar.finish()
}

/// The descriptors in the `index.json` of a layout.
pub(crate) fn entries(layout: &Path) -> Vec<Value> {
    let text = fs::read_to_string(layout.join("index.json")).unwrap();
    let index: Value = serde_json::from_str(&text).unwrap();
    index["manifests"].as_array().unwrap().clone()
}

/// A blob of a layout.
pub(crate) fn blob(layout: &Path, digest: &str) -> Vec<u8> {
    fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap()
}

/// What `docker load` sees of the first image: its config, its layers, its names.
pub(crate) fn saved(path: &Path) -> (Vec<u8>, Vec<Vec<u8>>, Vec<String>) {
    let bytes = fs::read(path).unwrap();
    let list: Value = serde_json::from_slice(&member(&bytes, "manifest.json")).unwrap();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let layers = texts(&list[0]["Layers"]).iter().map(|name| member(&bytes, name)).collect();
    let config = member(&bytes, list[0]["Config"].as_str().unwrap());
    (config, layers, texts(&list[0]["RepoTags"]))
}

fn member(archive: &[u8], name: &str) -> Vec<u8> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap() == Path::new(name) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            return bytes;
        }
    }
    panic!("{name} is not in the archive")
}
