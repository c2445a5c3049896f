//! [`StoredManifests`]: the manifests of an OCI layout that stands in the same tar, as docker since 25 and containerd
//! write it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use transship_archive::layout::{INDEX_FILE, INDEX_LIMIT, LayoutIndex, blob_path, strip_names};
use transship_archive::{TarIndex, embedded_content};
use transship_core::{
    Descriptor, Digest, Document, FileRange, MANIFEST_LIMIT, Manifest, Observer, Result,
};

/// The most indexes that may lie in each other.
const DEPTH_LIMIT: usize = 16;

/// The manifests of an OCI layout in the same tar.
///
/// They are looked at one after the other, and only as far as somebody looks for one.
#[derive(Debug)]
pub(crate) struct StoredManifests(Mutex<Walk>);

#[derive(Debug, Default)]
struct Walk {
    /// Still to be looked at, the next one last, with the depth.
    ahead: Vec<(Descriptor, usize)>,
    seen: HashSet<Digest>,
    /// Complete images, by their config.
    found: HashMap<Digest, Descriptor>,
    /// Images that lack a blob, by their config.
    incomplete: HashMap<Digest, Descriptor>,
}

impl StoredManifests {
    /// Of a tar. An `index.json` that cannot be read gives a warning: nothing here depends on it.
    pub(crate) fn of(index: &TarIndex, observer: &Observer) -> Self {
        let mut walk = Walk::default();
        if index.contains(INDEX_FILE) {
            let parsed = index
                .document(INDEX_FILE, INDEX_LIMIT, "the layout's index")
                .and_then(|bytes| LayoutIndex::parse(&bytes));
            match parsed {
                Ok(layout) => walk.push(layout.entries(), 0),
                Err(error) => observer.warn(format!("manifests are made anew: {error}")),
            }
        }
        Self(Mutex::new(walk))
    }

    /// The stored manifest of the image with a config, if all of its blobs are there.
    pub(crate) fn find(&self, index: &TarIndex, config: &Digest) -> Option<Descriptor> {
        let mut walk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = walk.found.get(config) {
                return Some(found.clone());
            }
            let (next, depth) = walk.ahead.pop()?;
            walk.look_at(index, &next, depth);
        }
    }

    /// The stored manifest of the image with a config, where it lacks a blob and no complete one is there.
    pub(crate) fn find_incomplete(&self, index: &TarIndex, config: &Digest) -> Option<Descriptor> {
        if self.find(index, config).is_some() {
            return None;
        }
        let walk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        walk.incomplete.get(config).cloned()
    }
}

impl Walk {
    fn push(&mut self, manifests: &[Descriptor], depth: usize) {
        self.ahead.extend(manifests.iter().rev().map(|manifest| (manifest.clone(), depth)));
    }

    /// What is absent, malformed or no image is passed over: an image without a stored manifest gets one made.
    fn look_at(&mut self, index: &TarIndex, descriptor: &Descriptor, depth: usize) {
        if depth > DEPTH_LIMIT || !self.seen.insert(descriptor.digest.clone()) {
            return;
        }
        let Ok(manifest) = read(index, descriptor) else { return };
        match manifest.document() {
            Document::Index(nested) => self.push(&nested.manifests, depth + 1),
            Document::Image(image) if image.is_runnable() && image.subject.is_none() => {
                let mut blobs = manifest.document().parts();
                let is_complete = blobs.all(|blob| blob_range(index, blob).is_some());
                let images = if is_complete { &mut self.found } else { &mut self.incomplete };
                let config = image.config.digest.clone();
                images.entry(config).or_insert_with(|| without_names(manifest.descriptor()));
            }
            _ => {}
        }
    }
}

/// Reads a stored manifest, which may be in its descriptor.
pub(crate) fn read(index: &TarIndex, descriptor: &Descriptor) -> Result<Manifest> {
    if let Some(bytes) = embedded_content(descriptor)? {
        return Manifest::verified(descriptor, bytes);
    }
    let bytes = index.document(&blob_path(&descriptor.digest), MANIFEST_LIMIT, "manifest")?;
    Manifest::verified(descriptor, bytes)
}

/// Where a blob is, if it has the size that it should have.
pub(crate) fn blob_range(index: &TarIndex, blob: &Descriptor) -> Option<FileRange> {
    index.get(&blob_path(&blob.digest)).ok().filter(|range| range.len() == blob.size)
}

/// The names in annotations are the layout's; here names are those of `manifest.json`.
fn without_names(descriptor: &Descriptor) -> Descriptor {
    let mut descriptor = descriptor.clone();
    strip_names(&mut descriptor);
    descriptor
}
