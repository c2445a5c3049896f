//! How signatures lie beside an image: as a manifest under a tag, as a referrer, as a file.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use transship_core::{
    Descriptor, Digest, Document, Error, ErrorKind, Manifest, MediaType, Result, sha256,
    tags_beside,
};

use crate::bundle::{BUNDLE, SIGN_PREDICATE, is_bundle};
use crate::found::{SIGNATURE, SIMPLE_SIGNING};
use crate::{SIGNATURES_LIMIT, SimpleSignature};

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

impl Attachment {
    /// The manifest for [`signatures_tag`]: what is there already, and one signature more.
    ///
    /// # Errors
    /// `Corrupt` where what is there holds no signatures, `LimitExceeded` where they are too many.
    pub fn of_simple(before: Option<&Manifest>, signature: &SimpleSignature) -> Result<Self> {
        let mut layers = match before.map(Manifest::document) {
            None => Vec::new(),
            Some(Document::Image(image)) => image.layers.clone(),
            Some(_) => {
                let message = "an index is where signatures are kept, and would be lost";
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
        };
        if layers.len() >= SIGNATURES_LIMIT {
            let message = format!("there are {} signatures, which is the most", layers.len());
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        let payload = signature.payload.clone();
        let mut layer = described(SIMPLE_SIGNING, &payload);
        layer.annotations.insert(SIGNATURE.to_owned(), signature.signature.clone());
        layers.push(layer);
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
        let blobs = vec![(SIMPLE_SIGNING.into(), payload), (CONFIG_TYPE.into(), config)];
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

fn described(media_type: &str, bytes: &Bytes) -> Descriptor {
    Descriptor::new(media_type.into(), sha256(bytes), bytes.len() as u64)
}
