//! OCI layouts that no tool at hand writes: artifacts, indexes in indexes, hundreds of names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use super::images::digest;
use super::lab::Lab;
use super::readers::parse;
use crate::sh::{self, Result};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layout in the making.
pub(super) struct Layout<'a> {
    lab: &'a Lab,
    pub(super) folder: String,
    entries: Vec<Value>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(lab: &'a Lab, what: &str) -> Result<Self> {
        let folder = lab.folder(what)?;
        let blobs = format!("{folder}/blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|e| format!("{blobs}: {e}"))?;
        Ok(Self { lab, folder, entries: Vec::new() })
    }

    /// Keeps a blob, and describes it.
    fn blob(&self, media_type: &str, bytes: &[u8]) -> Result<Value> {
        let digest = digest(bytes);
        let path = format!("{}/blobs/{}", self.folder, digest.replace(':', "/"));
        fs::write(&path, bytes).map_err(|e| format!("{path}: {e}"))?;
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
    }

    /// An image with a gzipped layer.
    pub(super) fn image(&self, architecture: &str, text: &str) -> Result<Value> {
        self.image_of(architecture, text, text)
    }

    /// An image with a gzipped layer of which a file has this content.
    pub(super) fn image_of(&self, architecture: &str, env: &str, text: &str) -> Result<Value> {
        let (diff_id, layer) = layer(self.lab, text)?;
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": { "Env": [format!("TEXT={env}")] },
            "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        });
        let mut image = self.document(
            MANIFEST,
            &json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self.blob(CONFIG, config.to_string().as_bytes())?,
                "layers": [self.blob(LAYER, &layer)?],
            }),
        )?;
        image["platform"] = json!({ "architecture": architecture, "os": "linux" });
        Ok(image)
    }

    /// Something that is no image: an empty config, and a file with a type of its own.
    pub(super) fn artifact(&self, text: &str) -> Result<Value> {
        let kind = "application/vnd.example.notes.v1";
        self.document(
            MANIFEST,
            &json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": kind,
                "config": self.blob("application/vnd.oci.empty.v1+json", b"{}")?,
                "layers": [self.blob("text/plain", text.as_bytes())?],
                "annotations": { "org.example.about": text },
            }),
        )
    }

    /// An index of what was described.
    pub(super) fn index(&self, of: &[Value]) -> Result<Value> {
        let document = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": of });
        self.document(INDEX, &document)
    }

    fn document(&self, media_type: &str, document: &Value) -> Result<Value> {
        self.blob(media_type, document.to_string().as_bytes())
    }

    /// Gives something a name.
    pub(super) fn name(&mut self, name: &str, described: &Value) {
        let mut entry = described.clone();
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        self.entries.push(entry);
    }

    /// Writes what makes it a layout.
    pub(super) fn finish(self) -> Result<String> {
        let index = json!({ "schemaVersion": 2, "manifests": self.entries }).to_string();
        for (name, text) in
            [("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", &index)]
        {
            let path = format!("{}/{name}", self.folder);
            fs::write(&path, text).map_err(|e| format!("{path}: {e}"))?;
        }
        Ok(self.folder)
    }
}

/// What a layout's index says: names and digests.
pub(super) fn names(folder: &str) -> Result<BTreeMap<String, String>> {
    let path = format!("{folder}/index.json");
    let index = parse(&fs::read(&path).map_err(|e| format!("{path}: {e}"))?)?;
    let entries = index["manifests"].as_array().into_iter().flatten();
    let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    Ok(entries
        .map(|entry| {
            let name = text(&entry["annotations"]["org.opencontainers.image.ref.name"]);
            (name, text(&entry["digest"]))
        })
        .collect())
}

/// The digests of a layout's blobs; each has to be true.
pub(super) fn blobs(folder: &str) -> Result<BTreeSet<String>> {
    let path = format!("{folder}/blobs/sha256");
    let failed = |e: std::io::Error| format!("{path}: {e}");
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(&path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let found = digest(&fs::read(&file).map_err(failed)?);
        if file.file_name().and_then(|name| name.to_str()) != found.strip_prefix("sha256:") {
            return Err(format!("{} holds {found}", file.display()));
        }
        all.insert(found);
    }
    Ok(all)
}

/// The diff ID and the gzipped bytes of a layer with one file.
fn layer(lab: &Lab, text: &str) -> Result<(String, Vec<u8>)> {
    let folder = lab.folder("layer")?;
    fs::write(format!("{folder}/text"), text).map_err(|e| format!("{folder}: {e}"))?;
    let tar = format!("{folder}.tar");
    let options = ["--mtime=@0", "--owner=0", "--group=0", "-cf", &tar, "-C", &folder, "text"];
    sh::stdout(&mut sh::command("tar", options))?;
    let diff_id = digest(&fs::read(&tar).map_err(|e| format!("{tar}: {e}"))?);
    Ok((diff_id, sh::stdout(&mut sh::command("gzip", ["-nc", &tar]))?))
}
