//! Images to copy, made as a test says.

use std::io::Read;
use std::num::NonZeroUsize;

use serde_json::{Value, json};
use transship_core::{Digest, LayerForm, Manifest, media_types, sha256};
use transship_transfer::codec::{GzipDecoder, GzipEncoder, ZstdDecoder, ZstdEncoder};

use crate::memory::Memory;

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const OCI_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const OCI_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// An image to make.
#[derive(Clone, Debug)]
pub struct Image {
    pub layers: Vec<Layer>,
    pub docker: bool,
    pub platform: (&'static str, &'static str),
    pub annotations: Value,
    /// Said instead of the true diff IDs.
    pub diff_ids: Option<Vec<Digest>>,
}

#[derive(Clone, Debug)]
pub struct Layer {
    pub content: Vec<u8>,
    pub form: LayerForm,
    /// Said instead of the true type.
    pub media_type: Option<String>,
    pub annotations: Value,
    /// Whether its bytes are there.
    pub there: bool,
}

impl Layer {
    pub fn new(content: &[u8], form: LayerForm) -> Self {
        Self {
            content: content.to_vec(),
            form,
            media_type: None,
            annotations: Value::Null,
            there: true,
        }
    }

    pub fn typed(mut self, media_type: &str) -> Self {
        self.media_type = Some(media_type.to_owned());
        self
    }

    pub fn annotated(mut self, annotations: Value) -> Self {
        self.annotations = annotations;
        self
    }

    fn media_type(&self, docker: bool) -> String {
        let own = match (docker, self.form) {
            (false, LayerForm::Gzip) => OCI_GZIP,
            (false, LayerForm::Zstd) => OCI_ZSTD,
            (false, _) => OCI_LAYER,
            (true, LayerForm::Gzip) => media_types::DOCKER_LAYER_GZIP,
            (true, LayerForm::Zstd) => media_types::DOCKER_LAYER_ZSTD,
            (true, _) => media_types::DOCKER_LAYER,
        };
        self.media_type.clone().unwrap_or_else(|| own.to_owned())
    }
}

/// A layer's worth of bytes, different for each seed.
pub fn content(seed: u8) -> Vec<u8> {
    (0..5_000_u32).map(|at| (at / 7) as u8 ^ seed).collect()
}

impl Image {
    /// Two OCI layers of a form.
    pub fn of(form: LayerForm) -> Self {
        Self::with(vec![Layer::new(&content(1), form), Layer::new(&content(2), form)])
    }

    pub fn with(layers: Vec<Layer>) -> Self {
        Self {
            layers,
            docker: false,
            platform: ("linux", "amd64"),
            annotations: Value::Null,
            diff_ids: None,
        }
    }

    pub fn docker(mut self) -> Self {
        self.docker = true;
        self
    }

    pub fn on(mut self, os: &'static str, architecture: &'static str) -> Self {
        self.platform = (os, architecture);
        self
    }

    pub fn annotated(mut self, annotations: Value) -> Self {
        self.annotations = annotations;
        self
    }

    /// Puts its blobs and its manifest into an archive.
    pub fn put(&self, into: &Memory) -> Manifest {
        let diff_ids: Vec<Digest> = match &self.diff_ids {
            Some(said) => said.clone(),
            None => self.layers.iter().map(|layer| sha256(&layer.content)).collect(),
        };
        let config = json!({
            "architecture": self.platform.1, "os": self.platform.0,
            "config": {"Healthcheck": {"Test": ["NONE"]}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        })
        .to_string();
        let config_type = if self.docker { media_types::DOCKER_CONFIG } else { OCI_CONFIG };
        let layers: Vec<Value> =
            self.layers.iter().map(|layer| self.put_layer(layer, into)).collect();
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": if self.docker { media_types::DOCKER_MANIFEST } else { OCI_MANIFEST },
            "config": {"mediaType": config_type, "size": config.len(), "digest": sha256(config.as_bytes())},
            "layers": layers,
        });
        into.add_blob(config);
        if !self.annotations.is_null() {
            manifest["annotations"] = self.annotations.clone();
        }
        into.add_manifest(serde_json::to_vec_pretty(&manifest).unwrap())
    }

    fn put_layer(&self, layer: &Layer, into: &Memory) -> Value {
        let bytes = in_form(&layer.content, layer.form);
        let mut descriptor = json!({
            "mediaType": layer.media_type(self.docker),
            "size": bytes.len(),
            "digest": sha256(&bytes),
        });
        if !layer.annotations.is_null() {
            descriptor["annotations"] = layer.annotations.clone();
        }
        if layer.there {
            into.add_blob(bytes);
        }
        descriptor
    }
}

/// An index of images.
pub fn index(into: &Memory, media_type: &str, children: &[Value]) -> Manifest {
    let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": children});
    into.add_manifest(serde_json::to_vec_pretty(&index).unwrap())
}

/// A child of an index.
pub fn child(of: &Manifest, platform: &str) -> Value {
    let descriptor = of.descriptor();
    let (os, rest) = platform.split_once('/').unwrap();
    let (architecture, variant) = match rest.split_once('/') {
        Some((architecture, variant)) => (architecture, Some(variant)),
        None => (rest, None),
    };
    let mut platform = json!({"architecture": architecture, "os": os});
    if let Some(variant) = variant {
        platform["variant"] = json!(variant);
    }
    json!({
        "mediaType": descriptor.media_type.as_ref(),
        "digest": descriptor.digest,
        "size": descriptor.size,
        "platform": platform,
    })
}

/// An attestation as build tools make them, and its place in an index.
pub fn attestation(into: &Memory, of: &Manifest) -> Value {
    let statement = br#"{"_type":"https://in-toto.io/Statement/v0.1"}"#;
    let mut image = Image::with(vec![
        Layer::new(statement, LayerForm::Plain).typed("application/vnd.in-toto+json"),
    ]);
    image.platform = ("unknown", "unknown");
    let mut child = child(&image.put(into), "unknown/unknown");
    child["annotations"] = json!({
        "vnd.docker.reference.digest": of.descriptor().digest,
        "vnd.docker.reference.type": "attestation-manifest",
    });
    child
}

/// An artifact: its config is no image config.
pub fn artifact(into: &Memory) -> Manifest {
    let layer = into.add_blob(&b"not a tar"[..]);
    let config = into.add_blob(&b"{}"[..]);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.example+json",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
        "layers": [{"mediaType": OCI_GZIP, "digest": layer, "size": 9}],
    });
    into.add_manifest(manifest.to_string())
}

pub fn in_form(content: &[u8], form: LayerForm) -> Vec<u8> {
    let mut made = Vec::new();
    let one = NonZeroUsize::MIN;
    match form {
        LayerForm::Gzip => GzipEncoder::new(content, 6, one).unwrap().read_to_end(&mut made),
        LayerForm::Zstd => ZstdEncoder::new(std::io::Cursor::new(content.to_vec()), 3, one)
            .unwrap()
            .read_to_end(&mut made),
        _ => return content.to_vec(),
    }
    .unwrap();
    made
}

pub fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut made = Vec::new();
    match bytes {
        [0x1f, 0x8b, ..] => GzipDecoder::new(bytes).read_to_end(&mut made),
        [0x28, 0xb5, ..] => ZstdDecoder::new(bytes).unwrap().read_to_end(&mut made),
        _ => return bytes.to_vec(),
    }
    .unwrap();
    made
}
