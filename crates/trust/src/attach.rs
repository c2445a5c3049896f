//! How signatures lie beside an image: as a manifest under a tag, as a referrer, as a file.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use transship_core::{
    Descriptor, Digest, Document, Error, ErrorKind, Manifest, MediaType, Result, sha256,
    subject_of_tag, tags_beside,
};

use crate::bundle::{BUNDLE, SIGN_PREDICATE, is_bundle};
use crate::found::{Content, Found, SIGNATURE, SIMPLE_SIGNING};
use crate::{PublicKey, SIGNATURES_LIMIT, SimpleSignature};

/// The empty JSON object, a config that says nothing.
const EMPTY: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// A manifest that holds a signature, and the blobs that have to be put before it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attachment {
    /// The blobs, with their media types.
    pub blobs: Vec<(MediaType, Bytes)>,
    /// The manifest.
    pub manifest: Manifest,
}

/// The tag beside an image under which cosign keeps the signatures of a manifest: `sha256-HEX.sig`.
pub fn signatures_tag(of: &Digest) -> String {
    let [signatures, ..] = tags_beside(of);
    signatures
}

/// Whether what is about an image is a signature of it, as far as its descriptor says: a bundle that says nothing is taken for one.
pub fn is_signature(about: &Descriptor) -> bool {
    let is_bundle = about.artifact_type.as_deref().is_some_and(is_bundle);
    is_bundle && about.annotation(PREDICATE).is_none_or(|predicate| predicate == SIGN_PREDICATE)
}

/// Whether a tag is that of a list to which each who signs adds a layer: the signatures of a manifest, or its attestations.
pub fn is_list_tag(tag: &str) -> bool {
    let Some(of) = subject_of_tag(tag) else { return false };
    let [signatures, attestations, _] = tags_beside(&of);
    tag == signatures || tag == attestations
}

impl Attachment {
    /// The manifest for [`signatures_tag`]: what is there already in manifests for that tag, each signature once, and one more.
    /// A payload that the same key has signed already is not added again, as cosign does: signatures of a key differ each time.
    ///
    /// # Errors
    /// `Corrupt` where what is there holds no signatures, `LimitExceeded` where they are too many.
    pub fn of_simple(
        before: &[Manifest],
        signature: &SimpleSignature,
        by: &PublicKey,
    ) -> Result<Self> {
        let mut layers = joined(before)?;
        let payload = signature.payload.clone();
        let mut layer = described(SIMPLE_SIGNING, &payload);
        if !signature.is_one_of(&layers, by) {
            layer.annotations.insert(SIGNATURE.to_owned(), signature.signature.clone());
            layers.push(layer);
        }
        let mut made = Self::of_layers(before, &layers)?;
        made.blobs.push((SIMPLE_SIGNING.into(), payload));
        Ok(made)
    }

    /// The manifest for a tag under which signatures or attestations are kept: what is in these, each once.
    ///
    /// # Errors
    /// As [`of_simple`](Self::of_simple).
    pub fn of_all(before: &[Manifest]) -> Result<Self> {
        Self::of_layers(before, &joined(before)?)
    }

    /// The first of the manifests that has these layers, else a new one.
    fn of_layers(before: &[Manifest], layers: &[Descriptor]) -> Result<Self> {
        check_count(layers.len())?;
        let same = before.iter().find(|manifest| {
            matches!(manifest.document(), Document::Image(image) if image.layers == layers)
        });
        if let Some(manifest) = same {
            return Ok(Self { blobs: Vec::new(), manifest: manifest.clone() });
        }
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer.digest.to_string()).collect();
        let config = json!({
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = Bytes::from(config.to_string());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::ImageManifest.as_ref(),
            "config": described(CONFIG_TYPE, &config),
            "layers": layers,
        });
        let blobs = vec![(CONFIG_TYPE.into(), config)];
        Ok(Self { blobs, manifest: Manifest::new(manifest.to_string())? })
    }

    /// A referrer of a manifest that holds a bundle, as cosign makes it.
    ///
    /// # Errors
    /// None in practice.
    pub fn of_bundle(subject: &Descriptor, bundle: Bytes, predicate: &str) -> Result<Self> {
        let Descriptor { media_type, digest, size, .. } = subject.clone();
        let annotations = BTreeMap::from([
            ("dev.sigstore.bundle.content", "dsse-envelope"),
            (PREDICATE, predicate),
        ]);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::ImageManifest.as_ref(),
            "artifactType": BUNDLE,
            "config": described(EMPTY_TYPE, &Bytes::from_static(EMPTY)),
            "layers": [described(BUNDLE, &bundle)],
            "subject": Descriptor::new(media_type, digest, size),
            "annotations": annotations,
        });
        let blobs = vec![(EMPTY_TYPE.into(), Bytes::from_static(EMPTY)), (BUNDLE.into(), bundle)];
        Ok(Self { blobs, manifest: Manifest::new(manifest.to_string())? })
    }
}

impl SimpleSignature {
    /// Whether one of the files in which `dir:` keeps signatures says the same, by the same key.
    pub fn is_among(&self, files: &[Bytes], by: &PublicKey) -> bool {
        files.iter().any(|file| match Found::detached("", file).content {
            Content::Simple(there) => there.payload == self.payload && there.is_by(by),
            _ => false,
        })
    }

    /// Whether a manifest of [`signatures_tag`] has one that says the same, by the same key.
    pub fn is_in(&self, manifest: &Manifest, by: &PublicKey) -> bool {
        match manifest.document() {
            Document::Image(image) => self.is_one_of(&image.layers, by),
            _ => false,
        }
    }

    fn is_one_of(&self, layers: &[Descriptor], by: &PublicKey) -> bool {
        let payload = sha256(&self.payload);
        layers.iter().any(|layer| {
            let signature = layer.annotations.get(SIGNATURE).cloned().unwrap_or_default();
            layer.digest == payload && Self::new(self.payload.clone(), signature).is_by(by)
        })
    }

    /// The file in which `dir:` keeps it.
    pub fn to_file(&self) -> Bytes {
        let json = json!({
            "mimeType": SIMPLE_SIGNING,
            "payload": STANDARD.encode(&self.payload),
            "annotations": { SIGNATURE: self.signature },
        });
        format!("\0sigstore-json\n{json}").into()
    }
}

/// The layers of manifests, each once.
fn joined(manifests: &[Manifest]) -> Result<Vec<Descriptor>> {
    let mut all: Vec<Descriptor> = Vec::new();
    for manifest in manifests {
        let Document::Image(image) = manifest.document() else {
            let message = "an index is where signatures are kept, and would be lost";
            return Err(Error::new(ErrorKind::Corrupt, message));
        };
        for layer in &image.layers {
            if !all.contains(layer) {
                all.push(layer.clone());
                check_count(all.len())?;
            }
        }
    }
    Ok(all)
}

fn check_count(signatures: usize) -> Result<()> {
    if signatures <= SIGNATURES_LIMIT {
        return Ok(());
    }
    let message = format!(
        "a manifest can have {SIGNATURES_LIMIT} signatures at most: policies accept no image with more"
    );
    Err(Error::new(ErrorKind::LimitExceeded, message))
}

fn described(media_type: &str, bytes: &Bytes) -> Descriptor {
    Descriptor::new(media_type.into(), sha256(bytes), bytes.len() as u64)
}
