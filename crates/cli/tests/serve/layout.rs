//! A layout made by hand.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use transship::transport::sha256;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A folder to which images are added.
pub(crate) struct Layout {
    root: PathBuf,
    entries: Vec<Value>,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        fs::create_dir_all(root.join("blobs/sha256")).unwrap();
        fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { root: root.to_owned(), entries: Vec::new() }
    }

    /// Stores bytes and describes them.
    pub(crate) fn blob(&self, media_type: &str, bytes: impl AsRef<[u8]>) -> Value {
        let bytes = bytes.as_ref();
        let digest = sha256(bytes);
        fs::write(self.path(digest.as_ref()), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len() })
    }

    pub(crate) fn path(&self, digest: &str) -> PathBuf {
        self.root.join("blobs").join(digest.replace(':', "/"))
    }

    /// An image of layers, which need not be tars.
    pub(crate) fn image(&self, layers: &[&[u8]]) -> Value {
        let diff_ids: Vec<_> = layers.iter().map(|layer| sha256(layer).to_string()).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = self.blob(CONFIG, config.to_string());
        let layers: Vec<_> = layers.iter().map(|layer| self.blob(LAYER, layer)).collect();
        let image = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        self.blob(MANIFEST, image.to_string())
    }

    /// An artifact about a manifest.
    pub(crate) fn about(&self, subject: &Value, kind: &str) -> Value {
        let empty = self.blob("application/vnd.oci.empty.v1+json", "{}");
        let layer = self.blob("text/plain", format!("about, of kind {kind}"));
        let artifact = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": empty,
            "layers": [layer], "subject": subject, "annotations": { "made": "by hand" },
        });
        self.blob(MANIFEST, artifact.to_string())
    }

    /// Lists a manifest, with or without a name, and writes the table of contents.
    pub(crate) fn list(&mut self, manifest: &Value, name: Option<&str>) {
        let mut entry = manifest.clone();
        if let Some(name) = name {
            entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        }
        self.entries.push(entry);
        self.write();
    }

    pub(crate) fn write(&self) {
        let index = json!({ "schemaVersion": 2, "manifests": self.entries });
        let temporary = self.root.join("index.json.new");
        fs::write(&temporary, index.to_string()).unwrap();
        fs::rename(temporary, self.root.join("index.json")).unwrap();
    }
}

pub(crate) fn digest(of: &Value) -> String {
    of["digest"].as_str().unwrap().to_owned()
}

/// Bytes that do not compress, the same each time.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let step = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(step).flatten().take(len).collect()
}

/// A layer with one file.
pub(crate) fn tar_of(bytes: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, format!("file-{}", bytes.len()), bytes).unwrap();
    builder.into_inner().unwrap()
}
