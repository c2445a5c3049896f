//! [`Reachable`]: what documents need, or might need.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde::de::IgnoredAny;
use transship_core::{
    Descriptor, Digest, Error, ErrorKind, ImageConfig, MediaType, Result, is_index_type,
    parse_digest,
};

use crate::embedded::embedded_content;
use crate::mentions::{Mention, mentions};

/// Follows documents from one to the next, cautiously: whatever looks like a digest in a document that is reached, in a
/// field that nobody knows, too, is reached. Only layers and configs of images are not looked into.
pub struct Reachable<'a> {
    read: &'a dyn Fn(&Digest) -> Result<Option<Bytes>>,
    /// Whether each was looked into, or did not need to be.
    reached: HashMap<Digest, Looked>,
    new: Vec<Digest>,
    ahead: Vec<(Digest, Kind)>,
    unreadable: Vec<(Digest, Error)>,
    /// Whose descriptor carries a content that is not theirs, and who are nowhere else.
    misfits: HashSet<Digest>,
}

impl std::fmt::Debug for Reachable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reachable").field("reached", &self.reached.len()).finish_non_exhaustive()
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A layer or a config: bytes.
    Blob,
    /// Either.
    Unknown,
    /// A manifest or index.
    Manifest,
}

impl<'a> Reachable<'a> {
    /// With a function that reads a document: `None` where it is not there, `LimitExceeded` where it is too large to be one.
    pub fn new(read: &'a dyn Fn(&Digest) -> Result<Option<Bytes>>) -> Self {
        let (new, ahead, unreadable) = (Vec::new(), Vec::new(), Vec::new());
        let (reached, misfits) = (HashMap::new(), HashSet::new());
        Self { read, reached, new, ahead, unreadable, misfits }
    }

    /// Follows all that a document refers to, whether or not all of it is JSON.
    pub fn follow(&mut self, document: &[u8]) {
        mentions(document, &mut |mention| self.take(mention));
        self.go_on();
    }

    /// Follows an entry of an index.
    pub fn follow_entry(&mut self, entry: &Descriptor) {
        self.follow(entry.to_json().as_bytes());
    }

    /// Follows a manifest.
    pub fn follow_manifest(&mut self, digest: &Digest) {
        self.note(digest, Kind::Manifest);
        self.go_on();
    }

    /// The digests that were reached since this was asked last.
    pub fn newly_reached(&mut self) -> Vec<Digest> {
        std::mem::take(&mut self.new)
    }

    /// Whether a digest is reached.
    pub fn has(&self, digest: &Digest) -> bool {
        self.reached.contains_key(digest)
    }

    /// All digests that are reached.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.reached.keys()
    }

    /// Documents that could not be read: it is not known what they need.
    pub fn unreadable(&self) -> &[(Digest, Error)] {
        &self.unreadable
    }

    /// Checks that all that is needed was reached.
    ///
    /// # Errors
    /// That of a document that could not be read.
    pub fn check_readable(&self) -> Result<()> {
        let Some((digest, error)) = self.unreadable.first() else { return Ok(()) };
        let message = format!("{digest} cannot be read, and may need any blob: {error}");
        Err(Error::new(error.kind(), message))
    }

    fn go_on(&mut self) {
        while let Some((digest, kind)) = self.ahead.pop() {
            self.look_into(&digest, kind);
        }
    }

    /// Notes a digest, and what it is the digest of where the descriptor carries that: a place without the blob serves it
    /// from there.
    fn take(&mut self, mention: Mention<'_>) {
        let Ok(digest) = parse_digest(&mention.digest) else { return };
        self.note(&digest, mention.kind);
        let Some(data) = mention.data.filter(|_| mention.kind != Kind::Blob) else { return };
        let mut descriptor = Descriptor::new(MediaType::from(""), digest.clone(), mention.size);
        descriptor.data = Some(data.into_owned());
        match embedded_content(&descriptor) {
            Ok(None) => {}
            Ok(Some(bytes)) => self.scan(&digest, mention.kind, &bytes),
            // What is there is looked into itself.
            Err(error) => {
                if matches!((self.read)(&digest), Ok(None)) && self.misfits.insert(digest.clone()) {
                    self.unreadable.push((digest, error));
                }
            }
        }
    }

    /// Looks at the bytes of what may be a document. What readers cannot read may need more than is found.
    fn scan(&mut self, digest: &Digest, kind: Kind, bytes: &[u8]) {
        if kind == Kind::Manifest
            && let Err(e) = serde_json::from_slice::<IgnoredAny>(bytes)
        {
            let error = Error::new(ErrorKind::Corrupt, "it is malformed").caused_by(e);
            self.unreadable.push((digest.clone(), error));
        }
        mentions(bytes, &mut |mention| self.take(mention));
    }

    fn note(&mut self, digest: &Digest, kind: Kind) {
        let new = &mut self.new;
        let looked = self.reached.entry(digest.clone()).or_insert_with_key(|digest| {
            new.push(digest.clone());
            Looked::Not
        });
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
            // Sparse archives lack some.
            Ok(None) => return,
            Err(e) if e.kind() == ErrorKind::LimitExceeded && kind == Kind::Unknown => return,
            Err(e) => return self.unreadable.push((digest.clone(), e)),
        };
        self.scan(digest, kind, &bytes);
    }
}

pub(crate) fn kind_of(media_type: Option<&str>) -> Kind {
    let Some(text) = media_type.filter(|text| !text.is_empty()) else { return Kind::Unknown };
    let media_type = MediaType::from(text);
    if is_index_type(&media_type).is_some() {
        return Kind::Manifest;
    }
    let is_config = ImageConfig::is_type(&media_type);
    let is_layer = text.starts_with("application/vnd.oci.image.layer.")
        || text.starts_with("application/vnd.docker.image.rootfs.");
    if is_config || is_layer { Kind::Blob } else { Kind::Unknown }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
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
        let mut reach = Reachable::new(&read);
        let config = MediaType::ImageConfig.to_string();
        let list = json!([
            { "mediaType": config, "digest": d("config").to_string() },
            { "mediaType": "x", "digest": d("large").to_string() },
            d("keys").to_string(),
        ]);
        reach.follow(list.to_string().as_bytes());
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

    #[test]
    fn documents_that_descriptors_carry() {
        let layer = sha256(b"layer").to_string();
        let inner = format!(r#"{{"config":{{}},"layers":[{{"digest":"{layer}"}}]}}"#);
        let inner_digest = sha256(inner.as_bytes());
        let data = base64::engine::general_purpose::STANDARD.encode(&inner);
        let of = |data: &str| {
            json!({ "manifests": [{
                "mediaType": MediaType::ImageManifest.to_string(),
                "digest": inner_digest.to_string(), "size": inner.len(), "data": data,
            }] })
        };
        let read = |_: &Digest| Ok(None);
        let mut reach = Reachable::new(&read);
        reach.follow(of(&data).to_string().as_bytes());
        assert!(reach.has(&parse_digest(&layer).unwrap()));
        let mut other = Reachable::new(&read);
        other.follow(of("e30=").to_string().as_bytes());
        assert!(!other.has(&parse_digest(&layer).unwrap()));
    }
}
