//! [`Reach`]: what documents need, or might need.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use serde_json::Value;
use transship_core::{
    Digest, Error, ErrorKind, MediaType, Result, is_index_type, media_types, parse_digest,
};

/// Follows documents from one to the next, cautiously: whatever looks like a digest in a document that is reached, in a
/// field that nobody knows, too, is reached. Only layers and configs of images are not looked into.
pub struct Reach<'a> {
    read: &'a dyn Fn(&Digest) -> Result<Option<Bytes>>,
    /// Whether each was looked into, or did not need to be.
    reached: HashMap<String, Looked>,
    ahead: Vec<(Digest, Kind)>,
    unreadable: Vec<(Digest, Error)>,
}

impl std::fmt::Debug for Reach<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reach").field("reached", &self.reached.len()).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Looked {
    Not,
    /// If it could be.
    Perhaps,
    Into,
}

/// What a reference says of what it refers to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A layer or a config: bytes.
    Blob,
    /// A manifest or index.
    Manifest,
    /// Either.
    Unknown,
}

impl<'a> Reach<'a> {
    /// With a function that reads a document: `None` where it is not there, `LimitExceeded` where it is too large to be one.
    pub fn new(read: &'a dyn Fn(&Digest) -> Result<Option<Bytes>>) -> Self {
        Self { read, reached: HashMap::new(), ahead: Vec::new(), unreadable: Vec::new() }
    }

    /// Follows all that a document refers to, given as JSON.
    pub fn follow(&mut self, document: &Value) {
        self.scan(document);
        while let Some((digest, kind)) = self.ahead.pop() {
            self.look_into(&digest, kind);
        }
    }

    /// Follows a manifest.
    pub fn follow_manifest(&mut self, digest: &Digest) {
        self.note(digest, Kind::Manifest);
        self.follow(&Value::Null);
    }

    /// Whether a digest is reached.
    pub fn has(&self, digest: &Digest) -> bool {
        self.reached.contains_key(digest.as_ref())
    }

    /// All digests that are reached.
    pub fn digests(&self) -> BTreeSet<&str> {
        self.reached.keys().map(String::as_str).collect()
    }

    /// Documents that could not be read: nobody knows what they need.
    pub fn unreadable(&self) -> &[(Digest, Error)] {
        &self.unreadable
    }

    fn scan(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.note_text(text, Kind::Unknown),
            Value::Array(values) => values.iter().for_each(|value| self.scan(value)),
            Value::Object(fields) => {
                let digest = fields.get("digest").and_then(Value::as_str);
                let kind = kind_of(fields.get("mediaType").and_then(Value::as_str));
                if let Some(digest) = digest {
                    self.note_text(digest, kind);
                }
                for (name, value) in fields {
                    self.note_text(name, Kind::Unknown);
                    if name != "digest" || digest.is_none() {
                        self.scan(value);
                    }
                }
            }
            _ => {}
        }
    }

    fn note_text(&mut self, text: &str, kind: Kind) {
        if let Ok(digest) = parse_digest(text) {
            self.note(&digest, kind);
        }
    }

    fn note(&mut self, digest: &Digest, kind: Kind) {
        let looked = self.reached.entry(digest.to_string()).or_insert(Looked::Not);
        let look = match kind {
            Kind::Blob => Looked::Not,
            Kind::Unknown => Looked::Perhaps,
            Kind::Manifest => Looked::Into,
        };
        if look > *looked {
            *looked = look;
            self.ahead.push((digest.clone(), kind));
        }
    }

    fn look_into(&mut self, digest: &Digest, kind: Kind) {
        let bytes = match (self.read)(digest) {
            Ok(Some(bytes)) => bytes,
            // Sparse containers lack some.
            Ok(None) => return,
            Err(e) if e.kind() == ErrorKind::LimitExceeded && kind == Kind::Unknown => return,
            Err(e) => return self.unreadable.push((digest.clone(), e)),
        };
        match serde_json::from_slice(&bytes) {
            Ok(document) => self.scan(&document),
            Err(e) if kind == Kind::Manifest => {
                let error = Error::new(ErrorKind::Corrupt, "it is malformed").caused_by(e);
                self.unreadable.push((digest.clone(), error));
            }
            // Bytes of a type that nobody knows.
            Err(_) => {}
        }
    }
}

fn kind_of(media_type: Option<&str>) -> Kind {
    let Some(text) = media_type.filter(|text| !text.is_empty()) else { return Kind::Unknown };
    let media_type = MediaType::from(text);
    if is_index_type(&media_type).is_some() {
        return Kind::Manifest;
    }
    let is_config = media_type == MediaType::ImageConfig || text == media_types::DOCKER_CONFIG;
    let is_layer = text.starts_with("application/vnd.oci.image.layer.")
        || text.starts_with("application/vnd.docker.image.rootfs.");
    if is_config || is_layer { Kind::Blob } else { Kind::Unknown }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use transship_core::sha256;

    use super::*;

    #[test]
    fn whatever_looks_like_a_digest() {
        let d = |text: &str| sha256(text.as_bytes());
        let index = MediaType::ImageIndex.to_string();
        let documents = HashMap::from([
            (
                d("index"),
                json!({ "manifests": [{ "mediaType": index, "digest": d("nested").to_string() }] }),
            ),
            (d("nested"), json!({ "of": { "nobody": [{ "knows": d("unknown").to_string() }] } })),
            (d("unknown"), json!({ "annotations": { "x": d("annotated").to_string() } })),
            // A config's diff IDs are no blobs.
            (d("config"), json!({ "rootfs": { "diff_ids": [d("diff").to_string()] } })),
            (d("keys"), json!({ d("key").to_string(): 1, "digest": d("index").to_string() })),
        ]);
        let read = |digest: &Digest| match digest {
            large if *large == d("large") => Err(Error::new(ErrorKind::LimitExceeded, "")),
            digest => Ok(documents.get(digest).map(|document| document.to_string().into())),
        };
        let mut reach = Reach::new(&read);
        let config = MediaType::ImageConfig.to_string();
        reach.follow(&json!([
            { "mediaType": config, "digest": d("config").to_string() },
            { "mediaType": "x", "digest": d("large").to_string() },
            d("keys").to_string(),
        ]));
        for reached in ["config", "large", "keys", "key", "index", "nested", "unknown", "annotated"]
        {
            assert!(reach.has(&d(reached)), "{reached}");
        }
        assert!(!reach.has(&d("diff")));
        assert!(reach.unreadable().is_empty());
        reach.follow_manifest(&d("large"));
        reach.follow_manifest(&d("other"));
        assert_eq!(reach.unreadable().len(), 1);
    }
}
